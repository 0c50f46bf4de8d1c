"""Every knob of the study, and its scales."""

import dataclasses

from engrax.tasks import GlyphStyle

from ._prompts_config import CPU_PROMPTS, SMOKE_PROMPTS, PromptConfig


@dataclasses.dataclass(frozen=True)
class Clothes:
    """The second stream: articles of clothing, after handwritten digits."""

    data: str = "fashion_mnist"
    """The stream's images, a name that `engrax.tasks.load` knows."""
    before: str = "mnist_5k"
    """The images that nets are trained on before."""
    pooled: bool = True
    """Whether images are halved to the means of their 2 x 2 blocks."""
    classes_per_task: int = 2
    """New classes in a task."""
    train_each: int = 200
    """Training images of each class."""
    validation_each: int = 50
    """Images of each class that only choose strengths."""
    test_each: int = 100
    """Test images of each class."""
    pretrain: int | None = None
    """Images that nets are trained on before; all of them if None."""
    pretrain_epochs: int = 10
    """Passes over them."""
    epochs: int = 10
    """Passes over a task's images."""


@dataclasses.dataclass(frozen=True)
class Config:
    """The study's settings: made-up letters, small enough for a CPU."""

    seeds: int = 5
    """Runs of each arm; order of classes and examples and initial weights differ between them."""

    style: GlyphStyle = dataclasses.field(
        default_factory=lambda: GlyphStyle(
            control_noise=0.05, rotation=24.0, shear=0.15, shift=0.06
        )
    )
    """How much drawings of a letter differ. On the calibration seed, before any method was run:
    joint training reaches 93 %, a linear probe on random features 66 %. (85 and 20 points less were
    asked for; of the styles with names none has both, with 40 drawings a letter or with 160.)"""
    size: int = 20
    """Pixels along a side of a drawing."""
    classes: int = 50
    """Letters of the stream."""
    classes_per_task: int = 5
    """New letters in a task."""
    train_each: int = 160
    """Training drawings of each letter."""
    validation_each: int = 20
    """Drawings of each letter that only choose strengths."""
    test_each: int = 30
    """Test drawings of each letter."""
    pretrain_classes: int = 100
    """Other letters, on which nets are trained before."""
    pretrain_each: int = 60
    """Drawings of each of these."""
    pretrain_epochs: int = 10
    """Passes over them."""
    epochs: int = 5
    """Passes over a task's drawings: as many steps as 20 over a quarter of them."""
    joint_epochs: int = 10
    """Passes over all drawings where all tasks are learned at once."""
    clothes: Clothes = Clothes()
    """The second stream."""
    streams: tuple[str, ...] = ("letters", "clothes")
    """Those that are run; claims are judged by letters."""

    data: str = "glyphs"
    """What the stream of letters shows: "glyphs", or images that `engrax.tasks.load` knows."""
    net: str = "conv"
    """"conv", or "resnet18"."""
    weights: str = ""
    """For "resnet18": the file of torchvision's ImageNet weights, with which it is pre-trained."""
    weight_decay: float = 0.0
    """What is added to gradients, as a multiple of the weights."""
    drops: tuple[float, ...] = ()
    """Shares of a task's steps after which the rate falls to a tenth."""
    augmented: bool = False
    """Whether images are cropped and flipped at random."""

    channels: tuple[int, ...] = (16, 32, 64)
    """Of the convolutions."""
    features: int = 128
    """Units of the dense layer below the head."""
    batch: int = 50
    """Images a step."""
    learning_rate: float = 0.001
    """Of Adam, which starts afresh in every task."""

    memory: int = 200
    """Images in the store of the rehearsal that rehearsal-free learning is held against."""
    prefix: int = 3
    """Tasks of the runs that choose strengths."""
    tuning_seeds: int = 1
    """Spare seeds that choose; 0 takes the second value of each grid."""
    l2_strengths: tuple[float, ...] = (0.003, 0.03, 0.3, 3.0)
    """epsilon of the pull to earlier weights, epsilon |theta - anchor|^2."""
    ewc_strengths: tuple[float, ...] = (1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6)
    """mu of elastic weight consolidation, mu / 2 sum F (theta - anchor)^2."""
    feature_weights: tuple[float, ...] = (0.5, 5.0, 50.0)
    """mu of feature distillation."""
    start_strength: float = 0.05
    """epsilon of the first task's pull in "EWC with L2 start"."""

    prompts: PromptConfig = CPU_PROMPTS
    """Settings of the part on transformers."""

    @property
    def tasks(self) -> int:
        """Tasks of the stream of letters."""
        return self.classes // self.classes_per_task

    @property
    def steps(self) -> int:
        """Batches a task of letters."""
        return self.epochs * (self.train_each * self.classes_per_task // self.batch)


SMOKE = Config(
    seeds=2,
    size=12,
    classes=6,
    classes_per_task=2,
    train_each=8,
    validation_each=2,
    test_each=4,
    pretrain_classes=4,
    pretrain_each=8,
    pretrain_epochs=1,
    epochs=1,
    joint_epochs=1,
    clothes=Clothes(
        data="digits",
        before="digits",
        pooled=True,
        train_each=8,
        validation_each=2,
        test_each=4,
        pretrain=40,
        pretrain_epochs=1,
        epochs=1,
    ),
    channels=(2, 3),
    features=5,
    batch=8,
    memory=8,
    tuning_seeds=0,
    prompts=SMOKE_PROMPTS,
)

PAPER_SCALE = Config(
    data="cifar100",
    net="resnet18",
    weights="resnet18.safetensors",
    weight_decay=0.0002,
    drops=(0.4, 0.6, 0.8),
    augmented=True,
    clothes=Clothes(pooled=False, train_each=6000, validation_each=0, test_each=1000, epochs=50),
    classes=100,
    classes_per_task=10,
    train_each=500,
    validation_each=0,
    test_each=100,
    epochs=250,
    joint_epochs=250,
    batch=128,
    memory=2000,
    tuning_seeds=0,
    l2_strengths=(0.005, 0.05),
    ewc_strengths=(1.0, 10.0),
    feature_weights=(0.5, 5.0),
)
"""CIFAR-100 in ten tasks by a ResNet-18, from scratch and with torchvision's ImageNet weights from
the cache folder; strengths are the paper's. All of Fashion-MNIST is the second stream. The softmax
net, too, keeps its batch statistics, where the paper's moves them.
"""

SCALES = {"smoke": SMOKE, "cpu": Config(), "paper": PAPER_SCALE}
