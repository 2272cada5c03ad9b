"""A typed client for the Management API, with nothing but the standard library."""

from checkend.client.client import ApiError, Client

__all__ = ["ApiError", "Client"]
