"""What the atlas says of the study in plain words."""

METHOD = """\
A dog hears a bell, then gets food, and afterwards the bell alone is enough. Linear attention does
the same to vectors: it writes a value under a key by adding their outer product to a matrix, and
a query reads out what was written under keys like it. So terms of the animal laboratory can be
taken literally: acquisition, extinction, blocking, overshadowing; and what the laboratory found,
that animals learn from errors and not from mere contiguity, is the delta rule.

The study measures how many pairs such a memory holds under three notions of holding, how errors
pile up over layers and how redundant heads make up for them, what a rule that corrects its errors
gains, and whether trained memories show blocking.
"""
"""What the method is."""

NOTES = {
    "C2": "The exponents are as derived: a square root where values are chosen against the "
    "memory, nearly linear where they are random. Two of the parts on correlated keys "
    "miss: at a mean cosine of 0.3 the capacity is a quarter above the approximate "
    "formula, and at 0.1 the slope has not yet flattened at 1,024 features. A first "
    "record was withdrawn because the adversarial criterion had a wrong sign; rules did "
    "not change.",
    "C3": "Success over layers is that of independent failures, and heads make up for depth. "
    "The number of heads needed grows with the logarithm of the depth, but slightly "
    "curved, by one and a half times what its interval allows. The formalization is ours.",
    "C5": "The rule that corrects is ahead on average, but five trained networks differ by tens "
    "of points to either side, so the intervals include zero. Rates are tuned for both; "
    "1,500 steps fit two cores.",
    "C6": "Trained memories with the delta rule block and those with Hebb's rule do not. The "
    "response left is just below half of the control's, and its interval reaches beyond "
    "the half that the rule demands.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
