import equinox as eqx
import jax.random as jr
import pytest

from engrax.nn import BDH, Decoder, matched_width, parameter_count


def decoder(d):
    return eqx.Partial(Decoder, 256, d, 2, 4, context=8)


def test_it_finds_the_width_that_fits():
    target = parameter_count(eqx.filter_eval_shape(decoder(48), key=jr.key(0)))
    for near in (target, target - 100, target + 100):
        assert matched_width(decoder, near, multiple=4) == 48


def test_neurons_of_bdh_for_the_size_of_a_decoder():
    target = 4 * 12 * 64**2 + 2 * 256 * 64
    neurons = matched_width(lambda n: eqx.Partial(BDH, n, 64, 4, 4), target, multiple=8)
    assert neurons == 1024  # as in the settings for Shakespeare


def test_a_target_that_is_too_small_says_so():
    with pytest.raises(ValueError, match="smallest width, 4"):
        matched_width(decoder, 10, multiple=4)
