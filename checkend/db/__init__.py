"""The database: the only package that knows the engine."""
