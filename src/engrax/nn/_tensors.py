"""The tensors of a file from elsewhere, each asked for by name and shape."""

import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load


class Tensors:
    """The tensors of a safetensors file; what is wrong with the file is one sentence.

    `take` hands out each once, and `finish` refuses a file that holds more than was taken, since
    then it is the file of another network.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Reads the file.

        Raises:
            ValueError: it cannot be read, or is no safetensors file.
        """
        self.path = Path(path)
        try:
            self.found = load(self.path.read_bytes())
        except OSError as error:
            raise ValueError(f"{self.path} cannot be read: {error.strerror}.") from error
        # A dtype that NumPy does not have, such as bfloat16, is a KeyError.
        except (SafetensorError, KeyError, ValueError) as error:
            raise ValueError(
                f"{self.path} is no whole safetensors file of float numbers ({error}); save it "
                "again with safetensors, in float32."
            ) from error
        self.left = set(self.found)

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def shape(self, name: str, dims: int) -> tuple[int, ...]:
        """The shape of a tensor that says how large the network is.

        Raises:
            ValueError: there is no such tensor, or it has another number of axes.
        """
        if name not in self.found:
            raise ValueError(
                f"{self.path} has no tensor {name!r}; it starts with "
                f"{', '.join(repr(n) for n in sorted(self.found)[:3]) or 'nothing'}: another "
                "network, or another library's names."
            )
        shape = self.found[name].shape
        if len(shape) != dims or 0 in shape:
            raise ValueError(f"{self.path} has {name!r} of shape {shape}; expected {dims} axes.")
        return shape

    def take(self, name: str, *shape: int) -> np.ndarray:
        """A tensor in float32.

        Raises:
            ValueError: it is not there, or has another shape or no float numbers.
        """
        self.shape(name, len(shape))
        found = self.found[name]
        if found.shape != shape or found.dtype.kind != "f":
            raise ValueError(
                f"{self.path} has {name!r} as {found.dtype.name}{found.shape}; expected "
                f"float{shape} beside its other tensors."
            )
        self.left.discard(name)
        return found.astype(np.float32)

    def leave(self, *names: str) -> None:
        """Names that may be there and are not wanted."""
        self.left -= set(names)

    def finish(self) -> None:
        """All is taken.

        Raises:
            ValueError: it is not: the network has parts that this one does not know.
        """
        if self.left:
            raise ValueError(
                f"{self.path} holds {sorted(self.left)[0]!r}, which this network does not have"
                f" (nor {len(self.left) - 1} more); it belongs to another one."
            )
