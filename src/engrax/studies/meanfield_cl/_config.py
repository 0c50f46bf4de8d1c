"""Every knob of the study, and its scales."""

import dataclasses

Tuned = tuple[tuple[float, float, int, float], ...]

AUTHORS_TUNED: Tuned = (
    (0.2, 0.008, 64, 0.5),
    (0.5, 0.008, 100, 0.1),
    (0.8, 0.005, 64, 0.03),
    (1.0, 0.002, 64, 0.03),
    (1.2, 0.005, 100, 0.1),
    (1.4, 0.005, 100, 0.1),
    (1.6, 0.008, 100, 0.03),
)
"""(load, learning rate, batch, weight decay) that the authors chose for each load."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of all claims; the defaults are the scale "cpu"."""

    seeds: int = 5
    """Runs of each arm but the single task's; data, teachers and initial weights differ."""

    beta: float = 20.0
    """Inverse temperature of the theory."""
    theory_loads: tuple[float, ...] = (
        0.05, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1.1, 1.3, 1.45, 1.5, 1.55, 1.7, 1.9,
    )  # fmt: skip
    """Alpha of the theory curves of one task, besides the loads of the simulations."""
    second_theory_loads: tuple[float, ...] = (0.1, 0.25, 0.75, 1.25, 1.5, 1.75, 2.5, 3.0, 3.5)
    """Alpha of the second task on its theory curves, besides those of the simulations."""

    size: int = 1000
    """N of C1's perceptron."""
    loads: tuple[float, ...] = (0.2, 0.5, 0.8, 1.0, 1.2)
    """Alpha of C1: examples a weight."""
    late_loads: tuple[float, ...] = (1.4, 1.6, 1.8, 2.0)
    """Alpha beyond 1.3, where C1 shows both branches and judges nothing."""
    single_seeds: int = 10
    """Runs of C1."""
    single_rate: float = 0.002
    """Learning rate of C1's Adam."""
    single_batch: int = 64
    """Examples a step in C1."""
    single_epochs: int = 600
    """Passes over the examples in C1."""
    tuned: Tuned = AUTHORS_TUNED
    """C1's second set of runs, with the authors' choice for each load."""

    pair_size: int = 400
    """N of C2's perceptron."""
    first_load: float = 2.0
    """Alpha of C2's first task."""
    second_loads: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Alpha of C2's second task."""
    similarities: tuple[float, ...] = (-0.5, 0.0, 0.5)
    """r0 of C2: mean overlap of the two teachers."""
    gammas: tuple[float, ...] = (1.0, 0.1, 0.0)
    """Weight of the divergence in C2; 0, the baseline, has no prior."""
    first_steps: int = 5000
    """Full-batch steps of C2's first task."""
    first_rate: float = 0.001
    """Learning rate of C2's first task."""
    strong_rate: float = 0.005
    """Learning rate of a first task that is trained too well, which C2 shows beside."""
    second_steps: int = 8000
    """Full-batch steps of C2's second task."""
    second_rate: float = 0.005
    """Learning rate of C2's second task."""
    decay: float = 0.001
    """Decoupled weight decay of both tasks of C2."""

    slow_size: int = 500
    """N of C7's perceptron."""
    slow_loads: tuple[float, ...] = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0)
    """Alpha of C7."""
    slow_steps: int = 10_000
    """Full-batch steps of C7, as many as the paper's: 5,000 cut most runs off. A run that has not
    converged by then counts as so many."""
    slow_rate: float = 0.01
    """Learning rate of C7's gradient descent."""
    window: int = 1000
    """Steps over which the error has to stand still in C7."""
    stillness: float = 0.0005
    """Standard deviation of the error below which it stands still."""

    data: str = "mnist_5k"
    """Images of the deep network, a name that `engrax.tasks.load` knows."""
    train: int = 3600
    """Training images; those of validation come on top."""
    validation: int = 400
    """Training images that only choose numbers of baselines."""
    test: int | None = None
    """Test images; all of them if None."""
    tasks: int = 5
    """Permutations of the pixels, learned one after another; the first is permuted, too."""
    hidden: tuple[int, ...] = (100, 100)
    """Units of each hidden layer."""
    epochs: int = 22
    """Passes over a task: 1232 steps, where 4,000 images and 20 passes are 1240."""
    batch: int = 64
    """Images a step."""
    rate: float = 0.01
    """Learning rate of Adam on permuted images."""

    other: str = "fashion_mnist"
    """Images of the second task of the pair."""
    pair_train: int = 4000
    """Training images of each data set of the pair."""
    pair_test: int = 1000
    """Test images of each data set of the pair."""
    pair_epochs: int = 40
    """Passes over each data set of the pair."""
    pair_rate: float = 0.005
    """Learning rate of Adam on the pair."""

    metas: tuple[float, ...] = (0.0, 0.5, 1.0, 1.35, 2.0, 3.0, 5.0, 8.0)
    """Strengths of metaplasticity that the baseline chooses from, until the best lies inside."""
    meta_rates: tuple[float, ...] = (0.001, 0.005)
    """Learning rates that the metaplastic baseline chooses from. On spare seeds 0.02 is worse, and
    0.001 at strengths of 13 to 30 no better."""
    meta_decay: float = 1e-7
    """Coupled weight decay of the metaplastic baseline."""
    meta_hidden: tuple[int, ...] | None = None
    """Units of the metaplastic baseline; as many as the method's if None."""
    meta_epochs: int | None = None
    """Passes of the metaplastic baseline over a task; as many as the method's if None."""
    meta_batch: int | None = None
    """Images a step of the metaplastic baseline; as many as the method's if None."""
    real_rate: float = 0.1
    """Learning rate of SGD on real weights, with EWC and without."""
    ewc_strengths: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)
    """Lambda of elastic weight consolidation, chosen on validation images of spare seeds."""
    fisher_images: int = 300
    """Images from which elastic weight consolidation takes its Fisher diagonal."""
    tuning_seeds: int = 2
    """Spare seeds that choose; 0 takes middle values."""
    beside: tuple[str, ...] = (
        "previous_task",
        "metaplastic_per_task",
        "sgd",
        "pair_variational",
        "pair_no_prior",
        "pair_no_prior_fixed",
    )
    """Arms that claims show beside what they judge, and that may be left out."""

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch on permuted images."""
        return self.train // self.batch


SMOKE = Config(
    seeds=2,
    theory_loads=(),
    second_theory_loads=(),
    size=40,
    loads=(0.5,),
    late_loads=(),
    single_seeds=2,
    single_batch=16,
    single_epochs=4,
    tuned=((0.5, 0.008, 16, 0.1),),
    pair_size=30,
    second_loads=(1.0,),
    similarities=(0.0,),
    gammas=(1.0, 0.0),
    first_steps=20,
    second_steps=20,
    slow_size=30,
    slow_loads=(1.0, 1.5),
    slow_steps=12,
    window=4,
    data="digits",
    train=120,
    validation=40,
    test=60,
    tasks=2,
    hidden=(12, 12),
    epochs=2,
    batch=20,
    other="digits",
    pair_train=100,
    pair_test=40,
    pair_epochs=2,
    metas=(0.0, 1.35),
    meta_rates=(0.005,),
    fisher_images=10,
    tuning_seeds=0,
    beside=(),
)

PAPER_SCALE = Config(
    single_seeds=20,
    single_epochs=2000,
    pair_size=1000,
    second_loads=(0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0),
    second_steps=20000,
    slow_size=3000,
    slow_loads=tuple(round(1 + 0.02 * i, 2) for i in range(51)),
    data="mnist",
    train=32000,
    validation=1000,
    hidden=(512, 512),
    epochs=5,
    pair_train=32000,
    pair_test=10000,
    meta_hidden=(4096, 4096),
    meta_epochs=40,
    meta_batch=100,
)

SCALES = {"smoke": SMOKE, "cpu": Config(), "paper": PAPER_SCALE}
