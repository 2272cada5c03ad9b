"""The pages, one module per blueprint."""
