"""Learning an operation table from some of its entries, a share of them wrong."""

from typing import NamedTuple, final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from engrax.core import Batch, State, Stream, named

_ROUNDING = 1e-3
"""Where a product that is whole on paper falls short by rounding, it is still that whole number."""


class GroupTask(NamedTuple):
    """A table cut in two, with some training labels replaced.

    Of the n training examples the first `int(corrupt * n)` carry a label drawn uniformly, so that
    about one in M of *those* is right by luck. Test labels are never touched. If every corruption
    is ignored, training accuracy is `1 - wrong.mean()` exactly, where `wrong = y != y_true`.
    """

    x: Int[Array, "n 2"]
    """Pairs (a, b)."""
    y: Int[Array, " n"]
    """Labels as given to the learner."""
    y_true: Int[Array, " n"]
    """`table[a, b]`."""
    corrupt: Bool[Array, " n"]
    """Whose label was drawn at random, the lucky ones included."""
    x_test: Int[Array, "rest 2"]
    """All other pairs."""
    y_test: Int[Array, " rest"]
    """Their true labels."""


class Entries(NamedTuple):
    """All M * M entries of a table in shuffled order: the training part is a prefix."""

    x: Int[Array, "entries 2"]
    """Pairs (a, b)."""
    y: Int[Array, " entries"]
    """Labels as given to the learner; true ones outside the training part."""
    y_true: Int[Array, " entries"]
    """`table[a, b]`."""
    train: Bool[Array, " entries"]
    """The training part."""
    corrupt: Bool[Array, " entries"]
    """Whose label was drawn at random: a prefix of the training part."""


def group_task(
    key: Key[Array, ""],
    table: Int[np.ndarray | Array, "m m"],
    fraction: float,
    *,
    corrupt: float = 0.0,
) -> GroupTask:
    """Cut an operation table into training and test entries, and corrupt training labels.

    `int(fraction * M**2)` entries train, and `int(corrupt * n)` of their labels are replaced
    (Doshi et al. 2024, Sec. 2).

    Raises:
        ValueError: a fraction outside (0, 1], or a corruption outside [0, 1].
    """
    stream = GroupStream(table, fraction, corrupt=corrupt)
    entries, n = stream.entries(stream.init(key=key)), stream.rows
    return GroupTask(
        x=entries.x[:n],
        y=entries.y[:n],
        y_true=entries.y_true[:n],
        corrupt=entries.corrupt[:n],
        x_test=entries.x[n:],
        y_test=entries.y_true[n:],
    )


@final
class GroupStream(Stream):
    """The training entries of a table, all at once or in shuffled batches.

    The split and the random labels are drawn by `init`, so every seed has its own. `fraction` and
    `corrupt` are arrays and can be swept: the state's shape does not depend on them, and a full
    batch always has `rows` rows, of which those under the mask count.
    """

    table: Int[Array, "m m"]
    """The operation."""
    fraction: Float[Array, ""]
    """Share of all entries that train."""
    corrupt: Float[Array, ""]
    """Share of the training labels that are replaced."""
    rows: int = eqx.field(static=True)
    """Rows from which batches are taken: at least as many as ever train."""
    batch: int | None = eqx.field(static=True)
    """Examples a batch; None: all rows."""

    def __init__(
        self,
        table: Int[np.ndarray | Array, "m m"],
        fraction: float,
        *,
        corrupt: float = 0.0,
        rows: int | None = None,
        batch: int | None = None,
    ) -> None:
        """Take `rows` from the fraction, unless a sweep over it needs more.

        Raises:
            ValueError: a fraction outside (0, 1], a corruption outside [0, 1], or a batch larger
                than the training part.
        """
        if not 0 < fraction <= 1 or not 0 <= corrupt <= 1:
            raise ValueError(
                "A table is split by a fraction in (0, 1] and corrupted by a share in [0, 1]; got "
                f"{fraction=}, {corrupt=}."
            )
        self.table = jnp.asarray(table, jnp.int32)
        self.fraction = jnp.float32(fraction)
        self.corrupt = jnp.float32(corrupt)
        self.rows = int(_ROUNDING + fraction * self.table.size) if rows is None else rows
        self.batch = batch
        if not 1 <= (batch or 1) <= self.rows <= self.table.size:
            raise ValueError(
                f"{self.rows} training rows of {self.table.size} entries cannot fill batches of "
                f"{batch}; use a smaller batch or a larger fraction."
            )

    def init(self, *, key: Key[Array, ""]) -> State:
        """The shuffled order of the entries, and a random label for each."""
        size, (m, _) = self.table.size, self.table.shape
        state = {
            "order": jr.permutation(named(key, "order"), size).astype(jnp.int32),
            "labels": jr.randint(named(key, "labels"), (size,), 0, m, jnp.int32),
        }
        if self.batch is None:
            return state
        epoch = jnp.arange(self.rows, dtype=jnp.int32)
        return {**state, "epoch": epoch, "key": named(key, "epochs")}

    def entries(self, state: State) -> Entries:
        """All entries as they stand in this run."""
        m = self.table.shape[0]
        x = jnp.stack(jnp.divmod(state["order"], m), axis=-1)
        truth = self.table.reshape(-1)[state["order"]]
        rank = jnp.arange(self.table.size)
        n = _whole(self.fraction * self.table.size)
        train, corrupt = rank < n, rank < _whole(self.corrupt * n.astype(jnp.float32))
        return Entries(x, jnp.where(corrupt, state["labels"], truth), truth, train, corrupt)

    def step(self, state: State, input: Array) -> tuple[State, Batch]:
        """All rows, or the next batch of a permutation that is drawn anew each epoch.

        A last batch that would not be full is dropped. `index` is an entry's rank in `entries`.
        """
        entries = self.entries(state)
        if self.batch is None:
            index = jnp.arange(self.rows)
        else:
            n = entries.train.sum(dtype=jnp.int32)
            place = input % jnp.maximum(n // self.batch, 1)
            state = lax.cond(place == 0, _reshuffled, lambda state, n: state, state, n)
            index = lax.dynamic_slice_in_dim(state["epoch"], place * self.batch, self.batch)
        x, y, mask = (leaf[index] for leaf in (entries.x, entries.y, entries.train))
        return state, Batch(x, y, index=index, mask=mask)

    def view(self, state: State, x: Array, task: Array | int = 0) -> Array:
        """Pairs are seen as they are."""
        del state, task
        return x


def _whole(amount: Float[Array, ""]) -> Int[Array, ""]:
    """The integer below."""
    return jnp.floor(amount + _ROUNDING).astype(jnp.int32)


def _reshuffled(state: State, n: Int[Array, ""]) -> State:
    """The next epoch: the first n rows in a new order, before all others."""
    key, now = jr.split(state["key"])
    rows = jnp.arange(len(state["epoch"]))
    draw = jr.uniform(now, rows.shape) + (rows >= n).astype(jnp.float32)
    return {**state, "epoch": jnp.argsort(draw).astype(jnp.int32), "key": key}
