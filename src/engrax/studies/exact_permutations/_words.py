"""What the atlas says of the study in plain words."""

METHOD = """\
A permutation of k bits is shown to a wide network by k examples: each one-hot input with the
one-hot output it goes to. Of the 2^k - 1 other inputs it sees none. Yet the mean output of many
such networks has the right sign on every bit of every input, because a trained wide network is,
on average, a kernel machine whose formula is known. A single network is drowned in the noise of
its initial weights, so outputs are averaged, and theory says over how many networks.

The study trains real networks and samples the Gaussian process that theory says they are, counts
how many have to be averaged until everything is right, and holds the counts against the closed
forms. A linear map fitted once, without any ensemble, learns the same: that baseline stands
beside it.
"""
"""What the method is."""

NOTES = {
    "C2": "The covariance is right within a few percent and the outputs are Gaussian. What "
    "fails is the demand that the interval of the mean's exponent in the width reach "
    "-1/2: the error falls as about the -0.45th power, and the interval is narrow enough "
    "to tell the two apart.",
    "C4": "The process follows theory within a few percent, and the published counts are those "
    "of networks whose readout alone learns. The part that fails compares counts of "
    "trained networks in NTK parametrization with theory: at k = 4 they are 40 % apart. "
    "There are six inputs with two ones there, and what is counted is the first crossing "
    "of 90 % by a curve that still fluctuates, which comes early.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
