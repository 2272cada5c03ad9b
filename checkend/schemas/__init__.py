"""The shapes in which resources leave and enter the API: shape only, no queries."""
