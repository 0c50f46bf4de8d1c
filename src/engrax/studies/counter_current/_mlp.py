"""C1, C1m, C2: counter-current learning against other rules on fully connected nets."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import xarray as xr

from engrax.core import GradientLearner, Learner, cross_entropy
from engrax.credit import (
    ClassAlignment,
    CounterCurrent,
    DirectFeedbackAlignment,
    DirectRandomTargetProjection,
    DualChain,
    FeedbackAlignment,
    TargetPropagation,
    network_sgd,
)
from engrax.lab import Arm, Claim, Part, at_least, at_most, paired_difference
from engrax.nn import MLP
from engrax.tasks import Split

from ._config import Config
from ._training import cut, final_test_accuracy, last_validation_accuracy, training, tuned

RULES = {
    "ccl": "CCL",
    "bp": "backprop",
    "fa": "FA",
    "dfa": "DFA",
    "fwdtp": "FW-DTP",
    "drtp": "DRTP",
}
"""Arm -> what figures call it."""


def rate(system: Any) -> Any:
    """The learning rate of a rule with one network."""
    return system["learner"].hyper["learning_rate"]


def forward_rate(system: Any) -> Any:
    """The learning rate of the forward network of a pair."""
    return system["learner"].forward["learning_rate"]


def feedback_rate(system: Any) -> Any:
    """The learning rate of the feedback network of a pair."""
    return system["learner"].feedback["learning_rate"]


def both_rates(system: Any) -> Any:
    """The learning rates of a pair, which get one value."""
    return forward_rate(system), feedback_rate(system)


def counter_current(
    widths: tuple[int, ...], clip: float, *, forward: float = 1.0, feedback: float = 1.0
) -> CounterCurrent:
    """Counter-current learning as in the authors' fully connected nets: `dot` loss, ELU."""
    up, down = (
        {"learning_rate": jnp.float32(value), "clip": jnp.float32(clip)}
        for value in (forward, feedback)
    )
    build = eqx.Partial(DualChain, widths, jax.nn.elu)
    return CounterCurrent(build, ClassAlignment(widths[-1]), network_sgd, up, down)


def rules(config: Config, widths: tuple[int, ...]) -> dict[str, Learner]:
    """Every rule on a net of these widths, without biases; tanh but for counter-current's ELU."""
    build = eqx.Partial(MLP, widths, jnp.tanh, bias=False)
    hyper = {"learning_rate": jnp.float32(0.1), "clip": jnp.float32(config.clip)}
    shared = (build, network_sgd, hyper)
    return {
        "ccl": counter_current(widths, config.clip),
        "bp": GradientLearner(build, cross_entropy, network_sgd, hyper),
        "fa": FeedbackAlignment(*shared),
        "dfa": DirectFeedbackAlignment(*shared),
        "fwdtp": TargetPropagation(*shared, step_size=jnp.float32(config.fwdtp_step)),
        "drtp": DirectRandomTargetProjection(*shared),
    }


def _tuned(
    config: Config,
    split: Split,
    learner: Learner,
    epochs: int,
    where: Callable[[Any], Any],
    rates: tuple[float, ...],
) -> Arm:
    system, _ = training(split, learner, config.batch)
    return tuned(config, Arm(system, epochs), where, rates, last_validation_accuracy)


def _rule(config: Config, name: str, split: Split, epochs: int) -> Arm:
    """The arm of one rule, its learning rate chosen on the validation images."""
    learner = rules(config, _widths(config, split))[name]
    where = both_rates if name == "ccl" else rate
    return _tuned(config, split, learner, epochs, where, getattr(config, f"{name}_rates"))


def _widths(config: Config, split: Split) -> tuple[int, ...]:
    features = int(split.train.x[0].size)
    classes = int(split.train.y.max()) + 1
    return (features, *[config.hidden] * config.hidden_layers, classes)


def _images(config: Config) -> Split:
    return cut(config.data, config.train, config.validation, config.test)


def _digits(config: Config) -> Split:
    return cut("mnist_5k", config.digits_train, config.digits_validation, None)


def _main_rule(config: Config, name: str) -> Arm:
    return _rule(config, name, _images(config), config.epochs)


def _digits_rule(config: Config, name: str) -> Arm:
    return _rule(config, name, _digits(config), config.digits_epochs)


