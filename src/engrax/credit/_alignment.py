"""The local losses of counter-current learning: pull paired activities together, level by level."""

import abc
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int


class AlignmentLoss(eqx.Module):
    """What enters the feedback network, and the loss of every level.

    The learner adds the levels up and takes one gradient. Nothing may be detached in here: both
    sides of a pair move.
    """

    @abc.abstractmethod
    def targets(self, x: Array, y: Array) -> Array:
        """Rows `(m, ...)` that the feedback network starts from, given a batch."""

    @abc.abstractmethod
    def __call__(
        self, activities: list[Array], signals: list[Array], x: Array, y: Array
    ) -> Float[Array, " levels"]:
        """Loss of levels 0..L; the last one trains the output layer."""


def _unit_rows(x: Float[Array, "rows features"]) -> Float[Array, "rows features"]:
    squares = jnp.sum(x * x, axis=1, keepdims=True)
    # A row of zeros has no direction: it stays zero, and its gradient zero instead of NaN.
    norm = jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1.0)), 0.0)
    return x / (norm + 1e-8)


def class_alignment_loss(
    activity: Float[Array, "batch ..."],
    signal: Float[Array, "classes ..."],
    labels: Int[Array, " batch"],
    *,
    kind: Literal["dot", "cosine"] = "dot",
    scale: float | Float[Array, ""] = 0.5,
    self_scale: float | Float[Array, ""] = 0.5,
    keep: Bool[Array, " batch"] | None = None,
) -> Float[Array, ""]:
    """Loss between the activities of a batch and the feedback signals of the classes.

    With M the class indicator `M[i, c] = (labels[i] == c)` and d the features of the level,

    - `dot`: `scale * 256 / d * mean((a b^T - M)^2)`, no normalization (the authors' code for
      fully connected nets);
    - `cosine`: rows of unit length, `scale * mean((a b^T - M)^2)
      + self_scale * mean((a a^T - I)^2) + self_scale * mean((b b^T - I)^2)` (Kao & Hariharan
      2024, Eq. 2 and appendix). The self terms keep activities from collapsing; the first of them
      also pushes apart examples of one class.

    `keep=False` makes an example's activity zero, so that it teaches nothing; means still count it.
    Activities with more than one feature axis are flattened.
    """
    a = activity.reshape(activity.shape[0], -1)
    b = signal.reshape(signal.shape[0], -1)
    indicator = jax.nn.one_hot(labels, b.shape[0], dtype=a.dtype)
    if kind == "cosine":
        a, b = _unit_rows(a), _unit_rows(b)
    if keep is not None:
        a = jnp.where(keep[:, None], a, 0.0)
    cross = jnp.mean((a @ b.T - indicator) ** 2)
    if kind == "dot":
        return scale * 256.0 / a.shape[1] * cross
    spread = jnp.mean((a @ a.T - jnp.eye(a.shape[0], dtype=a.dtype)) ** 2)
    spread += jnp.mean((b @ b.T - jnp.eye(b.shape[0], dtype=b.dtype)) ** 2)
    return scale * cross + self_scale * spread


class ClassAlignment(AlignmentLoss):
    """`class_alignment_loss` at levels 0..L-1, cross-entropy at the output.

    The feedback network sees the one-hot rows of the `classes` classes, not the batch: every
    example of a class shares its row, and a step costs C feedback rows instead of n.

    With `margin`, an example that is fitted already, `p(label) > 1 - margin`, teaches no level
    (the authors' "flooding"; 0.1 in their code, 0.2 in the paper).

    Raises ValueError if `classes` is below 2 or `margin` lies outside (0, 1).
    """

    classes: int = eqx.field(static=True)
    kind: Literal["dot", "cosine"] = eqx.field(static=True)
    scale: Float[Array, ""]
    self_scale: Float[Array, ""]
    margin: Float[Array, ""] | None

    def __init__(
        self,
        classes: int,
        kind: Literal["dot", "cosine"] = "dot",
        *,
        scale: float | None = None,
        self_scale: float = 0.5,
        margin: float | None = None,
    ):
        if classes < 2:
            raise ValueError(f"ClassAlignment got classes={classes}; expected 2 or more.")
        if kind not in ("dot", "cosine"):
            raise ValueError(f"ClassAlignment got kind={kind!r}; expected 'dot' or 'cosine'.")
        if margin is not None and not 0 < margin < 1:
            raise ValueError(
                f"ClassAlignment got margin={margin}; expected a probability gap in (0, 1), "
                "or None to train on every example."
            )
        self.classes, self.kind = classes, kind
        # The authors' code uses 0.5 with `dot` and 1 with `cosine`.
        default = 0.5 if kind == "dot" else 1.0
        self.scale = jnp.float32(default if scale is None else scale)
        self.self_scale = jnp.float32(self_scale)
        self.margin = None if margin is None else jnp.float32(margin)

    def targets(self, x: Array, y: Array) -> Float[Array, "classes classes"]:
        """One-hot rows of all classes."""
        return jnp.eye(self.classes)

    def __call__(
        self, activities: list[Array], signals: list[Array], x: Array, y: Array
    ) -> Float[Array, " levels"]:
        """Loss of each level; `activities[-1]` are the logits `(batch, classes)`."""
        logits = activities[-1]
        keep = None
        if self.margin is not None:
            fitted = jax.nn.softmax(jax.lax.stop_gradient(logits))
            keep = jnp.take_along_axis(fitted, y[:, None], axis=1)[:, 0] <= 1 - self.margin
            logits = jnp.where(keep[:, None], logits, 0.0)
        scales = {"kind": self.kind, "scale": self.scale, "self_scale": self.self_scale}
        local = [
            class_alignment_loss(a, b, y, keep=keep, **scales)
            for a, b in zip(activities[:-1], signals[:-1], strict=True)
        ]
        top = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        return jnp.stack([*local, top])
