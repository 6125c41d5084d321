"""All rows, or those named, each in a process of its own: correctness first, then paired timing.

python -m benchmarks                         # all, results in benchmarks/results/cpu.json
python -m benchmarks ar_step rvq --repeats 2 --out build/quick
python -m benchmarks --device cuda           # what a GPU can do; says so where there is none
"""

import argparse
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
_MARK = "result: "


def names() -> list[str]:
    """Rows there are."""
    import benchmarks.cases

    return sorted(module.name for module in pkgutil.iter_modules(benchmarks.cases.__path__))


def measure(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Check and time a row in this process; what goes into the JSON."""
    import torch

    from benchmarks.harness.row import Context, Row
    from benchmarks.harness.shapes import SMOKE
    from benchmarks.harness.timing import medians, paired

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    context = Context(arguments.device, arguments.threads, arguments.repeats, arguments.minutes)
    row: Row = importlib.import_module(f"benchmarks.cases.{name}").prepare(context)
    row.check()
    repeats = row.repeats or arguments.repeats
    load = os.getloadavg()[0]
    warm = 0 if SMOKE else row.warm
    costs = paired(row.runs, 1 if SMOKE else repeats, arguments.device, warm)
    found: dict[str, Any] = {
        "title": row.title, "unit": row.unit, "clock": row.clock, "scale": row.scale,
        "note": row.note, "repeats": repeats, "load": round(load, 2), "checked": True,
        "missing": context.missing, "runs": {}, "goals": [g.judged(costs) for g in row.goals],
    }  # fmt: skip
    for who, all_of in costs.items():
        cpu, wall = medians(all_of)
        each = [cost.per_unit() for cost in all_of]
        found["runs"][who] = {"cpu": cpu, "wall": wall, "all": each}
    if row.extra is not None:
        found["extra"] = row.extra()
    return found


def apart(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """`measure` in a process of its own; what went wrong is in its "error"."""
    command = [
        sys.executable, "-m", "benchmarks", name, "--inside", "--device", arguments.device,
        "--repeats", str(arguments.repeats), "--threads", str(arguments.threads),
        "--minutes", str(arguments.minutes),
    ]  # fmt: skip
    # Peers look for weights on the network at their first use; all is random here.
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    if arguments.smoke:
        quiet["NO_TORCH_COMPILE"] = "1"  # moshi compiles in its first steps
    environment = {
        "OMP_NUM_THREADS": str(arguments.threads),
        "PYTHONWARNINGS": "ignore",
        **quiet,
        **os.environ,
        "BENCHMARKS_SMOKE": str(int(arguments.smoke)),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(_MARK):
            found: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return found
    last = done.stderr.strip().splitlines()[-12:]
    return {"title": name, "error": "\n".join(last) or f"exit code {done.returncode}"}


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", help=f"some of {', '.join(names())}; all by default")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--minutes", type=float, default=0.5, help="memory is watched (full: 30)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--smoke", action="store_true", help="tiny: only whether all rows run")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    if arguments.smoke and arguments.out == RESULTS:
        parser.error("times of --smoke say nothing: give another --out")
    if unknown := set(arguments.rows) - set(names()):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return arguments


def started(
    results: dict[str, Any], now: dict[str, Any], rows: set[str], path: Path
) -> dict[str, Any]:
    """The results that rows are added to, with what is told of all of them at once.

    Args:
        results: those that are there, in `path`; now: how it is measured now; rows: what will be.

    Raises:
        SystemExit: rows that stay were measured otherwise, and the header would not be theirs.
    """
    kept = results["rows"].keys() - rows
    before = {**results.get("machine", {}), "smoke": results.get("smoke", False)}
    after = {**now["machine"], "smoke": now["smoke"]}
    other = [
        f"{key} {before.get(key)}, not {after[key]}"
        for key in ("smoke", "device", "cores", "threads", "torch")
        if before.get(key) != after[key]
    ]
    if kept and other:
        raise SystemExit(
            f"{path} has {', '.join(sorted(kept))} of {'; '.join(other)}: give another --out, or "
            "measure all rows"
        )
    return {**results, **now}


def main() -> None:
    """Results are added to those that are there, so rows can be run one by one."""
    arguments = parse()
    if arguments.inside:
        try:
            print(_MARK + json.dumps(measure(arguments.rows[0], arguments)), flush=True)
        except Exception:
            traceback.print_exc()
            raise SystemExit(1) from None
        return

    import torch

    from benchmarks.harness.report import write
    from benchmarks.harness.timing import machine

    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no GPU here: nothing is measured on one, and no results are written", flush=True)
        return
    if not torch.cuda.is_available():
        print("run without a GPU: these are figures of the CPU alone", flush=True)
    torch.set_num_threads(arguments.threads)
    path = arguments.out / f"{arguments.device}.json"
    there = json.loads(path.read_text()) if path.is_file() else {"rows": {}}
    # Rows that are no more would never be measured again.
    there["rows"] = {name: row for name, row in there["rows"].items() if name in names()}
    results = started(
        there,
        {
            "smoke": arguments.smoke,
            "gpu": torch.cuda.is_available(),
            "machine": machine(arguments.device, arguments.threads),
        },
        set(arguments.rows or names()),
        path,
    )
    failed = []
    for name in arguments.rows or names():
        begin = time.perf_counter()
        found = apart(name, arguments)
        results["rows"][name] = found
        seconds = time.perf_counter() - begin
        if "error" in found:
            failed.append(name)
            print(f"{name}: failed after {seconds:.0f} s\n{found['error']}", flush=True)
        else:
            print(f"{name}: {seconds:.0f} s", flush=True)
        write(results, arguments.out, arguments.device)
    print(path.with_suffix(".md").read_text())
    raise SystemExit(1 if failed else 0)
