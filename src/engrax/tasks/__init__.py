"""Data: found, checked, cut into parts and streamed."""

from ._availability import Availability, cache_folder
from ._available import available
from ._byte_sequences import ByteSequences
from ._dataset import Dataset, Examples, Labeled, Split, pool2, subset
from ._errors import DataFileError, DataNotFoundError
from ._europarl import Europarl
from ._group_task import Entries, GroupStream, GroupTask, group_task
from ._groups import FiniteGroup, operation_table
from ._idx import read_idx
from ._images import DATASETS, load
from ._parliament import MiniParliament, Sentence, Slot
from ._patterns import (
    active_pixels,
    averaged_examples,
    binarize,
    class_averages,
    flip,
    noisy_examples,
    random_patterns,
)
from ._repeated_facts import RepeatedFacts
from ._streams import Batches, FullBatch, Scaling
from ._text import TEXTS, Text, load_text, text_bytes

__all__ = [
    "DATASETS",
    "TEXTS",
    "Availability",
    "Batches",
    "ByteSequences",
    "DataFileError",
    "DataNotFoundError",
    "Dataset",
    "Entries",
    "Europarl",
    "Examples",
    "FiniteGroup",
    "FullBatch",
    "GroupStream",
    "GroupTask",
    "Labeled",
    "MiniParliament",
    "RepeatedFacts",
    "Scaling",
    "Sentence",
    "Slot",
    "Split",
    "Text",
    "active_pixels",
    "available",
    "averaged_examples",
    "binarize",
    "cache_folder",
    "class_averages",
    "flip",
    "group_task",
    "load",
    "load_text",
    "noisy_examples",
    "operation_table",
    "pool2",
    "random_patterns",
    "read_idx",
    "subset",
    "text_bytes",
]
