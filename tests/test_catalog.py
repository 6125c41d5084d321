"""The table of systems in the documents says what there is."""

from pathlib import Path
from runpy import run_path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_systems_is_current() -> None:
    script = run_path(str(DOCS / "systems.py"))
    text = (DOCS / "systems.md").read_text("utf-8")
    assert script["page"](text) == text, "run python docs/systems.py"
    names = [path.stem for path in (DOCS.parent / "configs" / "systems").glob("*.yaml")]
    assert names and all(f"| `{name}` |" in text for name in names)
