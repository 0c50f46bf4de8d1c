"""The study: its systems in limits that are known, its claims on made-up runs, itself at smoke."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import simulate
from engrax.lab import figures, judge, run_study
from engrax.memory import DenseAssociativeMemory
from engrax.studies.dense_hebbian import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.dense_hebbian import _claims as claims
from engrax.studies.dense_hebbian._arms import quality_cells
from engrax.studies.dense_hebbian._chains import Cell, Chains, Expansions
from engrax.studies.dense_hebbian._detection import Detection
from engrax.studies.dense_hebbian._images import Retrieval, exponential_retrieve, load_images
from engrax.studies.dense_hebbian._speed import field_error
from engrax.studies.dense_hebbian._storage import Capacity, Storage
from engrax.studies.dense_hebbian._theory import pattern_count
from engrax.tasks import random_patterns
from engrax.theory import dataset_entropy, dense_mean_field
from tests.made_run import Made


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", claims=(), out=tmp_path_factory.mktemp("run") / "smoke")


def test_chains_at_low_load_give_the_theory():
    cells = (
        Cell(3, 200, 20, 0.3),
        Cell(3, 200, 20, 0.3, n_examples=20, quality=0.5),
        Cell(4, 100, 5, 0.3, heat=0.35, cooling=5),
    )
    system = Chains(cells, sweeps=40, burn_in=10)
    records = simulate(system, 3, key=jr.key(0), seeds=4).records
    for i, cell in enumerate(cells):
        entropy = dataset_entropy(cell.quality, cell.n_examples) if cell.n_examples else 0.0
        expected = dense_mean_field(
            cell.order, 0.0, cell.temperature, entropy, n_examples=cell.n_examples or None
        )
        for name in ("m", "n", "q"):
            # 4 samples of 100 or 200 spins: a standard error of 0.02 at most, and 1/N.
            found = records[name][:, i].mean()
            assert found == pytest.approx(float(getattr(expected, name)), abs=0.05), (i, name)


def test_cells_of_one_shape_share_a_program_and_not_their_examples():
    cells = [Cell(3, 60, 4, 0.2, n_examples=m, quality=r) for m, r in ((3, 0.3), (50, 0.9))]
    assert cells[0].shape == cells[1].shape
    assert cells[0].shape != Cell(3, 60, 4, 0.2).shape
    m = simulate(Chains(tuple(cells), 10, 2, cues=4), 2, key=jr.key(0), seeds=3).records["m"]
    # Three examples of quality 0.3 have rho = 3.4, fifty of 0.9 have 0.005.
    assert m[:, 0].mean() < 0.75
    assert m[:, 1].mean() > 0.97


def test_expansions_agree_with_sampling_at_low_load():
    system = Expansions(Cell(3, 150, 30, 0.3), sweeps=60, burn_in=10)
    records = simulate(system, 1, key=jr.key(0), seeds=3).records
    for name in ("plefka", "tap"):
        np.testing.assert_allclose(records[name], records["exact"], atol=0.02)


def test_orders_meet_the_same_patterns_in_storage():
    settings = {"size": 80, "patterns": 200, "sweeps": 10, "damage": jnp.float32(0.1)}
    found = {
        p: simulate(Storage(order=p, **settings), 1, key=jr.key(0), seeds=4).records["m"]
        for p in (2, 3)
    }
    # K = 2.5 N is far beyond 0.138 N; gamma = 0.1 is far below the capacity of triplets.
    assert found[3].min() > 0.95
    assert found[2].max() < 0.8


def test_patterns_of_zeros_take_no_part():
    patterns = random_patterns(jr.key(0), 6, 30)
    kept = jnp.where((jnp.arange(6) < 4)[:, None], patterns, jnp.int8(0))
    spins = random_patterns(jr.key(1), 1, 30)[0]
    for order in (2, 3, 4):
        masked, fewer = (DenseAssociativeMemory(p, order) for p in (kept, patterns[:4]))
        np.testing.assert_allclose(
            masked.local_field(spins), fewer.local_field(spins), rtol=1e-5, atol=1e-5
        )


def test_the_capacity_of_pairs_is_below_that_of_triplets_and_both_grow():
    found = {}
    for order, most in ((2, (20, 60)), (3, (100, 900))):
        system = Capacity(order, (20, 60), most, 8, 4, 6, jnp.float32(0.0))
        found[order] = simulate(system, 2, key=jr.key(0), seeds=4).records["capacity"].mean(0)
        assert found[order][1] > 1.5 * found[order][0]
    assert np.all(found[3] > 2 * found[2])


def test_detection_of_order_four_beats_pairs():
    m = {}
    for order in (2, 4):
        system = Detection(order, (48,), 0.1, jnp.float32(0.5))
        m[order] = simulate(system, 1, key=jr.key(0), seeds=2).records["one_step"].mean()
    assert m[4] > 0.9
    assert m[2] < 0.5


def test_images_have_codes_of_equal_classes():
    codes, gray = load_images("mnist_5k", 400, 20)
    # The sheet of the paper's re-measurement counts 268 active pixels over all 5,000 digits.
    assert abs(codes.pool.shape[2] - 268) < 10
    assert codes.pool.shape[:2] == (10, 400)
    np.testing.assert_array_equal(jnp.bincount(codes.labels), 20)
    assert set(np.unique(codes.pool)) == {-1, 1}
    projected = gray.codes(jr.key(0), 64)
    assert projected.pool.shape == (10, 400, 64)
    # Centered images: a projection is positive for about half of them.
    assert float(jnp.mean(projected.pool.astype(jnp.float32))) == pytest.approx(0, abs=0.15)


def test_learned_classes_are_retrieved_and_chance_is_not():
    codes, _ = load_images("mnist_5k", 400, 20)
    system = Retrieval(codes, (2, 10), (100,), 30, 10)
    records = simulate(system, 1, key=jr.key(0), seeds=2).records
    pairs, tens = records["accuracy"][:, 0].mean(0)
    assert pairs < 0.3 < tens
    assert tens <= records["nearest"].mean() + 0.05
    shuffled = dataclasses.replace(codes, labels=jr.permutation(jr.key(1), codes.labels))
    blind = simulate(Retrieval(shuffled, (10,), (100,), 30, 10), 1, key=jr.key(0), seeds=2).records
    # 200 cues and ten classes: 0.1 with a standard error of 0.021.
    assert blind["accuracy"].mean() == pytest.approx(0.1, abs=0.08)


def test_the_exponential_memory_restores_patterns():
    patterns = random_patterns(jr.key(0), 10, 100)
    cues = patterns.at[:, :20].multiply(-1)
    found = exponential_retrieve(patterns.astype(jnp.float32), cues, 3)
    np.testing.assert_array_equal(found, patterns)


def test_fields_equal_those_of_the_tensor():
    assert max(field_error(order) for order in (3, 4)) < 1e-5


def test_counts_of_patterns_follow_the_load():
    assert pattern_count(3, 200, 0.3) == 3940
    assert pattern_count(3, 200, 0.2) == 2627


def test_examples_have_the_entropy_that_is_asked_for():
    config = SCALES["cpu"]
    cells = quality_cells(config, 3)
    grid = len(config.qualities) * len(config.entropies)
    for i, cell in enumerate(cells[:grid]):
        entropy = float(dataset_entropy(cell.quality, cell.n_examples))
        assert entropy == pytest.approx(config.entropies[i % len(config.entropies)])
        nominal = config.qualities[i // len(config.entropies)]
        if cell.n_examples >= 10:
            assert cell.quality == pytest.approx(nominal, rel=0.05)
    assert [c.n_examples for c in cells[grid:]] == [1] * len(config.qualities)


def test_extrapolation_recovers_a_line_in_one_over_n():
    config = SCALES["cpu"]
    limit = np.array([0.9, 0.8, 0.7, 0.6])
    slope = np.array([[1.0], [-2.0]])
    m = limit[None, None] + slope[:, :, None] / np.array(config.sizes)[None, :, None]
    run = Made(config, stored=xr.Dataset({"m": (("seed", "tick"), m.reshape(2, -1))}))
    np.testing.assert_allclose(claims.extrapolated(run, "stored", "m"), [limit, limit])


def test_thresholds_of_a_law_of_rho_scale_as_one_over_r_squared():
    config = SCALES["cpu"]
    m = np.broadcast_to(1.0 - 0.2 * np.log(np.array(config.entropies) / 0.05) / 2, (3, 4, 6))
    arm = xr.Dataset({"m": (("seed", "tick"), m.reshape(3, -1))})
    run = Made(config, quality_p3=arm)
    counts = claims.thresholds(run, 3)
    entropy = 0.05 * np.exp(1.0)
    r = np.array(config.qualities)
    np.testing.assert_allclose(counts[0], (1 - r**2) / (r**2 * entropy), rtol=1e-6)
    # Only 0.1, 0.2 and 0.4 need ten examples or more; 1 - r^2 adds to the slope there.
    exponent = claims.threshold_exponent(run, 3)
    assert exponent.shape == (3,)
    assert exponent[0] == pytest.approx(2.11, abs=0.02)


def test_probes_are_classified_on_both_sides():
    config = dataclasses.replace(SCALES["cpu"], probe_temperatures=(0.2,))
    theory = xr.Dataset({"m_inside": ("t", [0.98]), "m_end": ("t", [0.85])})
    m = np.array([[0.96, 0.1], [0.90, 0.84]])
    run = Made(config, probes=xr.Dataset({"m": (("seed", "tick"), m)}), probe_theory=theory)
    np.testing.assert_array_equal(claims.classified(run, 0.2, inside=True), [1, 0])
    np.testing.assert_array_equal(claims.classified(run, 0.2, inside=False), [1, 0])


def test_smoke(smoke):
    config = SCALES["smoke"]
    assert smoke["stored"]["m"].shape == (2, len(config.sizes) * len(config.loads))
    assert smoke["mnist_pixels"]["accuracy"].dims == ("seed", "tick", "order")
    assert smoke["detection_p4"]["one_step"].dims == ("seed", "tau", "tick")
    assert smoke.judgements == ()
    assert not smoke.diverged
    assert [j.name for j in judge(CLAIMS, smoke)] == [claim.name for claim in CLAIMS]


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert len(drawn) == 7
    for figure in drawn.values():
        figures.check_labels(figure)
    few = Made(smoke.config, detection_p4=smoke["detection_p4"], detection_p2=smoke["detection_p2"])
    assert set(plots(few)) == {"ultra_detection"}


@pytest.mark.parametrize("scale", ["smoke", "cpu", "paper"])
def test_claims_name_arms_that_exist(scale):
    known = arms(SCALES[scale])
    for claim in CLAIMS:
        assert set(claim.arms) <= set(known), claim.name


def test_arms_that_never_load_data_compile_no_data():
    assert jax.tree.leaves(arms(SCALES["cpu"])["stored"]().system) == []
