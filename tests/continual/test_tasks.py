import hypothesis
import hypothesis.strategies as some
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.continual import FiveDatasets, PermutedTasks, SplitTasks, color_image
from engrax.tasks import Scaling
from tests.continual.cases import FLAT, dataset

DATA = dataset()


def permuted(n=3, first_identity=False, batch=16):
    return PermutedTasks(DATA, n, first_identity=first_identity, batch=batch, scaling=FLAT)


def epoch(stream, task):
    state = stream.init(key=jr.key(0))
    batches = []
    for place in range(int(stream.count[task]) // stream.batch):
        state, batch = stream.draw(state, jnp.int32(task), jnp.int32(place))
        batches.append(batch)
    return state, batches


def test_permuted_pixels_are_the_same_pixels_in_a_fixed_order():
    stream = permuted()
    state, batches = epoch(stream, 2)
    order = np.asarray(state["pixels"][2])
    assert sorted(order) == list(range(9))
    assert not np.array_equal(order, state["pixels"][1])
    for batch in batches:
        raw = np.asarray(stream.scaling(stream.x[batch.index]))
        np.testing.assert_array_equal(batch.x, raw[:, order])
        np.testing.assert_array_equal(batch.y, np.asarray(stream.y)[np.asarray(batch.index)])
        assert int(batch.task) == 2
        assert batch.mask is None
    seen = np.concatenate([batch.index for batch in batches])
    assert len(set(seen.tolist())) == len(seen) == 80


def test_an_epoch_is_shuffled_anew_and_seeds_have_their_own_orders():
    stream = permuted()
    state, first = epoch(stream, 0)
    state, again = stream.draw(state, jnp.int32(0), jnp.int32(5))
    assert not np.array_equal(first[0].index, again.index)
    other = stream.init(key=jr.key(1))
    assert not np.array_equal(other["pixels"], state["pixels"])


@pytest.mark.parametrize("first_identity", [False, True])
def test_the_first_task_shows_the_images_only_if_told_so(first_identity):
    state = permuted(first_identity=first_identity).init(key=jr.key(0))
    identity = np.array_equal(state["pixels"][0], np.arange(9))
    assert identity == first_identity


def test_views_and_tests_look_like_batches():
    stream = permuted()
    state = stream.init(key=jr.key(0))
    x, y, here = stream.test(state, jnp.int32(1))
    assert here.all()
    np.testing.assert_array_equal(x, stream.view(state, jnp.asarray(DATA.x_test), 1))
    np.testing.assert_array_equal(y, DATA.y_test)
    raw = np.asarray(stream.scaling(jnp.asarray(DATA.x_test)))
    np.testing.assert_array_equal(x, raw[:, np.asarray(state["pixels"][1])])


@pytest.mark.parametrize("heads", ["task", "shared", "growing"])
def test_split_tasks_hold_their_classes_alone(heads):
    stream = SplitTasks(DATA, 2, order=(3, 0, 2, 1), heads=heads, batch=8, scaling=FLAT)
    assert stream.tasks == 2
    for task, members in enumerate([(3, 0), (2, 1)]):
        _, batches = epoch(stream, task)
        index = np.concatenate([b.index for b in batches])
        y = np.concatenate([b.y for b in batches])
        assert set(DATA.y[index]) == set(members)
        if heads == "shared":
            np.testing.assert_array_equal(y, [members.index(label) for label in DATA.y[index]])
            assert batches[0].mask is None
            assert stream.labels.shape == (2, 2)
        else:
            np.testing.assert_array_equal(y, DATA.y[index])
            own = set(members) if heads == "task" or task == 0 else {0, 1, 2, 3}
            assert set(np.flatnonzero(np.asarray(batches[0].mask[0]))) == own
        _, tested, here = stream.test(stream.init(key=jr.key(0)), jnp.int32(task))
        assert int(here.sum()) == 20
        assert set(np.asarray(tested)[np.asarray(here)]) == set(y)


def test_tasks_of_different_sizes_are_padded_and_never_show_the_padding():
    few = dataset(classes=3, per_class=20)
    keep = (few.y < 2) | (np.arange(60) % 4 == 0)
    few = type(few)("few", few.x[keep], few.y[keep], few.x_test, few.y_test, "a test")
    stream = SplitTasks(few, 1, order=(0, 1, 2), heads="task", batch=5, scaling=FLAT)
    np.testing.assert_array_equal(stream.count, [20, 20, 5])
    _, batches = epoch(stream, 2)
    assert len(batches) == 1
    assert sorted(np.asarray(batches[0].index)) == sorted(np.flatnonzero(few.y == 2))
    sample = stream.sample(stream.init(key=jr.key(0)), jnp.int32(2), 12, jr.key(1))
    assert set(np.asarray(sample.y)) == {2}


@hypothesis.given(some.integers(0, 2**31 - 1))
def test_mixed_batches_come_from_every_task(seed):
    stream = permuted(batch=64)
    state = stream.init(key=jr.key(seed))
    state, batch = stream.step(state, jnp.int32(0))
    # All 64 of one task, or one task of three missing: below 3 (2/3)^64 < 2e-11 a draw.
    assert set(np.asarray(batch.task)) == {0, 1, 2}
    raw = np.asarray(stream.scaling(stream.x[batch.index]))
    pixels = np.asarray(state["pixels"])[np.asarray(batch.task)]
    np.testing.assert_array_equal(batch.x, np.take_along_axis(raw, pixels, 1))


def test_mixed_batches_carry_their_tasks_masks():
    stream = SplitTasks(DATA, 2, order=(0, 1, 2, 3), heads="task", batch=32, scaling=FLAT)
    _, batch = stream.step(stream.init(key=jr.key(0)), jnp.int32(0))
    assert bool(jnp.take_along_axis(batch.mask, batch.y[:, None], 1).all())
    np.testing.assert_array_equal(batch.mask.sum(1), 2)


def test_five_datasets_stand_side_by_side():
    parts = [dataset(10, 4, side=28), dataset(10, 6, shape=(3, 32, 32)), dataset(10, 4, side=8)]
    stream = FiveDatasets(parts, batch=8, scaling=Scaling())
    assert stream.tasks == 3
    assert stream.x.shape[1:] == (3, 32, 32)
    np.testing.assert_array_equal(stream.count, [40, 60, 40])
    _, batches = epoch(stream, 1)
    assert all(set(np.asarray(b.y)) <= set(range(10, 20)) for b in batches)
    gray = color_image(parts[0].x, 32)
    np.testing.assert_array_equal(gray[:, 0, 2:30, 2:30], parts[0].x)
    np.testing.assert_array_equal(gray[:, 1], gray[:, 2])
    assert gray[:, :, :2].sum() == 0


def test_one_draw_is_compiled_for_all_tasks():
    stream = permuted()
    draw = jax.jit(lambda stream, state, task, place: stream.draw(state, task, place))
    state = stream.init(key=jr.key(0))
    for task in range(3):
        state, _ = draw(stream, state, jnp.int32(task), jnp.int32(task))
    assert draw._cache_size() == 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: permuted(0), "at least one task"),
        (lambda: permuted(batch=81), "batch=81 does not fit"),
        (lambda: SplitTasks(DATA, 2, order=(0, 4), heads="task", batch=1), "label 4 .* range"),
        (lambda: SplitTasks(DATA, 2, order=(0, -1), heads="task", batch=1), "label -1 .* range"),
        (lambda: SplitTasks(DATA, 1, order=(0, 0), heads="task", batch=1), "comes twice"),
        (lambda: SplitTasks(DATA, 2, order=(0, 1, 2), heads="task", batch=1), "cannot be cut"),
        (lambda: SplitTasks(DATA, 2, order=(0, 1), heads="task", batch=41), "batch=41"),
        (lambda: FiveDatasets([dataset(11, 2)], batch=1), "11 classes"),
        (lambda: color_image(np.zeros((1, 40, 40), np.uint8), 32), "do not fit into"),
        (lambda: permuted().view({}, jnp.zeros((1, 9)), 3), "task 3 is not one of"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(make, says):
    with pytest.raises(ValueError, match=says):
        make()
