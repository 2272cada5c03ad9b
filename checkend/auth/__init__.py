"""Who asks: API keys of programs, sessions of people."""
