"""The study: its measures against slow ones, its claims on made-up runs, itself at scale smoke."""

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import simulate
from engrax.lab import claims_hash, figures, judge, run_study
from engrax.nn import BDH, Decoder, parameter_count
from engrax.studies.bdh import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.bdh import _data as data
from engrax.studies.bdh._local import bigram_loss
from engrax.studies.bdh._losses import byte_losses, content_loss, translations
from engrax.studies.bdh._merging import Ensemble
from engrax.studies.bdh._scaling import (
    SIZES,
    flops_per_token,
    gpt_shape,
    relative_gap,
    slope,
)
from engrax.studies.bdh._sparsity import claimed_layer, claimed_surprise
from engrax.studies.bdh._spiking import _product, spiking_logits
from engrax.studies.bdh._synapses import _kinds, halves, sources, synapses
from engrax.studies.bdh._training import clone, nats, same_rate

SMOKE, CPU = SCALES["smoke"], SCALES["cpu"]
PAIR = ("en", "es")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", claims=(), out=tmp_path_factory.mktemp("run") / "smoke")


@pytest.fixture(scope="module")
def model():
    """A small BDH whose weights are large enough to do something."""
    return loud()


def loud(**options):
    return BDH(32, 8, 2, 2, init_scale=0.2, key=jr.key(0), **options)


@pytest.fixture(scope="module")
def text():
    given = data.sentences(CPU, PAIR, 4, PAIR)
    return given, data.padded(given, 128)


def test_smoke(smoke):
    assert smoke.judgements == ()
    assert not smoke.diverged
    assert smoke["bdh_middle"]["validation_loss"].shape == (SMOKE.seeds, SMOKE.measurements)
    # The claims can be computed, whatever they say of models that have learned nothing.
    names = [claim.name for claim in CLAIMS if claim.name != "C1s"]
    assert [j.name for j in judge(CLAIMS, smoke)] == names


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert set(drawn) == {
        "scaling", "learning", "memory", "merging", "local", "spiking", "synapses", "sparsity",
        "surprise", "modularity", "degrees",
    }  # fmt: skip
    for figure in drawn.values():
        figures.check_labels(figure)
    part = _Part(graph=smoke["graph"])
    part.config = smoke.config
    assert set(plots(part)) == {"modularity", "degrees"}


class _Part(dict):
    """Some of a run's arms."""

    diverged = ()


def test_every_claim_finds_its_arms_at_every_scale():
    for scale, config in SCALES.items():
        built = arms(config)
        wanted = {name for claim in CLAIMS for name in claim.arms}
        missing = wanted - set(built)
        # Shakespeare is left out where he would take too long.
        assert missing == (set() if config.shakespeare_steps else {
            "shakespeare_bdh", "shakespeare_gated", "shakespeare_gpt"
        }), scale  # fmt: skip


def test_rules_are_those_of_the_sheet():
    """A rule that moves must move this line too."""
    inf = np.inf
    regions = {
        claim.name: [(p.rule.low, p.rule.high, p.interval) for p in claim.parts.values()]
        for claim in CLAIMS
    }
    parity, above, below = (-0.03, 0.03, "t"), (0.0, inf, "t"), (-inf, 0.0, "t")
    assert regions == {
        "C1": [parity] * 3 + [below],
        "C1p": [parity] * 3,
        "C1s": [parity],
        "C2": [above] * 3,
        "C3": [(0.5, inf, "t")] * 2 + [above] * 8,
        "C4": [above] * 4,
        "C5": [(-inf, 0.1, "t"), below, (1.0, inf, "t")],
        "C6": [below] * 2,
        "C7": [below, above],
        "C8": [below] * 3 + [(-0.02, 0.02, "t")],
    }
    assert len(claims_hash(CLAIMS)) == 64


def test_models_of_one_size_have_as_many_parameters():
    for size, n in enumerate(CPU.sizes):
        layers, d = gpt_shape(CPU, size)
        bdh = eqx.filter_eval_shape(BDH, n, CPU.d, CPU.heads, CPU.layers, key=jr.key(0))
        gpt = eqx.filter_eval_shape(Decoder, 256, d, layers, CPU.heads, context=8, key=jr.key(0))
        assert parameter_count(bdh) == parameter_count(gpt) == 3 * n * d + 2 * 256 * d


