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

NOTES = {
    "C2": "Strengths are chosen on the first three tasks, and there the weakest pulls of the grid, "
    "or weaker ones still, are best: next to PredKD alone they change neither forgetting nor "
    "plasticity by a point. EWC forgets half a point less, and its interval ends at zero. EWC "
    "with an L2 pull in the first task, which no rule reads, forgets two points less and learns "
    "a point less.",
    "C3": "L2 and EWC end within two tenths of a point of one another, since both are chosen so "
    "weak that they hold nothing. Distilled features are four points behind, with an interval "
    "that reaches beyond zero. On the calibration seed stronger pulls lower the final accuracy "
    "of all ten tasks too, from 38 % to 24 % for L2 and to 26 % for EWC.",
    "C4": "Pre-training adds fourteen points to PredKD, and L2 adds nothing before or after it, "
    "for the same reason as in C3.",
    "C5": "DualPrompt is the best of the prompts, two points above queries, keys and values under "
    "L2, with an interval that reaches beyond zero; L2P and CODA-Prompt are five points or more "
    "below these. L2 does protect: free queries, keys and values forget six points more. Nothing "
    "beats the head alone on frozen features, at 51 %: there is little in this small transformer "
    "that new letters ask to be changed.",
    "C6": "Late layers do drift most, and EWC holds the features a little. L2 was chosen too weak "
    "to hold them.",
    "C7": "A store of 200 of 8000 images from scratch reaches as much as pre-training on a "
    "hundred other letters without a store, 39 and 38 %.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
