"""Data: found, checked, cut into parts and streamed."""

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
    "Availability",
    "Batches",
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
    "Scaling",
    "Split",
    "active_pixels",
    "available",
    "averaged_examples",
    "binarize",
    "cache_folder",
    "class_averages",
    "flip",
    "group_task",
    "load",
    "noisy_examples",
    "operation_table",
    "pool2",
    "random_patterns",
    "read_idx",
    "subset",
]
