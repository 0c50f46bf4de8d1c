"""The study: what its arms are made of, its claims on made-up runs, itself at smoke."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import Batch
from engrax.lab import figures, judge, run_study
from engrax.nn import KolmogorovArnoldAttention, RowAttention, row_basis
from engrax.studies.karat import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.karat import _claims as claims
from engrax.studies.karat._arms import _taught
from engrax.studies.karat._costs import _costs
from engrax.studies.karat._measures import _covered
from engrax.studies.karat._models import (
    SINGLE,
    Choice,
    OneOf,
    chosen,
    count,
    matched,
    student_alone,
    tokens,
    transferred,
    transformer,
)
from engrax.studies.karat._recall import recall_model
from engrax.studies.karat._training import images, learner, optimizer, per_tick, plain_loss, ticks
from tests import made_run

VARIANTS = {
    "ranks", "full", "single_bases", "basis_pade", "basis_bspline", "simplex", "mixed_first",
    "transfer_softmax",
}  # fmt: skip
CONFIG = SCALES["smoke"]
CPU = SCALES["cpu"]
N = tokens(CONFIG)
X = jr.normal(jr.key(0), (N, CONFIG.d))


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", claims=(), out=tmp_path_factory.mktemp("run") / "smoke")


Made = partial(made_run.Made, config=CPU)


def arm(accuracies, **more):
    """Test accuracies (seed, ...) after the only tick."""
    values = np.asarray(accuracies, float)[..., None]
    dims = ("seed", *(f"grid_{i}" for i in range(values.ndim - 2)), "tick")
    return xr.Dataset({"test_accuracy": (dims, values)} | more)


def layer(rank=N):
    build = KolmogorovArnoldAttention(CONFIG.d, CONFIG.heads, N, rank, grid=2, key=jr.key(1))
    return eqx.tree_at(lambda a: a.qkv.bias, build, jr.normal(jr.key(2), (3 * CONFIG.d,)))


def test_a_choice_of_rank_keeps_as_many_functions_and_the_others_never_move():
    kept = chosen(layer(), Choice(2))
    found = np.linalg.svd(np.asarray(kept.weights(X), np.float64), compute_uv=False)
    assert ((found > 1e-5 * found[:, :1]).sum(1) == 2).all()
    gradient = eqx.filter_grad(lambda a: jnp.square(a(X)).sum())(kept).operator
    np.testing.assert_array_equal(gradient.coefficients[:, :, 2:], 0)
    np.testing.assert_array_equal(gradient.mix[..., 2:], 0)
    # W within 2^(-1/2), not 5^(-1/2).
    assert 5**-0.5 < float(jnp.abs(kept.operator.mix).max()) <= 2**-0.5
    assert eqx.tree_equal(chosen(layer(2), Choice(2)).operator, layer(2).operator)


def test_a_choice_without_logits_has_none_and_no_way_to_them():
    silent = chosen(layer(2), Choice(2, interaction=False))
    silent = eqx.tree_at(lambda a: a.qkv.bias, silent, jnp.zeros(3 * CONFIG.d))
    np.testing.assert_array_equal(silent.logits(X), 0)
    gradient = eqx.filter_grad(lambda a: jnp.square(a(X)).sum())(silent)
    np.testing.assert_array_equal(gradient.qkv.weight[: 2 * CONFIG.d], 0)
    np.testing.assert_array_equal(gradient.qkv.bias[: 2 * CONFIG.d], 0)
    assert float(jnp.abs(gradient.qkv.weight[2 * CONFIG.d :]).max()) > 0


def test_a_choice_without_mixing_is_the_full_operator():
    plain = layer()
    full = chosen(plain, Choice(N, mixing=False))
    alone = eqx.tree_at(lambda a: a.operator.mix, plain, None)
    np.testing.assert_allclose(full.weights(X), alone.weights(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SINGLE)
def test_one_function_out_of_several_is_that_one(name):
    x = jnp.linspace(-3, 3, 31)
    one = OneOf(jnp.int32(SINGLE.index(name)))
    np.testing.assert_array_equal(one(x), row_basis(name, 1)(x))


def test_every_kind_of_attention_starts_the_rest_of_a_model_the_same():
    kinds = ("softmax", "fourier", "any_rank", "single", "pade", "bspline", "simplex")
    models = [transformer(CONFIG, k, Choice(2), key=jr.key(0)) for k in (*kinds, "mixed_first")]
    for model in models:
        np.testing.assert_array_equal(model.head, models[0].head)
        np.testing.assert_array_equal(model.stack[0].up.weight, models[0].stack[0].up.weight)
        assert eqx.filter_eval_shape(model, jnp.zeros((1, 28, 28))).shape == (10,)
    operators = [type(model.stack[0].attention.operator).__name__ for model in models]
    learned = ["KANRowOperator"] * 3
    assert operators == [
        "SoftmaxRows", *learned, "PadeRows", "KANRowOperator", "SimplexRows", "MixedFirstRows"
    ]  # fmt: skip


def test_the_wide_softmax_has_as_many_parameters():
    wide, learned = matched(CPU), count(CPU, "fourier")
    softmax = count(dataclasses.replace(CPU, d=wide), "softmax")
    # The width is a multiple of the heads: in steps of 12 %, here to the softmax's advantage.
    assert learned < softmax == pytest.approx(learned, rel=0.06)
    assert wide > CPU.d
    added = 9 * (2 * 17 * 6 * 3 + 17 * 6)
    assert learned - count(CPU, "softmax") == added


def test_warm_up_half_a_cosine_and_what_is_held():
    numbers = {
        "learning_rate": 0.1, "weight_decay": 0.0, "clip": 1e9, "warmup": 2.0, "steps": 6.0,
        "floor": 0.01, "functions": 0.0, "mix": 1.0, "bias": 0.0,
    }  # fmt: skip
    tool = optimizer(**{name: jnp.float32(value) for name, value in numbers.items()})
    weights = eqx.filter(layer(2), eqx.is_inexact_array)
    state, steps = tool.init(weights), []
    with jax.numpy_dtype_promotion("standard"):
        for _ in range(7):
            updates, state = tool.update(jax.tree.map(jnp.ones_like, weights), state, weights)
            steps.append(float(updates.output_bias[0]))
            np.testing.assert_array_equal(updates.operator.coefficients, 0)
            np.testing.assert_allclose(updates.operator.mix, steps[-1], rtol=1e-5)
    # Adam of a gradient that stays the same moves by the rate.
    down = 0.01 + 0.09 * (1 + np.cos(np.pi * np.arange(5) / 4)) / 2
    np.testing.assert_allclose(-np.array(steps), [0.05, 0.1, *down], rtol=1e-4)


def test_the_loss_of_smoothed_labels():
    logits = np.array([[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]])
    log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    wanted = 0.9 * np.eye(3)[[1, 2]] + 0.1 / 3
    expected = -(wanted * log).sum(1).mean()
    found = plain_loss(jnp.asarray(logits, jnp.float32), jnp.array([1, 2]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_student_learns_all_but_the_maps_of_its_teacher():
    build = eqx.Partial(transferred, CONFIG, "fourier", Choice(2))
    model = build(key=jr.key(0))
    trained = student_alone(model)
    assert not any(jax.tree.leaves(trained.teacher))
    x = jr.normal(jr.key(1), (1, 28, 28))
    gradient = eqx.filter_jit(eqx.filter_grad(lambda m: m(x).sum()))(model)
    assert not any(np.asarray(z).any() for z in jax.tree.leaves(gradient.teacher))
    np.testing.assert_array_equal(gradient.student.stack[0].attention.qkv.weight[: 2 * CONFIG.d], 0)
    other = transformer(CONFIG, "fourier", Choice(2), key=jr.key(9))
    final = {"learner": {"model": eqx.filter(other, eqx.is_array)}}
    step = learner(CONFIG, build, epochs=1, per_epoch=4, trainable=student_alone)
    state = _taught({"learner": step.init(key=jr.key(0))}, final)
    taught = step.model(state["learner"])
    assert eqx.tree_equal(taught.teacher, other)
    untouched = step.model(step.init(key=jr.key(0))).student
    assert eqx.tree_equal(taught.student, untouched)


def test_recall_asks_for_the_value_of_a_key_and_nothing_stands_before_the_attention():
    model = recall_model(CONFIG, True, Choice(2), key=jr.key(0))
    assert isinstance(model.attention, RowAttention)
    x = jnp.array([[0, 1], [1, 2], [2, 0], [3, 1], [1, CONFIG.recall_values]])
    assert model(x).shape == (CONFIG.recall_values,)
    made = arms(CONFIG)["recall"]()
    batch = made.system["stream"].step(made.system["stream"].init(key=jr.key(0)), jnp.int32(0))[1]
    assert isinstance(batch, Batch)
    for one, label in zip(np.asarray(batch.x), np.asarray(batch.y), strict=True):
        *pairs, question = one
        assert sorted(key for key, _ in pairs) == list(range(CONFIG.recall_keys))
        assert question[1] == CONFIG.recall_values
        assert dict(pairs)[question[0]] == label


def test_thirds_of_the_training():
    assert per_tick(CPU, 78) == 234
    assert [ticks(CPU, e) for e in (CPU.epochs, CPU.short_epochs, CPU.long_epochs)] == [3, 2, 9]
    # 45,000 images of CIFAR-10 in batches of 32.
    paper = SCALES["paper"]
    assert per_tick(paper, 1406) == 33 * 1406
    with pytest.raises(ValueError, match="multiples of 3"):
        per_tick(CPU, 77)


def test_no_test_image_trains_or_chooses():
    split = images(CONFIG)
    rows = [{x.tobytes() for x in part.x} for part in (split.train, split.validation, split.test)]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]


def test_the_object_of_an_image_patch_by_patch():
    config = dataclasses.replace(CONFIG, patch=14)
    raw = np.zeros((2, 28, 28), np.uint8)
    raw[0, :14, 14:] = 7
    raw[1, 14:21, :14] = 1
    np.testing.assert_array_equal(_covered(config, raw), [[0, 1, 0, 0], [0, 0, 0.5, 0]])


def test_costs_are_those_of_the_formulas():
    found = _costs(dataclasses.replace(CONFIG, costs=(5,), rank=2, grid=3))
    np.testing.assert_array_equal(found["parameters"], [[150, 70]])
    np.testing.assert_array_equal(found["off_formula"], 0)
    np.testing.assert_allclose(found["functions_over_n_by_r"], 1)
    assert (found["operations"] > 0).all()


def test_the_better_control_of_each_seed_counts():
    run = Made(karat=arm([0.9, 0.8]), const=arm([0.85, 0.7]), linear=arm([0.7, 0.75]))
    np.testing.assert_allclose(claims.over_controls(run), [0.05, 0.05])
    np.testing.assert_allclose(claims.gap("karat", "const")(run), [0.05, 0.1])


def test_ranks_are_found_by_their_value():
    table = [[0.1, 0.2, 0.4, 0.7, 0.8]] * 2
    run = Made(short_karat=arm([0.6, 0.6]), ranks=arm(table))
    np.testing.assert_allclose(claims.rank_gap(run, max), -0.2)
    np.testing.assert_allclose(claims.rank_gap(run, min), 0.5)
    run = Made(recall=arm([[0.2, 0.5, 0.7, 0.9, 0.15]] * 2))
    np.testing.assert_allclose(claims.recall_gap(run), 0.7)
    np.testing.assert_allclose(claims.over_chance(run), 0.15 - 1 / 8)


def variants():
    """Accuracies of ranks and bases, in the order of the configuration."""
    # Mexican hat, Morlet, DOG, Meyer, Shannon, identity.
    single = [[0.70, 0.60, 0.80, 0.65, 0.66, 0.79], [0.72, 0.60, 0.80, 0.65, 0.66, 0.77]]
    stable = ("seed", np.zeros(2))
    return Made(
        single_bases=arm(single, loss=(("seed", "grid_0", "tick"), np.zeros((2, 6, 1)))),
        basis_pade=arm([0.3, 0.3], loss=stable),
        basis_bspline=arm([0.81, 0.81], loss=stable),
        short_karat=arm([0.79, 0.79]),
        short_const=arm([0.75, 0.75]),
        ranks=arm([[0.1, 0.2, 0.4, 0.7, 0.8]] * 2),
        full=arm([0.8, 0.8]),
    )


def test_bases_are_ranked_by_their_means_and_unstable_ones_flagged():
    run = variants()
    assert list(claims.bases(run))[:2] == ["mexican_hat", "morlet"]
    # B-spline, DOG, identity.
    np.testing.assert_allclose(claims.over_third(run), [0.0, 0.02])
    np.testing.assert_allclose(claims.worst_over_const(run), -0.45)
    lost = Made(**run.arms | {"basis_pade": arm([0.3, 0.3], loss=("seed", [np.nan, 0]))})
    assert claims.unstable(lost) == {"pade"}
    np.testing.assert_allclose(claims.worst_over_const(lost), -0.15)


def test_all_scales_find_the_arms_of_their_claims_and_equal_grids_of_rates():
    wanted = {name for claim in CLAIMS for name in claim.arms}
    assert wanted == set(arms(CPU)) == set(arms(SCALES["paper"]))
    # Ranks, bases and orders are left out there, for the time that it takes to compile them.
    assert wanted - set(arms(CONFIG)) == VARIANTS
    config = dataclasses.replace(CONFIG, tuning_seeds=1, variants=True, bases=CPU.bases)
    made = arms(config)
    assert set(made) == wanted
    built = {name: build() for name, build in made.items()}
    tuned = {name: arm.tuning for name, arm in built.items() if getattr(arm, "tuning", None)}
    assert set(tuned) == {
        "softmax", "karat", "universal", "wide", "position_bias", "const", "linear", "frozen",
        "recall_softmax", "recall",
    }  # fmt: skip
    for tuning in tuned.values():
        assert tuning.seeds == 1
        assert len(tuning.values) == 3


def test_smoke(smoke):
    assert smoke["karat"]["test_accuracy"].shape == (2, 3)
    assert smoke["recall"]["test_accuracy"].shape == (2, 3, 4)
    final = smoke["karat"]["final"]
    assert final["plane"].shape == (2, 3, 3)
    # Rank r, up to float32.
    assert (final["beyond_rank"] < 1e-5).all()
    np.testing.assert_allclose(smoke["softmax"]["final"]["negative"], 0)
    # Arms of a seed start alike and see the same batches; functions that are held do not learn.
    losses = {a: smoke[a]["loss"].to_numpy()[:, 0, 0] for a in ("karat", "frozen", "position_bias")}
    assert losses["position_bias"].shape == losses["karat"].shape
    np.testing.assert_allclose(
        smoke["softmax"]["loss"].to_numpy()[:, 0, 0], losses["position_bias"], atol=0.2
    )
    assert smoke.judgements == ()
    assert not smoke.diverged
    assert [j.name for j in judge(CLAIMS, smoke)] == ["C1", "C2", "C2b", "C6"]


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert set(drawn) == {
        "controls", "learning", "budgets", "recall", "transfer", "cost", "functions", "landscape",
        "spectra", "maps",
    }  # fmt: skip
    more = plots(variants())
    assert set(more) == {"ranks", "bases"}
    for figure in (*drawn.values(), *more.values()):
        figures.check_labels(figure)
    assert set(plots(Made(config=CONFIG, cost=smoke["cost"]))) == {"cost"}
