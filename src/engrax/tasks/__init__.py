"""Data: found, checked, split and corrupted; and the streams that deal it out."""

from engrax.tasks._group_task import Entries, GroupStream, GroupTask, group_task
from engrax.tasks._groups import FiniteGroup, operation_table

__all__ = [
    "Entries",
    "FiniteGroup",
    "GroupStream",
    "GroupTask",
    "group_task",
    "operation_table",
]
