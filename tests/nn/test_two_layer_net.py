import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.core import accuracy
from engrax.nn import TwoLayerNet
from engrax.nn._two_layer_net import drop
from engrax.probes import inverse_participation_ratio
from engrax.tasks import group_task, operation_table

P, WIDTH = 13, 24


def quadratic(key=0, **options) -> TwoLayerNet:
    return TwoLayerNet(2 * P, WIDTH, P, activation=jnp.square, key=jr.key(key), **options)


def all_pairs(p: int = P) -> jax.Array:
    return jnp.stack(jnp.divmod(jnp.arange(p * p), p), -1)


def onehot(pairs: jax.Array, p: int = P) -> jax.Array:
    return jax.nn.one_hot(pairs, p).reshape(len(pairs), -1)


@pytest.mark.parametrize("parametrization", ["standard", "ntk"])
def test_tokens_are_one_hot_vectors(parametrization):
    net = quadratic(parametrization=parametrization)
    pairs = all_pairs()
    # Another order of summation: rounding alone.
    np.testing.assert_allclose(jax.vmap(net)(pairs), jax.vmap(net)(onehot(pairs)), atol=1e-5)
    np.testing.assert_allclose(net.batch(pairs)[0], jax.vmap(net)(pairs), atol=1e-5)
    np.testing.assert_allclose(net.table().reshape(P * P, P), jax.vmap(net)(pairs), atol=1e-5)


@pytest.mark.parametrize("parametrization", ["standard", "ntk"])
def test_columns_are_the_one_hot_inputs(parametrization):
    net = TwoLayerNet(5, 9, 3, parametrization=parametrization, key=jr.key(2))
    np.testing.assert_allclose(net.columns(), jax.vmap(net)(jnp.eye(5)), atol=1e-6)
    slow, fast = (
        jax.grad(lambda net, f=f: jnp.sum(f(net) ** 3))(net)
        for f in (lambda net: jax.vmap(net)(jnp.eye(5)), TwoLayerNet.columns)
    )
    for a, b in zip(jax.tree.leaves(slow), jax.tree.leaves(fast), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_three_tokens_share_the_columns_in_three_blocks():
    net = TwoLayerNet(12, 5, 2, key=jr.key(0))
    tokens = jnp.array([1, 3, 0])
    x = jnp.concatenate([jax.nn.one_hot(t, 4) for t in tokens])
    np.testing.assert_allclose(net(tokens), net(x), atol=1e-6)


def test_against_the_definition_in_numpy():
    net = quadratic(init=0.3)
    first, second = np.array(net.weight[:, :P]), np.array(net.weight[:, P:])
    for m, n in [(0, 0), (3, 7), (12, 1)]:
        slow = np.array(net.readout) @ (first[:, m] + second[:, n]) ** 2
        np.testing.assert_allclose(net(jnp.array([m, n])), slow, rtol=1e-5, atol=1e-6)


def test_ntk_divides_each_layer_by_the_root_of_its_fan_in():
    net = TwoLayerNet(6, 8, 3, parametrization="ntk", key=jr.key(1))
    x = jr.normal(jr.key(2), (6,))
    slow = net.readout @ jax.nn.relu(net.weight @ x / np.sqrt(6)) / np.sqrt(8)
    np.testing.assert_allclose(net(x), slow, rtol=1e-5)
    # 10,000 entries of standard deviation 1: theirs is known to 1/sqrt(20,000) = .007.
    wide = TwoLayerNet(100, 100, 3, parametrization="ntk", key=jr.key(1))
    assert abs(float(wide.weight.std()) - 1) < 0.03


@pytest.mark.parametrize(("init", "expected"), [(0.02, 0.02), (None, 1 / np.sqrt(200))])
def test_init_is_the_standard_deviation(init, expected):
    net = TwoLayerNet(200, 100, 100, init=init, readout_scale=0.5, key=jr.key(0))
    np.testing.assert_allclose(net.weight.std(), expected, rtol=0.03)
    second = 0.5 * (init or 1 / np.sqrt(100))
    np.testing.assert_allclose(net.readout.std(), second, rtol=0.03)


def test_swapping_the_tokens_and_their_weights_changes_nothing():
    net = quadratic()
    swapped = jnp.concatenate([net.weight[:, P:], net.weight[:, :P]], axis=1)
    other = eqx.tree_at(lambda net: net.weight, net, swapped)
    pairs = all_pairs()
    np.testing.assert_array_equal(jax.vmap(net)(pairs), jax.vmap(other)(pairs[:, ::-1]))


def test_gradient_in_grid_form_is_that_of_the_gathered_examples():
    task = group_task(jr.key(0), operation_table(P, np.add), 0.6, corrupt=0.3)
    net = quadratic()
    target = jnp.zeros((P, P, P)).at[task.x[:, 0], task.x[:, 1], task.y].set(1)
    mask = jnp.zeros((P, P, 1)).at[task.x[:, 0], task.x[:, 1]].set(1)

    def gathered(net):
        return jnp.sum(jnp.square(net.batch(task.x)[0] - jax.nn.one_hot(task.y, P)))

    def grid(net):
        return jnp.sum(mask * jnp.square(net.table() - target))

    a, b = eqx.filter_grad(gathered)(net), eqx.filter_grad(grid)(net)
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        # Sums of ~100 terms of order 1 in float32.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_twenty_steps_of_decoupled_decay_by_hand():
    """Decay multiplies the weight by 1 - rate * decay, besides Adam's own step."""
    rate, decay, b1, b2, eps = 0.01, 15.0, 0.9, 0.98, 1e-8
    task = group_task(jr.key(0), operation_table(P, np.add), 0.5, corrupt=0.35)

    def loss(net):
        return jnp.mean(jnp.square(net.batch(task.x)[0] - jax.nn.one_hot(task.y, P)))

    gradient = eqx.filter_jit(eqx.filter_grad(loss))
    optimizer = optax.adamw(rate, b1=b1, b2=b2, eps=eps, weight_decay=decay)
    net = hand = quadratic(init=0.15)
    state = optimizer.init(eqx.filter(net, eqx.is_array))
    zeros = [np.zeros_like(leaf) for leaf in jax.tree.leaves(eqx.filter(hand, eqx.is_array))]
    first, second = list(zeros), list(zeros)
    for step in range(1, 21):
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradient(net), state, eqx.filter(net, eqx.is_array))
        net = eqx.apply_updates(net, updates)
        leaves, tree = jax.tree.flatten(hand)
        for i, g in enumerate(np.array(leaf) for leaf in jax.tree.leaves(gradient(hand))):
            first[i] = b1 * first[i] + (1 - b1) * g
            second[i] = b2 * second[i] + (1 - b2) * g**2
            move = first[i] / (1 - b1**step) / (np.sqrt(second[i] / (1 - b2**step)) + eps)
            leaves[i] = jnp.asarray((1 - rate * decay) * np.array(leaves[i]) - rate * move)
        hand = jax.tree.unflatten(tree, leaves)
    # The sign-like steps of Adam amplify rounding where a gradient is near 0; steps are .01.
    np.testing.assert_allclose(net.weight, hand.weight, atol=2e-4)
    np.testing.assert_allclose(net.readout, hand.readout, atol=2e-4)


