"""C1: BDH and BDH' against a GPT of as many parameters, at three sizes, and on Shakespeare."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
import xarray as xr

from engrax.lab import Arm, Claim, Part, Reference, at_most, equivalent
from engrax.nn import BDH, Decoder, head_decays

from . import _data
from ._config import Config
from ._training import same_rate, text_arm, tuned

FAMILIES = {"bdh": "BDH", "gated": "BDH'", "gpt": "GPT"}
"""Family -> what figures call it."""
SIZES = ("small", "middle", "large")
PAPER_LOSSES = {
    "bdh": (0.457, 0.414, 0.392, 0.377, 0.372, 0.365),
    "gated": (0.425, 0.398, 0.385, 0.374, 0.365, 0.359),
    "gpt": (0.425, 0.399, 0.380, 0.370, 0.364, 0.362),
}
"""Validation loss in the paper (nats a byte), read off the authors' figure."""
PAPER_PARAMETERS = (25e6, 50e6, 100e6, 200e6, 400e6, 800e6)
VOCAB = 256


def bdh(config: Config, n: int, **more: Any) -> eqx.Partial:
    """Builds a BDH of n neurons in the study's other sizes."""
    sizes: dict[str, Any] = {"n": n, "d": config.d, "heads": config.heads, "layers": config.layers}
    sizes |= {"dropout": config.dropout, "init_scale": config.init_scale} | more
    decay = head_decays(sizes["heads"], float(config.memory)) if config.memory else None
    return eqx.Partial(BDH, decay=decay, **sizes)


