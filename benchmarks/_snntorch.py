"""The layer as users of snnTorch write it."""

import importlib.metadata

import numpy as np
import snntorch
import torch
from snntorch import surrogate

from engrax.spiking import LIF, atan_surrogate

from ._spiking_peers import DECAY, SLOPE, Peer


class SnnTorch(Peer):
    """`Leaky`, in the loop over time of its tutorials; it takes spikes off one step later."""

    name = f"snnTorch {importlib.metadata.version('snntorch')}"

    def __init__(self, weight: np.ndarray, x: np.ndarray, push: np.ndarray) -> None:
        super().__init__(weight, x, push)
        self.cells = snntorch.Leaky(DECAY, spike_grad=surrogate.atan(alpha=SLOPE))

    @staticmethod
    def ours() -> LIF:
        """Spikes above the threshold, not at it, and takes 1 off one step later."""
        above = float(np.nextafter(np.float32(1), np.float32(2)))
        return LIF(
            DECAY, threshold=above, spike_size=1.0, delayed=True, detach_reset=True,
            surrogate=atan_surrogate(SLOPE),
        )  # fmt: skip

    def spikes(self) -> torch.Tensor:
        membrane, spikes = self.cells.init_leaky(), []
        for now in self.x:
            out, membrane = self.cells(self.linear(now), membrane)
            spikes.append(out)
        return torch.stack(spikes)