def test_operations_of_one_layer_are_those_that_are_compiled():
    """Our count of matrix products against XLA's of everything, for one layer of each."""
    from engrax.probes import compiled_cost

    config = dataclasses.replace(CPU, layers=1, sizes=(128, 128, 128), gpt_shapes=((1, 32, 2),) * 3)
    models = {
        "bdh": BDH(128, 32, 2, 1, key=jr.key(0)),
        "gpt": Decoder(256, 32, 1, 2, context=128, key=jr.key(0)),
    }
    tokens = jnp.zeros(config.length, jnp.int32)
    for name, one in models.items():
        found = compiled_cost(lambda tokens, one=one: one(tokens), tokens).flops / config.length
        counted = flops_per_token(config, name, 1)
        # The rest is elementwise; masked scores may be skipped, an eighth of all at this size.
        assert 0.7 * counted < found < 1.6 * counted


def test_arms_of_one_seed_share_weights_and_batches():
    built = arms(SMOKE)
    one, other = (built[name]().system.init(key=jr.key(3)) for name in ("bdh_small", "bdh_middle"))
    kept = built["graph"]().system.init(key=jr.key(3))
    weights = jax.tree.leaves(one["learner"]["model"])
    for same in (other["learner"]["model"], kept["untrained"]["bdh"]):
        for a, b in zip(weights, jax.tree.leaves(same), strict=True):
            np.testing.assert_array_equal(a, b)
    assert (jr.key_data(one["stream"]["key"]) == jr.key_data(other["stream"]["key"])).all()


def test_a_rate_is_handed_on_and_used():
    """Two steps at a tuned rate are two steps of an arm that has this rate itself."""
    arm = arms(SMOKE)["bdh_middle"]()
    fast = eqx.tree_at(lambda s: s["learner"].hyper["learning_rate"], arm.system, jnp.float32(0.02))
    tuned = fast.init(key=jr.fold_in(jr.key(0), 0))
    start = lambda fresh, run: jax.vmap(same_rate, (0, None))(fresh, tuned)
    handed = simulate(arm.system, 1, key=jr.key(0), seeds=1, start=start)
    own = simulate(fast, 1, key=jr.key(0), seeds=1)
    slow = simulate(arm.system, 1, key=jr.key(0), seeds=1)
    final = lambda run: np.asarray(run.state["learner"]["model"].enc)
    np.testing.assert_array_equal(final(handed), final(own))
    assert (final(handed) != final(slow)).any()


def test_a_clone_has_the_weights_and_a_fresh_optimizer():
    arm = arms(SMOKE)["first_branch"]()
    trained = simulate(arm.system, 1, key=jr.key(0), seeds=1).state
    trained = jax.tree.map(lambda a: a[0], trained)
    fresh = arm.system.init(key=jr.key(1))
    started = clone(fresh, trained)
    np.testing.assert_array_equal(started["learner"]["model"].enc, trained["learner"]["model"].enc)
    moments = started["learner"]["optimizer"][1]
    assert not np.asarray(moments.mu.enc).any()
    assert moments.count == 0


def test_held_out_sentences_were_not_trained_on():
    config = dataclasses.replace(SMOKE, train_bytes=60_000, held_out_bytes=3_000)
    part = data.corpus(config, PAIR)
    assert [len(p) for p in part] == [60_000, 3_000, 3_000]
    known = set(part.train.tobytes().split(b"<F:"))
    # The first and the last piece may be cut.
    for held in (part.validation, part.test):
        assert not known & set(held.tobytes().split(b"<F:")[1:-1])


def test_windows_cover_the_text_in_order():
    read = data.windows(CPU, np.arange(23, dtype=np.uint8), 5)
    assert read.x.tolist() == np.arange(20).reshape(4, 5).tolist()
    np.testing.assert_array_equal(read.y, read.x + 1)


def test_windows_begin_with_sentences():
    text = np.frombuffer(b"<F:en>a<T:es>b<F:es>c<T:en>d<F:en>e<T:es>f<F:en>gh<T:es>ij", np.uint8)
    assert data.starts(CPU, text).tolist() == [0, 14, 28, 42]
    assert data.starts(dataclasses.replace(CPU, aligned=False), text) is None
    read = data.windows(CPU, text, 10)
    assert [bytes(row) for row in np.asarray(read.x, np.uint8)] == [b"<F:en>a<T:", b"<F:es>c<T:"]
    assert bytes(np.asarray(read.y[0], np.uint8)) == b"F:en>a<T:e"


