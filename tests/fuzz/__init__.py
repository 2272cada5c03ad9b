"""A fuzzer for everything a client can send: reports, API calls, page requests and raw HTTP.

``python -m tests.fuzz`` runs it without end; ``test_fuzz.py`` runs a bounded number of cases in the suite. Each case
follows from a seed and its number alone, so that a finding can be run again: ``--seed S --first N --cases 1``.
"""
