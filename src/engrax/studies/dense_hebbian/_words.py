"""What the atlas says of the study in plain words."""

METHOD = """\
A Hopfield network stores patterns in its couplings, and each spin follows the majority of the
others. Here spins interact in groups of P instead of pairs, which makes the memory far larger.
What is stored is not the patterns but the averages of noisy examples that a teacher has sorted
into classes; only the number and quality of the examples count, and through one number, the
data-set entropy rho.

Statistical mechanics (replica theory, exact for infinitely many spins) predicts the overlap
between the network's state and the pattern. The study simulates finite networks, extrapolates to
infinite size, and holds theory against simulation: overlaps, capacity, detection of patterns
behind strong noise, lines of the phase diagram, and images.
"""
"""What the method is."""

NOTES = {
    "C1": "For stored patterns theory and simulation agree at every load. For patterns known by "
    "examples (rho 0.2) the simulation lies above the theory as the load grows, by a few "
    "hundredths. Overlaps are extrapolated from three sizes by a line in 1/N; a curved "
    "approach to infinity would show up as such a gap, and larger sizes are untried. "
    "Chains tell a pattern from its negative, and the energy with repeated indices was "
    "tried apart: its intervals are wide. An earlier recording, with spins visited in "
    "another order, gave a gap whose interval reached the rule's end (open); the "
    "difference is one of draws.",
    "C2": "Triplets retrieve where pairs fail, clearly. The exponent of capacity lies above "
    "N^(P-1): a little for P = 3, clearly for P = 4, where only 50 to 70 spins are "
    "affordable on two cores. The law is one for large N; that C(N, P), the number of "
    "groups, grows faster than its leading power at such sizes explains a tenth of the "
    "excess at most.",
    "C5": "Higher order retrieves the class where pairs fail. What is open is one part: on "
    "Fashion-MNIST the gain from 5 to 100 images a class has an interval around the "
    "demanded five points. 64 draws of the images were used.",
    "C6": "Power sums give the tensor's field exactly and in linear time, and the expansions "
    "hold. The part that fails is about the loser: the explicit tensor's sweep should "
    "grow at least as N^3.5 and grows a little more slowly at the sizes where a tensor "
    "fits in memory. It is a timing; an earlier recording of it gave 3.6.",
    "C7": "In 200 probes at each place the network is on the right side of the line in 95 to 97 "
    "% of them; the rule asks for 95 % with an interval above it. At two of six places it "
    "is, at four the interval straddles the end. Chains start hot and are cooled; more "
    "spins would sharpen the transition.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
