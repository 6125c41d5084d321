"""What is timed by `make bench`, one module a case: `prepare(context) -> Row`."""
