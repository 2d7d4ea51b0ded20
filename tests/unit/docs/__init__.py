"""Documents and examples that must keep up with the code."""
