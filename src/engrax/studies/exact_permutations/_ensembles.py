"""Ensembles that grow by one network a tick."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from engrax.core import System, named
from engrax.tasks import binary_inputs, permutation_task

from ._nets import Kind, kernel_of, trained, trained_on, untrained


class Inputs(eqx.Module):
    """Test inputs, and what it takes to be right on them."""

    bits: Bool[Array, "n k"]
    x: Float[Array, "n k"]
    threshold: Float[Array, ""]

    def accuracy(
        self, outputs: Float[Array, "n k"], where: Bool[Array, " n"] | None = None
    ) -> Float[Array, ""]:
        """Share of inputs with every bit right; outputs in the order of the input's bits.

        It is 1 exactly where none is wrong, which a mean of ones need not be.
        """
        counted = jnp.ones(len(self.bits), bool) if where is None else where
        wrong = jnp.any((outputs > self.threshold) != self.bits, axis=1) & counted
        return 1 - jnp.sum(wrong).astype(jnp.float32) / jnp.sum(counted).astype(jnp.float32)


def inputs_of(k: int, threshold: float, n_ones: int | None = None) -> Inputs:
    """All nonzero inputs of k bits, or those with so many ones."""
    bits, x = binary_inputs(k, n_ones)
    return Inputs(bits, x, jnp.float32(threshold))


class Ensemble(System):
    """Tick t trains network t and adds its outputs: records are those of the mean of t + 1.

    Outputs are put in the order of the bits that they should equal, so a permutation is undone.
    """

    inputs: Inputs
    kind: Kind = eqx.field(static=True)
    width: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    rate: float | None = eqx.field(static=True, default=None)

    @property
    def k(self) -> int:
        """Number of bits."""
        return self.inputs.bits.shape[1]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """A permutation, and no network yet."""
        task = permutation_task(named(key, "permutation"), self.k)
        total = jnp.zeros(self.inputs.x.shape)
        return {"permutation": task.permutation, "total": total, "key": named(key, "networks")}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Accuracy over all inputs, and over those with two ones, the hardest."""
        to = state["permutation"]
        y = jnp.eye(self.k)[to]
        net = untrained(jr.fold_in(state["key"], input), self.k, self.width, self.kind)
        net = trained(net, y, self.kind, self.steps, rate=self.rate)
        total = state["total"] + jax.vmap(net)(self.inputs.x)[:, to]
        mean = total / (input + 1).astype(jnp.float32)
        return {**state, "total": total}, {
            "accuracy": self.inputs.accuracy(mean),
            "pairs": self.inputs.accuracy(mean, jnp.sum(self.inputs.bits, axis=1) == 2),
            "residual": jnp.max(jnp.abs(net.columns() - y)),
        }


class Baselines(System):
    """The same networks trained on k random inputs, and with their untrained outputs subtracted."""

    inputs: Inputs
    width: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    random_steps: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """Permutation, random training inputs, and no network yet."""
        k = self.inputs.bits.shape[1]
        seen = binary_inputs(k, size=k, key=named(key, "examples"))
        total = jnp.zeros(self.inputs.x.shape)
        return {
            "permutation": permutation_task(named(key, "permutation"), k).permutation,
            "bits": seen.bits,
            "random_examples": total,
            "zero_start": total,
            "key": named(key, "networks"),
        }

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Accuracy of both over all inputs."""
        to, k = state["permutation"], self.inputs.bits.shape[1]
        start = untrained(jr.fold_in(state["key"], input), k, self.width, "ntk")
        net = trained(start, jnp.eye(k)[to], "ntk", self.steps)
        y = state["bits"].astype(jnp.float32)
        x = y / jnp.sqrt(jnp.sum(y, axis=1, keepdims=True))
        other = trained_on(start, x, y[:, jnp.argsort(to)], self.random_steps)
        outputs = {
            "random_examples": jax.vmap(other)(self.inputs.x),
            "zero_start": jax.vmap(net)(self.inputs.x) - jax.vmap(start)(self.inputs.x),
        }
        totals = {name: state[name] + found[:, to] for name, found in outputs.items()}
        count = (input + 1).astype(jnp.float32)
        return state | totals, {n: self.inputs.accuracy(t / count) for n, t in totals.items()}


class Missing(System):
    """Ensembles trained on all one-hot inputs, on all but one and on all but two.

    Which ones are left out: windows of neighbors, the mean over several of which is recorded.
    """

    inputs: Inputs
    windows: int = eqx.field(static=True)
    kind: Kind = eqx.field(static=True)
    width: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """A permutation, and no network yet."""
        n, k = self.inputs.x.shape
        return {
            "permutation": permutation_task(named(key, "permutation"), k).permutation,
            "total": jnp.zeros((1 + 2 * self.windows, n, k)),
            "key": named(key, "networks"),
        }

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Accuracy over all inputs by number of examples left out."""
        to, k = state["permutation"], self.inputs.bits.shape[1]
        start = untrained(jr.fold_in(state["key"], input), k, self.width, self.kind)

        def outputs(seen: Bool[Array, " k"]) -> Float[Array, "n k"]:
            net = trained(start, jnp.eye(k)[to], self.kind, self.steps, seen=seen)
            return jax.vmap(net)(self.inputs.x)[:, to]

        total = state["total"] + jax.lax.map(outputs, windows(k, self.windows))
        found = jax.vmap(self.inputs.accuracy)(total / (input + 1).astype(jnp.float32))
        by_count = [found[:1], *jnp.split(found[1:], 2)]
        accuracy = jnp.stack([1 - jnp.mean(1 - each) for each in by_count])
        return {**state, "total": total}, {"accuracy": accuracy}


def windows(k: int, count: int) -> Bool[Array, "choices k"]:
    """Which examples are seen: all; all but one of the first `count`; all but it and the next."""
    place = (jnp.arange(k)[None, :] - jnp.arange(count)[:, None]) % k
    return jnp.concatenate([jnp.ones((1, k), bool), place >= 1, place >= 2])


class Outputs(System):
    """Tick t records what one network says about fixed inputs, permutation undone.

    With `quiet` also its outputs less the part of their deviation that the untrained outputs f_0
    make, ``f - f_0(x) + R(x) f_0(X)``. That part has mean zero, so the mean over networks is the
    same and is known far better; in the limit of infinite width nothing else deviates.
    """

    x: Float[Array, "n k"]
    kind: Kind = eqx.field(static=True)
    width: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    quiet: bool = eqx.field(static=True, default=False)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """A permutation."""
        task = permutation_task(named(key, "permutation"), self.x.shape[1])
        return {"permutation": task.permutation, "key": named(key, "networks")}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Outputs (inputs, bits)."""
        to, k = state["permutation"], self.x.shape[1]
        start = untrained(jr.fold_in(state["key"], input), k, self.width, self.kind)
        net = trained(start, jnp.eye(k)[to], self.kind, self.steps)
        found = jax.vmap(net)(self.x)[:, to]
        if not self.quiet:
            return state, {"outputs": found}
        kernel = kernel_of(self.kind)
        response = jnp.linalg.solve(kernel(jnp.eye(k), k), kernel(self.x.T, k)).T
        noise = jax.vmap(start)(self.x) - response @ start.columns()
        return state, {"outputs": found, "quiet": found - noise[:, to]}
