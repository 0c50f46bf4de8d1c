"""What goes wrong with a language model, each told in one sentence."""


class TextError(Exception):
    """A model file, a prompt or a request that cannot be served; the message says what to do."""
