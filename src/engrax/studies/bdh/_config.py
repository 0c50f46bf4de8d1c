"""Every knob of the study, and its scales."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Config:
    """The study's settings; the defaults are those of scale `cpu`."""

    seeds: int = 6
    """Runs of each arm, which differ in initial weights and in the order of the text; six take as
    long as five on two cores."""

    corpus: str = "mini_parliament"
    """The parallel text: `mini_parliament`; `europarl`, from the data folder's folder of that name;
    or another folder with the files of Europarl."""
    pair: tuple[str, str] = ("en", "es")
    """The languages that every model is trained on."""
    branches: tuple[tuple[str, str], ...] = (("en", "fr"), ("en", "pt"))
    """The two pairs that clones of it go on with, to be merged (C6)."""
    words: int | None = 6
    """Nouns, countries, months and years that the mini-parliament speaks of, of each, and half of
    the currencies; None for all it knows."""
    train_bytes: int = 400_000
    """Bytes of a pair to train on."""
    held_out_bytes: int = 24_000
    """Bytes of a pair, other sentences, to choose rates on; as many again to test on."""

    sizes: tuple[int, int, int] = (256, 512, 1024)
    """Neurons n of the small, the middle and the large model."""
    further_sizes: tuple[int, ...] = ()
    """More of them, for the slope of C1 alone."""
    d: int = 32
    """Width of the stream, of BDH and of the GPT."""
    heads: int = 2
    """Heads, of BDH and of the GPT."""
    layers: int = 3
    """How often BDH uses its weights in a row. The GPT has n / (4 d) layers of its own, which is
    as many parameters: 12 d^2 a layer against 3 n d."""
    gpt_shapes: tuple[tuple[int, int, int], ...] = ()
    """(layers, d, heads) of the GPT at each of `sizes` and `further_sizes`, where the paper gives
    them; empty for n / (4 d) layers."""
    gpt_positions: Literal["alibi", "rotary"] = "rotary"
    """How the GPT knows places. The paper has ALiBi, whose slopes for two heads, 1/16 and 1/256, do
    not tell a byte from its neighbor: with them our GPT ends far worse."""
    init_scale: float = 0.1
    """Standard deviation of BDH's weights at the start; 0.02 in the released code, which is for d
    256 and small models leave late. The GPT's follow its width."""
    dropout: float = 0.0
    """Share that dropout sets to 0, in BDH and in the GPT."""

    length: int = 128
    """Bytes a sequence: most sentences with their translation."""
    batch: int = 6
    """Sequences a step."""
    aligned: bool = True
    """Whether a sequence begins with a sentence, in training and on held-out text, or anywhere.
    From anywhere half of the translations are cut off from what they translate, and nothing is
    translated after thousands of steps."""
    carried: bool = False
    """Whether a batch goes on where the one before it ended, with the state carried along."""
    memory: int = 0
    """Bytes after which the state of BDH's slowest head has faded to 1/e, the fastest head's in a
    16th of them; 0 for no fading. Text that is carried needs it: what is never forgotten piles up
    until every read is the same, and only which byte follows which is learned."""
    steps: int = 600
    """Optimizer steps."""
    long_steps: int = 4000
    """Steps of a further BDH and GPT of the middle size, which later claims look into: what they
    look for, such as translation, is learned after the letters. 0 for the middle ones themselves.
    """
    warmup: int = 50
    """Steps in which the learning rate rises to its value; then it falls, linearly, to a tenth."""
    rates: tuple[float, ...] = (3e-3, 1e-2)
    """Learning rates to choose from, on the middle size; the grid grows while the best is on its
    edge. All sizes and all later arms of a family take the rate of its middle size."""
    tune: bool = True
    """Whether rates are searched; if not, the last of them is taken."""
    weight_decay: float = 0.1
    """Decoupled: a step shrinks every weight by learning rate x decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    part: int | None = 1
    """Sequences whose gradient is taken at once; changes the speed and the rounding alone. `None`
    takes the batch whole, as a GPU wants it."""
    measurements: int = 20
    """Times that held-out losses and activity are recorded; it divides every number of steps."""

    shakespeare_steps: int = 0
    """Optimizer steps on Shakespeare; 0 leaves him out."""
    shakespeare: str = "shakespeare"
    """The text, as `engrax.tasks.text_bytes` knows it."""
    shakespeare_n: int = 1024
    """Neurons; the GPT has n / (4 d) layers."""
    shakespeare_d: int = 64
    """Width of the stream."""
    shakespeare_heads: int = 4
    """Heads, of both."""
    shakespeare_layers: int = 4
    """Layers of BDH."""
    shakespeare_length: int = 128
    """Bytes a sequence."""
    shakespeare_batch: int = 8
    """Sequences a step."""

    sentences: int = 64
    """Held-out sentences on which working memory, translation and spiking are measured."""
    decoded: int = 60
    """Bytes that are decoded of a translation."""
    contrasts: int = 50
    """Sentences with a currency, and as many without, in each language: to choose a synapse on,
    and as many fresh ones to measure it on."""

    fractions: tuple[float, ...] = (0.03, 0.05, 0.1, 0.2)
    """Shares of all pairs of neurons that are edges of the graph; claims read 0.1."""
    searches: int = 5
    """Louvain searches of which the best counts."""

    facts_n: int = 512
    """Neurons of the model that reads repeated words."""
    facts_layers: int = 4
    """Its layers."""
    facts_steps: int = 1000
    """Its optimizer steps."""
    facts_batch: int = 8
    """Its sequences a step, of 77 letters: 13 of noise, then a word of 8 said 8 times."""
    facts_seeds: int = 2
    """Further runs, which choose the layer that is claimed on the others."""

    branch_steps: int = 400
    """Optimizer steps of a clone on another pair of languages."""

    resolutions: tuple[int, ...] = (1, 4, 16, 64)
    """Spikes R a neuron may emit for one activity."""
    spiking_sentences: int = 8
    """Held-out sentences that spiking models read."""


SMOKE = Config(
    seeds=2,
    branches=(("en", "fr"), ("en", "fr")),
    train_bytes=4_000,
    held_out_bytes=600,
    sizes=(32, 32, 32),
    d=8,
    layers=2,
    gpt_shapes=((1, 8, 2),) * 3,
    batch=2,
    steps=4,
    long_steps=4,
    warmup=1,
    tune=False,
    measurements=2,
    sentences=4,
    decoded=4,
    contrasts=4,
    fractions=(0.1, 0.2),
    searches=1,
    facts_n=32,
    facts_layers=2,
    facts_steps=4,
    facts_batch=2,
    facts_seeds=1,
    branch_steps=4,
    resolutions=(1, 2),
    spiking_sentences=2,
)
"""Seconds; nothing is learned. Equal sizes and steps share one program."""

CPU_LONG = Config(shakespeare_steps=600)
"""With Shakespeare: some fifteen minutes more."""

PAPER = Config(
    seeds=5,
    corpus="europarl",
    train_bytes=380_000_000,
    held_out_bytes=2_000_000,
    sizes=(32_768, 131_072, 1_048_576),
    further_sizes=(65_536, 262_144, 524_288),
    d=256,
    heads=4,
    layers=8,
    gpt_shapes=(
        (9, 480, 5),
        (15, 768, 8),
        (28, 1536, 16),
        (12, 576, 6),
        (18, 960, 10),
        (25, 1152, 12),
    ),
    gpt_positions="alibi",
    init_scale=0.02,
    dropout=0.1,
    length=2048,
    batch=16,
    aligned=False,
    carried=True,
    memory=4096,
    long_steps=0,
    steps=36_000,
    warmup=1_000,
    rates=(3e-4, 1e-3),
    part=None,
    measurements=40,
    shakespeare_steps=3_000,
    shakespeare_n=32_768,
    shakespeare_d=256,
    shakespeare_layers=6,
    shakespeare_length=512,
    shakespeare_batch=32,
    fractions=(0.0005, 0.003, 0.1, 0.2),
    facts_n=65_536,
    facts_steps=6_000,
    facts_batch=64,
    branch_steps=9_000,
)
"""The paper's Europarl, sizes and steps, for a GPU with the memory for them. It trains on one pair,
which the later claims probe, where the paper's scaling used two others."""

SCALES = {"smoke": SMOKE, "cpu": Config(), "cpu-long": CPU_LONG, "paper": PAPER}
