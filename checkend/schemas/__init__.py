"""Schemas of the resources and query parameters: shape only, no queries."""
