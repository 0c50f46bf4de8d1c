"""Placeholder."""


def plots(run):
    """None."""
    return {}