@pytest.mark.parametrize("width", [250, 500])
def test_the_closed_form_net_adds(width):
    p = 97
    net = TwoLayerNet.modular_addition(p, width, jr.key(0))
    pairs = all_pairs(p)
    logits = net.batch(pairs)[0]
    assert float(accuracy(logits, pairs.sum(1) % p)) == 1.0
    layers = jnp.stack([net.weight[:, :p], net.weight[:, p:], net.readout.T])
    ipr = inverse_participation_ratio(layers).mean(0)
    # Only a unit of frequency 0 (width / p of them) may differ from 1, and it too has one bin.
    np.testing.assert_allclose(ipr, 1.0, atol=1e-4)


def test_the_closed_form_error_falls_as_the_root_of_the_width():
    p, widths = 97, np.array([50, 200, 800])
    pairs = all_pairs(p)
    target = jax.nn.one_hot(pairs.sum(1) % p, p)
    errors = []
    for width in widths:
        nets = [TwoLayerNet.modular_addition(p, int(width), jr.key(k)) for k in range(2)]
        errors.append(np.mean([(net.batch(pairs)[0] - target).std() for net in nets]))
    slope = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    # The sheet's own run: .278, .205, .124, .090, .065 from width 50 to 1000, slope -.49.
    assert abs(slope + 0.5) < 0.06
    assert 0.22 < errors[0] < 0.33


