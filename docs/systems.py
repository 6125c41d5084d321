"""Writes the table of docs/systems.md: every system, its paper, and its scores if it has any.

python docs/systems.py
"""

from pathlib import Path

from tts.catalog import ModelInfo, models

PAGE = Path(__file__).parent / "systems.md"
BEGIN, END = "<!-- table: python docs/systems.py -->\n", "<!-- end of the table -->\n"
COLUMNS = ("system", "what it is", "paper", "WER", "ECAPA", "DistillMOS", "RTF")


def row(info: ModelInfo) -> str:
    """A line of the table; scores are those of `tts eval --publish`, if there are any."""
    scores = info.scores
    if scores:
        told = (
            f"{100 * scores['wer']:.1f} %",
            f"{scores['similarity']:.3f}",
            f"{scores['quality']:.2f}",
            f"{scores['rtf']:.3f}",
        )
    else:
        told = ("not trained", "", "", "")
    return f"| `{info.name}` | {info.description} | {info.paper} | {' | '.join(told)} |\n"


def page(text: str) -> str:
    """The page with the table of today."""
    head, rest = text.split(BEGIN)
    table = "".join(row(info) for info in models() if info.trained_by)
    columns = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"
    return head + BEGIN + columns + table + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
