"""C2b: one attention layer has to find the key that is asked for."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, final

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key

from engrax.core import named, observe, repeat, serial
from engrax.lab import Arm, Tuning
from engrax.nn import KolmogorovArnoldAttention, RowAttention
from engrax.tasks import AssociativeRecall, Batches, Examples

from ._config import Config
from ._models import Choice, chosen
from ._training import Accuracies, last_validation_accuracy, learner, rate

TICKS = 4


@final
class RecallModel(eqx.Module):
    """Tokens of a key and a value (the question has a blank), one attention layer, a readout."""

    keys: Float[Array, "keys d"]
    values: Float[Array, "values_and_blank d"]
    attention: RowAttention
    readout: Float[Array, "values d"]

    def __call__(self, x: Int[Array, "tokens 2"]) -> Float[Array, " values"]:
        """Logits of the value of the last token's key."""
        tokens = self.keys[x[:, 0]] + self.values[x[:, 1]]
        return self.readout @ (tokens[-1] + self.attention(tokens, last=True)[0])


def recall_model(
    config: Config, learned: bool, choice: Choice, *, key: Key[Array, ""]
) -> RecallModel:
    """The model of an arm."""
    first, second, third, fourth = jr.split(key, 4)
    d, n = config.d, config.recall_keys + 1
    kind = partial(KolmogorovArnoldAttention, n_tokens=n, rank=n, grid=config.grid)
    layer = (kind if learned else RowAttention)(d, config.heads, key=third)
    return RecallModel(
        jr.normal(first, (config.recall_keys, d)),
        jr.normal(second, (config.recall_values + 1, d)),
        chosen(layer, choice),
        jr.normal(fourth, (config.recall_values, d)) / math.sqrt(d),
    )


def _arm(config: Config, learned: bool, grid: Mapping[str, Any]) -> Arm:
    keys, values = config.recall_keys, config.recall_values
    task = AssociativeRecall(keys, values, keys, batch=config.batch, queries=1)
    key = named(jr.key(0), "karat/recall")  # one training set and one test set for the whole study
    prompts = task.sample(key, config.recall_train + 2 * config.recall_test)
    x, y = (jax.device_get(z) for z in (prompts.x, prompts.y[:, 0]))
    ends = [config.recall_train, config.recall_train + config.recall_test]
    pieces = zip(*(np.split(z, ends) for z in (x, y)), strict=True)
    train, validation, test = (Examples(*piece) for piece in pieces)
    stream = Batches(train, config.batch)
    step = learner(
        config,
        eqx.Partial(recall_model, config, learned, Choice(keys + 1)),
        epochs=config.recall_epochs,
        per_epoch=stream.per_epoch,
        rate=config.recall_rate,
    )
    system = repeat(
        serial(stream=stream, learner=step), config.recall_epochs * stream.per_epoch // TICKS
    )
    system = observe(system, Accuracies(validation, test))
    # Learned functions are tuned at the highest rank; all ranks take that rate.
    tuning = Tuning(rate, config.recall_rates, last_validation_accuracy, config.tuning_seeds)
    return Arm(
        system, TICKS, grid=grid, tuning=tuning if config.tuning_seeds else None, seeds=config.seeds
    )


def choice(system: Any) -> Any:
    """The rank of an arm's operators, and whether they are shown logits."""
    chosen = system["learner"].build.args[2]
    return chosen.rank, chosen.interaction


def arms(config: Config) -> dict[str, Any]:
    """Softmax; and every rank, with the highest once more where it is shown no logits."""
    ranks = (*config.recall_ranks, config.recall_keys + 1)
    shown = (*[1.0] * len(config.recall_ranks), 0.0)
    values = tuple(np.array(row, np.float32) for row in (ranks, shown))
    return {
        "recall_softmax": partial(_arm, config, False, {}),
        "recall": partial(_arm, config, True, {"variant": (choice, values)}),
    }
