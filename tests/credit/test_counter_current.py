import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.core import Batch
from engrax.credit import ClassAlignment, CounterCurrent, DualChain, network_sgd
from engrax.nn import MLP

WIDTHS = (6, 5, 4, 4, 3)
DEPTH = len(WIDTHS) - 1
X = jr.normal(jr.key(10), (8, 6))
Y = jnp.array([0, 1, 2, 2, 1, 0, 1, 1])


def learner(kind="dot", feedback_rate=1.0, optimizer=network_sgd, **loss):
    rates = [{"learning_rate": jnp.float32(r), "clip": jnp.float32(1)} for r in (1, feedback_rate)]
    build = eqx.Partial(DualChain, WIDTHS, jax.nn.elu)
    return CounterCurrent(build, ClassAlignment(3, kind, **loss), optimizer, *rates)


def levels(dual, loss):
    return loss(dual.forward(X), dual.feedback(loss.targets(X, Y)), X, Y)


@pytest.mark.parametrize("kind", ["dot", "cosine"])
def test_every_loss_reaches_one_layer_of_each_network(kind):
    dual, loss = DualChain(WIDTHS, key=jr.key(0)), ClassAlignment(3, kind)
    rows = jax.jacrev(levels)(dual, loss)
    for layer in range(1, DEPTH + 1):
        for level in range(DEPTH + 1):
            up = rows.forward_weights[layer - 1][level]
            down = rows.feedback_weights[layer - 1][level]
            assert np.any(up) == (layer == level)
            assert np.any(down) == (layer == level + 1)


def test_an_update_depends_on_no_layer_above_but_its_partner():
    """dU_l is blind to U_k, k > l, and V_k, k <= l; it does hear V_{l+1}."""
    method = learner()
    dual = DualChain(WIDTHS, key=jr.key(0))
    plain = method.gradients(dual, X, Y)[0]

    def shifted(side, k):
        where = lambda d: getattr(d, side)[k - 1]
        return method.gradients(eqx.tree_at(where, dual, where(dual) + 0.1), X, Y)[0]

    for layer in range(1, DEPTH):
        for k in range(layer + 1, DEPTH + 1):
            np.testing.assert_array_equal(
                shifted("forward_weights", k)[layer - 1], plain[layer - 1]
            )
        for k in range(1, layer + 1):
            np.testing.assert_array_equal(
                shifted("feedback_weights", k)[layer - 1], plain[layer - 1]
            )
        assert np.any(shifted("feedback_weights", layer + 1)[layer - 1] != plain[layer - 1])


def cross_entropy(model):
    return optax.softmax_cross_entropy_with_integer_labels(model(X), Y).mean()


def test_the_output_layer_learns_as_under_backpropagation():
    key = jr.key(0)
    gradients = learner().gradients(DualChain(WIDTHS, key=key), X, Y)[0]
    exact = jax.grad(cross_entropy)(MLP(WIDTHS, jax.nn.elu, bias=False, key=key))
    np.testing.assert_allclose(gradients[-1], exact.layers[-1].weight, atol=1e-6)
    assert np.any(np.abs(gradients[0] - exact.layers[0].weight) > 1e-4)


def test_without_stop_gradients_and_local_losses_it_is_backpropagation(monkeypatch):
    monkeypatch.setattr("engrax.credit._dual_chain.stop_gradient", lambda x: x)
    key = jr.key(0)
    gradients = learner(scale=0.0).gradients(DualChain(WIDTHS, key=key), X, Y)[0]
    exact = jax.grad(cross_entropy)(MLP(WIDTHS, jax.nn.elu, bias=False, key=key))
    for one, layer in zip(gradients, exact.layers, strict=True):
        np.testing.assert_allclose(one, layer.weight, atol=1e-6)


def test_class_rows_are_the_batch_rows_gathered():
    dual = DualChain(WIDTHS, key=jr.key(0))
    rows, batch = dual.feedback(jnp.eye(3)), dual.feedback(jnp.eye(3)[Y])
    for of_classes, of_examples in zip(rows, batch, strict=True):
        np.testing.assert_allclose(of_classes[Y], of_examples, atol=1e-6)


