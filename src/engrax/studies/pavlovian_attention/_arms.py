"""The runs of the study."""

from typing import Any

import equinox as eqx

from engrax.lab import Arm, Reference

from . import _capacity, _chains, _recall, _rules
from ._conditioning import Identity, conditioning
from ._config import Config


def arms(config: Config) -> dict[str, Any]:
    """All arms, by name."""
    return {
        "identity": Arm(Identity(config.identity_steps), 1),
        "conditioning": Reference(eqx.Partial(conditioning, config)),
        **_capacity.arms(config),
        **_chains.arms(config),
        **_rules.arms(config),
        **_recall.arms(config),
    }
