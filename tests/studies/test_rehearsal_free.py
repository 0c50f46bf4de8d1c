"""The study: its data, its claims on made-up runs, itself at smoke."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.continual import part_of
from engrax.lab import figures, judge_claim, run_study
from engrax.nn import ResNet
from engrax.studies.rehearsal_free import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.rehearsal_free import _claims as claims
from engrax.studies.rehearsal_free._arms import FIRST, STRENGTHS, _bodied, _sequence, _with_body
from engrax.studies.rehearsal_free._data import Setting, letters, other_letters, setting
from engrax.studies.rehearsal_free._measures import PrefixAccuracy, validation_score
from engrax.studies.rehearsal_free._nets import (
    METHODS,
    ResNetBody,
    crop_and_flip,
    dropping_adam,
    method,
)
from engrax.tasks import Examples, Split
from tests import made_run

CONFIG = SCALES["smoke"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "smoke"
    return run_study(STUDY, scale="smoke", out=out)


Made = partial(made_run.Made, config=CONFIG)


def arm(final, known=None, own=None, alike=None):
    """An arm of two tasks: its final accuracy for each seed, and what else is to be read."""
    final = np.asarray(final, float)
    matrix = np.zeros((len(final), 2, 2))
    matrix[:, 1] = final[:, None]
    known, own = (matrix if m is None else np.tile(m, (len(final), 1, 1)) for m in (known, own))
    layers = ["convolution 1", "convolution 2", "features", "logits"]
    alike = np.ones(4) if alike is None else np.asarray(alike)
    cka = np.tile(alike, (len(final), 2, 1))
    square = ("seed", "tick", "tested")
    return xr.Dataset(
        {
            "accuracy": (square, matrix), "known_accuracy": (square, known),
            "own_accuracy": (square, own), "cka": (("seed", "tick", "layer"), cka),
        },
        {"seed": np.arange(len(final)), "layer": layers},
    )  # fmt: skip


def claim(name):
    return next(c for c in CLAIMS if c.name == name)


def verdicts(name, **arms):
    return [part.verdict for part in judge_claim(claim(name), Made(**arms)).parts]


def test_the_first_claim_asks_for_ten_points_and_for_more_than_parts_alone():
    near = np.array([0.0, 0.01, -0.01, 0.0, 0.0])

    def run(kd, alone, softmax):
        made = {"softmax": softmax, "softmax_kd": softmax, "l2": alone, "ewc": alone}
        made |= {"kd_l2": kd, "kd_ewc": kd + 0.05}
        return {f"letters_scratch_{k}": arm(v + near * (k == "kd_l2")) for k, v in made.items()}

    assert verdicts("C1", **run(0.5, 0.1 + near * 0, 0.1 + near * 0)) == ["holds"] * 6
    found = verdicts("C1", **run(0.15, 0.3 + near * 0, 0.1 + near * 0))
    assert found == ["fails", "holds", "fails", "fails", "holds", "holds"]


def test_the_second_claim_reads_forgetting_plasticity_and_accuracy():
    keeps = {"known": [[0.5, 0], [0.5, 0.5]], "own": [[0.6, 0], [0.6, 0.6]]}
    loses = {"known": [[0.9, 0], [0.4, 0.9]], "own": [[0.9, 0], [0.6, 0.9]]}
    run = {
        "letters_scratch_kd": arm([0.3] * 5, **loses),
        "letters_scratch_kd_l2": arm([0.3] * 5, **keeps),
        "letters_scratch_kd_ewc": arm([0.4] * 5, **loses),
    }
    made = Made(**run)
    np.testing.assert_allclose(claims.forgotten(made["letters_scratch_kd"]), 0.25)
    np.testing.assert_allclose(claims.forgotten_locally(made["letters_scratch_kd"]), 0.3)
    np.testing.assert_allclose(claims.plasticity(made["letters_scratch_kd_l2"]), 0.6)
    found = verdicts("C2", **run)
    # L2 and EWC in turn: forgetting, plasticity, accuracy; a difference of 0 lies in "at most 0".
    assert found == ["holds", "holds", "holds", "holds", "holds", "fails"]


def test_ranking_and_its_reversal():
    run = {
        "letters_scratch_kd": arm([0.3] * 5),
        "letters_scratch_kd_l2": arm([0.2, 0.2, 0.2, 0.2, 0.21]),
        "letters_pretrained_kd": arm([0.4] * 5),
        "letters_pretrained_kd_l2": arm([0.5] * 5),
        "letters_pretrained_kd_ewc": arm([0.45] * 5),
        "letters_pretrained_kd_feat": arm([0.55] * 5),
        "letters_scratch_rehearsal": arm([0.3, 0.6, 0.5, 0.5, 0.5]),
    }
    np.testing.assert_allclose(claims.reversal(Made(**run)), [0.2, 0.2, 0.2, 0.2, 0.19])
    assert verdicts("C3", **run) == ["holds", "fails"]
    assert verdicts("C4", **run) == ["holds"]
    assert verdicts("C7", **run) == ["open"]


def test_where_forgetting_sits():
    run = {
        "letters_scratch_kd": arm([0.3] * 5, alike=[0.9, 0.8, 0.6, 0.9]),
        "letters_scratch_kd_l2": arm([0.3] * 5, alike=[1, 1, 0.9, 0.8]),
        "letters_scratch_kd_ewc": arm([0.3] * 5, alike=[1, 1, 0.5, 0.8]),
    }
    np.testing.assert_allclose(claims.below_early(Made(**run), "features"), 0.25)
    assert verdicts("C6", **run) == ["holds", "fails", "holds", "fails"]


def test_letters_of_the_stream_are_no_letters_of_pretraining():
    """Nothing leaks: other keys draw other letters, and parts share no drawing."""
    split, other = letters(CONFIG), other_letters(CONFIG)
    parts = [*split, other]
    seen = [{image.tobytes() for image in part.x} for part in parts]
    assert len(set.union(*seen)) == sum(len(part.x) for part in parts)
    for part, each in zip(split, (8, 2, 4), strict=True):
        np.testing.assert_array_equal(np.bincount(part.y), each)
    means = [
        np.stack([p.x[p.y == k].mean(0) for k in range(p.y.max() + 1)]) for p in (split[0], other)
    ]
    apart = np.abs(means[0][:, None] - means[1][None]).mean((2, 3))
    within = np.abs(split[0].x[split[0].y == 0] - means[0][0]).mean()
    assert apart.min() > within / 2


def test_the_second_stream_and_its_absence():
    found = setting(CONFIG, "clothes")
    assert (found.image, found.classes, found.tasks, found.steps) == ((1, 4, 4), 10, 5, 2)
    stream = found.stream()
    _, batch = stream.draw(stream.init(key=jr.key(0)), jnp.int32(0), jnp.int32(0))
    assert batch.x.shape == (8, 1, 4, 4)
    assert 0 <= batch.x.min() < batch.x.max() <= 1
    assert "clothes_scratch_kd" in arms(CONFIG)
    alone = dataclasses.replace(CONFIG, streams=("letters",))
    assert not any(name.startswith("clothes") for name in arms(alone))


def test_every_method_that_holds_features_is_tuned_on_a_prefix():
    config = dataclasses.replace(CONFIG, tuning_seeds=1, prefix=2)
    built = arms(config)
    for name in FIRST["scratch"]:
        made = built[f"letters_scratch_{name}"]()
        assert (made.tuning is not None) == (METHODS[name][1] in STRENGTHS)
        if made.tuning:
            assert made.tuning.ticks == 2
            assert jax.tree.leaves(made.tuning.where(made.system))[0].shape == ()
    records = {"validation_accuracy": np.arange(6.0).reshape(1, 2, 3)}
    np.testing.assert_array_equal(validation_score(records), [[2, 5]])


def test_strengths_are_chosen_by_the_classes_of_the_prefix_alone():
    stream = setting(CONFIG, "letters").stream()
    state = stream.init(key=jr.key(4))
    part = letters(CONFIG).validation
    probe = PrefixAccuracy(jnp.asarray(part.x), jnp.asarray(part.y), 2)
    output = np.asarray(stream.outputs_of(state, jnp.asarray(part.y)))

    class Says(eqx.Module):
        """Knows even outputs, takes odd ones for the one below, and would rather say the last."""

        def predict(self, state, x):
            logits = jax.nn.one_hot(jnp.asarray(output // 2 * 2), 6)
            return logits.at[:, 5].set(9.0)

    system = {"tasks": stream, "learner": Says()}
    found = [
        float(probe(system, {"tasks": state, "learner": None}, jnp.int32(t))["validation_accuracy"])
        for t in range(3)
    ]
    assert found == [0, 0.5, 0]


def test_crops_are_windows_of_the_padded_image():
    x = jr.uniform(jr.key(0), (12, 2, 5, 6))
    found = np.asarray(crop_and_flip(x, jr.key(1)))
    padded = np.pad(np.asarray(x), ((0, 0), (0, 0), (4, 4), (4, 4)))
    shifts = set()
    for image, whole in zip(found, padded, strict=True):
        places = [
            (i, j, flip)
            for i in range(9)
            for j in range(9)
            for flip in (1, -1)
            if np.array_equal(image, whole[:, i : i + 5, j : j + 6][..., ::flip])
        ]
        shifts.update(places)
        assert places
    assert len(shifts) > 6


def test_the_rate_falls_to_a_tenth():
    rule = dropping_adam(jnp.float32(0.1), jnp.float32(0.5), jnp.array([2.0, 4.0]))
    weight = jnp.ones(1)
    state, sizes = rule.init(weight), []
    for _ in range(5):
        # A gradient of 0: Adam sees the decay alone, whose sign it steps against.
        with jax.numpy_dtype_promotion("standard"):
            step, state = rule.update(jnp.zeros(1), state, weight)
        sizes.append(float(step[0]))
    np.testing.assert_allclose(sizes, [-0.1, -0.1, -0.01, -0.01, -0.001], rtol=1e-3)


def test_a_pretrained_arm_starts_with_the_other_nets_body_and_a_head_of_its_own():
    built = arms(CONFIG)
    made = built["letters_pretrained_kd_l2"]()
    assert made.needs == ("letters_before",)
    fresh = made.system.init(key=jr.key(0))
    final = built["letters_before"]().system.init(key=jr.key(7))
    state = _with_body(fresh, final)
    wanted, found = (part_of(s["learner"], "model") for s in (final, state))
    for a, b in zip(jax.tree.leaves(wanted.body), jax.tree.leaves(found.body), strict=True):
        np.testing.assert_array_equal(a, b)
    kept = part_of(fresh["learner"], "model")
    np.testing.assert_array_equal(found.weight, kept.weight)


def test_the_study_at_smoke(smoke):
    assert not smoke.diverged
    kd = smoke["letters_pretrained_kd_l2"]
    assert kd["accuracy"].dims == ("seed", "tick", "tested")
    # After the first task a net is what it was after the first task.
    np.testing.assert_allclose(kd["cka"].isel(tick=0), 1, rtol=1e-4)
    # After the last task the classes up to its own are all classes.
    last = {"tick": -1, "tested": -1}
    np.testing.assert_array_equal(kd["known_accuracy"].isel(last), kd["accuracy"].isel(last))
    old = kd["tick"] >= kd["tested"]
    assert (kd["known_accuracy"] >= kd["accuracy"]).where(old, True).all()
    drawn = plots(smoke)
    assert set(drawn) == {"letters_accuracy", "letters_final", "matrices", "drift"}
    for figure in drawn.values():
        figures.check_labels(figure)


def test_claims_name_arms_that_there_are():
    for each in CLAIMS:
        for config in SCALES.values():
            assert set(each.arms) <= set(arms(config))


def test_the_papers_net_learns_from_the_papers_images():
    """Traced, not run: shapes, types and structures of a ResNet-18 with weights from elsewhere."""
    random = np.random.default_rng(0)
    part = Examples(
        random.integers(0, 256, (40, 3, 32, 32)).astype(np.uint8),
        np.repeat(np.arange(4, dtype=np.int32), 10),
    )
    chosen = Setting(Split(part, part, part), None, 2, 4, 1, 1, net="resnet18", weights="file")
    config = dataclasses.replace(SCALES["paper"], batch=4)
    learner = method(config, chosen, "kd_ewc")
    arm = _sequence(config, chosen, "letters", "pretrained", learner, chosen.stream())
    assert not arm.needs
    state = eqx.filter_eval_shape(arm.system.init, key=jr.key(0))
    build = eqx.Partial(ResNet, (64, 128, 256, 512), 2, classes=1)
    body = eqx.filter(ResNetBody(eqx.filter_eval_shape(build, key=jr.key(1))), is_shape)
    loaded = jax.eval_shape(_bodied, state, body)
    assert jax.tree.structure(loaded) == jax.tree.structure(state)
    with jax.numpy_dtype_promotion("standard"):
        _, record = eqx.filter_eval_shape(arm.system.step, loaded, jnp.int32(0))
    assert record["accuracy"].shape == (2,)


def is_shape(leaf):
    return isinstance(leaf, jax.ShapeDtypeStruct)


def test_a_residual_body_scales_its_images():
    body = ResNetBody(ResNet((2, 3), 1, classes=1, key=jr.key(0)))
    x = jr.uniform(jr.key(1), (2, 3, 8, 8))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    scaled = (np.asarray(x) - mean[:, None, None]) / std[:, None, None]
    levels = body.levels(x)
    assert [level.shape for level in levels] == [(2, 2 * 4), (2, 3), (2, 3)]
    for image, found in zip(scaled, body(x), strict=True):
        expected = body.net.features(jnp.asarray(image, jnp.float32))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
