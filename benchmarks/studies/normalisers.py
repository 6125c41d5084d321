"""Our English text rules beside public normalisers, on the table of inputs and right words.

python -m benchmarks.studies.normalisers ours wetext nemo

The peers are `pip install wetext` and `pip install nemo_text_processing`. The table is
tests/text/normalise_en.tsv: it was written for our rules, which its rows are required of, so it
shows what a peer would lose here and not which is the better on other texts. Words are
compared without blanks, points, hyphens and the word "and", as peers join initialisms and differ in
"one hundred (and) one". Start-up is the import and a first word, in a process of its own.
"""

import argparse
import csv
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

TABLE = Path(__file__).parents[2] / "tests" / "text" / "normalise_en.tsv"
PEERS = ("ours", "wetext", "nemo")


def normaliser(name: str, cache: Path) -> Callable[[str], str]:
    """A function from text as written to text as spoken; `cache` keeps compiled grammars."""
    if name == "ours":
        from tts.text.normalize import normalize

        return normalize
    if name == "wetext":
        from wetext import Normalizer  # type: ignore[import-not-found]

        return Normalizer(lang="en", operator="tn").normalize  # type: ignore[no-any-return]
    from nemo_text_processing.text_normalization.normalize import (  # type: ignore[import-not-found]
        Normalizer,
    )

    return Normalizer(  # type: ignore[no-any-return]
        input_case="cased", lang="en", cache_dir=str(cache), overwrite_cache=False
    ).normalize


def same(said: str, right: str) -> bool:
    """Whether both are the same words, spelling of initialisms and "and" aside."""

    def bare(text: str) -> str:
        words = re.sub(r"[^\w\s]", "", text.lower().replace("-", " ")).split()
        return "".join(word for word in words if word != "and")

    return bare(said) == bare(right)


def score(name: str, cache: Path, show: int) -> None:
    """Prints start-up, time a row, and right rows of each kind."""
    start = time.perf_counter()
    say = normaliser(name, cache)
    say("hello")
    startup = time.perf_counter() - start
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    right: Counter[str] = Counter()
    wrong: list[tuple[str, str, str]] = []
    start = time.perf_counter()
    for row in rows:
        try:
            said = say(row["input"])
        except Exception as error:  # a peer that fails on a text has not read it
            said = f"({type(error).__name__})"
        if same(said, row["words"]):
            right[row["kind"]] += 1
        else:
            wrong.append((row["input"], row["words"], said))
    each = (time.perf_counter() - start) / len(rows)
    total = sum(right.values())
    print(
        f"{name}: {total} of {len(rows)} rows right ({total / len(rows):.0%}), "
        f"start-up {startup:.2f} s, {each * 1e3:.2f} ms a row"
    )
    counts = Counter(row["kind"] for row in rows)
    print("  " + ", ".join(f"{kind} {right[kind]}/{count}" for kind, count in counts.items()))
    for text, words, said in wrong[:: max(1, len(wrong) // show)] if show else ():
        print(f"  {text!r}: {said!r}, right is {words!r}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="+", choices=PEERS)
    parser.add_argument("--cache", type=Path, default=Path("runs/normalisers"))
    parser.add_argument("--show", type=int, default=0, metavar="N", help="wrong rows to print")
    args = parser.parse_args()
    if len(args.names) == 1:
        score(args.names[0], args.cache, args.show)
        return
    for name in args.names:
        options = ["--cache", str(args.cache), "--show", str(args.show)]
        command = [sys.executable, "-m", "benchmarks.studies.normalisers", name, *options]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
