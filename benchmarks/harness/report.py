"""Results of benchmarks.harness.run as JSON, Markdown and plots.

python -m benchmarks.harness.report benchmarks/results/cpu.json     # write Markdown and plots again
"""

import json
import sys
from pathlib import Path
from typing import Any

Result = dict[str, Any]


def write(results: Result, folder: Path, device: str = "cpu") -> None:
    """DEVICE.json, DEVICE.md and a PNG per row, where matplotlib is there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{device}.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(results))
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    for name, row in results["rows"].items():
        if row.get("runs"):
            plot(row, folder / f"{device}_{name}.png")


def markdown(results: Result) -> str:
    """Machine, goals, and a line per contestant."""
    machine = results.get("machine", {})
    lines = ["# Measured side by side", ""]
    lines += ["; ".join(f"{key} {value}" for key, value in machine.items()), ""]
    if not results.get("gpu", False):
        lines += ["Run without a GPU.", ""]
    if results.get("smoke"):
        lines += ["Tiny shapes, to see that the rows run: these times say nothing.", ""]
    lines += ["| work | goal | measured | wanted | |", "|---|---|---|---|---|"]
    for name, row in results["rows"].items():
        for goal in row.get("goals", []):
            value, met = goal["value"], goal["met"]
            shown = "-" if value is None else f"{value:.3g}"
            word = {True: "met", False: "missed", None: "not measured"}[met]
            lines.append(f"| {name} | {goal['text']} | {shown} | {goal['wanted']:g} | {word} |")
        if "error" in row:
            lines.append(f"| {name} | runs and is right | - | - | failed |")
    lines += ["", "CPU and wall are medians of one run after the other, per unit.", ""]
    lines += ["| work | who | CPU | wall | unit | times ours |", "|---|---|---|---|---|---|"]
    for name, row in results["rows"].items():
        lines += _contestants(name, row)
    lines += ["", "## Notes", ""]
    for name, row in results["rows"].items():
        lines += _notes(name, row)
    return "\n".join(lines) + "\n"


def _contestants(name: str, row: Result) -> list[str]:
    runs = row.get("runs", {})
    if not runs:
        return []
    clock, scale = row["clock"], row["scale"]
    ours = next(iter(runs.values()))[clock]
    unit = f"{'ms' if scale == 1000 else 's'} / {row['unit']}"
    lines = []
    for who, cost in runs.items():
        cpu, wall = cost["cpu"] * scale, cost["wall"] * scale
        share = cost[clock] / ours if ours else float("nan")
        lines.append(f"| {name} | {who} | {cpu:.4g} | {wall:.4g} | {unit} | {share:.3g} |")
    return lines


def _notes(name: str, row: Result) -> list[str]:
    parts = [row["title"]]
    if row.get("note"):
        parts.append(row["note"])
    if row.get("repeats"):
        parts.append(f"Median of {row['repeats']} at a load of {row['load']}.")
    parts += [f"Not there: {who} ({why})." for who, why in row.get("missing", {}).items()]
    if row.get("extra"):
        parts.append(", ".join(f"{key}: {_short(value)}" for key, value in row["extra"].items()))
    if "error" in row:
        parts.append("Failed: " + row["error"].splitlines()[-1])
    return [f"- `{name}`: " + " ".join(parts)]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def plot(row: Result, path: Path) -> None:
    """Bars of the median with every single measurement on them."""
    from matplotlib import pyplot

    clock, scale = row["clock"], row["scale"]
    at = 0 if clock == "cpu" else 1
    who = list(row["runs"])
    figure, axes = pyplot.subplots(figsize=(7, 1.2 + 0.42 * len(who)))
    for place, name in enumerate(who):
        cost = row["runs"][name]
        axes.barh(place, cost[clock] * scale, color="tab:blue" if place == 0 else "tab:grey")
        each = [pair[at] * scale for pair in cost["all"]]
        axes.plot(each, [place] * len(each), "k|", markersize=9)
    axes.set_yticks(range(len(who)), who)
    axes.invert_yaxis()
    axes.set_xlabel(
        f"{'CPU' if at == 0 else 'wall'} {'ms' if scale == 1000 else 's'} per {row['unit']}"
    )
    axes.set_title(row["title"], fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    given = Path(sys.argv[1])
    write(json.loads(given.read_text()), given.parent, given.stem)
