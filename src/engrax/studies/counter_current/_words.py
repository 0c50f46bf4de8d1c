"""What the atlas says of the study in plain words."""

METHOD = """\
Two networks run against each other: one from the image to the label, the other from the label to
the image, with weights of its own. At every level the activity of the one is pulled towards what
the other says there, by a loss of that level alone; no gradient crosses a layer. Each network is
reliable at the end where its input enters and noisy at its far end, and there the other one is
reliable: so both put each other in order.

The study holds this against backpropagation and against the other rules that do not carry weights
backwards (feedback alignment, direct feedback alignment, direct random target projection,
difference target propagation), all tuned on grids of equal size.
"""
"""What the method is."""

NOTES = {
    "C1": "On Fashion-MNIST direct feedback alignment, with a rate tuned on a grid as large as "
    "everyone's, ends about a point ahead of counter-current learning; the margin allowed "
    "is half a point. Against DRTP and against backpropagation the claim's parts hold. "
    "DFA's grid was laid so that its best rate does not stand at the edge. On the "
    "handwritten digits (C1m) all parts hold.",
    "C2": "Learning both networks is worth two points over frozen feedback, as claimed. But "
    "frozen feedback does not beat DRTP when DRTP has a tuned rate of its own. The "
    "surface of rates (a figure above) has settings where frozen feedback is above DRTP; "
    "the rates chosen on calibration seeds are not among them.",
    "C6": "Locality and the low cost of counter-current learning hold exactly. What fails is "
    "the cost of target propagation: the paper counts 7.6 times that of backpropagation, "
    "which is its authors' code. When every product is computed once, the method needs "
    "two more passes through the hidden feedback maps and costs about a fifth more.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
