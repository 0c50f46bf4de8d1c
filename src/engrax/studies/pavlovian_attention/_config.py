"""Every knob of the study, and its scales."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    """The study's settings. The paper is theory: all of them are of our own design."""

    seeds: int = 10
    """Runs of each arm without training; keys and values differ between them."""

    trials: int = 200
    """Trials of a phase of conditioning; enough for the asymptotes of the closed forms."""
    rate: float = 0.2
    """Learning rate of conditioning."""
    identity_steps: int = 256
    """Length of the streams on which conditioning and attention are compared."""

    d_keys: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024)
    """Key features at which capacities are measured, ascending."""
    cosines: tuple[float, ...] = (0.1, 0.3)
    """Mean cosines of correlated keys."""
    capacity_seeds: int = 20
    """Runs of each capacity."""
    probes: int = 256
    """Probed pairs of a capacity against adversarial values."""
    bits: int = 131072
    """Bits that are read, about, at the expected capacity for random values."""
    baseline_d_keys: tuple[int, ...] = (16, 32, 64, 128)
    """Key features at which delta rule and softmax are measured."""
    baseline_seeds: int = 5
    """Runs of these two."""
    sweeps: int = 20
    """Times that the delta rule sees all pairs."""
    query_cosine: float = 0.9
    """Cosine between a noisy query and the key that it means."""

    chain_d_keys: tuple[int, ...] = (16, 32, 64)
    """Features of a code in chains of associations."""
    chain_loads: tuple[float, ...] = (0.5, 0.75)
    """Pairs a layer stores, over its features."""
    heads: tuple[int, ...] = (1, 2, 4, 8)
    """Redundant heads, ascending from 1."""
    depths: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Layers of a chain, ascending from 1."""
    chains: int = 500
    """Chains of a cell and seed."""
    budget_pairs: int = 24
    """Pairs at which heads are traded for features."""
    budgets: tuple[tuple[int, int], ...] = ((1, 64), (2, 32), (4, 16))
    """Heads and features of equal product."""

    d: int = 64
    """Features of keys and values where write rules are compared."""
    loads: tuple[float, ...] = (0.25, 0.5, 1.0, 1.5, 2.0)
    """Pairs over key features."""
    rule_cosines: tuple[float, ...] = (0.0, 0.1, 0.3, 0.5)
    """Mean cosines of the keys."""
    overwritten: float = 0.25
    """Share of the keys that are paired anew."""
    draws: int = 20
    """Independent memories of a cell and seed."""

    keys: int = 128
    """Different keys in the recall task."""
    values: int = 128
    """Different values."""
    pairs: tuple[int, ...] = (8, 16, 32)
    """Pairs of a prompt. At 64 a step costs as much as at all others together: with d_key 8 and 32
    it is left to scale `paper`, and not run here."""
    d_model: int = 64
    """Features of a token."""
    d_key: int = 16
    """Key features of the trained memory."""
    steps: int = 1500
    """Optimizer steps."""
    batch: int = 64
    """Prompts of a step."""
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    """Learning rates of Adam, of which each write rule gets its best."""
    tune: bool = True
    """Whether the rate is chosen; if not, it is the middle one."""
    trained_seeds: int = 5
    """Runs of each trained memory."""
    test_prompts: int = 256
    """Prompts of the test set; as many others choose the learning rate."""
    measurements: int = 15
    """Times that the accuracy is recorded."""
    prompts: int = 256
    """Prompts of conditioning that a trained memory gets."""
    prompt_trials: int = 4
    """Trials of each phase of such a prompt."""


SCALES = {
    "smoke": Config(
        seeds=2,
        trials=200,
        identity_steps=32,
        d_keys=(16, 32),
        capacity_seeds=2,
        probes=16,
        bits=2048,
        baseline_d_keys=(16,),
        baseline_seeds=2,
        sweeps=2,
        chain_d_keys=(16,),
        heads=(1, 2),
        depths=(1, 2, 4),
        chain_loads=(0.5,),
        chains=24,
        budgets=((1, 32), (2, 16), (4, 8)),
        d=16,
        loads=(0.5,),
        rule_cosines=(0.0, 0.1),
        draws=2,
        keys=16,
        values=16,
        pairs=(8,),
        d_model=16,
        d_key=8,
        steps=6,
        batch=8,
        tune=False,
        trained_seeds=2,
        test_prompts=8,
        measurements=2,
        prompts=8,
        prompt_trials=2,
    ),
    "cpu": Config(),
    "paper": Config(
        pairs=(8, 16, 32, 64),
        d_model=512,
        d_key=32,
        trained_seeds=8,
        measurements=30,
    ),
}
