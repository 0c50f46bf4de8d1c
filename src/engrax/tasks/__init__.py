"""Data: found, checked, cut into parts and streamed."""

from ._dataset import Dataset, Examples, Labeled, Split, pool2, subset
from ._errors import DataFileError, DataNotFoundError
from ._group_task import Entries, GroupStream, GroupTask, group_task
from ._groups import FiniteGroup, operation_table
from ._idx import read_idx
from ._images import DATASETS, Availability, available, cache_folder, load
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
    "available",
    "cache_folder",
    "group_task",
    "load",
    "operation_table",
    "pool2",
    "read_idx",
    "subset",
]
