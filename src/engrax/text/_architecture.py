"""Which language models there are, and how large each is."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, get_args

import equinox as eqx

from engrax.nn import BDH, Decoder, head_decays

from ._errors import TextError

Kind = Literal["bdh", "bdh_prime", "gpt"]

VOCAB = 256


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A language model over bytes, but for its weights."""

    model: Kind = "bdh"
    """bdh: the Dragon Hatchling; bdh_prime: it with gates and a vote of all layers; gpt: a GPT."""
    neurons: int = 1024
    """Neurons of a BDH, in all heads together."""
    width: int = 64
    """Numbers in the stream between layers."""
    heads: int = 4
    """Heads; a BDH's neurons, or a GPT's width, are split among them."""
    layers: int = 4
    """Layers; those of a BDH share their weights."""
    context: int = 256
    """Bytes that a GPT looks back; for a BDH those after which the memory of its slowest head has
    faded to 1/e: the others forget faster, the fastest 16 times."""

    def __post_init__(self) -> None:
        if wrong := _complaint(dataclasses.asdict(self)):
            raise ValueError(f"{wrong}.")

    @property
    def hatchling(self) -> bool:
        """Whether it is a BDH, plain or not."""
        return self.model != "gpt"

    @property
    def builder(self) -> Callable[..., Any]:
        """`builder(key=...)` -> the model; equal for equal architectures."""
        if self.model == "gpt":
            return eqx.Partial(
                Decoder, VOCAB, self.width, self.layers, self.heads, context=self.context
            )
        prime = self.model == "bdh_prime"
        return eqx.Partial(
            BDH,
            self.neurons,
            self.width,
            self.heads,
            self.layers,
            VOCAB,
            decay=self.decay,
            gated=prime,
            merge_logits=prime,
        )

    @property
    def decay(self) -> tuple[float, ...]:
        """What each head of a BDH keeps of its memory from one byte to the next."""
        return head_decays(self.heads, float(self.context))

    @property
    def state_bytes(self) -> int:
        """Memory that reading takes, in bytes, which does not grow with what is read."""
        if self.model == "gpt":
            return 8 * self.layers * self.context * self.width
        return 4 * self.layers * self.neurons * self.width

    def training_bytes(self, batch: int, length: int, *, carried: bool) -> int:
        """Memory that a step of training takes at the very least, in bytes.

        What is carried from step to step, before and after; and of one sequence, which a CPU takes
        alone: the float32 keys and gates of a BDH's layer, or four widths of each layer of a GPT.
        """
        wide = 2 * self.neurons if self.hatchling else 4 * self.width * self.layers
        return 4 * length * wide + 2 * batch * self.state_bytes * carried


def architecture_from(fields: Any, source: str) -> Architecture:
    """The architecture that a file describes; nothing of the file is run.

    Raises:
        TextError: it is not what `Architecture` is made of.
    """
    names = {field.name for field in dataclasses.fields(Architecture)}
    if not isinstance(fields, dict) or set(fields) != names:
        raise TextError(f"{source} does not describe a language model of this version of Engrax")
    if wrong := _complaint(fields):
        raise TextError(f"{source} does not describe a language model: {wrong}")
    return Architecture(**fields)


def _complaint(fields: dict[str, Any]) -> str:
    """What is wrong with the fields of an architecture, of whatever types; empty if nothing is."""
    for name, value in fields.items():
        if name == "model":
            if value not in get_args(Kind):
                return f"model is one of {', '.join(get_args(Kind))}, got {value!r}"
        elif type(value) is not int or not 1 <= value < 1 << 31:
            return f"{name} is a whole number of at least 1, got {value!r}"
    return ""
