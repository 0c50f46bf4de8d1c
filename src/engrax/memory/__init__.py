"""Associative memories and their dynamics."""
