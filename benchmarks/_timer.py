"""A plain alternating timer.

Two pieces of work that were shown to compute the same run in turn, A B, B A, A B, ..., so that a
drift of the machine meets both. The first call of each, which may compile, is timed apart. A ratio
is taken within each round and reported as the median over the rounds with its range.
"""

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

ROUNDS = 5


class Timing(NamedTuple):
    """Seconds of one piece of work: its first call, then one value a round; and of processor."""

    first: float
    rounds: tuple[float, ...]
    processor: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median over the rounds, in seconds."""
        return statistics.median(self.rounds)


class Ratio(NamedTuple):
    """How many times faster A is than B: the median over the rounds, and the range."""

    median: float
    low: float
    high: float


class Alternation(NamedTuple):
    """Timings of both sides, taken in the same rounds."""

    ours: Timing
    peer: Timing

    @property
    def ratio(self) -> Ratio:
        """Peer's seconds over ours, round by round."""
        ratios = [b / a for a, b in zip(self.ours.rounds, self.peer.rounds, strict=True)]
        return Ratio(statistics.median(ratios), min(ratios), max(ratios))

    @property
    def quiet_ratio(self) -> float:
        """The fastest round of the peer over the fastest of ours.

        Other work on the machine only ever makes a round slower, and it hits thread pools of many
        small tasks hardest; the fastest rounds are the fair ones where the machine is shared.
        """
        return min(self.peer.rounds) / min(self.ours.rounds)

    @property
    def processor_ratio(self) -> float:
        """Median over the rounds of the peer's processor time, all threads, over ours.

        What the machine does besides hardly changes it; what a second core brings does not show.
        """
        pairs = zip(self.ours.processor, self.peer.processor, strict=True)
        return statistics.median(b / a for a, b in pairs)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time of one call, which must not return before its work is done."""
    gc.collect()
    begin = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]


def alternate(
    ours: Callable[[], object], peer: Callable[[], object], *, rounds: int = ROUNDS
) -> Alternation:
    """Times both sides in alternation, after one call of each that counts as the first."""
    if rounds < 5:
        raise ValueError(f"rounds={rounds} is too few for a median; take at least 5.")
    first = seconds(ours)[0], seconds(peer)[0]
    times: tuple[list[tuple[float, float]], ...] = ([], [])
    for number in range(rounds):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            times[side].append(seconds((ours, peer)[side]))
    sides = (
        Timing(begin, *zip(*taken, strict=True)) for begin, taken in zip(first, times, strict=True)
    )
    return Alternation(*sides)


def best_seconds(work: Callable[[], object], *, rounds: int = ROUNDS) -> float:
    """Wall time of the fastest of `rounds` calls, after one that is not counted."""
    work()
    return min(seconds(work)[0] for _ in range(rounds))
