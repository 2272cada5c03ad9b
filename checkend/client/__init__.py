"""Typed client for the Management API, which uses the standard library only."""

from checkend.client.caller import ApiError
from checkend.client.client import Client

__all__ = ["ApiError", "Client"]
