"""Kills, faults and damage on purpose: `python -m tests.survival` does in a quarter of an hour what
the ordinary tests do in seconds, and writes what it found into results/survival.json and the page
docs/survival.md."""
