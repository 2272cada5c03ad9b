"""Authentication and authorization: API keys of programs, sessions and roles of users."""
