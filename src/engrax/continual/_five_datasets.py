"""Different data sets in a row, as one data set with the labels side by side."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from engrax.tasks import Dataset, Scaling

from ._split import SplitTasks

LABELS = 10
"""Labels of each data set."""


def color_image(x: UInt8[np.ndarray, "n ..."], side: int) -> UInt8[np.ndarray, "n 3 side side"]:
    """Images of any kind as three channels of `side x side`: gray copied, borders padded with 0.

    **Raises:** `ValueError` for images that are larger, or that have another number of channels.
    """
    x = x[:, None] if x.ndim == 3 else x
    height, width = x.shape[2:]
    if x.shape[1] not in (1, 3) or max(height, width) > side:
        raise ValueError(
            f"images of shape {x.shape[1:]} do not fit into 3 x {side} x {side}; give gray or "
            "color images of at most that size"
        )
    down, right = side - height, side - width
    border = ((0, 0), (0, 0), (down // 2, down - down // 2), (right // 2, right - right // 2))
    return np.broadcast_to(np.pad(x, border), (len(x), 3, side, side))


def joined(parts: Sequence[Dataset], *, side: int = 32) -> Dataset:
    """Data sets of ten classes each as one, with labels `10 i` to `10 i + 9` for the i-th."""
    for part in parts:
        if part.classes > LABELS:
            raise ValueError(
                f"{part.name} has {part.classes} classes, where each data set of the row has at "
                f"most {LABELS}; leave it out"
            )
    images = [
        np.concatenate([color_image(x, side) for x in each])
        for each in ([p.x for p in parts], [p.x_test for p in parts])
    ]
    labels = [
        np.concatenate([y + np.int32(LABELS * i) for i, y in enumerate(each)])
        for each in ([p.y for p in parts], [p.y_test for p in parts])
    ]
    name = "+".join(part.name for part in parts)
    return Dataset(
        name, images[0], labels[0], images[1], labels[1], "; ".join(p.source for p in parts)
    )


def FiveDatasets(  # noqa: N802  (it stands beside the streams that are classes)
    parts: Sequence[Dataset], *, batch: int, scaling: Scaling | None = None
) -> SplitTasks:
    """One data set a task, a head each: CIFAR-10, MNIST, SVHN, Fashion-MNIST and notMNIST in the
    papers' order, or any other row of data sets with ten classes.

    Images become three channels of 32 x 32: gray images are padded and copied.

    **Raises:** `ValueError` for data sets that do not fit this, or a batch that does not fit them.
    """
    data = joined(parts)
    return SplitTasks(
        data, LABELS, order=range(LABELS * len(parts)), heads="task", batch=batch, scaling=scaling
    )
