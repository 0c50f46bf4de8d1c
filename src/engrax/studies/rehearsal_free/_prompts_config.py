"""Every knob of the part on transformers."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class PromptConfig:
    """Settings of the transformers and of what they learn by."""

    patch: int = 5
    """Pixels along a side of a patch."""
    width: int = 48
    """Features of a token."""
    depth: int = 3
    """Blocks."""
    heads: int = 3
    """Heads of each attention layer."""
    mlp_ratio: float = 2.0
    """Units of a block's net, as a multiple of the width."""
    pretrain_epochs: int = 30
    """Passes over the other letters, before."""
    pretrain_rate: float = 0.002
    """Of Adam, then; it falls to zero along a cosine."""
    pretrain_batch: int = 50
    """Drawings a step, then."""
    epochs: int = 5
    """Passes over a task's drawings, of all methods alike."""

    rates: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03)
    """Learning rates of Adam, each tried with each of `factors`, `l2` or `ewc`. A head alone has no
    second number, and gets as many rates from the least to the largest."""
    factors: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0)
    """What the rate is multiplied by for all but the head, where a method has no strength."""
    l2: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)
    """Strengths of L2."""
    ewc: tuple[float, ...] = (1.0, 100.0, 1e4, 1e6)
    """Strengths of elastic weight consolidation."""

    pool: int = 10
    """Prompts of L2P."""
    pool_length: int = 5
    """Tokens of each."""
    pool_top: int = 5
    """Prompts that are chosen."""
    early: tuple[int, ...] = (0,)
    """Blocks with DualPrompt's general prompts."""
    late: tuple[int, ...] = (1, 2)
    """Blocks with the prompts of its tasks."""
    general_length: int = 6
    """Length of DualPrompt's general prompts, keys and values together."""
    expert_length: int = 20
    """Length of the prompts of its tasks."""
    components: int = 40
    """Components of CODA-Prompt in each block; no more can be orthogonal than the width."""
    component_length: int = 8
    """Length of each, keys and values together."""


CPU_PROMPTS = PromptConfig()

SMOKE_PROMPTS = PromptConfig(
    patch=4,
    width=12,
    depth=2,
    heads=2,
    pretrain_epochs=1,
    pretrain_batch=8,
    epochs=1,
    rates=(0.001, 0.01),
    factors=(0.3, 1.0),
    l2=(0.1, 1.0),
    ewc=(1.0, 100.0),
    pool=4,
    pool_length=2,
    pool_top=2,
    late=(1,),
    expert_length=4,
    components=6,
)
