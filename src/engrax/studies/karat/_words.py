"""What the atlas says of the study in plain words."""

METHOD = """\
In attention every token compares itself with all others, and a softmax turns the row of
comparisons (logits) into weights. Here the softmax gives way to learned functions: every logit
goes through a curve of its own, a small Fourier series, and a low-rank map sums the results into
a new row, whose entries may be negative and do not sum to one. The number of tokens is fixed.

A learned curve for each position can do something simpler than attention: pool by position. So
the study adds what the paper lacks, controls that see no logits at all or only a linear map of
them, a softmax with learned position biases, a task that needs selection by content, and asks
which of them the gain comes from.
"""
"""What the method is."""

NOTES = {
    "C2": "The gain of C1 is real but not the functions': a map that sees no logits, or a "
    "linear map of them, comes within a fraction of a point, and the interval of the "
    "difference includes zero. The rates of these controls are tuned on the method's own "
    "grid. So to pool by position accounts for nearly all of it on these images.",
    "C2b": "Recall climbs with the rank and the softmax solves the task, as predicted. The "
    "control without logits is a little further above chance than the rule allows: which "
    "values stand in the sequence already tells something, and the rule did not count on "
    "it.",
    "C4": "All bases train in the same code. Whether Fourier's is among the best three cannot "
    "be told: it and the third best of the others differ by less than the interval, with "
    "six epochs a run.",
    "C5": "Projection onto the simplex hurts, as in the paper. Whether functions come before or "
    "behind the linear map makes no difference that six seeds could show, where the paper "
    "has eight points; the paper's comparison is at G = 11.",
    "C6": "Inside, the trained maps are not what the paper's pictures show: their mean singular "
    "value is larger than the softmax's, fewer weights are near zero, and the loss is no "
    "rougher. Rank and early progress are as described. The paper shows one model each.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
