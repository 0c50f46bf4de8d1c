"""What the atlas says of the study in plain words."""

METHOD = """\
Beside each layer of a spiking network sit a few lateral neurons. While a task is learned, Hebbian
and anti-Hebbian plasticity turns their weights towards the directions in which the layer's inputs
live. When the next task comes, the lateral neurons subtract those directions from the trace that
the weight update is made of, so the update cannot change what the layer answers to old inputs.
Activities are untouched, no image is stored, and any rule of the form error times trace can be
used.

The study learns permutations of digits one after another, under five training rules, and measures
what is forgotten, how well the subspace is found, how much of the second task's change reaches
the outputs of the first, and whether spiking lateral neurons do as well.
"""
"""What the method is."""

NOTES = {
    "C5": "The claim holds. The grid of strengths of elastic weight consolidation was widened "
    "because its best value on calibration seeds stood at the edge of the first grid.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
