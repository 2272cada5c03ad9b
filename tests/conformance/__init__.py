"""Schemathesis against a live server: every operation of the OpenAPI document with generated requests."""
