import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.continual import (
    balanced_bce,
    feature_distillation,
    label_log_likelihoods,
    mixed_bce,
    new_class_bce,
    seen_class_bce,
    seen_cross_entropy,
    softmax_kd,
)

OLD, SEEN, ALL, BATCH = 3, 5, 7, 4
LOGITS = jr.normal(jr.key(0), (BATCH, ALL)) * 2
TEACHER = jr.normal(jr.key(1), (BATCH, ALL)) * 2
LABELS = jnp.array([3, 4, 4, 3])
KNOWN = {"n_seen": SEEN}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def bce(z, t):
    p = sigmoid(np.float64(z))
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def loop(kind):
    """Every form, entry by entry."""
    total, n = 0.0, SEEN - OLD
    for z, s, y in zip(*(np.asarray(a, float) for a in (LOGITS, TEACHER, LABELS)), strict=True):
        y, p = int(y), np.exp(z[:SEEN]) / np.exp(z[:SEEN]).sum()
        new = [bce(z[j], float(j == y)) for j in range(OLD, SEEN)]
        old = [bce(z[j], sigmoid(s[j])) for j in range(OLD)]
        if kind == "mixed":
            total += 5 * np.sum(new + old) / SEEN
        elif kind == "new":
            total += 5 * np.sum(new) / n
        elif kind == "zero":
            total += 5 * np.sum(new + [bce(z[j], 0.0) for j in range(OLD)]) / SEEN
        elif kind == "balanced":
            weighted = [
                w * b for w, b in zip([1.0 if j == y else 1 / n for j in (3, 4)], new, strict=True)
            ]
            mean_new = np.sum(weighted) / n * 2 * n / (1 + 1 / n)
            total += 5 * (n * mean_new + OLD * np.mean(old)) / SEEN
        elif kind == "softmax":
            total += -np.log(p[y])
        else:
            t = np.exp(s[:OLD] / 2) / np.exp(s[:OLD] / 2).sum()
            q = np.exp(z[:OLD] / 2) / np.exp(z[:OLD] / 2).sum()
            total += -np.log(p[y]) - 4 * np.sum(t * np.log(q))
    return total / BATCH


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("mixed", mixed_bce),
        ("new", new_class_bce),
        ("zero", seen_class_bce),
        ("balanced", balanced_bce),
        ("softmax", seen_cross_entropy),
        ("kd", softmax_kd),
    ],
)
def test_every_form_against_a_loop_over_entries(kind, loss):
    value = jax.jit(loss)(LOGITS, LABELS, TEACHER, jnp.int32(OLD), n_seen=jnp.int32(SEEN))
    np.testing.assert_allclose(value, loop(kind), rtol=1e-5)
    gradient = jax.grad(loss)(LOGITS, LABELS, TEACHER, OLD, **KNOWN)
    assert np.isfinite(gradient).all()
    # Outputs of classes to come rest, and no gradient reaches the teacher.
    np.testing.assert_array_equal(gradient[:, SEEN:], 0)
    taught = jax.grad(loss, argnums=2)(LOGITS, LABELS, TEACHER, OLD, **KNOWN)
    np.testing.assert_array_equal(taught, 0)


def test_a_student_that_is_its_teacher_leaves_old_logits_alone_and_softmax_pushes_them_down():
    gradient = jax.grad(mixed_bce)(LOGITS, LABELS, LOGITS, OLD, **KNOWN)
    np.testing.assert_array_equal(gradient[:, :OLD], 0)
    assert (np.asarray(gradient)[:, OLD:SEEN] != 0).all()
    pushed = jax.grad(seen_cross_entropy)(LOGITS, LABELS, LOGITS, OLD, **KNOWN)
    p = jax.nn.softmax(LOGITS[:, :SEEN], axis=1)
    np.testing.assert_allclose(pushed[:, :OLD], p[:, :OLD] / BATCH, rtol=1e-5)
    assert (np.asarray(pushed)[:, :OLD] > 0).all()


def test_the_first_task_is_plain_bce_and_the_scale_multiplies_gradients():
    for loss in (mixed_bce, new_class_bce, seen_class_bce):
        first = loss(LOGITS, LABELS, TEACHER, 0, **KNOWN)
        each = bce(np.asarray(LOGITS)[:, :SEEN], np.eye(ALL)[np.asarray(LABELS)][:, :SEEN])
        np.testing.assert_allclose(first, 5 * each.mean(), rtol=1e-5)
    grad = jax.grad(lambda z, s: mixed_bce(z, LABELS, TEACHER, OLD, n_seen=SEEN, scale=s))
    # Powers of two scale floats exactly; 5 does so within one rounding.
    np.testing.assert_array_equal(grad(LOGITS, 4.0), 4 * grad(LOGITS, 1.0))
    np.testing.assert_allclose(grad(LOGITS, 5.0), 5 * grad(LOGITS, 1.0), rtol=1e-6)


def test_without_a_teacher_old_rows_of_the_head_get_no_gradient():
    features, weight = jr.normal(jr.key(2), (BATCH, 6)), jr.normal(jr.key(3), (ALL, 6))
    gradient = jax.grad(lambda w: new_class_bce(features @ w.T, LABELS, None, OLD, **KNOWN))(weight)
    np.testing.assert_array_equal(gradient[:OLD], 0)
    assert (np.asarray(gradient)[OLD:SEEN] != 0).any()


def test_likelihoods_of_labels_are_minus_the_loss_of_one_example():
    for z in LOGITS:
        found = label_log_likelihoods(z, OLD, SEEN)
        for y in range(ALL):
            expected = -np.inf
            if OLD <= y < SEEN:
                expected = -float(new_class_bce(z[None], jnp.array([y]), None, OLD, **KNOWN))
            np.testing.assert_allclose(found[y], expected, rtol=1e-5)


def test_distilled_features():
    a, b = LOGITS, TEACHER
    np.testing.assert_allclose(
        feature_distillation(a, b), np.mean((np.asarray(a) - np.asarray(b)) ** 2), rtol=1e-6
    )
    np.testing.assert_array_equal(jax.grad(feature_distillation)(a, a), 0)
    np.testing.assert_array_equal(jax.grad(feature_distillation, argnums=1)(a, b), 0)