def test_another_source_leaves_the_translation_as_it_is():
    one, other = data.sentences(CPU, PAIR, 2, PAIR)
    mixed = data.other_source(one, other)
    assert mixed.text[mixed.target] == one.text[one.target]
    assert mixed.text[mixed.source] == other.text[other.source]
    for slot, new in zip(one.slots, mixed.slots, strict=True):
        assert one.text[slot.target] == mixed.text[new.target]


def test_losses_byte_by_byte_are_those_of_one_pass(model, text):
    given, padded = text
    losses = byte_losses(model, padded)
    for row, sentence in enumerate(given):
        tokens = jnp.asarray(np.frombuffer(sentence.text, np.uint8), jnp.int32)
        expected = nats(model, tokens[None, :-1], tokens[None, 1:])[0]
        np.testing.assert_allclose(losses[row, 1 : len(tokens)], expected, atol=1e-4)


def test_interventions_begin_where_they_should(model, text):
    _, padded = text
    intact = byte_losses(model, padded)
    cleared = byte_losses(model, padded, "cleared")
    turn = int(padded.turn[0])
    # The first byte after the turn is read from an empty state: its successor's loss differs.
    np.testing.assert_array_equal(intact[0, : turn + 1], cleared[0, : turn + 1])
    assert not np.allclose(intact[0, turn + 2 :], cleared[0, turn + 2 :])
    none = byte_losses(model, padded, "no writes")
    token = padded.tokens[0, 7]
    logits = model(token[None])[0]
    expected = -jax.nn.log_softmax(logits)[padded.tokens[0, 8]]
    np.testing.assert_allclose(none[0, 8], expected, atol=1e-5)


def test_content_is_the_fillings_of_the_translation(text):
    given, padded = text
    ones = jnp.ones(padded.tokens.shape)
    assert content_loss(ones, padded) == 1
    counted = sum(s.target.stop - s.target.start for one in given for s in one.slots)
    assert int(padded.content.sum()) == counted


def test_a_swapped_state_is_that_of_the_other_sentence(model, text):
    given, padded = text
    prompt = jnp.asarray(np.frombuffer(b"<T:es>", np.uint8), jnp.int32)
    own = translations(model, padded, prompt, 5, jnp.asarray(0))
    np.testing.assert_array_equal(
        translations(model, padded, prompt, 5, jnp.asarray(1)), np.roll(own, -1, axis=0)
    )
    # Against reading the source and the prompt in one pass, byte by byte.
    tokens = list(given[0].text[: given[0].source.stop] + b"<T:es>")
    for written in np.asarray(own[0]):
        assert int(model(jnp.asarray(tokens))[-1].argmax()) == int(written)
        tokens.append(int(written))


def test_bigrams_against_a_loop():
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 4, n).astype(np.uint8) for n in (40, 21))
    expected = []
    for a, b in itertools.pairwise(test):
        follows = [int(d) for c, d in itertools.pairwise(train) if c == a]
        expected.append(-np.log((follows.count(int(b)) + 1) / (len(follows) + 256)))
    found = bigram_loss(train, data.windows(CPU, test, 5))
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-12)


def test_synapses_are_written_by_the_layer_below(model):
    choose = sources(dataclasses.replace(CPU, contrasts=2), 0, halves(CPU)[0])
    sigma = synapses(model, choose, jnp.asarray(1), jnp.asarray(0))
    assert sigma.shape == (2, 2, 2, 16, 16)
    length = int(choose.length[1, 0, 1])
    seen = model.activations(choose.tokens[1, 0, 1, :length])
    # The last byte but one, turned by one position, in the slowest pair, which hardly turns.
    slow = np.einsum("ti,tj->ij", seen["y"][0, :, 0], seen["x"][1, :, 0])[:, 14]
    np.testing.assert_allclose(sigma[1, 0, 1, :, 14], np.maximum(slow, 0), rtol=0.2, atol=1e-2)


