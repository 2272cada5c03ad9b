"""Deleting within a request: step by step, and for so long only that nobody waits at a closed door."""
