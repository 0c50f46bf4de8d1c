"""What the atlas says of the study in plain words."""

METHOD = """\
Weights are +1 or -1, and what is trained is how sure the network is of each. A weight's field
says how probable +1 is; learning moves fields, and a weight that is nearly certain hardly moves.
Before each step the present state of belief is taken as the prior of that step. No border between
tasks is needed: what many batches agreed upon becomes certain, and is thereby protected.

For a perceptron that learns two teachers one after another the same principle can be solved
exactly by the replica method (a Franz-Parisi potential). The study holds gradient descent against
these curves, and trains deep binary networks on sequences of permuted digits beside
metaplasticity, annealing alone, and elastic weight consolidation on real weights.
"""
"""What the method is."""

NOTES = {
    "C1": "The largest distance is 0.025, at load 1.2. The rule is about one setting of rate, "
    "batch and decay for all loads; runs with the settings that the authors chose load by "
    "load are drawn beside them in the figure, and were not what the rule reads.",
    "C4": "The claim holds: against metaplasticity in binarized networks whose norms are shared "
    "by the tasks. The baseline's grid was widened once because its best value stood at "
    "the edge, and the study was recorded again. Elastic weight consolidation on a "
    "network of real weights, shown beside, is more accurate than all binary networks.",
    "C7": "The longest convergence is where theory puts it, at load 1.5, and takes about twice "
    "as long as at load 1 on average. Single runs differ by a factor of three, so the "
    "interval of the ratio is far wider than its distance from 2; more seeds would settle "
    "it.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
