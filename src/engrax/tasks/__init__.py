"""Data: found, checked, cut into parts and streamed."""

from ._dataset import Dataset, Examples, Labeled, Split, pool2, subset
from ._errors import DataFileError, DataNotFoundError
from ._group_task import Entries, GroupStream, GroupTask, group_task
from ._groups import FiniteGroup, operation_table
from ._idx import read_idx
from ._images import DATASETS, Availability, available, cache_folder, load
from ._meet import MeetBlock, MeetTrials, event_bump, meet_blocks
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
    "MeetBlock",
    "MeetTrials",
    "Scaling",
    "Split",
    "active_pixels",
    "available",
    "averaged_examples",
    "binarize",
    "cache_folder",
    "class_averages",
    "event_bump",
    "flip",
    "group_task",
    "load",
    "meet_blocks",
    "noisy_examples",
    "operation_table",
    "pool2",
    "random_patterns",
    "read_idx",
    "subset",
]
