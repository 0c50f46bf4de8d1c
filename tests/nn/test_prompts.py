"""Prefixes in attention, and prompts for a frozen transformer."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.core import Paths, path_mask
from engrax.nn import (
    CODAPrompt,
    DualPrompt,
    KolmogorovArnoldAttention,
    PromptedTransformer,
    PromptPool,
    RowAttention,
    SoftmaxAttention,
    VisionTransformer,
    parameter_count,
)

IMAGE, PATCH, D, DEPTH, HEADS, TASKS = (1, 4, 4), 2, 12, 2, 3, 3
X = jr.normal(jr.key(0), (5, *IMAGE))
TOKENS = jr.normal(jr.key(1), (6, D))
PREFIX = (jr.normal(jr.key(2), (4, D)), jr.normal(jr.key(3), (4, D)))
NET = VisionTransformer(IMAGE, PATCH, D, DEPTH, HEADS, classes=6, mlp_ratio=2.0, key=jr.key(4))
PROMPTS = {
    "l2p": PromptPool(D, pool=4, length=2, top=2, key=jr.key(5)),
    "dual": DualPrompt(
        D, DEPTH, TASKS, early=(0,), late=(1,), general_length=2, length=4, key=jr.key(6)
    ),
    "coda": CODAPrompt(D, DEPTH, TASKS, components=6, length=4, blocks=(0, 1), key=jr.key(7)),
}
every_method = pytest.mark.parametrize("name", PROMPTS)


def slow_attention(q, k, v, heads):
    """Softmax attention head by head, query by query."""
    size = q.shape[1] // heads
    out = np.zeros_like(q)
    for h in range(heads):
        own = slice(h * size, (h + 1) * size)
        for i in range(len(q)):
            score = np.exp([q[i, own] @ k[j, own] / np.sqrt(size) for j in range(len(k))])
            out[i, own] = sum(s * v[j, own] for j, s in enumerate(score / score.sum()))
    return out


@pytest.mark.parametrize("build", [RowAttention, SoftmaxAttention])
def test_a_prefix_is_read_by_every_token_and_is_none_itself(build):
    layer = build(D, HEADS, key=jr.key(8))
    x = np.asarray(TOKENS, np.float64)
    if isinstance(layer, RowAttention):
        q, k, v = (x @ np.asarray(w, np.float64).T for w in jnp.split(layer.qkv.weight, 3))
    else:
        q, k, v = (x @ np.asarray(w, np.float64).T for w in (layer.query, layer.key, layer.value))
    keys, values = (np.asarray(a, np.float64) for a in PREFIX)
    k, v = np.concatenate([keys, k]), np.concatenate([values, v])
    expected = slow_attention(q, k, v, HEADS) @ np.asarray(layer.output, np.float64).T
    found = layer(TOKENS, prefix=PREFIX)
    assert found.shape == TOKENS.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    last = layer(TOKENS, prefix=PREFIX, last=True)
    np.testing.assert_allclose(last, expected[-1:], rtol=1e-4, atol=1e-5)
    empty = tuple(a[:0] for a in PREFIX)
    np.testing.assert_allclose(layer(TOKENS, prefix=empty), layer(TOKENS), rtol=1e-5, atol=1e-6)


def test_a_mask_does_not_hide_a_prefix():
    layer = SoftmaxAttention(D, HEADS, key=jr.key(8))
    mask = jnp.tril(jnp.ones((6, 6), bool))
    maps = layer.weights(TOKENS, mask=mask, prefix=PREFIX)
    assert maps.shape == (HEADS, 6, 10)
    assert float(maps[:, 0, :5].min()) > 0
    np.testing.assert_array_equal(maps[:, 0, 5:], 0)
    causal = layer(TOKENS, mask=mask, prefix=PREFIX)
    np.testing.assert_allclose(
        layer(TOKENS, mask=mask, prefix=PREFIX, last=True), causal[-1:], rtol=1e-4, atol=1e-5
    )


def test_prefixes_and_prompts_of_a_transformer():
    whole = NET.features(X[0], prefixes=(None, PREFIX), prompt=TOKENS)
    tokens = jnp.concatenate([NET.embedding(X[0]), NET.token[None]]) + NET.position
    tokens = jnp.concatenate([TOKENS, tokens])
    first, second = NET.blocks
    expected = NET.norm(second(first(tokens), prefix=PREFIX)[-1])
    np.testing.assert_allclose(whole, expected, rtol=1e-4, atol=1e-5)
    logits = NET(X[0], prefixes=(None, PREFIX), prompt=TOKENS)
    np.testing.assert_allclose(logits, NET.head @ whole + NET.head_bias, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="2 blocks got 1 prefixes"):
        NET(X[0], prefixes=(None,))
    with pytest.raises(ValueError, match="and maps"):
        NET(X[0], maps=tuple(NET.maps(X[0])), prefixes=(None, None))
    layer = KolmogorovArnoldAttention(D, HEADS, n_tokens=6, rank=2, grid=2, key=jr.key(0))
    with pytest.raises(ValueError, match="number of tokens is fixed"):
        layer(TOKENS, prefix=PREFIX)


def test_exactly_the_projections_to_queries_keys_and_values_are_trained():
    """3 d^2 + 3 d numbers a block; everything else is bit-identical after training."""
    mask = Paths("*.attention.qkv.*")(NET)
    chosen = eqx.filter(NET, mask)
    assert parameter_count(chosen) == DEPTH * (3 * D**2 + 3 * D)
    for block, own in zip(NET.blocks, chosen.stack, strict=True):
        assert parameter_count(own) == 3 * D**2 + 3 * D
        assert own.attention.qkv.weight is block.attention.qkv.weight

    @eqx.filter_jit
    def trained(net):
        def step(trained, _):
            loss = lambda t: jnp.square(jax.vmap(eqx.combine(t, fixed))(X) - 1).sum()
            gradient = eqx.filter_grad(loss)(trained)
            return jax.tree.map(lambda a, g: a - 0.1 * g, trained, gradient), None

        trained, fixed = eqx.partition(net, mask)
        trained, _ = jax.lax.scan(step, trained, None, length=3)
        return eqx.combine(trained, fixed)

    after = trained(NET)
    leaves = zip(*map(jax.tree.leaves, (NET, after, mask)), strict=True)
    for old, new, moved in leaves:
        assert bool(jnp.all(old == new)) is not moved


def test_the_pool_takes_the_prompts_of_the_nearest_keys():
    pool, query = PROMPTS["l2p"], jr.normal(jr.key(9), (D,))
    keys, q = np.asarray(pool.keys, np.float64), np.asarray(query, np.float64)
    near = np.array([q @ k / np.linalg.norm(q) / np.linalg.norm(k) for k in keys])
    order = np.argsort(-near)[:2]
    given = pool(query)
    np.testing.assert_array_equal(pool.chosen(query), order)
    expected = np.concatenate([np.asarray(pool.prompts[i]) for i in order])
    np.testing.assert_array_equal(given.prompt, expected)
    np.testing.assert_allclose(given.pull, (1 - near[order]).sum(), rtol=1e-5)
    assert given.prefixes is None
    gradient = jax.grad(lambda keys: eqx.tree_at(lambda p: p.keys, pool, keys)(query).pull)(
        pool.keys
    )
    assert set(np.flatnonzero(np.abs(gradient).sum(1)).tolist()) == set(order.tolist())


def test_dual_prompts_are_the_tasks_own_in_training_and_the_nearest_keys_otherwise():
    dual = eqx.tree_at(lambda p: p.keys, PROMPTS["dual"], jnp.eye(TASKS, D)).begin_task(
        jnp.int32(1), key=jr.key(0)
    )
    query = jnp.eye(TASKS, D)[0] + 2 * jnp.eye(TASKS, D)[2]
    assert int(dual.chosen(query)) == 0, "task 2 has not begun, however near its key"
    general = (dual.general[0, :1], dual.general[0, 1:])
    for training, task in ((True, 1), (False, 0)):
        given = dual(query, training=training)
        expected = (general, (dual.expert[task, 0, :2], dual.expert[task, 0, 2:]))
        for prefix, (keys, values) in zip(given.prefixes, expected, strict=True):
            np.testing.assert_array_equal(prefix[0], keys)
            np.testing.assert_array_equal(prefix[1], values)
        near = float(query[task] / jnp.linalg.norm(query))
        assert float(given.pull) == pytest.approx(1 - near, abs=1e-6)
    last = dual.begin_task(jnp.int32(2), key=jr.key(0))
    assert int(last.chosen(query)) == 2


def test_coda_weighs_components_by_what_they_attend_to():
    coda = PROMPTS["coda"].begin_task(jnp.int32(1), key=jr.key(1))
    query = jr.normal(jr.key(9), (D,))
    q = np.asarray(query, np.float64)
    given = coda(query)
    for block, (keys, values) in enumerate(given.prefixes):
        prompt = np.zeros((4, D))
        for m in range(4):  # two components a task, and two tasks so far
            a, k = (np.asarray(x[block, m], np.float64) for x in (coda.attention, coda.keys))
            alpha = (q * a) @ k / np.linalg.norm(q * a) / np.linalg.norm(k)
            prompt += alpha * np.asarray(coda.prompts[block, m], np.float64)
        np.testing.assert_allclose(keys, prompt[:2], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(values, prompt[2:], rtol=1e-4, atol=1e-5)
    assert float(given.pull) == 0


def test_codas_new_components_are_orthogonal_to_trained_ones_which_stay():
    coda = PROMPTS["coda"]
    # As after training: no longer at right angles, nor of length 1.
    moved = jax.tree.map(
        lambda a: a + 0.3 * jr.normal(jr.key(a.ndim), a.shape) if eqx.is_inexact_array(a) else a,
        coda,
    )
    begun = moved.begin_task(jnp.int32(1), key=jr.key(2))
    for name in ("prompts", "keys", "attention"):
        old, new = getattr(moved, name), getattr(begun, name)
        np.testing.assert_array_equal(new[:, :2], old[:, :2])
        np.testing.assert_array_equal(new[:, 4:], old[:, 4:])
        for block in new.reshape(2, 6, -1):
            # Unit rows: products are exact to a few roundings of 1e-7 each.
            gram = block[:4] @ block[:4].T
            np.testing.assert_allclose(gram[2:, 2:], np.eye(2), atol=1e-5)
            np.testing.assert_allclose(gram[2:, :2], 0, atol=1e-5)
    again = moved.begin_task(jnp.int32(1), key=jr.key(3))
    assert float(jnp.abs(again.keys[:, 2:4] - begun.keys[:, 2:4]).max()) > 0.01


def test_codas_earlier_components_get_no_gradient_in_training():
    coda = PROMPTS["coda"].begin_task(jnp.int32(1), key=jr.key(1))
    model = PromptedTransformer(NET, coda)
    trained, fixed = eqx.partition(model, path_mask(model, "prompts.*"))
    loss = lambda t: jnp.square(eqx.combine(t, fixed).train(X[0])[0]).sum()
    gradient = eqx.filter_jit(eqx.filter_grad(loss))(trained).prompts
    for name in ("prompts", "keys", "attention"):
        sizes = jnp.abs(getattr(gradient, name)).reshape(2, 6, -1).sum(-1)
        np.testing.assert_array_equal(sizes > 0, [[False, False, True, True, False, False]] * 2)


@every_method
def test_prompted_transformers(name):
    model = PromptedTransformer(NET, PROMPTS[name])
    query = model.query(X[0])
    np.testing.assert_allclose(query, NET.features(X[0]), rtol=1e-5, atol=1e-6)
    given = model.prompts(query)
    expected = NET(X[0], prefixes=given.prefixes, prompt=given.prompt)
    outputs = eqx.filter_jit(lambda model, x: jax.vmap(model)(x))(model, X)
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-4, atol=1e-5)
    # The first task is the only one so far, so training and use do the same.
    logits, pull = eqx.filter_jit(lambda model, x: model.train(x))(model, X[0])
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    assert float(pull) >= 0
    begun = eqx.filter_jit(lambda model: model.begin_task(jnp.int32(1), key=jr.key(0)))(model)
    assert int(begun.prompts.task) == 1
    assert jax.tree.structure(begun) == jax.tree.structure(model)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PromptPool(D, pool=2, top=3, key=jr.key(0)), "at least `top`"),
        (lambda: DualPrompt(D, 2, 3, key=jr.key(0)), "expected different ones from 0 to 1"),
        (lambda: DualPrompt(D, 5, 3, length=3, key=jr.key(0)), "even lengths"),
        (lambda: DualPrompt(D, 2, 3, early=(0,), late=(0,), key=jr.key(0)), "different ones"),
        (lambda: CODAPrompt(D, 2, 3, blocks=(), key=jr.key(0)), "different ones"),
        (lambda: CODAPrompt(D, 5, 3, length=3, key=jr.key(0)), "length=3"),
        (lambda: CODAPrompt(D, 5, 3, components=4, key=jr.key(0)), "multiple of the tasks"),
        (lambda: CODAPrompt(D, 5, 3, components=15, key=jr.key(0)), "at most d"),
    ],
)
def test_bad_input(build, message):
    with pytest.raises(ValueError, match=message):
        build()
