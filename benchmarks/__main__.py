"""`python -m benchmarks`: see benchmarks.harness.run."""

from benchmarks.harness.run import main

if __name__ == "__main__":
    main()
