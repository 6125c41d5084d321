"""What a contestant of a row spends its CPU time on.

python -m benchmarks.harness.profile ar_step ours    # operators (torch.profiler), then Python calls
"""

import argparse
import cProfile
import importlib
import pstats
import sys

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.harness.row import Context
from benchmarks.harness.run import names


def main() -> None:
    """Operators by their own time, then Python functions by theirs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", choices=names())
    parser.add_argument("who", nargs="?", default="", help="a contestant; the first by default")
    parser.add_argument("--top", type=int, default=18)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    row = importlib.import_module(f"benchmarks.cases.{arguments.row}").prepare(Context())
    run = row.runs[arguments.who or next(iter(row.runs))]
    run()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    averages = found.key_averages()
    print(
        averages.table(
            sort_by="self_cpu_time_total", row_limit=arguments.top, max_name_column_width=40
        )
    )
    print(f"operators called: {sum(event.count for event in averages)}")
    calls = cProfile.Profile()
    calls.runcall(run)
    pstats.Stats(calls, stream=sys.stdout).sort_stats("tottime").print_stats(arguments.top)


if __name__ == "__main__":
    main()
