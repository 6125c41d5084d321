"""What times, checks and reports: the contract of a case, the timer, shapes, requests."""
