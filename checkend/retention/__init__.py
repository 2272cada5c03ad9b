"""Retention: removal of data that is older, or uses more space, than the settings allow."""
