"""Data: found, checked, cut into parts and streamed."""

from ._associative_recall import AssociativeRecall
from ._availability import Availability, cache_folder
from ._available import available
from ._byte_sequences import ByteSequences
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
from ._europarl import Europarl
from ._factor_labels import FactorLabels, factor_labels
from ._function_suite import FunctionData, FunctionTask, bessel_j0, function_suite
from ._glyphs import GLYPH_STYLES, GlyphStyle, glyphs
from ._group_task import Entries, GroupStream, GroupTask, group_task
from ._groups import FiniteGroup, operation_table
from ._idx import read_idx
from ._images import DATASETS, load
from ._meet import MeetBlock, MeetTrials, event_bump, meet_blocks
from ._mnist_1d import mnist_1d
from ._parliament import MiniParliament, Sentence, Slot
from ._patterns import (
    active_pixels,
    averaged_examples,
    binarize,
    class_averages,
    diluted_patterns,
    flip,
    noisy_examples,
    random_patterns,
)
from ._permutation_task import BinaryInputs, PermutationTask, binary_inputs, permutation_task
from ._repeated_facts import RepeatedFacts
from ._streams import Batches, FullBatch, Scaling
from ._teacher_student import TeacherStudentTask, teacher_student
from ._text import TEXTS, Text, load_text, text_bytes

__all__ = [
    "DATASETS",
    "GLYPH_STYLES",
    "TEXTS",
    "AssociativeRecall",
    "Availability",
    "Batches",
    "BinaryInputs",
    "ByteSequences",
    "ChainedAssociations",
    "Chains",
    "ConditioningExperiment",
    "DataFileError",
    "DataNotFoundError",
    "Dataset",
    "Entries",
    "Europarl",
    "Examples",
    "FactorLabels",
    "FiniteGroup",
    "FullBatch",
    "FunctionData",
    "FunctionTask",
    "GlyphStyle",
    "GroupStream",
    "GroupTask",
    "Labeled",
    "MeetBlock",
    "MeetTrials",
    "MiniParliament",
    "PermutationTask",
    "Phase",
    "RepeatedFacts",
    "Scaling",
    "Sentence",
    "Slot",
    "Split",
    "TeacherStudentTask",
    "Text",
    "acquisition",
    "active_pixels",
    "available",
    "averaged_examples",
    "bessel_j0",
    "binarize",
    "binary_inputs",
    "blocking",
    "cache_folder",
    "class_averages",
    "conditioned_inhibition",
    "diluted_patterns",
    "event_bump",
    "extinction",
    "factor_labels",
    "flip",
    "function_suite",
    "glyphs",
    "group_task",
    "latent_inhibition",
    "load",
    "load_text",
    "meet_blocks",
    "mnist_1d",
    "noisy_examples",
    "operation_table",
    "over_expectation",
    "overshadowing",
    "permutation_task",
    "pool2",
    "random_patterns",
    "read_idx",
    "second_order",
    "subset",
    "teacher_student",
    "text_bytes",
    "trace_conditioning",
    "unblocking",
]
