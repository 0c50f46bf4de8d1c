"""One linear and one LIF layer as users of snnTorch and SpikingJelly write them."""

import importlib.metadata

import numpy as np
import snntorch
import torch
from snntorch import surrogate as snntorch_surrogate
from spikingjelly.activation_based import functional, neuron
from spikingjelly.activation_based import surrogate as spikingjelly_surrogate
from torch import nn

from engrax.spiking import LIF, atan_surrogate

DECAY, SLOPE = 0.5, 2.0


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


class SnnTorch(Peer):
    """`Leaky`, in the loop over time of its tutorials; it takes spikes off one step later."""

    name = f"snnTorch {importlib.metadata.version('snntorch')}"

    def __init__(self, weight: np.ndarray, x: np.ndarray, push: np.ndarray) -> None:
        super().__init__(weight, x, push)
        self.cells = snntorch.Leaky(DECAY, spike_grad=snntorch_surrogate.atan(alpha=SLOPE))

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
            surrogate_function=spikingjelly_surrogate.ATan(alpha=SLOPE),
            step_mode="m",
        )

    @staticmethod
    def ours() -> LIF:
        """Takes it off at once."""
        return LIF(DECAY, detach_reset=True, surrogate=atan_surrogate(SLOPE))

    def spikes(self) -> torch.Tensor:
        functional.reset_net(self.cells)
        return self.cells(self.linear(self.x))
