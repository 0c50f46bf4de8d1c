"""What is refused of the parameters that the classifiers have in common."""

import numbers
from typing import Any


def check_net(credit: str, sizes: Any) -> None:
    """Hidden layers that a rule can train.

    **Raises:** `ValueError` for sizes that are none, or several with "noprop".
    """
    whole = isinstance(sizes, tuple | list) and all(
        isinstance(n, numbers.Integral) and int(n) >= 1 for n in sizes
    )
    wide = credit != "noprop" or (whole and len(sizes) == 1 and int(sizes[0]) > 1)
    if not whole or not len(sizes) or not wide:
        raise ValueError(
            f"hidden_layer_sizes={sizes!r} with credit={credit!r}; expected a tuple of "
            "positive whole numbers, and with 'noprop' a single one of at least 2."
        )


def check_counts(estimator: Any, *names: str) -> None:
    """Whole numbers of at least 1. **Raises:** `ValueError` for another."""
    for name in names:
        value = getattr(estimator, name)
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name}={value!r}; expected a whole number of at least 1.")


def check_rates(estimator: Any) -> None:
    """A learning rate and a decay. **Raises:** `ValueError` for others."""
    if not estimator.learning_rate > 0 or not estimator.weight_decay >= 0:
        raise ValueError(
            f"learning_rate={estimator.learning_rate!r}, "
            f"weight_decay={estimator.weight_decay!r}; "
            "expected a rate above 0 and a decay of at least 0."
        )
