"""Scripts for one question each, which `make bench` does not run."""
