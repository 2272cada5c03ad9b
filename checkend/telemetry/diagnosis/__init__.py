"""The checks of ``checkend doctor``: each states a fact about this installation, and what to do about it."""
