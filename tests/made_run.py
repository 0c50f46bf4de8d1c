"""A run without running, for tests of what claims measure."""


class Made:
    """A run of arrays that a test made up."""

    diverged = ()

    def __init__(self, config, **arms):
        self.config, self.arms = config, arms

    def __getitem__(self, name):
        return self.arms[name]

    def __contains__(self, name):
        return name in self.arms
