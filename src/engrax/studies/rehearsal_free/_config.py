"""Every knob of the study, and its scales."""

import dataclasses

from ._prompts_config import CPU_PROMPTS, SMOKE_PROMPTS, PromptConfig


@dataclasses.dataclass(frozen=True)
class Config:
    """The study's settings: made-up letters, small enough for a CPU."""

    seeds: int = 5
    """Runs of each arm; order of classes and examples and initial weights differ between them."""

    style: str = "easy"
    """How much drawings of a letter differ: a name in `engrax.tasks.GLYPH_STYLES`."""
    size: int = 20
    """Pixels along a side of a drawing."""
    classes: int = 50
    """Letters of the stream."""
    classes_per_task: int = 5
    """New letters in a task."""
    train_each: int = 40
    """Training drawings of each letter."""
    validation_each: int = 10
    """Drawings of each letter that only choose strengths."""
    test_each: int = 30
    """Test drawings of each letter."""
    pretrain_classes: int = 100
    """Other letters, on which nets are trained before."""
    pretrain_each: int = 60
    """Drawings of each of these."""
    pretrain_epochs: int = 20
    """Passes over them."""
    epochs: int = 20
    """Passes over a task's drawings."""
    batch: int = 50
    """Drawings a step."""
    learning_rate: float = 0.001
    """Of Adam, which starts afresh in every task."""

    prefix: int = 3
    """Tasks of the runs that choose strengths."""
    tuning_seeds: int = 1
    """Spare seeds that choose."""

    prompts: PromptConfig = CPU_PROMPTS
    """Settings of the part on transformers."""

    @property
    def tasks(self) -> int:
        """Tasks of the stream."""
        return self.classes // self.classes_per_task

    @property
    def steps(self) -> int:
        """Batches a task."""
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
    batch=8,
    tuning_seeds=0,
    prompts=SMOKE_PROMPTS,
)

SCALES = {"smoke": SMOKE, "cpu": Config()}
