"""A memory behind scikit-learn's interface: recall, advice, warnings, and what is refused."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from engrax.estimators import AssociativeMemory, CapacityWarning

RNG = np.random.default_rng(0)
ROWS = RNG.choice([-1, 1], (10, 120))


def damaged(rows, share, seed=1):
    """With exactly so many bits of each row flipped."""
    rng, out = np.random.default_rng(seed), np.array(rows)
    for row in out:
        row[rng.choice(len(row), round(share * len(row)), replace=False)] *= -1
    return out


# The checks store more rows than columns.
@pytest.mark.filterwarnings("ignore::engrax.estimators.CapacityWarning")
@parametrize_with_checks([AssociativeMemory()])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"schedule": "parallel"},
        {"order": 3},
        {"order": 4, "schedule": "parallel"},
        {"temperature": 0.1},
        {"order": 3, "temperature": 0.1},
    ],
)
def test_damaged_rows_are_recalled(options):
    memory = AssociativeMemory(random_state=0, **options).fit(ROWS)
    cues = damaged(ROWS, 0.15)
    # 10 of 120 is three fifths of the critical load of pairs: a bit or two may be wrong there.
    assert memory.score(cues, ROWS) > 0.98
    assert memory.score(ROWS) > 0.99
    assert np.mean(cues == ROWS) == pytest.approx(0.85)
    np.testing.assert_array_equal(memory.transform(cues).argmax(1), np.arange(len(ROWS)))
    assert set(np.unique(memory.predict(cues))) == {-1, 1}


def test_pairs_at_zero_temperature_against_a_loop():
    rows, cue = ROWS[:4], damaged(ROWS[:1], 0.2)[0]
    coupling = rows.T @ rows / rows.shape[1]
    np.fill_diagonal(coupling, 0)
    state = np.array(cue)
    while True:
        before = state.copy()
        for i in range(len(state)):
            field = coupling[i] @ state
            state[i] = state[i] if field == 0 else np.sign(field)
        if np.array_equal(before, state):
            break
    # Another order of updates: the same state at such a low load.
    memory = AssociativeMemory(random_state=0).fit(rows)
    np.testing.assert_array_equal(memory.predict(cue[None])[0], state)


def test_rows_one_by_one_are_rows_at_once():
    once = AssociativeMemory(random_state=0).fit(ROWS)
    one_by_one = AssociativeMemory(random_state=0)
    for row in ROWS:
        one_by_one.partial_fit(row[None])
    np.testing.assert_array_equal(once.patterns_, one_by_one.patterns_)
    cues = damaged(ROWS, 0.3)
    np.testing.assert_array_equal(once.predict(cues), one_by_one.predict(cues))
    # And `fit` begins anew.
    np.testing.assert_array_equal(one_by_one.fit(ROWS[:2]).patterns_, ROWS[:2])


def test_answers_have_the_values_of_the_rows():
    bits = (ROWS + 1) // 2
    memory = AssociativeMemory(random_state=0).fit(bits)
    np.testing.assert_array_equal(memory.patterns_, ROWS)
    cues = (damaged(ROWS, 0.1) + 1) // 2
    assert set(np.unique(memory.predict(cues))) == {0, 1}
    assert memory.score(cues, bits) > 0.99
    spins = AssociativeMemory(random_state=0).fit(ROWS)
    np.testing.assert_array_equal(memory.predict(cues), (spins.predict(2 * cues - 1) + 1) // 2)


def test_real_rows_are_rounded_at_the_mean_of_their_column_or_at_a_number():
    gray = np.where(ROWS > 0, 7.0, 3.0) + RNG.normal(0, 0.1, ROWS.shape)
    memory = AssociativeMemory(random_state=0).fit(gray)
    np.testing.assert_allclose(memory.threshold_, gray.mean(0))
    mixed = (ROWS[0] != ROWS).any(0)  # a column of one value has its mean inside
    np.testing.assert_array_equal(memory.patterns_[:, mixed], ROWS[:, mixed])
    fixed = AssociativeMemory(threshold=5.0, random_state=0).fit(gray)
    np.testing.assert_array_equal(fixed.patterns_, ROWS)
    assert fixed.score(np.where(damaged(ROWS, 0.1) > 0, 6.0, 4.0), gray) > 0.99
    assert set(np.unique(fixed.predict(gray))) == {0, 1}


def test_advice_before_storing():
    memory = AssociativeMemory()
    # Amit, Gutfreund and Sompolinsky: 0.138 N.
    assert memory.advise(1000).critical == 137
    assert memory.advise(1000).patterns == 68
    assert memory.advise(1000).bits_right > 0.999
    assert memory.advise(1000, noise=0.45).patterns < memory.advise(1000, noise=0.1).patterns
    dense = AssociativeMemory(order=3)
    assert dense.advise(200).critical > 100 * memory.advise(200).critical
    assert (
        AssociativeMemory(3, schedule="parallel").advise(200).critical < dense.advise(200).critical
    )
    assert AssociativeMemory(temperature=1.5).advise(200) == (0, 0, 0.5)
    assert not hasattr(memory, "patterns_")


@pytest.mark.parametrize(
    ("order", "columns", "noise"), [(2, 240, 0.1), (3, 100, 0.1), (2, 240, 0.2)]
)
def test_advice_against_simulation(order, columns, noise):
    memory = AssociativeMemory(order, random_state=0)
    safe = memory.advise(columns, noise)
    for rows, low, high in ((safe.patterns, 0.95, 1.0), (2 * safe.critical, 0.0, 0.9)):
        stored = np.random.default_rng(rows).choice([-1, 1], (rows, columns))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CapacityWarning)
            memory.fit(stored)
        # What `advise` promises. 24 cues: a standard error of 0.02 where one in ten is lost.
        found = memory.score(damaged(stored[:24], noise), stored[:24])
        assert low <= found <= high, (rows, found)


def test_the_load_is_watched():
    memory = AssociativeMemory(random_state=0)
    rows = RNG.choice([-1, 1], (20, 100))
    memory.fit(rows[:13])  # no warning: the critical number is 13
    assert memory.critical_ == 13
    with pytest.warns(CapacityWarning, match=r"holds 14 rows of 100 columns.*up to about 13"):
        memory.partial_fit(rows[13:14])
    with pytest.warns(CapacityWarning):
        AssociativeMemory(temperature=1.2).fit(rows[:1])
    AssociativeMemory(order=3).fit(rows)


def test_copies_and_pickles():
    memory = AssociativeMemory(3, temperature=0.05, max_sweeps=10, random_state=0)
    assert clone(memory).get_params() == memory.get_params()
    memory.fit(ROWS)
    kept = pickle.loads(pickle.dumps(memory))  # noqa: S301 - our own bytes
    cues = damaged(ROWS, 0.2)
    np.testing.assert_array_equal(kept.predict(cues), memory.predict(cues))
    again = clone(memory).fit(ROWS)
    np.testing.assert_array_equal(again.predict(cues), memory.predict(cues))
    assert len(memory.get_feature_names_out()) == len(ROWS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"order": 1}, "order=1; expected a whole number of at least 2"),
        ({"order": 2.5}, "order=2.5"),
        ({"order": 121}, "needs at least as many columns, got 120"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"threshold": "median"}, "threshold='median'; expected 'auto'"),
        ({"schedule": "random"}, "schedule='random'"),
        ({"schedule": "parallel", "temperature": 0.1}, "is for temperature=0"),
        ({"max_sweeps": 0}, "max_sweeps=0"),
    ],
)
def test_bad_parameters(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        AssociativeMemory(**options).fit(ROWS)


def test_bad_input():
    strict = AssociativeMemory(threshold=None, random_state=0)
    with pytest.raises(NotFittedError):
        strict.predict(ROWS)
    with pytest.raises(ValueError, match="needs rows of 0 and 1"):
        strict.fit(ROWS * 0.5)
    strict.fit(ROWS)
    with pytest.raises(ValueError, match="needs rows of -1 and 1"):
        strict.predict((ROWS + 1) // 2)
    with pytest.raises(ValueError, match="expecting 120 features"):
        strict.predict(ROWS[:, :50])
    with pytest.raises(ValueError, match="expected the same"):
        strict.score(ROWS, ROWS[:3])
    with pytest.raises(ValueError, match="below one half"):
        strict.advise(100, noise=0.5)
    with pytest.raises(ValueError, match="at least the order"):
        AssociativeMemory(4).advise(3)
