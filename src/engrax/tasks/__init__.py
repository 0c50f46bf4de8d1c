"""Data: found, checked, cut into parts and streamed."""

from ._associative_recall import AssociativeRecall
from ._chained_associations import ChainedAssociations, Chains
from ._conditioning import ConditioningExperiment, Phase
from ._conditioning_presets import (
    acquisition,
    blocking,
    conditioned_inhibition,
    extinction,
    latent_inhibition,
    over_expectation,
    overshadowing,
    second_order,
    trace_conditioning,
    unblocking,
)
from ._dataset import Dataset, Examples, Labeled, Split, pool2, subset
from ._errors import DataFileError, DataNotFoundError
from ._group_task import Entries, GroupStream, GroupTask, group_task
from ._groups import FiniteGroup, operation_table
from ._idx import read_idx
from ._images import DATASETS, Availability, available, cache_folder, load
from ._patterns import (
    active_pixels,
    averaged_examples,
    binarize,
    class_averages,
    flip,
    noisy_examples,
    random_patterns,
)
from ._streams import Batches, FullBatch, Scaling

__all__ = [
    "DATASETS",
    "AssociativeRecall",
    "Availability",
    "Batches",
    "ChainedAssociations",
    "Chains",
    "ConditioningExperiment",
    "DataFileError",
    "DataNotFoundError",
    "Dataset",
    "Entries",
    "Examples",
    "FiniteGroup",
    "FullBatch",
    "GroupStream",
    "GroupTask",
    "Labeled",
    "Phase",
    "Scaling",
    "Split",
    "acquisition",
    "active_pixels",
    "available",
    "averaged_examples",
    "binarize",
    "blocking",
    "cache_folder",
    "class_averages",
    "conditioned_inhibition",
    "extinction",
    "flip",
    "group_task",
    "latent_inhibition",
    "load",
    "noisy_examples",
    "operation_table",
    "over_expectation",
    "overshadowing",
    "pool2",
    "random_patterns",
    "read_idx",
    "second_order",
    "subset",
    "trace_conditioning",
    "unblocking",
]