def gpt(config: Config, size: int, **more: Any) -> eqx.Partial:
    """Builds the GPT that stands beside size `size` of `all_sizes`."""
    layers, d, heads = (
        config.gpt_shapes[size]
        if config.gpt_shapes
        else (all_sizes(config)[size] // (4 * config.d), config.d, config.heads)
    )
    return decoder(config, layers, d, heads, config.length, **more)


def decoder(
    config: Config, layers: int, d: int, heads: int, context: int, **more: Any
) -> eqx.Partial:
    """Builds a GPT of any size."""
    more = {"positions": config.gpt_positions, "dropout": config.dropout} | more
    return eqx.Partial(Decoder, VOCAB, d, layers, heads, context=context, **more)


def all_sizes(config: Config) -> tuple[int, ...]:
    """Neurons of every model: the three that claims read, then further ones."""
    return (*config.sizes, *config.further_sizes)


def family(config: Config, name: str, size: int) -> eqx.Partial:
    """Builds a model of a family at a size."""
    if name == "gpt":
        return gpt(config, size)
    more = {"gated": True, "merge_logits": True} if name == "gated" else {}
    return bdh(config, all_sizes(config)[size], **more)


def _arm(config: Config, name: str, size: int) -> Arm:
    """A model of the study; those but the middle one take its learning rate."""
    text = _data.corpus(config, config.pair)
    build, activity = family(config, name, size), name == "bdh"
    if size == SIZES.index("middle"):
        return tuned(config, text_arm(config, build, text, activity=activity))
    middle = (f"{name}_middle",)
    return text_arm(config, build, text, activity=activity, needs=middle, start=same_rate)


def probed(config: Config, name: str) -> str:
    """The arm of the BDH or GPT that later claims look into."""
    return f"{name}_long" if config.long_steps else f"{name}_middle"


def _long(config: Config, name: str) -> Arm:
    """The middle size, trained for longer at the rate that was found."""
    text, size = _data.corpus(config, config.pair), SIZES.index("middle")
    more: dict[str, Any] = {"needs": (f"{name}_middle",), "start": same_rate}
    build, activity = family(config, name, size), name == "bdh"
    return text_arm(config, build, text, activity=activity, steps=config.long_steps, **more)


def _shakespeare(config: Config, name: str) -> Arm:
    n, d, heads = config.shakespeare_n, config.shakespeare_d, config.shakespeare_heads
    length = config.shakespeare_length
    if name == "gpt":
        build = decoder(config, n // (4 * d), d, heads, length)
    else:
        more = {"gated": True, "merge_logits": True} if name == "gated" else {}
        sizes = {"d": d, "heads": heads, "layers": config.shakespeare_layers}
        build = bdh(config, n, **sizes, **more)
    return text_arm(
        config,
        build,
        _data.shakespeare(config),
        steps=config.shakespeare_steps,
        batch=config.shakespeare_batch,
        length=length,
        needs=(f"{name}_middle",),
        start=same_rate,
    )


def flops_per_token(config: Config, name: str, size: int) -> float:
    """Operations of a forward pass a byte, counted: 2 a multiply-add, products alone.

    BDH uses each weight in every layer: 6 n d, and 2 T n + 2 T h d for scores and sums over T
    bytes. The GPT: 24 d^2 a layer, and 4 T d. Both then 2 V d. Half of the scores are masked; they
    are counted whole, as they are computed.
    """
    length = config.length
    if name == "gpt":
        layers, d = gpt_shape(config, size)
        return float(layers * (24 * d * d + 4 * length * d) + 2 * VOCAB * d)
    n, d = all_sizes(config)[size], config.d
    layer = 6 * n * d + 2 * length * n + 2 * length * config.heads * d
    return float(config.layers * layer + 2 * VOCAB * d)


def gpt_shape(config: Config, size: int) -> tuple[int, int]:
    """Layers and width of the GPT at a size."""
    if config.gpt_shapes:
        return config.gpt_shapes[size][:2]
    return all_sizes(config)[size] // (4 * config.d), config.d


def _costs(config: Config) -> xr.Dataset:
    names = [_size_name(i) for i in range(len(all_sizes(config)))]
    table = [[flops_per_token(config, f, i) for i in range(len(names))] for f in FAMILIES]
    return xr.Dataset(
        {"flops_per_token": (("family", "size"), np.array(table))},
        {"family": list(FAMILIES), "size": names},
    )


def _size_name(size: int) -> str:
    return SIZES[size] if size < len(SIZES) else f"further_{size - len(SIZES) + 1}"


def arms(config: Config) -> dict[str, Callable[[], Arm | Reference]]:
    """Name -> a call that reads the text and builds the arm; a family's middle size comes first."""
    order = sorted(range(len(all_sizes(config))), key=lambda i: _size_name(i) != "middle")
    found: dict[str, Callable[[], Arm | Reference]] = {
        f"{name}_{_size_name(i)}": eqx.Partial(_arm, config, name, i)
        for name in FAMILIES
        for i in order
    }
    if config.long_steps:
        found |= {f"{name}_long": eqx.Partial(_long, config, name) for name in ("bdh", "gpt")}
    if config.shakespeare_steps:
        found |= {
            f"shakespeare_{name}": eqx.Partial(_shakespeare, config, name) for name in FAMILIES
        }
    return found | {"cost": eqx.Partial(Reference, eqx.Partial(_costs, config))}


def test_loss(run: Any, arm: str) -> xr.DataArray:
    """Nats a byte on the test text, one value a seed."""
    return run[arm]["final"]["test_loss"]


def relative_gap(first: str, second: str) -> Callable[[Any], xr.DataArray]:
    """How much higher the first arm's test loss is, as a share of the second's, seed by seed."""

    def value(run: Any) -> xr.DataArray:
        with xr.set_options(arithmetic_join="exact"):
            return test_loss(run, first) / test_loss(run, second) - 1

    return value


_SAME = 1e-6
"""Spread of log sizes below which there is no slope."""


def slope(run: Any) -> np.ndarray:
    """D log(test loss) / d log(parameters) of plain BDH over all sizes, one a seed."""
    names = [f"bdh_{_size_name(i)}" for i in range(len(all_sizes(run.config)))]
    loss = np.log(np.stack([test_loss(run, name).to_numpy() for name in names]))
    size = np.log([float(run[name]["final"]["parameters"][0]) for name in names])
    centered = size - size.mean()
    spread = (centered**2).sum()
    # Equal sizes, as at scale smoke, have no slope.
    return (
        (centered[:, None] * loss).sum(0) / spread
        if spread > _SAME
        else np.full(loss.shape[1], np.nan)
    )


def _at_every_size(name: str) -> dict[str, Part]:
    """Parity with the GPT at each of the three sizes, and the paper's own gap there."""
    paper = {
        size: PAPER_LOSSES[name][i] / PAPER_LOSSES["gpt"][i] - 1
        for size, i in zip(SIZES, (0, 2, 5), strict=True)
    }
    return {
        f"{FAMILIES[name]} / GPT - 1, {size}": Part(
            relative_gap(f"{name}_{size}", f"gpt_{size}"),
            equivalent(0.03),
            unit="%",
            paper=paper[size],
        )
        for size in SIZES
    }


def _arms_of(*families: str) -> tuple[str, ...]:
    return tuple(f"{name}_{size}" for name in families for size in SIZES)


CLAIMS = (
    Claim(
        "C1",
        "BDH' has the loss of a GPT of as many parameters, at every size, and the loss of BDH "
        "falls with size.",
        arms=(*_arms_of("gated", "gpt", "bdh"), "cost"),
        parts={
            **_at_every_size("gated"),
            "slope of log loss over log parameters, BDH": Part(slope, at_most(0.0), paper=-0.061),
        },
        paper="25 to 800 million parameters: BDH' .425 to .359, GPT .425 to .362 nats a byte",
    ),
    Claim(
        "C1p",
        "Plain BDH has the loss of a GPT of as many parameters, at every size.",
        arms=(*_arms_of("bdh", "gpt"), "cost"),
        parts=_at_every_size("bdh"),
        paper="25 to 800 million parameters: BDH .457 to .365, GPT .425 to .362 nats a byte: above "
        "the GPT at every size",
    ),
    Claim(
        "C1s",
        "On Shakespeare too, BDH' has the loss of a GPT of as many parameters.",
        arms=tuple(f"shakespeare_{name}" for name in FAMILIES),
        parts={
            "BDH' / GPT - 1": Part(
                relative_gap("shakespeare_gated", "shakespeare_gpt"), equivalent(0.03), unit="%"
            ),
        },
        paper="no figure on this text",
    ),
)
