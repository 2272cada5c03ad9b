"""The OpenAPI document: generated from the routes, their decorators and docstrings, and the schemas that validate."""
