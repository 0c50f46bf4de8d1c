"""One linear and one LIF layer on a problem, as what is timed of a peer."""

import numpy as np
import torch
from torch import nn

from engrax.spiking import LIF, atan_surrogate

DECAY, SLOPE = 0.5, 2.0


def plain_lif() -> LIF:
    """Our neuron that takes a spike off at once."""
    return LIF(DECAY, detach_reset=True, surrogate=atan_surrogate(SLOPE))


class Peer:
    """A layer of a peer on one problem; inputs and errors are (time, batch, n)."""

    name: str

    def __init__(self, weight: np.ndarray, x: np.ndarray, push: np.ndarray) -> None:
        self.linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.linear.weight.data = torch.tensor(weight)
        self.x, self.push = torch.tensor(x), torch.tensor(push)

    def spikes(self) -> torch.Tensor:
        """The spikes of all steps."""
        raise NotImplementedError

    @staticmethod
    def ours() -> LIF:
        """Our neuron of the same conventions."""
        raise NotImplementedError

    def forward(self) -> torch.Tensor:
        """The spikes of all steps, as in inference."""
        with torch.no_grad():
            return self.spikes()

    def gradient(self) -> torch.Tensor:
        """The weight gradient of sum(push * spikes)."""
        self.linear.zero_grad()
        (self.push * self.spikes()).sum().backward()
        return self.linear.weight.grad