def test_synapses_fade_as_the_state_does():
    choose = sources(dataclasses.replace(CPU, contrasts=1), 0, halves(CPU)[0])
    forgetful = loud(decay=(0.8, 1.0))
    layer, head = jnp.asarray(1), jnp.asarray(0)
    sigma = synapses(forgetful, choose, layer, head)[0, 0, 0]
    length = int(choose.length[0, 0, 0])
    seen = forgetful.activations(choose.tokens[0, 0, 0, :length])
    y, x = seen["y"][0, :, 0], seen["x"][1, :, 0]
    left = 0.8 ** np.arange(length - 1, -1, -1.0)
    slow = np.einsum("t,ti,tj->ij", left, y, x)[:, 14]
    # The slowest pair of neurons hardly turns.
    np.testing.assert_allclose(sigma[:, 14], np.maximum(slow, 0), rtol=0.2, atol=1e-2)


def test_synapses_are_chosen_and_tested_on_other_currencies():
    known, fresh = halves(CPU)
    assert not set(known) & set(fresh)
    first = sources(dataclasses.replace(CPU, contrasts=3), 10, known)
    assert (np.asarray(first.tokens[:, 0]) != np.asarray(first.tokens[:, 1])).any()
    assert bytes(np.asarray(first.tokens[1, 0, 0], np.uint8)).startswith(b"<F:es>")


def test_shuffled_labels_mix_the_kinds():
    values = np.zeros((2, 2, 50))
    values[:, 0] = 1
    one, other = _kinds(values, shuffle=True)
    assert one.shape == other.shape == (2, 50)
    assert 0.2 < one.mean() < 0.8
    np.testing.assert_array_equal(one.sum() + other.sum(), values.sum())


@pytest.mark.parametrize("decay", [None, (0.9, 0.7)])
def test_without_spikes_the_model_is_exact(decay):
    model = loud(decay=decay)
    tokens = np.frombuffer(b"<F:en>The next item is the bank.", np.uint8)
    found = spiking_logits(model, tokens, np.random.default_rng(0), 0)
    expected = model(jnp.asarray(tokens, jnp.int32))
    # Double against single precision through two layers of normalization.
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_spikes_have_the_mean_of_the_product():
    signed, chance = np.array([[0.5, -0.3, 0.0]]), np.array([[0.4, 0.9, 1.0]])
    draws = [_product(signed, chance, np.random.default_rng(i), 4) for i in range(4000)]
    exact = signed * chance
    error = np.sqrt(np.abs(exact) * (1 - np.abs(exact)) / (4 * 4000))
    assert (np.abs(np.mean(draws, 0) - exact) <= 4 * error + 1e-12).all()
    np.testing.assert_array_equal(_product(signed, chance, np.random.default_rng(0), 0), exact)


def test_an_ensemble_of_one_model_is_the_model(model):
    tokens = jnp.arange(6)
    np.testing.assert_allclose(Ensemble(model, model)(tokens), model(tokens), atol=1e-5)


def _arm(**final):
    group = xr.Dataset(final).assign_coords(seed=np.arange(2))
    return xr.DataTree.from_dict({"/final": group})


def test_the_slope_is_that_of_a_power_law():
    """Loss = 3 P^-.1 times a factor of the seed."""
    run = _Part()
    run.config = CPU
    for name, n in zip(SIZES, CPU.sizes, strict=True):
        size = 96.0 * n
        loss = ("seed", 3 * size**-0.1 * np.array([1.0, 1.2]))
        run[f"bdh_{name}"] = _arm(test_loss=loss, parameters=("seed", [size, size]))
        run[f"gpt_{name}"] = _arm(test_loss=("seed", loss[1] / 1.02))
    np.testing.assert_allclose(slope(run), [-0.1, -0.1], rtol=1e-9)
    np.testing.assert_allclose(relative_gap("bdh_small", "gpt_small")(run), 0.02, rtol=1e-9)


def test_the_layer_is_chosen_on_seeds_of_its_own():
    run = _Part()
    run.config = dataclasses.replace(CPU, seeds=2)
    y = np.ones((3, 4, 77))
    y[:2, 1, 13:21] = 5  # in the seeds that are judged, layer 1 looks best
    y[2, 2, 13:21] = 3  # but the seed that chooses prefers layer 2
    y[:2, 2, 13:21] = 2
    y[:, 0, 13:21] = y[:, 3, 13:21] = 9  # the first and the last are no middle layers
    final = xr.Dataset({"y_active": (("seed", "layer", "letter"), y)})
    run["facts"] = xr.DataTree.from_dict({"/final": final})
    assert claimed_layer(run) == 2
    np.testing.assert_allclose(claimed_surprise(run), [2, 2])
