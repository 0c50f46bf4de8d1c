import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.core import Batch
from engrax.lab import figures, run_study
from engrax.studies.counter_current import CLAIMS, SCALES, STUDY, arms
from engrax.studies.counter_current._autoencoders import (
    _linear,
    autoencoders,
    padded,
    split_images,
)
from engrax.studies.counter_current._image_figures import plots
from engrax.studies.counter_current._images import channel_first, conv_learners
from engrax.studies.counter_current._images import split_images as split_conv_images

# Without a warm-up, so that one step moves what it may move.
CONFIG = dataclasses.replace(SCALES["smoke"], conv_warmup=0, auto_warmup=0)


OWN = ("C4", "C5")
PAIRED = ("conv_ccl", "conv_bp", "conv_frozen", "auto_ccl", "auto_bp")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counter_current") / "run"
    return run_study(STUDY, scale="smoke", claims=OWN, out=folder)


def test_every_claim_can_be_read_and_every_figure_is_drawn(run):
    for claim in CLAIMS:
        if claim.name in OWN:
            for part in claim.parts.values():
                values = np.asarray(part.value(run), float)
                assert values.shape == (SCALES["smoke"].conv_seeds,)
                assert np.isfinite(values).all()
    drawn = plots(run)
    assert set(drawn) == {"conv", "autoencoders", "reconstructions"}
    for figure in drawn.values():
        figures.check_labels(figure)


def test_arms_of_one_seed_see_the_same_batches():
    found = [arms(SCALES["smoke"])[n]().system.init(key=jr.key(0))["stream"] for n in PAIRED]
    assert len({tuple(jr.key_data(stream["key"]).tolist()) for stream in found}) == 1


def one_step(learner, part, shape):
    """The models before and after one batch."""
    start = learner.init(key=jr.key(1))
    x = jnp.asarray(part.x[:16], jnp.float32).reshape(-1, *shape) / 255
    state, _ = jax.jit(lambda s, b: learner.step(s, b))(start, Batch(x, jnp.asarray(part.y[:16])))
    return learner.model(start), learner.model(state)


def moved(before, after):
    return any(
        np.any(a != b) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    )


@pytest.fixture(scope="module")
def conv():
    split = split_conv_images(CONFIG)
    shape = channel_first(split.train.x)
    return {k: one_step(v, split.train, shape) for k, v in conv_learners(CONFIG, split).items()}


def test_images_are_halved_and_get_a_channel():
    assert channel_first(split_conv_images(CONFIG).train.x) == (1, 14, 14)


def test_all_arms_start_from_the_same_convolutions(conv):
    pair, baseline, frozen = (conv[name][0] for name in ("conv_ccl", "conv_bp", "conv_frozen"))
    assert not moved(pair.network.convolutions, frozen.convolutions)
    assert not moved(baseline.convolutions, frozen.convolutions)


def test_the_control_trains_its_readout_alone(conv):
    before, after = conv["conv_frozen"]
    assert not moved(before.convolutions, after.convolutions)
    assert moved(before.readout, after.readout)


def test_backpropagation_trains_all_weights_and_no_normalization(conv):
    before, after = conv["conv_bp"]
    assert all(moved(a, b) for a, b in zip(before.convolutions, after.convolutions, strict=True))
    for old, new in zip(before.norms, after.norms, strict=True):
        assert not moved((old.weight, old.bias), (new.weight, new.bias))
        assert moved((old.mean, old.var), (new.mean, new.var))


@pytest.fixture(scope="module")
def auto():
    split = split_images(CONFIG)
    shape = channel_first(split.train.x)
    learners = autoencoders(CONFIG, split)
    return {k: one_step(v, split.train, shape) for k, v in learners.items()}


def test_a_border_makes_28_pixels_32():
    x = np.ones((2, 28, 28), np.uint8)
    assert padded(x).shape == (2, 32, 32)
    assert padded(x).sum() == x.sum()
    assert padded(x[:, :16, :16]).shape == (2, 16, 16)


def test_frozen_feedback_learns_forward_alone(auto):
    before, after = auto["auto_frozen"]
    assert moved(before.network.kernels, after.network.kernels)
    assert not moved(before.mirror.kernels, after.mirror.kernels)
    assert moved(auto["auto_ccl"][0].mirror.kernels, auto["auto_ccl"][1].mirror.kernels)


def test_the_random_encoder_settles_its_statistics_and_nothing_else(auto):
    before, after = auto["auto_random"]
    assert not moved((before.kernels, before.bias), (after.kernels, after.bias))
    assert moved(before.norms, after.norms)
    assert not moved(before.kernels, auto["auto_bp"][0].kernels)


def test_pca_reconstructs_better_than_the_mean_image():
    linear = _linear(CONFIG)
    assert 0 < linear["pca_error"] < 0.5 * linear["mean_image_error"]
    assert linear["original"].shape == linear["reconstructed"].shape == (10, 1, 32, 32)
