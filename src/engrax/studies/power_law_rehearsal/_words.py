"""What the atlas says of the study in plain words."""

METHOD = """\
Not a method of learning but a look at the world: what was needed recently is likely to be needed
again, and the odds fall as a power of the time since. A plain network that learns task after task
forgets the old ones. If the old ones come back with such odds, a few examples in each phase are
enough to keep them, with plain gradient descent and nothing else.

The study learns permutations of digits one after another and rehearses old ones by a power law,
with a tenth or half as many old examples as new. It compares this with no rehearsal at equal
numbers of updates, with four ways of protecting weights, each at its best strength, and with as
much rehearsal by other laws: exponential, uniform, only the last task, only the first.
"""
"""What the method is."""

NOTES = {
    "C3": "The power law clearly beats rehearsing only the last or only the first task, and at "
    "half as many examples the exponential. Uniform rehearsal is better than it, by one "
    "to three and a half points of mean accuracy, and at the small budget even where "
    "tasks count by how likely they are needed next. With ten tasks and that budget the "
    "oldest one gets some fourteen examples of 360 from the power law, and forty from "
    "uniform rehearsal.",
    "C4": "The steps to 90 % do not fall from task to task, neither with rehearsal nor in "
    "comparison with a net that starts afresh: both slopes are zero within their "
    "intervals. Accuracy is traced every four steps.",
    "C5": "More rehearsal is always better, and it beats elastic weight consolidation in about "
    "four of five cells. From 5 to 20 tasks it loses more than half of what fine-tuning "
    "loses, by some five points, where a tenth of rehearsal is shared by ever more tasks.",
    "C7": "The numbers of rehearsed examples are exactly those of the law, and a power law fits "
    "the stochastic environment better than an exponential. Its slope comes out too "
    "steep, at 1.8 times the exponent, because lag 1 stands above the line by "
    "construction; from lag 2 on it is right. The rule reads from lag 1, and stayed.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
