"""Typed client for the Management API, which uses the standard library only."""

from checkend.client.client import ApiError, Client

__all__ = ["ApiError", "Client"]
