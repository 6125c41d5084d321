"""Tests, a training run of so many seconds, and times of generation: see benchmarks/gpu.sh.

Every part is a process of its own with a limit, so that what fails or hangs costs no more than its
share; the weights that were exported are there whatever happens after.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.studies.gpu_corpus import write_made_up

SMOKE = [
    "model={strategy: {kind: flow}, dim: 32, backbone: {heads: 2, hidden: 32, blocks: 1}, "
    "conditioner: {content_blocks: 1, phone_dim: 16, phone_blocks: 1, voice_dim: 16,"
    " global_dim: 16}}",
    "size=small",
    "options={resident: true, batch_size: 4, max_frames: 60, prompt: [30, 40],"
    " phone_probe: phone_probe}",
    "train.lr=1e-3",
    "train.log_every=5",
    "train.warmup=5",
    "train.steps=30",
]
#: how steps can be run; where there is time, the fastest is found by trying
WAYS = {
    "graphs": ["train.graphs=true"],
    "graphs and compile": ["train.graphs=true", "train.compile=true"],
}
PLENTY = 900.0  # seconds from which on trying pays
AFTER = 25.0  # seconds kept for what comes after the training
SMOKE_LIMIT = 600.0  # seconds, however busy the machine is


def say(line: str) -> None:
    """A line with the seconds since the start."""
    print(f"[{time.monotonic() - BEGUN:6.1f}] {line}", flush=True)


def call(arguments: list[str], seconds: float, log: Path) -> tuple[int, str]:
    """Run a module of Python with a limit; exit status (124 if over it) and output, kept in log."""
    with log.open("ab") as file:
        begin = file.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            status = process.wait(max(1.0, seconds))
        except subprocess.TimeoutExpired:
            process.terminate()  # training saves then
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            status = 124
    return status, log.read_bytes()[begin:].decode(errors="replace")


def train(config: str, settings: list[str], device: str) -> list[str]:
    """Arguments of Python for a run."""
    pairs = [part for setting in settings for part in ("--set", setting)]
    return ["tts", "train", config, "--device", device, *pairs]


def step_time(output: str) -> float:
    """Milliseconds of the last step that was told."""
    found = re.findall(r" ms=([\d.]+)", output)
    return float(found[-1]) if found else float("inf")


def main() -> int:
    """See the module's docstring."""
    arguments = sys.argv[1:]
    smoke = arguments[:1] == ["--smoke"]
    if smoke:
        if len(arguments) < 2:
            print("benchmarks/gpu.sh --smoke OUT", file=sys.stderr)
            return 2
        config, out, seconds = "configs/systems/default.yaml", arguments[1], SMOKE_LIMIT
        settings = [*SMOKE, *arguments[2:]]
    elif len(arguments) < 3:
        print("benchmarks/gpu.sh CONFIG OUT SECONDS [KEY=VALUE ...]", file=sys.stderr)
        return 2
    else:
        config, out, seconds = arguments[0], arguments[1], float(arguments[2])
        settings = arguments[3:]
    target = Path(out)
    target.mkdir(parents=True, exist_ok=True)
    log = target / "log.txt"
    device = "cpu" if smoke else "cuda"
    end = BEGUN + seconds
    with tempfile.TemporaryDirectory() as work:
        if smoke:
            settings = [*settings, f"data={write_made_up(Path(work) / 'corpus')}"]
        report: dict[str, object] = {}
        code, output = call(["pytest", "-q", "-x", "tests/test_cuda.py"], seconds / 6, log)
        report["tests"] = output.strip().splitlines()[-1:]
        say(f"CUDA tests: exit {code}: {report['tests']}")
        way: list[str] = []
        if not smoke and not any(s.startswith(("train.graphs", "train.compile")) for s in settings):
            way = WAYS["graphs"]
            if end - time.monotonic() > PLENTY:
                way = trial(config, settings, work, end, log, report)
        status, told = 1, ["no time was left"]
        for extra in (way, []):
            left = end - time.monotonic() - AFTER
            if left < 30:
                break
            run = [
                f"out={work}/run",
                *settings,
                *extra,
                f"train.publish_to={target.absolute()}",
                "train.sample_minutes=1000",
                "train.save_minutes=1000",
            ]
            if smoke:
                run += ["train.publish=0.5", f"train.budget={SMOKE_LIMIT}"]
            else:
                run += [
                    f"train.publish={min(60.0, left / 3)}",
                    f"train.budget={left - 20}",
                    "train.steps=1000000",
                ]
                if not any(s.startswith("train.slowest") for s in settings):
                    run.append("train.slowest=80")
            status, output = call(train(config, run, device), left + 5, log)
            told = re.findall(r"step \d+ .*|.*export: step.*", output)[-2:]
            say(f"training: exit {status}: {told if status == 0 else output[-500:]}")
            # One kernel after the other it would be slower still.
            if status == 0 or not extra or "train.slowest" in output:
                break
        report |= {"training": status, "told": told if status == 0 else output[-2000:]}
        few = ["--smoke"] if smoke else []
        code, output = call(
            ["benchmarks.studies.gpu_generation", "--device", device, *few],
            end - time.monotonic() + 10,
            log,
        )
        rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        report["generation"] = rows
        for row in rows:
            say(json.dumps(row))
        (target / "report.json").write_text(json.dumps(report, indent=1))
    pieces = sorted(p.name for p in target.iterdir())
    say(f"in {target}: {', '.join(pieces)}")
    return status or code


def trial(
    config: str, settings: list[str], work: str, end: float, log: Path, report: dict[str, object]
) -> list[str]:
    """Settings of the faster way; none where all fail."""
    found: dict[str, float] = {}
    for name, extra in WAYS.items():
        # Never more than a quarter of what is left.
        limit = min(90.0, (end - time.monotonic()) / 4)
        run = [
            *settings,
            *extra,
            f"out={work}/{len(found)}",
            "train.budget=25",
            "train.log_every=20",
            "train.publish=0",
        ]
        status, output = call(train(config, run, "cuda"), limit, log)
        failed = status not in (0, 124) or "no CUDA graphs" in output
        found[name] = float("inf") if failed else step_time(output)
        say(f"{name}: {found[name]:.1f} ms a step, exit {status}")
    report["ways"] = found
    best = min(found, key=lambda name: found[name])
    return WAYS[best] if found[best] < float("inf") else []


BEGUN = time.monotonic()
if __name__ == "__main__":
    os.environ.setdefault("TTS_HOME", os.getcwd())
    sys.exit(main())
