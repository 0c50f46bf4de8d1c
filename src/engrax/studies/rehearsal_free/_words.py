"""What the atlas says of the study in plain words."""

METHOD = """\
A deployed classifier has to learn new classes, a few at a time, and no old image may be kept. Four
classical means against forgetting are compared. An old copy of the net is asked what it sees in the
new images, and its answers for old classes are part of the target (PredKD); the same is done with
the features below the head (FeatKD). Or weights are pulled to where they were, all alike (L2) or
each by how much it mattered (EWC). The head has a sigmoid for every class, so that a new class does
not push old ones down.

The study draws letters that do not exist, five new ones a task. It starts from random weights and
from a net that learned a hundred other letters, and holds all of this against a softmax, against
learning everything at once and against a store of old images. In a small transformer, the pull on
what makes queries, keys and values is held against three ways of learning prompts. A second stream
shows clothes after handwritten digits.
"""
"""What the method is."""

NOTES: dict[str, str] = {}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
