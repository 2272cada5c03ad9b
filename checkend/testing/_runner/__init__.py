"""The server in fixture mode."""
