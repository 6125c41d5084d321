"""What is timed beside it: public packages with random weights, and bare loops."""