def _frozen(config: Config) -> Arm:
    """Counter-current learning whose feedback network never learns."""
    split = _images(config)
    learner = counter_current(_widths(config, split), config.clip, feedback=0.0)
    return _tuned(config, split, learner, config.epochs, forward_rate, config.ccl_rates)


def _surface(config: Config) -> Arm:
    """Counter-current learning at every pair of learning rates."""
    split = _images(config)
    system, _ = training(split, counter_current(_widths(config, split), config.clip), config.batch)
    grid = {
        "forward_rate": (forward_rate, list(config.rate_surface)),
        "feedback_rate": (feedback_rate, list(config.rate_surface)),
    }
    return Arm(system, config.epochs, grid=grid, seeds=config.surface_seeds)


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that loads the images and builds the arm."""
    return {
        **{name: eqx.Partial(_main_rule, config, name) for name in RULES},
        **{f"mnist_{name}": eqx.Partial(_digits_rule, config, name) for name in RULES},
        "frozen": eqx.Partial(_frozen, config),
        "surface": eqx.Partial(_surface, config),
    }


def _gap(first: str, second: str) -> Callable[[Any], xr.DataArray]:
    """Test accuracy of one arm minus that of another, seed by seed."""
    return lambda run: paired_difference(run, first, second, final_test_accuracy)


def _lead(prefix: str) -> Callable[[Any], xr.DataArray]:
    """CCL minus the best of FA, DFA and FW-DTP, the best taken for each seed by itself: the
    baselines, not CCL, profit from chance.
    """

    def value(run: Any) -> xr.DataArray:
        gaps = [_gap(f"{prefix}ccl", f"{prefix}{name}")(run) for name in ("fa", "dfa", "fwdtp")]
        return xr.concat(gaps, "rule").min("rule")

    return value


def _comparable(name: str, text: str, prefix: str, paper: str, gaps: tuple[float, ...]) -> Claim:
    """C1's rule, literally, on one data set; `gaps` are the paper's."""
    to_drtp, to_best, to_backprop = gaps
    return Claim(
        name,
        text,
        arms=tuple(f"{prefix}{rule}" for rule in RULES),
        parts={
            "CCL - DRTP": Part(
                _gap(f"{prefix}ccl", f"{prefix}drtp"), at_least(0.0), unit="%", paper=to_drtp
            ),
            "CCL - best of FA, DFA, FW-DTP": Part(
                _lead(prefix), at_least(-0.005), unit="%", paper=to_best
            ),
            "BP - CCL": Part(
                _gap(f"{prefix}bp", f"{prefix}ccl"), at_most(0.02), unit="%", paper=to_backprop
            ),
        },
        paper=paper,
    )


CLAIMS = (
    _comparable(
        "C1m",
        "On 5,000 handwritten digits, counter-current learning matches the other rules without "
        "weight transport and comes within 2 points of backpropagation.",
        "mnist_",
        "MNIST (54,000 images): CCL 98.13, BP 98.19, FW-DTP 97.20, DFA 97.27, FA 96.96, "
        "DRTP 92.16 %",
        (0.9813 - 0.9216, 0.9813 - 0.9727, 0.9819 - 0.9813),
    ),
    _comparable(
        "C1",
        "On Fashion-MNIST, counter-current learning matches the other rules without weight "
        "transport and comes within 2 points of backpropagation.",
        "",
        "Fashion-MNIST (54,000 images): CCL 88.58, BP 89.58, FW-DTP 87.78, FA 87.38, DFA 87.35, "
        "DRTP 82.03 %",
        (0.8858 - 0.8203, 0.8858 - 0.8778, 0.8958 - 0.8858),
    ),
    Claim(
        "C2",
        "Both networks must learn: a frozen feedback network costs accuracy, and still beats "
        "feedback that carries labels alone.",
        arms=("ccl", "frozen", "drtp", "surface"),
        parts={
            "CCL - frozen feedback": Part(
                _gap("ccl", "frozen"), at_least(0.0), unit="%", paper=0.9815 - 0.9719
            ),
            "frozen feedback - DRTP": Part(
                _gap("frozen", "drtp"), at_least(0.0), unit="%", paper=0.9719 - 0.9216
            ),
        },
        paper="MNIST: CCL 98.15, frozen feedback 97.19, DRTP 92.16 %",
    ),
)
