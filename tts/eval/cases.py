"""Case lists: which voice speaks which sentence; chosen by a seed, identically on every machine.

Each case pairs a reference recording of one speaker with a sentence that another speaker has
spoken, so that no system can score by copying. A case also has the real recording of the sentence,
for its word error rate and quality, and a second recording of the reference speaker, for the
similarity of real speech.
"""

import argparse
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tts.audio.files import check_apart
from tts.data.tables import table_rows
from tts.errors import DataError, OutputError, TTSError
from tts.text.names import speaker_name

__all__ = ["Case", "CaseList", "build_cases", "load_cases", "main", "save_cases", "spread"]

FORMAT = "tts-eval-cases-1"
REFERENCE_SECONDS = (3.0, 9.0)
OTHER_SECONDS = (3.0, 15.0)
WORDS = (6, 30)


@dataclass(frozen=True)
class Case:
    """One item. Paths are relative to `CaseList.root`.

    `reference` and `other` are two recordings of `speaker`; `real` is `text` said by
    `real_speaker`. Names of speakers are in one spelling (tts.text.names).
    """

    id: str
    speaker: str
    sex: str
    reference: str
    reference_text: str
    other: str
    other_text: str
    text: str
    real: str
    real_speaker: str

    def __post_init__(self) -> None:
        for name in ("speaker", "real_speaker"):
            object.__setattr__(self, name, speaker_name(getattr(self, name)))


@dataclass(frozen=True)
class CaseList:
    root: Path
    seed: int
    cases: tuple[Case, ...]

    def checksum(self) -> str:
        """Checksum of the cases, independent of the folder of the audio."""
        content = json.dumps([asdict(case) for case in self.cases])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def _order(seed: int, *parts: str) -> str:
    """A sort key that shuffles by seed; unlike `random`, fixed for all Python versions."""
    return hashlib.sha256("\t".join([str(seed), *parts]).encode()).hexdigest()


def _rows(tsv: Path) -> list[dict[str, str]]:
    try:
        first, later = table_rows(tsv)
        lines = list(later)
    except OSError as error:
        raise DataError(f"cannot read {tsv}: {error.strerror or error}") from error
    header = [name.strip().lower() for name in first]
    if lacking := {"path", "speaker", "text"} - set(header):
        raise DataError(f"{tsv} lacks the column {', '.join(sorted(lacking))}")
    once: dict[str, dict[str, str]] = {}
    for number, line in lines:
        row = dict(zip(header, map(str.strip, line), strict=False))
        try:
            if "seconds" not in header:
                row["seconds"] = str(_seconds(tsv.parent / row["path"], f"{tsv} line {number}"))
            if (
                len(line) != len(header)
                or not row["path"]
                or not math.isfinite(float(row["seconds"]))
            ):
                raise ValueError(line)
            row["speaker"] = speaker_name(row["speaker"])
            # A recording is not compared with itself because it is named twice.
            once.setdefault(os.path.normpath(row["path"]), row)
        except (KeyError, ValueError):
            raise DataError(f"{tsv} line {number}: wrong or missing fields") from None
    return list(once.values())


def _seconds(path: Path, place: str) -> float:
    """The length of a recording, of which the table does not tell it."""
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{place}: {path}: its length cannot be read ({str(error).splitlines()[0]}); a column "
            "seconds may tell it"
        ) from error


def _within(rows: Iterable[dict[str, str]], seconds: tuple[float, float]) -> list[dict[str, str]]:
    return [row for row in rows if seconds[0] <= float(row["seconds"]) <= seconds[1]]


def _choose_speakers(rows: list[dict[str, str]], count: int, seed: int) -> list[str]:
    """Speakers with enough recordings, the sexes taken in turn as far as they reach."""
    ranks: dict[str, list[str]] = {}
    sexes = {row["speaker"]: row.get("sex") or "" for row in rows}
    for speaker in sorted(sexes, key=lambda name: _order(seed, "speaker", name)):
        ranks.setdefault(sexes[speaker], []).append(speaker)
    turns = sorted(
        (place, sex, speaker)
        for sex, speakers in ranks.items()
        for place, speaker in enumerate(speakers)
    )
    return sorted(speaker for _, _, speaker in turns[:count])


