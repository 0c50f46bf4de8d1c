"""The layer as users of SpikingJelly write it."""

import importlib.metadata

import numpy as np
import torch
from spikingjelly.activation_based import functional, neuron, surrogate

from engrax.spiking import LIF

from ._spiking_peers import DECAY, SLOPE, Peer, plain_lif


class SpikingJelly(Peer):
    """`LIFNode` in multi-step mode, which takes the products of all steps at once."""

    name = f"SpikingJelly {importlib.metadata.version('spikingjelly')}"

    def __init__(self, weight: np.ndarray, x: np.ndarray, push: np.ndarray) -> None:
        super().__init__(weight, x, push)
        self.cells = neuron.LIFNode(
            tau=1 / (1 - DECAY),
            decay_input=False,
            v_reset=None,
            detach_reset=True,
            surrogate_function=surrogate.ATan(alpha=SLOPE),
            step_mode="m",
        )

    @staticmethod
    def ours() -> LIF:
        """Takes it off at once."""
        return plain_lif()

    def spikes(self) -> torch.Tensor:
        functional.reset_net(self.cells)
        return self.cells(self.linear(self.x))
