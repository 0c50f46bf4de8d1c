"""What the atlas says of the study in plain words."""

METHOD = """\
A layer has many neurons, thousands where a transformer has hundreds, and their activities are
never negative. Each byte makes a few of them fire. Where two neurons fire one after the other,
the synapse between them grows; what the model reads next is its present activity sent through
these synapses. So the synapses are the memory of the text: their size does not depend on the
text's length, and the same few trained weights are used again in every layer.

The study trains such models and GPTs of as many parameters on the same parallel sentences in two
languages, and then looks at what the paper says of them: whether emptying the synapses makes the
model forget the sentence it has to translate, whether a single synapse stands for a notion,
whether the graph between neurons has communities, and whether two models can be laid side by
side.
"""
"""What the method is."""

NOTES = {
    "C1": "The claim is equality within 3 %, and at these sizes BDH' is better than the GPT, "
    "the more so the smaller both are. The lead shrinks with size, and at the largest "
    "size measured here its interval touches the region. The first setting was the "
    "released code's; there neither model began to translate in the steps that there is "
    "time for. Weights that start larger, sequences that begin with a sentence, few "
    "words, and rotary positions for the GPT (with the paper's ALiBi it ended far above "
    "BDH) made the comparison one of models that both work.",
    "C1p": "As in C1: plain BDH is ahead of the GPT at the middle and the large size, where the "
    "paper has it slightly behind. These models have some 25 to 100 thousand parameters "
    "beside the embeddings and see 600 steps; the paper's begin at 25 million.",
    "C3": "No synapse of these models stands for a currency: the chosen synapse, tested on "
    "currencies that it was not chosen on, hardly orders the sentences, and single "
    "neurons, an untrained model's synapses and the GPT's units do as well or better. The "
    "text was given twice as many currencies as other words, so that a synapse can be "
    "chosen on one half and tested on the other, and the models looked into were trained "
    "several times longer than those of C1.",
    "C4": "The graph that writes activity (Dx E) is more modular than all nulls, the one that "
    "gates it (Dy E) is not: a random graph of the same degrees or rank is. Both have the "
    "heavier tails.",
    "C5": "A few percent of y are active, as in the paper, but y is not seen to be sparser "
    "where the text repeats known facts; if anything the other way. The model that is "
    "given the facts has 512 neurons and four layers, the paper's 65,536 neurons.",
    "C8": "Every fourfold of spikes brings the loss down by more than one nat, as it must, but "
    "64 spikes are still far from the exact model. The paper gives a construction and no "
    "figure; the 2 % were set here. Each product is drawn by itself, so errors add up "
    "over all synapses of a sum, and a read multiplies two noisy numbers.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
