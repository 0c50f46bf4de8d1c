"""Choosing a family for every node of a selectable net, and leaving the others out."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ._assemble import assemble
from ._kan import KAN, KANLayer
from ._pruned_kan_layer import PrunedKANLayer
from ._selectable_kan import SelectableKAN, SelectableKANLayer, spread
from .bases import Basis, PerInput, Picked

Score = Literal["rms", "gate", "refit"]


def select(
    model: SelectableKAN,
    x: Float[Array, "batch in"],
    *,
    score: Score = "rms",
    warm: Literal["gate", "refit"] = "gate",
    temperature: float | Float[Array, ""] = 1.0,
) -> SelectableKAN:
    """The model with its gates set to the best family of each node, judged on inputs `x`.

    Scores of family k at a node:

    - `"rms"`: sqrt(sum over the node's edges of Var_x[p_k sum_m c^k_m B^k_m]), the size of what it
      contributes.
    - `"gate"`: its share p_k.
    - `"refit"`: -log of the mean squared residual when the functions of the node are fitted by the
      family, base and constant (least squares, ridge 1e-4 around the present coefficients). It
      favors flexible families; better for `warm` than as a score. For `node_in` alone.

    What a family starts from afterwards: `warm="gate"` its coefficients times its share,
    `warm="refit"` the fit above (base weights and bias are those of the picked families), which
    leaves the function nearly unchanged. The gates become temperature * log(score / sum), so that
    shares are the scores' and the pick stands first; for `"refit"` the scores are the inverse
    residuals.

    Works under `jit` and `vmap`.

    Raises:
        ValueError: `"refit"` for another granularity than `node_in`.
    """
    if "refit" in (score, warm) and any(m.granularity != "node_in" for m in model.layers):
        raise ValueError(
            "select can refit inputs' functions alone; use granularity='node_in', or score='rms' "
            "with warm='gate'."
        )
    inputs = model.inputs(x, temperature)
    layers = tuple(
        _selected(layer, seen, score, warm, temperature)
        for layer, seen in zip(model.layers, inputs, strict=True)
    )
    return eqx.tree_at(lambda model: model.layers, model, layers)


def _selected(
    layer: SelectableKANLayer, x: Array, score: Score, warm: str, temperature: float | Array
) -> SelectableKANLayer:
    weighed = layer.weighed(layer.shares(temperature))
    fit = _Refit.of(layer, x, weighed) if "refit" in (score, warm) else None
    scores = _scores(layer, x, weighed, score, temperature, fit)
    shares = scores / scores.sum(-1, keepdims=True)
    gates = temperature * jnp.log(jnp.maximum(shares, 1e-9))
    if warm == "gate" or fit is None:
        return eqx.tree_at(lambda m: (m.coefficients, m.gates), layer, (weighed, gates))
    moved = eqx.tree_at(lambda m: (m.coefficients, m.gates), layer, (fit.coefficients, gates))
    picks = jnp.argmax(gates, -1)
    node = jnp.arange(layer.n_in)
    bias = layer.bias + fit.constant[picks, node].sum(0)
    moved = eqx.tree_at(lambda m: m.bias, moved, bias)
    if layer.base_weight is None:
        return moved
    return eqx.tree_at(lambda m: m.base_weight, moved, fit.base[picks, node].T)


def _scores(
    layer: SelectableKANLayer,
    x: Array,
    weighed: Array,
    score: Score,
    temperature: float | Array,
    fit: "_Refit | None",
) -> Array:
    """(*nodes, families), positive, the best family's the largest."""
    if score == "gate":
        return layer.shares(temperature)
    if score == "refit":
        assert fit is not None
        return jnp.moveaxis(1 / jnp.maximum(fit.residual, 1e-12), 0, -1)
    variance = jnp.stack([_variance(b(x, -2), c) for b, c in zip(layer.pool, weighed, strict=True)])
    axes = {"node_in": (1,), "node_out": (2,), "edge": (), "layer": (1, 2)}[layer.granularity]
    return jnp.moveaxis(jnp.sqrt(variance.sum(axes)), 0, -1)


def _variance(features: Array, coefficients: Array) -> Array:
    """Variance over the batch of every edge's function: (out, in)."""
    centered = features - features.mean(0, keepdims=True)
    covariance = jnp.einsum("bmi,bni->mni", centered, centered) / len(features)
    return jnp.einsum("omi,mni,oni->oi", coefficients, covariance, coefficients)


class _Refit(eqx.Module):
    """The functions of every input, fitted by every family."""

    coefficients: Float[Array, "families out size in"]
    base: Float[Array, "families in out"]
    constant: Float[Array, "families in out"]
    residual: Float[Array, "families in"]

    @classmethod
    def of(cls, layer: SelectableKANLayer, x: Array, weighed: Array) -> "_Refit":
        features = [basis(x, -2) for basis in layer.pool]
        target = sum(
            jnp.einsum("bmi,omi->ibo", f, c) for f, c in zip(features, weighed, strict=True)
        )
        with_base = layer.base is not None and layer.base_weight is not None
        base = layer.base(x) if with_base and layer.base is not None else jnp.zeros_like(x)
        base_weight = layer.base_weight if with_base else jnp.zeros((layer.n_out, layer.n_in))
        assert base_weight is not None
        found = []
        for f, c in zip(features, weighed, strict=True):
            # What the family's own terms leave; the ridge holds the change of them small.
            rest = target - jnp.einsum("bmi,omi->ibo", f, c)
            columns = jnp.concatenate([f, base[:, None], jnp.ones_like(x)[:, None]], 1)
            change, left = jax.vmap(_ridge, in_axes=(2, 0))(columns, rest)
            found.append((c + jnp.moveaxis(change[:, :-2], 0, -1).swapaxes(0, 1), change, left))
        return cls(
            jnp.stack([c for c, _, _ in found]),
            jnp.stack([change[:, -2] for _, change, _ in found]) + base_weight.T[None],
            jnp.stack([change[:, -1] for _, change, _ in found]),
            jnp.stack([left for _, _, left in found]),
        )


def _ridge(columns: Array, target: Array, ridge: float = 1e-4) -> tuple[Array, Array]:
    """Coefficients (columns, out) of ridge regression, and the mean squared residual."""
    n = columns.shape[1]
    rows = jnp.concatenate([columns, ridge**0.5 * jnp.eye(n, dtype=columns.dtype)])
    padded = jnp.concatenate([target, jnp.zeros((n, target.shape[1]), target.dtype)])
    change = jnp.linalg.lstsq(rows, padded)[0]
    return change, ((target - columns @ change) ** 2).mean()


def prune(model: SelectableKAN, picks: tuple[Int[Array, "..."], ...] | None = None) -> KAN:
    """The net that is left when every node keeps one family: `picks`, or those of its gates.

    It computes what `model` computes with hard gates. With `node_in` and `layer` choices it
    is a `KAN` whose layers evaluate each family on its own inputs; if the picks are not known
    because the call is compiled, the picks stay data (`bases.Picked`). Every layer has
    in * out * (size + 1) + out parameters.

    Raises:
        ValueError: picks for another number of layers or nodes than there are.
    """
    picks = model.picks() if picks is None else tuple(picks)
    if [np.shape(p) for p in picks] != [layer.gates.shape[:-1] for layer in model.layers]:
        raise ValueError(
            f"prune got picks of shapes {[np.shape(p) for p in picks]} for layers whose choices "
            f"have shapes {[layer.gates.shape[:-1] for layer in model.layers]}."
        )
    pairs = zip(model.layers, picks, strict=True)
    layers = tuple(pruned_layer(layer, jnp.asarray(pick)) for layer, pick in pairs)
    return assemble(KAN, layers=layers, squash=model.squash)


def pruned_layer(
    layer: SelectableKANLayer, picks: Int[Array, "*nodes"]
) -> KANLayer | PrunedKANLayer:
    """One layer of `prune`."""
    one = jax.nn.one_hot(picks, len(layer.pool), dtype=layer.coefficients.dtype)
    kept = jnp.where(spread(one, layer.granularity) > 0, layer.coefficients, 0.0).sum(0)
    rest = {"base_weight": layer.base_weight, "bias": layer.bias, "base": layer.base}
    if layer.granularity in ("node_out", "edge"):
        per_edge = picks[:, None] if layer.granularity == "node_out" else picks
        per_edge = jnp.broadcast_to(per_edge, (layer.n_out, layer.n_in))
        return assemble(PrunedKANLayer, coefficients=kept, picks=per_edge, pool=layer.pool, **rest)
    basis = chosen(layer.pool, jnp.broadcast_to(picks, (layer.n_in,)))
    return assemble(KANLayer, coefficients=kept, basis=basis, **rest)


def chosen(pool: tuple[Basis, ...], picks: Int[Array, " inputs"], inputs: int = -1) -> Basis:
    """The basis of these picks: as small a program as what is known while it is built allows."""
    try:
        numbers = np.asarray(picks).tolist()
    except jax.errors.TracerArrayConversionError:
        return Picked(pool, picks, inputs=inputs)
    same = len(set(numbers)) == 1
    return pool[numbers[0]] if same else PerInput(pool, numbers, inputs=inputs)
