"""The one error of the command line itself."""


class UsageError(Exception):
    """What was typed is no command; the message is one sentence."""
