"""Continual learning as users of Avalanche write it: its templates, plugins and data loaders."""

# ruff: noqa: E402 - what Avalanche needs comes before it

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch

try:
    import torchvision  # noqa: F401 - to see whether it can be
except RuntimeError:
    # Its compiled operators are of another build of PyTorch. Avalanche asks for none of them, but
    # declarations of these two have to be there for the import.
    _DECLARED = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _DECLARED.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

warnings.filterwarnings("ignore")  # what it imports warns of solvers that are not there

import avalanche
from avalanche.benchmarks.scenarios import benchmark_from_datasets, split_online_stream
from avalanche.benchmarks.utils import as_taskaware_classification_dataset
from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
from avalanche.training.plugins import EvaluationPlugin, EWCPlugin, ReplayPlugin
from avalanche.training.storage_policy import ReservoirSamplingBuffer
from avalanche.training.supervised import Naive
from torch.utils.data import TensorDataset

NAME = f"Avalanche {avalanche.__version__}"

Weights = Sequence[tuple[np.ndarray, np.ndarray]]
Examples = tuple[torch.Tensor, torch.Tensor]


def network(weights: Weights) -> torch.nn.Module:
    """A multilayer perceptron with ReLU that starts from these weights and biases."""
    layers: list[torch.nn.Module] = []
    for weight, bias in weights:
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data = torch.tensor(weight)
        layer.bias.data = torch.tensor(bias)
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def ewc(strength: float) -> EWCPlugin:
    """Its elastic weight consolidation."""
    return EWCPlugin(strength)


class _Reservoir(ReservoirSamplingBuffer):
    """Its reservoir, without a warning that `update` is deprecated at each call of its plugin."""

    def update(self, strategy: Naive, **kwargs: object) -> None:
        self.post_adapt(strategy, strategy.experience)


def replay(memory: int, batch: int, drawn: int) -> ReplayPlugin:
    """Its replay from a reservoir."""
    return ReplayPlugin(
        memory, batch_size=batch, batch_size_mem=drawn,
        storage_policy=_Reservoir(memory),
    )  # fmt: skip


def train(
    weights: Weights,
    plugin: Callable[[], object],
    tasks: Sequence[Examples],
    tests: Sequence[Examples],
    *,
    rate: float,
    batch: int,
) -> tuple[np.ndarray, np.ndarray]:
    """One epoch of each task after another, rows in the order given.

    Returns the accuracies (tasks, tasks), row by row, and the mean training losses (tasks,).
    """
    model = network(weights)
    metrics = accuracy_metrics(experience=True), loss_metrics(epoch=True)
    strategy = Naive(
        model=model, optimizer=torch.optim.SGD(model.parameters(), lr=rate),
        train_mb_size=batch, train_epochs=1, eval_mb_size=500, plugins=[plugin()],
        evaluator=EvaluationPlugin(*metrics, loggers=[]),
    )  # fmt: skip
    stream = benchmark_from_datasets(
        train=[_dataset(*task) for task in tasks], test=[_dataset(*task) for task in tests]
    )
    accuracies, losses = [], []
    for task in stream.train_stream:
        found = strategy.train(task, shuffle=False)
        losses.append(next(v for k, v in found.items() if k.startswith("Loss_Epoch/train")))
        found = strategy.eval(stream.test_stream)
        named = sorted((k, v) for k, v in found.items() if k.startswith("Top1_Acc_Exp/eval"))
        accuracies.append([value for _, value in named])
    return np.array(accuracies), np.array(losses)


def online(
    weights: Weights, plugin: Callable[[], object], rows: Examples, *, rate: float, batch: int
) -> torch.nn.Module:
    """The model after a stream of experiences of `batch` rows each."""
    model = network(weights)
    strategy = Naive(
        model=model, optimizer=torch.optim.SGD(model.parameters(), lr=rate),
        train_mb_size=batch, train_epochs=1, plugins=[plugin()],
        evaluator=EvaluationPlugin(loggers=[]),
    )  # fmt: skip
    stream = benchmark_from_datasets(train=[_dataset(*rows)])
    for experience in split_online_stream(stream.train_stream, batch, shuffle=False):
        # Shuffled: one batch an experience would draw the first rows of the memory each time.
        strategy.train(experience, shuffle=True)
    return model


def _dataset(x: torch.Tensor, y: torch.Tensor) -> object:
    rows = TensorDataset(x, y)
    rows.targets = y.tolist()
    return as_taskaware_classification_dataset(rows)
