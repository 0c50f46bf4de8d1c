"""Every knob of the study, and its scales."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    """The study's settings; fields named after a claim's subject belong to it alone."""

    seeds: int = 10
    """Runs of each arm on formulas; points and initial weights differ between them."""

    tasks: tuple[str, ...] = (
        *("f1", "f2", "f3", "f4", "f5", "f6", "f7"),
        *("g1", "g2", "g3", "g4", "g5", "g6"),
    )
    """Formulas: f of the seven on which settings were found, g of the suite that confirms."""
    points: int | None = None
    """Training points of every formula; the suite's own (1,000, and 3,000 for f7) if None."""
    families: tuple[str, ...] = (
        *("bspline", "rbf", "chebyshev", "mexican_hat", "relu", "fourier"),
    )
    """The pool: names that `engrax.nn.bases.by_name` knows."""
    functions: int = 8
    """Functions of each family, M."""
    hidden: int = 5
    """Hidden nodes; four inputs have a second hidden layer of 2."""
    steps: int = 2000
    """Adam steps of every arm; the three phases share them."""
    tick: int = 100
    """Steps between two records."""
    full: float = 0.5
    """Share of the steps with soft gates."""
    commit: float = 0.15
    """Share of the steps with hard gates, before the other families are left out."""
    rate: float = 1e-2
    """Learning rate at the start of the cosine."""
    floor: float = 1e-4
    """Learning rate at its end."""
    fine: float = 1 / 3
    """What the rate restarts at after pruning, as a share of `rate`."""
    entropy: float = 1e-3
    """Weight of the gates' entropy at the end of the soft phase, to which it rises linearly."""
    temperature: float = 0.3
    """Temperature of the gates at the end of the soft phase, to which it falls from 1."""

    mlp_rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    """Learning rates tried for every MLP; each run keeps the best on its validation points."""
    mlp_long: int = 10
    """How many times the steps the long-trained MLP gets."""
    mlp_long_rates: tuple[float, ...] = (1e-2,)
    """Its learning rates."""

    planted_seeds: int = 20
    """C4: teachers whose families are known."""
    planted_inputs: int = 6
    """C4: inputs of a teacher, each with a family of its own."""
    planted_outputs: int = 5
    """C4: outputs of a teacher."""

    digits_epochs: int = 30
    """C6: passes over the digits."""
    digits_widths: tuple[int, ...] = (64, 32, 10)
    """C6: widths of the nets; no nets if empty."""

    images: tuple[str, ...] = ("digits", "mnist_5k", "fashion_mnist", "mnist1d")
    """C5: sets of images (and signals)."""
    image_train: int | None = 3600
    """C5: training images at most."""
    image_test: int | None = 2000
    """C5: test images at most."""
    image_validation: int = 400
    """C5: training images that only choose the CNNs' learning rates."""
    image_pooled: bool = True
    """C5: whether images of 28 pixels are halved by 2 x 2 means."""
    image_families: tuple[str, ...] = ("bspline", "rbf", "chebyshev", "mexican_hat")
    """C5: the pool."""
    image_channels: tuple[int, int] = (6, 12)
    """C5: channels of the two convolutions."""
    image_kernel: int = 3
    """C5: taps along a side."""
    image_epochs: int = 10
    """C5: passes over the training images."""
    image_seeds: int = 5
    """C5: runs of each arm."""
    batch: int = 64
    """C5, C6: images a step."""
    image_rate: float = 1e-3
    """C5, C6: AdamW's learning rate of nets with functions, which falls to 1 % along a cosine."""
    image_decay: float = 1e-4
    """C5, C6: weight decay."""
    tune: bool = True
    """C5, C6: whether baselines' rates are chosen from `mlp_rates`; else the middle one."""


SMOKE = Config(
    seeds=2,
    tasks=("f1", "g2"),
    points=40,
    families=("bspline", "fourier"),
    functions=6,
    hidden=2,
    steps=20,
    tick=5,
    full=0.5,
    commit=0.25,
    mlp_rates=(1e-3, 1e-2),
    mlp_long=2,
    planted_seeds=2,
    planted_inputs=3,
    planted_outputs=2,
    digits_widths=(),
    images=(),
)

PAPER_SCALE = Config(
    images=("mnist", "fashion_mnist", "cifar10", "cifar100"),
    image_train=None,
    image_test=None,
    image_validation=5000,
    image_pooled=False,
    image_channels=(10, 20),
    image_kernel=5,
    image_epochs=50,
)

SCALES = {"smoke": SMOKE, "cpu": Config(), "paper": PAPER_SCALE}
