"""Kills, faults and damage on purpose: `python -m tests.survival` does for an hour what the
ordinary tests do for seconds, and writes what it found into results/survival.json and the page
docs/survival.md."""
