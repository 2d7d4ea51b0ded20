"""Measurements: each module prints figures, none asserts a speed. `python -m tests.bench` runs them all."""
