"""Experiments of classical conditioning, for any memory that learns pair by pair."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@runtime_checkable
class Memory(Protocol):
    """What an experiment is run on: `engrax.memory.AssociativeMemory` is one."""

    def init(self) -> Any:
        """The state before the first trial."""
        ...

    def write(self, state: Any, key: Array, value: Array, **more: Any) -> Any:
        """The state after one step."""
        ...

    def read(self, state: Any, query: Array) -> Array:
        """The response to a stimulus."""
        ...


class Phase(NamedTuple):
    """A trial, repeated."""

    trial: str
    """Steps, parted by spaces: letters are the conditional stimuli that are present, a trailing
    `+` brings the unconditional stimulus, a trailing `-` (or nothing) does not. `+` alone is the
    unconditional stimulus alone, `.` an empty step."""
    times: int = 1
    """How often the trial is run."""
    magnitude: float = 1.0
    """Size of the unconditional stimulus."""


@dataclasses.dataclass(frozen=True)
class ConditioningExperiment:
    """Phases of training, and the response to every stimulus after every step.

    **Raises:** `ValueError` for a trial that cannot be read, or a stimulus that has no element.
    """

    phases: tuple[Phase, ...]
    elements: Mapping[str, Float[np.ndarray, " features"]] = dataclasses.field(default_factory=dict)
    """The vector of each stimulus; orthonormal ones for all letters that occur if empty. A
    stimulus of salience a is an element of norm a. A compound is the sum of its elements."""
    normalize_compound: bool = False
    """Divide each compound by its norm, as sequence models do with their keys. This changes the
    textbook's figures: two stimuli in compound get lam / sqrt(2) each, not lam / 2."""

    def __post_init__(self) -> None:
        letters = sorted({c for phase in self.phases for c in phase.trial if c.isalpha()})
        if not self.elements:
            found = dict(zip(letters, np.eye(len(letters), dtype=np.float32), strict=True))
            object.__setattr__(self, "elements", found)
        if missing := set(letters) - set(self.elements):
            raise ValueError(f"There is no element for {', '.join(sorted(missing))}; give one.")
        for phase in self.phases:
            for event in phase.trial.split() or [""]:
                cues = event.rstrip("+-")
                if (event != "." and not (cues.isalpha() or event == "+")) or len(event) - len(
                    cues
                ) > 1:
                    raise ValueError(
                        f"A step is letters and then + or -, or '+', or '.', got {event!r}."
                    )

    @property
    def keys(self) -> Float[np.ndarray, "steps features"]:
        """What is shown at each step."""
        shown = [self.stimulus(event.rstrip("+-").replace(".", "")) for event, _ in self._events()]
        return np.stack(shown).astype(np.float32)

    @property
    def values(self) -> Float[np.ndarray, "steps 1"]:
        """The unconditional stimulus of each step."""
        present = [size if event.endswith("+") else 0.0 for event, size in self._events()]
        return np.asarray(present, np.float32)[:, None]

    def stimulus(self, cues: str) -> Float[np.ndarray, " features"]:
        """The vector of one stimulus or compound; zero for none."""
        size = len(next(iter(self.elements.values())))
        total = np.zeros(size, np.float32) + sum(np.asarray(self.elements[c]) for c in cues)
        norm = np.linalg.norm(total)
        return total / norm if self.normalize_compound and norm > 0 else total

    def run(
        self, memory: Memory, *, lookahead: bool = False, **options: Any
    ) -> dict[str, Float[np.ndarray, " steps"]]:
        """Response to each stimulus after each step, for a memory with one value feature.

        `options` go to `memory.write`, such as `rate`; with `lookahead` it also gets the key that
        comes next as `next_pre`.
        """
        keys, values = jnp.asarray(self.keys), jnp.asarray(self.values)
        probes = jnp.stack([jnp.asarray(self.stimulus(c), jnp.float32) for c in self.elements])
        more = {"next_pre": jnp.roll(keys, -1, 0).at[-1].set(0.0)} if lookahead else {}

        def step(state: Any, now: Any) -> tuple[Any, Array]:
            key, value, extra = now
            state = memory.write(state, key, value, **options, **extra)
            return state, memory.read(state, probes)[:, 0]

        found = np.asarray(jax.lax.scan(step, memory.init(), (keys, values, more))[1])
        return dict(zip(self.elements, found.T, strict=True))

    def _events(self) -> list[tuple[str, float]]:
        return [
            (event, phase.magnitude)
            for phase in self.phases
            for event in phase.times * phase.trial.split()
        ]
