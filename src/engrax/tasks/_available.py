"""All data sets, and what is found of them here."""

from ._availability import Availability
from ._images import available_images
from ._text import available_texts


def available() -> list[Availability]:
    """What is found where, without any download; every data set found is read and checked."""
    return available_images() + available_texts()
