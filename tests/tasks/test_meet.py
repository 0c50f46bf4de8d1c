"""Trials of the multi-event expectation task."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.tasks import MeetBlock, event_bump, meet_blocks

BLOCKS = (MeetBlock((300.0, 600.0), 0.8, 400), MeetBlock((600.0, 300.0), 0.2, 200))


def test_blocks_follow_each_other_and_switch_at_once():
    trials = meet_blocks(jr.key(0), BLOCKS)
    assert trials.outcome.shape == (600, 2)
    np.testing.assert_array_equal(trials.block, np.repeat([0, 1], [400, 200]))
    np.testing.assert_array_equal(trials.expected[399], [300, 600])
    np.testing.assert_array_equal(trials.expected[400], [600, 300])
    np.testing.assert_array_equal(trials.latency, trials.expected)
    np.testing.assert_allclose(trials.probability[0], [0.8, 0.2])
    assert (np.asarray(trials.outcome).sum(1) == 1).all()
    # Shares of independent draws, within 4 standard errors.
    for block, p, n in ((0, 0.8, 400), (1, 0.2, 200)):
        share = np.asarray(trials.outcome)[np.asarray(trials.block) == block, 0].mean()
        assert abs(share - p) < 4 * np.sqrt(0.16 / n)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_what_is_certain_always_happens(p):
    outcome = meet_blocks(jr.key(0), [MeetBlock((300.0, 600.0), p)]).outcome
    assert (outcome[:, 0] == p).all()


def test_jitter_moves_each_trial_and_catch_trials_are_empty():
    plain = meet_blocks(jr.key(1), BLOCKS)
    trials = meet_blocks(jr.key(1), BLOCKS, jitter=20.0, catch=0.25)
    shift = np.asarray(trials.latency - trials.expected)
    np.testing.assert_array_equal(trials.expected, plain.expected)
    # 1,200 normal draws: 4 standard errors of mean and deviation.
    assert abs(shift.mean()) < 4 * 20 / np.sqrt(1200)
    assert abs(shift.std() - 20) < 4 * 20 / np.sqrt(2400)
    happened = np.asarray(trials.outcome).sum(1)
    assert set(happened) == {0.0, 1.0}
    assert abs(happened.mean() - 0.75) < 4 * np.sqrt(0.1875 / 600)
    # Who would have come is drawn apart from whether anyone comes.
    kept = happened == 1
    np.testing.assert_array_equal(trials.outcome[kept], plain.outcome[kept])


def test_a_bump_has_height_one_and_its_width():
    time = jnp.arange(900.0)
    bump = event_bump(time, jnp.array([300.0, 600.0]), 40.0)
    np.testing.assert_array_equal(np.asarray(bump).argmax(0), [300, 600])
    np.testing.assert_allclose(bump[300, 0], 1.0)
    np.testing.assert_allclose(bump[340, 0], np.exp(-0.5), rtol=1e-6)


@pytest.mark.parametrize(
    "block",
    [
        MeetBlock((300.0, 600.0), 1.2),
        MeetBlock((-3.0, 600.0), 0.5),
        MeetBlock((300.0, 600.0), 0.5, 0),
    ],
)
def test_blocks_that_make_no_sense_are_refused(block):
    with pytest.raises(ValueError, match="makes no sense"):
        meet_blocks(jr.key(0), [block])


def test_no_blocks_and_bad_options_are_refused():
    with pytest.raises(ValueError, match="no blocks"):
        meet_blocks(jr.key(0), [])
    with pytest.raises(ValueError, match="jitter"):
        meet_blocks(jr.key(0), BLOCKS, catch=2.0)
