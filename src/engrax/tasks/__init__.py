"""Data: found, checked, cut into parts and streamed."""

from ._dataset import Dataset, Examples, Labeled, Split, pool2, subset
from ._errors import DataFileError, DataNotFoundError
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
    "Examples",
    "FullBatch",
    "Labeled",
    "Scaling",
    "Split",
    "available",
    "cache_folder",
    "load",
    "pool2",
    "read_idx",
    "subset",
]
