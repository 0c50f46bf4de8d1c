"""Bytes as the letters that a person reads, and values per byte as values per letter."""

import numpy as np
from jaxtyping import Float, Int, UInt8


def letters(data: UInt8[np.ndarray, " time"]) -> tuple[list[str], Int[np.ndarray, " letters"]]:
    """The letters of a UTF-8 text and where each ends; a byte that is none stands for itself."""
    content, found, ends, begin = data.tobytes(), [], [], 0
    while begin < len(content):
        for size in (1, 2, 3, 4):
            try:
                letter = content[begin : begin + size].decode("utf-8")
                break
            except UnicodeDecodeError:
                letter = ""
        if not letter:  # a byte from the middle of a letter, or of another encoding
            size, letter = 1, "\N{REPLACEMENT CHARACTER}"
        found.append(letter)
        begin += size
        ends.append(begin)
    return found, np.asarray(ends)


def summed(values: Float[np.ndarray, " time"], ends: Int[np.ndarray, " letters"]) -> np.ndarray:
    """What the bytes of each letter add up to."""
    return np.diff(np.concatenate([[0.0], np.cumsum(values)[ends - 1]])).clip(0)


def at_end(values: Float[np.ndarray, " time"], ends: Int[np.ndarray, " letters"]) -> np.ndarray:
    """The value after the last byte of each letter."""
    return values[ends - 1]
