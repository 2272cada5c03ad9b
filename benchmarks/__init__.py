"""Benchmarks: each result is a ratio to a baseline measured in the same run. Run ``python -m benchmarks``."""
