"""Every knob of the study, and its scales."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    """The study's settings: permuted digits, small enough for a CPU."""

    seeds: int = 5
    """Runs of each arm; permutations, order of examples and initial weights differ between them."""

    data: str = "mnist_5k"
    """The images, a name that `engrax.tasks.load` knows."""
    train: int | None = 3600
    """Training images; all that validation leaves if None."""
    validation: int = 400
    """Training images that only choose the numbers of baselines."""
    test: int | None = None
    """Test images; all of them if None."""
    tasks: int = 5
    """Permutations of the pixels, learned one after another; the first task is permuted, too."""
    hidden: tuple[int, ...] = (256, 256)
    """Spiking neurons of each hidden layer; no biases."""
    epochs: int = 11
    """Passes over the training images in each task: 616 steps, where 4,000 images ask for 620."""
    batch: int = 64
    """Images a step."""
    learning_rate: float = 0.1
    """Of SGD without momentum."""
    dsr_steps: int = 10
    """Steps of time of the nets trained by DSR with backpropagated errors."""
    rule_steps: int = 6
    """Steps of time of the nets trained by any other rule."""
    rules: tuple[str, ...] = ("dsr", "fa", "ss", "bptt", "ottt")
    """Training rules that are run with the projection and without."""
    tau: float = 2.0
    """Membrane time constant under BPTT and OTTT, in steps."""

    first_rows: tuple[int, ...] = (80, 80, 60)
    """Lateral neurons that the first task adds at each layer."""
    more_rows: tuple[tuple[int, tuple[int, ...]], ...] = ((4, (70, 50, 40)),)
    """Then (number of tasks, lateral neurons that each of them adds at each layer), in order."""
    lateral_rates: tuple[float, ...] = (0.001, 0.01, 0.01)
    """Learning rate of the lateral neurons at each layer."""
    iterations: int = 5
    """Hebbian steps on each batch."""
    burst_levels: tuple[float, ...] = (20.0, 40.0)
    """Spikes of a burst, T_l, of lateral neurons that spike; 40 is the claim's."""
    probe_images: int = 300
    """Images of the first task whose old outputs the interference is measured on."""

    gpm_images: int = 300
    """Images whose activity gradient projection memory decomposes at the end of a task."""
    fisher_images: int = 300
    """Images from which elastic weight consolidation takes its Fisher diagonal."""
    ewc_strengths: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)
    """Lambda of elastic weight consolidation, chosen on validation images of spare seeds."""
    replay_per_class: int = 50
    """Images kept of each class and task."""
    replay_batch: int = 50
    """Stored images of each task in a step of rehearsal."""
    replay_epochs: int = 20
    """Passes over the stored images of a task after each task."""
    replay_rates: tuple[float, ...] = (0.01, 0.03, 0.1)
    """Learning rate of rehearsal, chosen like `ewc_strengths`."""
    tuning_seeds: int = 2
    """Spare seeds that choose; 0 takes the middle value."""

    @property
    def steps(self) -> int:
        """Steps of a task, where `train` is given."""
        assert self.train is not None
        return self.epochs * (self.train // self.batch)

    @property
    def rows(self) -> tuple[tuple[int, ...], ...]:
        """Lateral neurons that each task adds at each layer."""
        later = [rows for count, rows in self.more_rows for _ in range(count)]
        return (self.first_rows, *later)[: self.tasks]


SMOKE = Config(
    seeds=2,
    data="digits",
    train=200,
    validation=60,
    test=80,
    tasks=2,
    hidden=(12, 12),
    epochs=2,
    batch=20,
    dsr_steps=3,
    rule_steps=2,
    rules=("dsr",),
    first_rows=(6, 4, 4),
    more_rows=((1, (4, 3, 3)),),
    iterations=2,
    burst_levels=(40.0,),
    probe_images=20,
    gpm_images=30,
    fisher_images=10,
    replay_per_class=2,
    replay_batch=4,
    replay_epochs=1,
    tuning_seeds=0,
)

CPU_LONG = Config(
    data="fashion_mnist",
    train=12000,
    validation=2000,
    test=2000,
    burst_levels=(10.0, 20.0, 40.0, 1000.0),
)

PAPER_SCALE = Config(
    data="mnist",
    train=59000,
    validation=1000,
    tasks=10,
    hidden=(800, 800),
    epochs=1,
    dsr_steps=20,
    first_rows=(80, 200, 100),
    more_rows=((2, (70, 70, 70)), (3, (50, 50, 50)), (3, (30, 30, 30)), (1, (10, 10, 10))),
    burst_levels=(10.0, 20.0, 40.0, 1000.0),
    replay_epochs=1,
)

SCALES = {"smoke": SMOKE, "cpu": Config(), "cpu-long": CPU_LONG, "paper": PAPER_SCALE}
