"""What goes wrong with data files, each told in one sentence."""


class DataNotFoundError(FileNotFoundError):
    """A data set is nowhere to be found; the message lists what was tried and how to get it."""


class DataFileError(ValueError):
    """A data file is not what it should be; the message names the file and what to do."""
