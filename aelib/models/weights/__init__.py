"""Weights that the course ships, each with its card: `aelib.models.shipped` reads and writes them."""
