"""Seconds until texts of many kinds are refused, or read and ready to be spoken.

python -m benchmarks.studies.refusals --model default

Prints CPU seconds of each kind, of up to 4,096 characters, and what became of it. Dear texts are
to be refused in 0.1 s: before any of them is spoken, one thread works for all who listen. With
`--exact` also how many phones the sample of a text's first 1,000 characters tells, as a share of
what they are; texts that are not sampled have none.
"""

import argparse
import random
import time

from tts import TTS
from tts.errors import TextError
from tts.serve.budget import Budget, estimate_phones, is_plain, sentences_within
from tts.types import Options

MOST = 4096


def drawn(*ranges: tuple[int, int], size: int = MOST) -> str:
    """Characters of ranges, the same at every run."""
    rng = random.Random(0)
    return "".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(size))


#: texts of many kinds, as long as a request may be; most are dear
KINDS = {
    "ligature": "\ufdfa" * MOST, "some ligatures": "\ufdfa" * 200, "ones": "1" * MOST,
    "thousands": ",".join(["123456789"] * 410)[:MOST], "decimals": "9," * 2048,
    "long numbers": "Read this number to me, please: 31415926535 8979323846264338 " * 68,
    "very long numbers": ("She said: " + "12" * 100 + ". ") * 19, "dates": "On 12/1/2023. " * 292,
    "addresses": "http://www.example.org/a?b=c " * 141, "russian": "\u043f\u043e\u0433\u043e" * 999,
    "ideographs": drawn((0x4E00, 0x9FFF)), "one ideograph": "\u9f8d" * MOST,
    "emoji": drawn((0x1F300, 0x1F64F)), "joined emoji": "\U0001f469\u200d\U0001f680" * 1365,
    "marks": "a" + "\u0301" * (MOST - 1), "letters and marks": "e\u0301\u0302 " * 1024,
    "mixed": drawn((0x4E00, 0x9FFF), (0x400, 0x4FF), (0x600, 0x6FF), (0x41, 0x7A)),
    "syllables": drawn((0xAC00, 0xD7A3)), "thai": drawn((0xE01, 0xE3A)),
    "one letter of thai": "\u0e01" * MOST,
    "circled": drawn((0x2460, 0x24FF)), "fractions": "\u00bd\u00be\u2153" * 1365,
    "roman": drawn((0x2160, 0x217F)), "mathematical": drawn((0x1D400, 0x1D7FF)),
    "arabic forms": drawn((0xFB50, 0xFDFB)), "any": drawn((0x20, 0xD7FF)),
    "astral": drawn((0x10000, 0x1FFFF)), "per cent": "%" * MOST, "money": "$1,000,000.99 " * 292,
    "telephone": "+49 170 1234567 " * 256, "halves": "Plain words. " * 158 + "\u9f8d" * 2042,
    "plain": ("The birch canoe slid on the smooth planks. " * 96)[:MOST],
}  # fmt: skip


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--exact", action="store_true", help="read the texts as a whole too")
    arguments = parser.parse_args()
    model = TTS.load(arguments.model, "cpu")
    sentences_within(model, "Rules and lexicon are read once, 12 times.", Options(), Budget())
    print("| text | CPU seconds | |" + " sample |" * arguments.exact)
    print("|---|---|---|" + "---|" * arguments.exact)
    for kind, text in KINDS.items():
        begin = time.process_time()
        try:
            found = sentences_within(model, text, Options(), Budget())
            told = f"{sum(map(len, found)):,} phones in {len(found)} sentences"
        except TextError as error:
            told = "refused: " + str(error).split(";")[0][:90]
        row = f"| {kind} | {time.process_time() - begin:.3f} | {told} |"
        print(row + f" {share(model, text[:1000])} |" * arguments.exact, flush=True)


def share(model: TTS, text: str) -> str:
    """Phones that a sample of a text tells, by those it is."""
    try:
        exact = sum(len(phones) for phones in model.sentences(text))
    except TextError:
        return ""
    return "" if is_plain(text) else f"{estimate_phones(model, text, Options()) / exact:.2f}"


if __name__ == "__main__":
    main()
