"""Every knob of the study, and its scales."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    """The study's settings: permuted digits, small enough for a CPU."""

    seeds: int = 8
    """Runs of each arm; permutations, order of examples and initial weights differ between them."""

    data: str = "mnist_5k"
    """The images, a name that `engrax.tasks.load` knows."""
    pooled: bool = True
    """Whether images are halved to the means of their 2 x 2 blocks."""
    train: int | None = 3600
    """Training images; all that validation leaves if None."""
    validation: int = 400
    """Training images that only choose the strengths of baselines."""
    test: int | None = None
    """Test images; all of them if None."""
    tasks: int = 10
    """Permutations of the pixels, learned one after another; the first leaves them as they are."""
    width: int = 200
    """Neurons of each of the two hidden layers."""
    epochs: int = 3
    """Passes over a phase's list of new and rehearsed images."""
    batch: int = 64
    """Images a step."""
    learning_rate: float = 0.001
    """Of Adam, which starts afresh in every phase."""

    b: float = 1.0
    """Exponent of the power law of need."""
    other_exponents: tuple[float, float] = (0.5, 1.5)
    """Exponents of two more power laws, at the small share; no claim reads them."""
    shares: tuple[float, float] = (0.1, 0.5)
    """Rehearsed images of a phase, as shares of the new ones: small and large. All claims read the
    small one, C3 the large one as well."""
    trace: int = 4
    """Steps between two tests of the present task, where the speed of learning is measured."""
    criterion: float = 0.9
    """Test accuracy at which a task counts as learned: of .8 and .9 the higher one that all runs of
    two calibration seeds reached."""

    fisher_images: int = 500
    """Images from which elastic weight consolidation takes its Fisher diagonal."""
    ewc_strengths: tuple[float, ...] = (10.0, 100.0, 1000.0, 10000.0)
    """Lambda of elastic weight consolidation, chosen on validation images of spare seeds."""
    si_strengths: tuple[float, ...] = (0.02, 0.2, 2.0, 20.0)
    """Of synaptic intelligence: twice the paper's c, since the penalty carries 1/2."""
    l2_strengths: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)
    """Of the pull to the last task's weights."""
    lwf_weights: tuple[float, ...] = (0.1, 1.0, 10.0)
    """Weight of what the old net said, against that of the labels."""
    temperature: float = 2.0
    """At which the old net is asked."""
    tuning_seeds: int = 1
    """Spare seeds that choose; 0 takes the second value of each grid."""

    robust_seeds: int = 5
    """Runs of each arm of C5."""
    robust_tasks: tuple[int, ...] = (5, 10, 20)
    """Numbers of tasks at which the longest runs are read; none leaves the arms of C5 out."""
    robust_shares: tuple[float, ...] = (0.02, 0.05, 0.1, 0.25, 0.5)
    """Shares of rehearsal at the middle width; the narrow and the wide net have the middle one."""
    narrow: int = 50
    """Neurons of each hidden layer of the narrow net."""
    wide: int = 800
    """Neurons of each hidden layer of the wide net."""
    wide_rate: float = 0.001
    """Learning rate of the wide net."""
    robust_tuning_tasks: int = 4
    """Tasks of the calibration runs of C5."""

    need_steps: int = 20000
    """Steps of the stochastic environment."""
    need_intro: int = 168
    """Steps of an introduction: batches of new images of a phase."""
    max_lag: int = 1000
    """Longest time since the last occurrence at which need is measured, in steps."""

    def steps(self, images: int, budget: int) -> int:
        """Steps of a phase with so many new and so many rehearsed images."""
        return self.epochs * ((images + budget) // self.batch)


SMOKE = Config(
    seeds=2,
    data="digits",
    pooled=False,
    train=120,
    validation=40,
    test=60,
    tasks=3,
    width=12,
    epochs=1,
    batch=20,
    shares=(0.2, 0.2),
    trace=2,
    criterion=0.2,
    fisher_images=10,
    tuning_seeds=0,
    robust_tasks=(),
    need_steps=400,
    need_intro=10,
    max_lag=50,
)

CPU_LONG = Config(
    data="fashion_mnist",
    train=11000,
    validation=1000,
    test=10000,
    need_intro=513,
)

PAPER_SCALE = Config(
    seeds=10,
    data="mnist",
    pooled=False,
    train=59000,
    validation=1000,
    width=400,
    epochs=1,
    batch=128,
    robust_seeds=10,
    robust_tasks=(5, 10, 20, 50),
    narrow=100,
    wide=1000,
    wide_rate=0.0001,
    need_steps=50000,
    need_intro=460,
)

SCALES = {"smoke": SMOKE, "cpu": Config(), "cpu-long": CPU_LONG, "paper": PAPER_SCALE}
