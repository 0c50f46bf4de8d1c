"""rehearsal_free, the part on transformers: arms, their numbers, and what stays as it was."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.continual import part_of
from engrax.core import Batch, path_mask
from engrax.studies.rehearsal_free import SCALES, _claims
from engrax.studies.rehearsal_free._prompts import METHODS, PROMPTS, Numbered, prompt_arms
from engrax.studies.rehearsal_free._prompts_learners import QKV, learner_of, own_cross_entropy

SMOKE = SCALES["smoke"]
ARMS = prompt_arms(SMOKE)


def trained_by(name):
    """The weights before and after two tasks of an arm, and the arm."""
    arm = ARMS[f"vit_{name}"]()
    state = arm.system.init(key=jr.key(0))
    fresh = ARMS["vit_pretrained"]().system.init(key=jr.key(1))
    state = arm.start(state, fresh)
    before = part_of(state["learner"], "model")
    run = jax.jit(
        lambda s: jax.lax.scan(
            lambda s, t: arm.system.step(s, t), s, jnp.arange(2, dtype=jnp.int32)
        )
    )
    after, records = run(state)
    source = fresh["learner"]["model"]
    net = getattr(before, "net", before)
    np.testing.assert_array_equal(net.embedding.weight, source.embedding.weight)
    np.testing.assert_array_equal(
        net.stack[0].attention.qkv.weight, source.stack[0].attention.qkv.weight
    )
    assert np.isfinite(np.asarray(records["accuracy"])).all()
    return before, part_of(after["learner"], "model")


@pytest.mark.parametrize(
    ("name", "patterns"),
    [("ewc", (QKV, "head", "head_bias")), ("coda", ("prompts.*", "net.head", "net.head_bias"))],
)
def test_what_is_not_to_be_tuned_is_bit_identical_after_two_tasks(name, patterns):
    before, after = trained_by(name)
    mask = path_mask(before, *patterns)
    for old, new, tuned in zip(*map(jax.tree.leaves, (before, after, mask)), strict=True):
        if not tuned and eqx.is_inexact_array(old):
            np.testing.assert_array_equal(old, new)
    changed = [
        bool(jnp.any(old != new))
        for old, new, tuned in zip(*map(jax.tree.leaves, (before, after, mask)), strict=True)
        if tuned
    ]
    assert all(changed)


def test_all_methods_have_as_many_settings_and_their_numbers_of_weights():
    arms = {name: ARMS[name]() for name in METHODS}
    settings = {name: len(arm.system.rows) for name, arm in arms.items()}
    assert set(settings.values()) == {4}
    own, classes = SMOKE.prompts, SMOKE.classes
    d, depth = own.width, own.depth
    head = classes * d + classes
    qkv = depth * (3 * d * d + 3 * d) + head
    dual = d * (own.general_length + SMOKE.tasks * own.expert_length + SMOKE.tasks) + head
    expected = {
        "vit_l2": qkv, "vit_ewc": qkv, "vit_free": qkv, "vit_frozen": head,
        "vit_l2p": own.pool * d * (own.pool_length + 1) + head, "vit_dual": dual,
        "vit_coda": depth * own.components * d * (own.component_length + 2) + head,
    }  # fmt: skip
    for name, count in expected.items():
        assert int(arms[name].measure(None)["trainable"]) == count, name
    assert SMOKE.tuning_seeds == 0
    tuned = prompt_arms(dataclasses.replace(SMOKE, tuning_seeds=1))["vit_l2"]().tuning
    assert (tuned.values, tuned.ticks, tuned.extensions) == ((1.0, 2.0, 3.0, 4.0), 3, 0)


def test_a_numbered_system_has_the_numbers_of_its_row():
    system = ARMS["vit_l2"]().system
    assert isinstance(system, Numbered)
    for setting, row in enumerate(np.asarray(system.rows), start=1):
        chosen = eqx.tree_at(lambda s: s.setting, system, jnp.float32(setting))
        learner = chosen["learner"]
        np.testing.assert_array_equal(
            [learner.learner.hyper["learning_rate"], learner.strength], row
        )
        np.testing.assert_array_equal(learner.learner.hyper["factor"], 1)


def test_the_masked_loss_leaves_the_rows_of_other_classes_alone():
    learner = learner_of(SMOKE, "frozen")
    model = learner.model(learner.init(key=jr.key(0)))
    x = jr.normal(jr.key(1), (4, 1, SMOKE.size, SMOKE.size))
    seen = jnp.arange(6) < 4
    batch = Batch(x, jnp.array([2, 3, 2, 3]), jnp.int32(1), None, jnp.tile(seen, (4, 1)))
    for masked in (True, False):
        loss = learner.loss if masked else learner.loss.args[1]
        assert isinstance(learner.loss, eqx.Partial)
        assert learner.loss.func is own_cross_entropy
        gradient = jax.grad(
            lambda head, loss=loss: loss(
                eqx.tree_at(lambda m: m.head, model, head), batch, jr.key(0)
            )[0]
        )(model.head)
        moved = np.abs(np.asarray(gradient)).sum(1) > 0
        np.testing.assert_array_equal(moved, [not masked, not masked, True, True, False, False])


class Made(dict):
    """A run of arrays that a test made up."""

    diverged, config = (), SMOKE


def made(**finals):
    def arm(final):
        matrix = np.tile(np.asarray(final, float)[:, None, None], (1, 2, 2))
        return xr.Dataset(
            {"accuracy": (("seed", "tick", "tested"), matrix)}, {"seed": np.arange(len(final))}
        )

    return Made({name: arm(final) for name, final in finals.items()})


def test_the_best_prompts_are_those_of_the_best_mean():
    run = made(vit_l2=[0.8, 0.7], vit_l2p=[0.9, 0.1], vit_dual=[0.6, 0.65], vit_coda=[0.5, 0.5])
    assert set(PROMPTS) <= set(run)
    np.testing.assert_allclose(_claims.lead_over_prompts(run), [0.2, 0.05])
    part = next(iter(_claims.C5.parts.values()))
    np.testing.assert_allclose(part.value(run), [0.2, 0.05])
