"""What differs from one programming language to the next."""
