"""Runs studies: arms, claims, verdicts, run folders, reports."""
