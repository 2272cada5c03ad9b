"""Decide which reports are the same problem. Pure: imports neither Flask nor SQLAlchemy."""
