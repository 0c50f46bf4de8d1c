import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax import lax

from engrax.nn._causal_square import causal_square


def plain(q, v, detach_kv):
    k = q
    if detach_kv:
        k, v = lax.stop_gradient((q, v))
    scores = jnp.tril(q @ jnp.swapaxes(k, 1, 2), -1)
    return scores @ jnp.broadcast_to(v, (q.shape[0], *v.shape))


@pytest.mark.parametrize("detach_kv", [False, True])
@pytest.mark.parametrize("time", [1, 7, 130, 203])  # one block of rows, four, four uneven ones
def test_values_and_gradients_are_those_of_the_definition(time, detach_kv):
    heads, n, d = 2, 6, 3
    q, v = jr.normal(jr.key(0), (heads, time, n)), jr.normal(jr.key(1), (time, d))
    weight = jr.normal(jr.key(2), (heads, time, d))

    def gradients(attend):
        loss = lambda q, v: (weight * attend(q, v, detach_kv)).sum()
        return attend(q, v, detach_kv), *jax.grad(loss, (0, 1))(q, v)

    ours = gradients(lambda q, v, cut: causal_square(q, v, detach_kv=cut))
    for mine, expected in zip(ours, gradients(plain), strict=True):
        # Sums of up to 203 terms of size 3 in float32, in another order.
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-3)
