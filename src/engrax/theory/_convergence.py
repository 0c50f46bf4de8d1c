"""What a solver says where its iteration did not come to rest."""

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float


def warn_of_points(
    solver: str,
    converged: Bool[np.ndarray, "*batch"],
    names: Sequence[str],
    given: Sequence[Float[np.ndarray, "*batch"]],
) -> None:
    """A RuntimeWarning that counts the points that did not converge and names the first of them.

    `given` holds the numbers called `names` at each point.
    """
    missed = ~converged
    if not missed.any():
        return
    first = ", ".join(
        f"{name} {float(a[missed][0]):.6g}" for name, a in zip(names, given, strict=True)
    )
    warnings.warn(
        f"{solver} did not converge at {missed.sum()} of {missed.size} points (the first: "
        f"{first}); what it gives there are the last iterates, see the field `converged`.",
        RuntimeWarning,
        stacklevel=4,
    )
