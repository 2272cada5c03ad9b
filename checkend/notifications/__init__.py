"""Notifications: mail, sent after the response."""
