"""What the atlas says of the study in plain words."""

METHOD = """\
A net of one hidden layer learns to add two numbers modulo a prime, from a part of all pairs, and
a share of its training labels is replaced by random ones. A unit that has understood the task
weighs the numbers by a pure wave, a unit that has memorized weighs them by noise. One number a
unit, the inverse participation ratio of its weights' spectrum, tells the two apart: it is near 1
for a single wave and small for noise.

The study measures both at once, in one net: how much is memorized, how well new pairs are added,
what is lost when units are cut out in the order of that number, and what weight decay, dropout
and batch normalization do to either kind of unit. The same is asked of a small transformer.
"""
"""What the method is."""

NOTES = {
    "C6": "The claim holds, and one of its parts deserves a word: a strong decay makes the "
    "embedding's participation ratio large in a trivial way too, where the net collapses "
    "to a constant. A stricter part, the best decay against the lowest, was therefore "
    "added before the run; it holds as well.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
