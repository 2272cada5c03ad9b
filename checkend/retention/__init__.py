"""Removing what is older, or takes more space, than the settings allow."""
