"""The study figures; to come."""


def plots(run):
    return {}
