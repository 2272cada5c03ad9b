"""The documents: their examples are run, and what they claim is compared with the code."""
