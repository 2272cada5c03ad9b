"""Turn records into what a page shows. Pure functions."""
