"""Every knob of the study, and its scales."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of all claims; the defaults are the scale "cpu".

    The paper's methods could not be read, so all constants are choices that reproduce its
    qualitative results; they stand in this one place so that they can be replaced.
    """

    seeds: int = 5
    """Reservoirs, each with its own sequence of outcomes."""
    calibration_seeds: int = 2
    """Reservoirs on which the forgetting of recursive least squares is chosen; no claim sees
    them."""

    neurons: int = 500
    """N, 80 % of them excitatory."""
    dt: float = 1.0
    """Step of the reservoir (ms); readouts work at 1 ms in any case."""
    g: float = 6.0
    """Strength of recurrence."""
    cue_gain: float = 8.0
    """A_cue."""
    trial_ms: int = 900
    """Length of a trial; the state is reset at its start."""
    cue_on: int = 50
    """Onset of the cue (ms); latencies count from here."""
    cue_off: int = 100
    """End of the cue (ms)."""
    what_ms: int = 150
    """The "what" readout sees the mean rates over so many ms after the cue."""
    bump: float = 40.0
    """Sigma of the bump that stands for an event (ms)."""
    event_ms: int = 50
    """How long an event drives the reservoir where it does (ms)."""

    when_rate: float = 0.02
    """eta of the "when" readout, each ms."""
    what_rate: float = 0.1
    """eta_w of the "what" readout, each trial."""
    calibration_rate: float = 0.05
    """eta_w of C2, which calibrates height against probability."""
    trials: int = 100
    """Trials of a block."""

    latency: tuple[float, float] = (300.0, 600.0)
    """Latencies of A and B (ms) in the first block of C1 to C4, C6 and C7."""
    probability: float = 0.8
    """Probability of A there; blocks switch it to its complement."""
    levels: int = 11
    """Probabilities of C2, evenly from 0 to 1."""
    probabilities: tuple[float, ...] = (0.2, 0.5, 0.8)
    """Probabilities of A in C5."""
    latencies: tuple[tuple[float, float], ...] = ((200.0, 500.0), (300.0, 600.0), (400.0, 700.0))
    """Latencies of A and B (ms) in C5."""

    rls_every: int = 5
    """Recursive least squares learns every so many ms."""
    ridge: float = 1.0
    """Its alpha: the inverse correlation starts at I/alpha."""
    forgetting: tuple[float, ...] = (1e-4, 10**-3.5, 1e-3)
    """1 - lambda a step, among which its forgetting variant is tuned."""

    surrogates: int = 40
    """Pairs of bumps inside the "what" window, for C4."""
    permutations: int = 1000
    """Independent permutations, for C6."""
    lesions: int = 100
    """Random lesions, for C6."""
    lesion: float = 0.1
    """Share of the neurons that a lesion silences."""

    limit_trials: int = 60
    """Trials of each cell of the sweeps of recurrence, noise, feedback and events."""
    limit_g: tuple[float, ...] = (0.3, 1.0, 3.0, 6.0, 10.0)
    """Strengths of recurrence."""
    limit_noise: tuple[float, ...] = (0.01, 0.05)
    """Standard deviations of current noise."""
    limit_feedback: tuple[float, ...] = (0.3,)
    """A_fb."""
    limit_events: tuple[float, ...] = (5.0,)
    """A_ev."""


SCALES = {
    "smoke": Config(
        seeds=2, neurons=60, trials=4, levels=5, surrogates=3,
        probabilities=(0.2, 0.8), latencies=((200.0, 500.0), (400.0, 700.0)),
        permutations=20, lesions=5, limit_trials=2, limit_g=(1.0, 6.0), limit_noise=(0.05,),
    ),
    "cpu": Config(),
    "paper": Config(
        seeds=10, neurons=1000, dt=0.5, limit_trials=100,
        limit_noise=(0.001, 0.003, 0.01, 0.03, 0.1), limit_feedback=(0.1, 0.3, 1.0, 3.0),
        limit_events=(0.5, 1.5, 5.0),
    ),
}  # fmt: skip
