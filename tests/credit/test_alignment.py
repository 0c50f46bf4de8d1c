import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.credit import ClassAlignment, DualChain, class_alignment_loss

LABELS = jnp.array([0, 2, 1, 2, 0, 1, 1])


def draw(seed, *shape):
    return jr.normal(jr.key(seed), shape)


def numpy_dot(a, b, labels, scale=0.5):
    total = 0.0
    for i, label in enumerate(labels):
        for c in range(len(b)):
            total += (a[i] @ b[c] - (label == c)) ** 2
    return scale * 256 / a.shape[1] * total / (len(a) * len(b))


def test_dot_is_the_mean_over_examples_and_classes():
    a, b = draw(0, 7, 5), draw(1, 3, 5)
    np.testing.assert_allclose(
        class_alignment_loss(a, b, LABELS),
        numpy_dot(np.array(a), np.array(b), np.array(LABELS)),
        rtol=1e-5,
    )


def test_dot_equals_the_example_by_example_form_for_equal_counts_only():
    a, b = draw(0, 6, 5), draw(1, 3, 5)

    def by_examples(labels):
        same = jnp.float32(labels[:, None] == labels[None, :])
        return 0.5 * 256 / 5 * jnp.mean((a @ b[labels].T - same) ** 2)

    balanced, skewed = jnp.array([0, 1, 2, 2, 1, 0]), jnp.array([0, 0, 0, 0, 1, 2])
    np.testing.assert_allclose(
        class_alignment_loss(a, b, balanced), by_examples(balanced), rtol=1e-5
    )
    gap = class_alignment_loss(a, b, skewed) - by_examples(skewed)
    assert abs(gap) > 1e-2


def test_closed_form_of_the_dot_gradient_in_float64():
    with jax.enable_x64(True):
        dual = DualChain((6, 5, 4, 3), jax.nn.elu, key=jr.key(0))
        x, y = draw(1, 8, 6), jnp.array([0, 1, 2, 2, 1, 0, 1, 1])
        a, b = dual.forward(x), dual.feedback(jnp.eye(3))
        for level, weight in enumerate(dual.forward_weights[:-1], start=1):
            width, indicator = weight.shape[0], jnp.eye(3)[y]
            kappa, slope = 0.5 * 256 / width, jnp.where(a[level] > 0, 1.0, a[level] + 1)
            error = a[level] @ b[level].T - indicator
            post = 2 * kappa / (8 * 3) * error @ b[level]
            signal = 2 * kappa / (8 * 3) * error.T @ a[level]
            gradient = jax.grad(class_alignment_loss, (0, 1))(a[level], b[level], y)
            np.testing.assert_allclose(gradient[0], post, rtol=1e-6, atol=1e-12)
            np.testing.assert_allclose(gradient[1], signal, rtol=1e-6, atol=1e-12)

            def loss(w, level=level):
                h = jax.nn.elu(a[level - 1] @ w.T)
                return class_alignment_loss(h, b[level], y)

            local = (post * slope).T @ a[level - 1]
            np.testing.assert_allclose(jax.grad(loss)(weight), local, rtol=1e-6, atol=1e-12)


def test_gradient_of_cosine_against_finite_differences():
    with jax.enable_x64(True):
        a, b, y = draw(0, 7, 5), draw(1, 3, 5), LABELS

        def loss(a, b):
            return class_alignment_loss(a, b, y, kind="cosine", scale=1.0)

        for side in (0, 1):
            direction = draw(side + 2, *(a, b)[side].shape)

            def moved(step, side=side, direction=direction):
                sides = [a, b]
                sides[side] = sides[side] + step * direction
                return loss(*sides)

            slope = jnp.sum(jax.grad(loss, side)(a, b) * direction)
            # Central differences err by h^2 times the third derivative: about 1e-10 here.
            np.testing.assert_allclose(slope, (moved(1e-5) - moved(-1e-5)) / 2e-5, rtol=1e-7)


@given(st.integers(0, 50))
def test_cosine_does_not_see_the_length_of_a_row(seed):
    a, b = draw(seed, 7, 5), draw(seed + 1, 3, 5)
    lengths = jnp.exp(draw(seed + 2, 7, 1))
    one, other = (class_alignment_loss(v, b, LABELS, kind="cosine") for v in (a, a * lengths))
    np.testing.assert_allclose(one, other, rtol=1e-4)


def test_orthonormal_prototypes_have_no_cross_term():
    prototypes = jnp.linalg.qr(draw(0, 5, 5))[0][:3]
    loss = class_alignment_loss(
        prototypes[LABELS], prototypes, LABELS, kind="cosine", scale=1.0, self_scale=0.0
    )
    np.testing.assert_allclose(loss, 0, atol=1e-10)


def test_a_row_of_zeros_has_a_finite_gradient():
    a = draw(0, 7, 5).at[2].set(0.0)
    gradient = jax.grad(lambda a: class_alignment_loss(a, draw(1, 3, 5), LABELS, kind="cosine"))(a)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("kind", ["dot", "cosine"])
def test_a_masked_example_is_as_good_as_deleted(kind):
    """Same gradients as a loss without its entries, under the means of the whole batch."""
    a, b = draw(0, 7, 5), draw(1, 3, 5)
    keep = jnp.array([True, True, False, True, False, True, True])
    rows = np.flatnonzero(keep)

    def masked(a, b):
        return class_alignment_loss(a, b, LABELS, kind=kind, keep=keep)

    def deleted(a, b):
        kept, share = a[rows], len(rows) / 7
        cross = class_alignment_loss(kept, b, LABELS[rows], kind=kind, self_scale=0.0) * share
        if kind == "dot":
            return cross
        unit, signal = (v / jnp.linalg.norm(v, axis=1, keepdims=True) for v in (kept, b))
        own = jnp.sum((unit @ unit.T - jnp.eye(len(rows))) ** 2) / 49
        return cross + 0.5 * own + 0.5 * jnp.mean((signal @ signal.T - jnp.eye(3)) ** 2)

    for one, other in zip(
        jax.grad(masked, (0, 1))(a, b), jax.grad(deleted, (0, 1))(a, b), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_margin_silences_the_examples_that_are_fitted():
    loss = ClassAlignment(3, "cosine", margin=0.1)
    # exp(5) / (exp(5) + 2) = 0.987: fitted. Uniform logits are not.
    logits = jnp.zeros((2, 3)).at[0, 1].set(5.0)
    a, y = draw(0, 2, 4), jnp.array([1, 1])

    def total(a, logits):
        return loss([a, logits], [draw(1, 3, 4), jnp.eye(3)], a, y).sum()

    hidden, top = jax.grad(total, (0, 1))(a, logits)
    assert not np.any(hidden[0])
    assert not np.any(top[0])
    assert np.any(hidden[1])
    assert np.any(top[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 1}, "classes=1"),
        ({"classes": 3, "margin": 1.5}, "margin=1.5"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassAlignment(**arguments)
