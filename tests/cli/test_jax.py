"""What a command sets in JAX, and what it leaves to the user."""

import jax
import pytest

from engrax.cli._jax import multiply_exactly


@pytest.mark.parametrize(
    ("backend", "chosen", "updates"),
    [
        ("cpu", None, []),
        ("gpu", None, [("jax_default_matmul_precision", "float32")]),
        ("gpu", "tensorfloat32", []),
    ],
)
def test_float32_is_multiplied_as_float32(monkeypatch, backend, chosen, updates):
    done = []
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(jax.config, "update", lambda *given: done.append(given))
    with jax.default_matmul_precision(chosen):
        multiply_exactly()
    assert done == updates