def build_cases(tsv: str | Path, speakers: int = 10, sentences: int = 5, seed: int = 0) -> CaseList:
    """Choose references and sentences from a table as of `tts data prepare` (path, speaker, text).
    With a column `sex` both are taken in turn; one of `seconds` spares a look into each recording.

    Per speaker: one reference of 3 to 9 s, `sentences` texts of 6 to 30 words said by others (no
    text twice, and by as many different people as there are), and as many further recordings of
    the speaker, of 3 to 15 s and 6 to 30 words.

    Raises:
        DataError: unreadable, or too few speakers, recordings or sentences.
    """
    tsv = Path(tsv)
    rows = _rows(tsv)
    spoken = [row for row in rows if WORDS[0] <= len(row["text"].split()) <= WORDS[1]]
    enough = []
    for speaker in {row["speaker"] for row in rows}:
        own = [row for row in spoken if row["speaker"] == speaker]
        if _within(own, REFERENCE_SECONDS) and len(_within(own, OTHER_SECONDS)) > sentences:
            enough.append(speaker)
    chosen = _choose_speakers([row for row in rows if row["speaker"] in enough], speakers, seed)
    if len(chosen) < speakers or len(enough) < 2:
        raise DataError(
            f"{tsv} has {len(enough)} speakers with a reference of 3 to 9 s and {sentences} more "
            f"recordings of 6 to 30 words; {max(2, speakers)} are needed"
        )
    used: set[str] = set()
    cases: list[Case] = []
    for speaker in chosen:
        own = sorted(
            (row for row in spoken if row["speaker"] == speaker),
            key=lambda row: _order(seed, "own", row["path"]),
        )
        reference = _within(own, REFERENCE_SECONDS)[0]
        others = [row for row in _within(own, OTHER_SECONDS) if row is not reference][:sentences]
        own_texts = {row["text"] for row in rows if row["speaker"] == speaker}
        pool = sorted(
            (row for row in spoken if row["text"] not in own_texts and row["text"] not in used),
            key=lambda row: _order(seed, "text", speaker, row["path"]),
        )
        # one sentence of each other speaker first, then their second ones, and so on
        seen: dict[str, int] = {}
        turns: list[tuple[int, int, dict[str, str]]] = []
        for place, row in enumerate(pool):
            seen[row["speaker"]] = seen.get(row["speaker"], 0) + 1
            turns.append((seen[row["speaker"]], place, row))
        picked: list[dict[str, str]] = []
        for _, _, row in sorted(turns, key=lambda turn: turn[:2]):
            if row["text"] not in used and len(picked) < sentences:
                used.add(row["text"])
                picked.append(row)
        if len(picked) < sentences:
            raise DataError(
                f"{tsv} has too few sentences of 6 to 30 words by others than {speaker}"
            )
        for number, (text, other) in enumerate(zip(picked, others, strict=True)):
            cases.append(
                Case(
                    id=f"{speaker}-{number}",
                    speaker=speaker,
                    sex=reference.get("sex") or "",
                    reference=reference["path"],
                    reference_text=reference["text"],
                    other=other["path"],
                    other_text=other["text"],
                    text=text["text"],
                    real=text["path"],
                    real_speaker=text["speaker"],
                )
            )
    return CaseList(tsv.parent, seed, tuple(cases))


def spread(cases: Sequence[Case], limit: int | None) -> list[Case]:
    """At most `limit` cases, taken from all speakers in turn, in the order of the list."""
    if limit is None or limit >= len(cases):
        return list(cases)
    seen: dict[str, int] = {}
    turns = []
    for place, case in enumerate(cases):
        seen[case.speaker] = seen.get(case.speaker, 0) + 1
        turns.append((seen[case.speaker], place))
    kept = sorted(place for _, place in sorted(turns)[:limit])
    return [cases[place] for place in kept]


def save_cases(cases: CaseList, path: str | Path) -> None:
    """Write JSON; the audio folder is stored relative to the file. Raises OutputError."""
    path = Path(path)
    root = Path(os.path.relpath(cases.root.resolve(), path.resolve().parent)).as_posix()
    content = {
        "format": FORMAT,
        "root": root,
        "seed": cases.seed,
        "cases": [asdict(case) for case in cases.cases],
    }
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def load_cases(path: str | Path, root: str | Path | None = None) -> CaseList:
    """Read a case list; `root` overrides where its audio lies.

    Raises:
        DataError: missing, damaged, another format, or its audio is not there.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise DataError(f"{path} is {content['format']!r}, not {FORMAT!r}")
        cases = tuple(Case(**case) for case in content["cases"])
        folder = Path(root) if root is not None else path.parent / content["root"]
        seed = int(content["seed"])
    except OSError as error:
        how = "; `tts eval cases TABLE` makes one" if isinstance(error, FileNotFoundError) else ""
        raise DataError(f"cannot read the case list {path}: {error.strerror}{how}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a case list ({error})") from error
    for case in cases:
        for name in (case.reference, case.other, case.real):
            if not (folder / name).is_file():
                raise DataError(f"case {case.id}: no such recording: {folder / name}")
    return CaseList(folder, seed, cases)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m tts.eval.cases TSV -o cases.json`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="tts eval cases", description="Build an evaluation case list."
    )
    parser.add_argument(
        "tsv",
        type=Path,
        help="a table with the columns path, speaker, text; sex and seconds are of use",
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("cases.json"))
    parser.add_argument("--speakers", type=int, default=10)
    parser.add_argument("--sentences", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    try:
        check_apart([options.output], [options.tsv])
        cases = build_cases(options.tsv, options.speakers, options.sentences, options.seed)
        save_cases(cases, options.output)
    except TTSError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stderr.write(f"{options.output}: {len(cases.cases)} cases\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