def test_one_key_gives_the_forward_weights_of_an_mlp_and_feedback_of_its_own():
    dual, model = DualChain(WIDTHS, key=jr.key(0)), MLP(WIDTHS, bias=False, key=jr.key(0))
    for up, down, layer in zip(
        dual.forward_weights, dual.feedback_weights, model.layers, strict=True
    ):
        np.testing.assert_array_equal(up, layer.weight)
        assert np.abs(np.corrcoef(up.ravel(), down.T.ravel())[0, 1]) < 0.9
        assert not np.any(up == down.T)


def test_one_step_against_a_slow_loop():
    method = learner()
    state = method.init(key=jr.key(0))
    dual = method.model(state)
    up, down = (
        [np.asarray(w, np.float64) for w in ws]
        for ws in (dual.forward_weights, dual.feedback_weights)
    )
    new = method.model(method.step(state, Batch(X, Y))[0])
    slow_up, slow_down = slow_step(up, down, np.asarray(X, np.float64), np.asarray(Y))
    for fast, slow in [
        *zip(new.forward_weights, slow_up, strict=True),
        *zip(new.feedback_weights, slow_down, strict=True),
    ]:
        np.testing.assert_allclose(fast, slow, atol=1e-5)


def slow_step(up, down, x, y, scale=0.5):
    """Example by example and class by class, from the closed form; rates and clips are 1."""
    elu = lambda z: np.where(z > 0, z, np.exp(z) - 1)
    slope = lambda a: np.where(a > 0, 1.0, a + 1)
    depth, n, classes = len(up), len(x), 3
    grad_up, grad_down = [np.zeros_like(w) for w in up], [np.zeros_like(w) for w in down]
    signals = []
    for c in range(classes):
        b = [np.eye(classes)[c]]
        for level in range(depth - 1, -1, -1):
            z = down[level] @ b[0]
            b.insert(0, z if level == 0 else elu(z))
        signals.append(b)
    for row, label in zip(x, y, strict=True):
        a = [row]
        for level, w in enumerate(up, start=1):
            z = w @ a[-1]
            a.append(z if level == depth else elu(z))
        for level in range(depth):
            kappa = scale * 256 / len(a[level])
            for c in range(classes):
                b = signals[c]
                e = 2 * kappa / (n * classes) * (a[level] @ b[level] - (label == c))
                if level > 0:
                    grad_up[level - 1] += np.outer(e * b[level] * slope(a[level]), a[level - 1])
                s = 1.0 if level == 0 else slope(b[level])
                grad_down[level] += np.outer(e * a[level] * s, b[level + 1])
        p = np.exp(a[-1] - a[-1].max())
        grad_up[-1] += np.outer(p / p.sum() - np.eye(classes)[label], a[-2]) / n

    def descend(weights, gradients):
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        return [w - g / max(1, norm) for w, g in zip(weights, gradients, strict=True)]

    return descend(up, grad_up), descend(down, grad_down)


def test_a_feedback_rate_of_zero_leaves_the_feedback_weights_bit_for_bit():
    method = learner(feedback_rate=0.0)
    state = first = method.init(key=jr.key(0))
    for _ in range(3):
        state, _ = method.step(state, Batch(X, Y))
    for before, after in zip(
        method.model(first).feedback_weights, method.model(state).feedback_weights, strict=True
    ):
        assert np.asarray(before).tobytes() == np.asarray(after).tobytes()
    assert np.any(method.model(state).forward_weights[0] != method.model(first).forward_weights[0])


def test_learning_lowers_both_losses():
    method = learner()
    state, records = jax.lax.scan(
        lambda s, _: method.step(s, Batch(X, Y)), method.init(key=jr.key(0)), length=300
    )
    # About a tenth; where it stands after 300 steps depends on rounding.
    assert records["output_loss"][-1] < 0.2 * records["output_loss"][0]
    assert records["loss"][-1] < 0.3 * records["loss"][0]
    assert np.mean(method.predict(state, X).argmax(1) == Y) == 1


def test_images_are_flattened():
    dual = DualChain((4, 5, 3), key=jr.key(0))
    images = jr.normal(jr.key(1), (7, 1, 2, 2))
    np.testing.assert_array_equal(dual.forward(images)[-1], dual.forward(images.reshape(7, 4))[-1])


@pytest.mark.parametrize("widths", [(4, 3), (4, 0, 3)])
def test_bad_widths(widths):
    with pytest.raises(ValueError, match="at least one hidden width"):
        DualChain(widths, key=jr.key(0))