def test_permuting_the_units_changes_nothing():
    net = TwoLayerNet.modular_addition(P, WIDTH, jr.key(0))
    order = jr.permutation(jr.key(1), WIDTH)
    other = eqx.tree_at(
        lambda net: (net.weight, net.readout), net, (net.weight[order], net.readout[:, order])
    )
    np.testing.assert_allclose(net.table(), other.table(), atol=1e-5)


def test_opposite_shifts_of_the_phases_leave_the_averaged_outputs():
    """a + t and b - t keep a + b, and with it the resonant term; the rest averages out."""
    p, width, t = 13, 40_000, 0.7
    net = TwoLayerNet.modular_addition(p, width, jr.key(0))

    # cos(u + t) = cos(u) cos(t) - sin(u) sin(t), and the Hilbert transform turns cos into sin.
    def shifted(rows, t):
        spectrum = jnp.fft.fft(rows)
        turn = jnp.exp(1j * t * jnp.sign(jnp.fft.fftfreq(p)).astype(jnp.complex64))
        return jnp.fft.ifft(spectrum * turn[None]).real

    weight = jnp.concatenate([shifted(net.weight[:, :p], t), shifted(net.weight[:, p:], -t)], 1)
    other = eqx.tree_at(lambda net: net.weight, net, weight)
    # Both sit within width**-.5 = .005 of the modular delta; a few such deviations.
    np.testing.assert_allclose(net.table(), other.table(), atol=0.05)


@pytest.mark.parametrize(("seed", "rate"), [(0, 0.25), (1, 0.6), (2, 0.9)])
def test_dropout_zeroes_its_share_and_scales_the_rest(seed, rate):
    x = jnp.ones((501, 33))
    y = drop(x, rate, jr.key(seed))
    # Six standard deviations of a mean of n Bernoulli draws, and the rounding of one threshold.
    assert abs(float((y == 0).mean()) - rate) < 6 * np.sqrt(rate * (1 - rate) / x.size) + 1 / 256
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)


def test_the_rounding_of_the_threshold_is_fair():
    """0.3 is 76.8 / 256: four calls in five round up, and the mean over calls is the rate."""
    rate, calls = 0.3, 400
    shares = jax.lax.map(
        lambda key: (drop(jnp.ones(4000), rate, key) == 0).mean(), jr.split(jr.key(0), calls)
    )
    # Six standard errors: those of 1.6 million draws, and of 400 roundings by 1/256.
    error = np.sqrt(rate * (1 - rate) / (4000 * calls)) + np.sqrt(0.2 * 0.8 / calls) / 256
    assert abs(float(shares.mean()) - rate) < 6 * error


def test_dropout_is_on_only_with_a_key():
    net = quadratic(dropout=0.5)
    x = jnp.array([1, 2])
    np.testing.assert_array_equal(net(x), quadratic()(x))
    assert not np.allclose(net(x, key=jr.key(0)), net(x))
    # On the pre-activation: a kept unit of the square is four times as large at rate 1/2.
    kept = net.hidden(x, key=jr.key(0)) / net.hidden(x)
    assert set(np.round(np.array(kept), 3)) <= {0.0, 4.0}


def test_batch_norm_follows_the_activation():
    net = quadratic(norm="post_bn")
    pairs = all_pairs()
    y, moved = net.batch(pairs)
    h = np.array((net.weight[:, pairs[:, 0]] + net.weight[:, P + pairs[:, 1]]) ** 2).T
    normal = (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)
    np.testing.assert_allclose(y, normal @ np.array(net.readout).T, atol=1e-3)
    np.testing.assert_allclose(moved.norm.mean, 0.1 * h.mean(0), rtol=1e-4)
    np.testing.assert_array_equal(moved.weight, net.weight)
    # Evaluation reads the running statistics: 0 and 1 in the net as it was built.
    running = jax.vmap(net)(pairs)
    np.testing.assert_allclose(running, h / np.sqrt(1 + 1e-5) @ np.array(net.readout).T, atol=1e-3)
    np.testing.assert_allclose(net.table().reshape(-1, P), running, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: TwoLayerNet(0, 3, 3, key=jr.key(0)), "sizes of at least 1"),
        (lambda: TwoLayerNet(3, 3, 3, dropout=1.0, key=jr.key(0)), "dropout"),
        (lambda: TwoLayerNet(5, 3, 3, key=jr.key(0)).table(), "equal blocks"),
        (lambda: TwoLayerNet.modular_addition(1, 3, jr.key(0)), "at least 2"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
