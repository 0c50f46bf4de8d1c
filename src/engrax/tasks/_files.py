"""Bytes of a data file, read with bounded memory whether or not it is compressed."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ._errors import DataFileError

_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
_CEILING = 1 << 32  # no file read here comes near 4 GiB; a header that asks for more is lying


def read_bytes(path: Path, *, limit: int = _CEILING) -> bytearray:
    """The content of `path`, decompressed if it starts like a gzip file.

    Stops as soon as the content passes `limit` bytes, so that a small file that decompresses
    without end cannot fill the memory.

    **Raises:** `DataFileError` when the file cannot be read, is cut short, is damaged or is longer
    than `limit`.
    """
    content = bytearray()
    with _opened(path) as stream:
        while block := stream.read(min(_BLOCK, limit + 1 - len(content))):
            content += block
            if len(content) > limit:
                raise DataFileError(
                    f"{path} holds more than the {limit} bytes that it should; delete the "
                    "file and get it again."
                )
    return content


def read_start(path: Path, length: int) -> bytes:
    """The first bytes of the content of `path`, or fewer if it ends; raises as `read_bytes`."""
    with _opened(path) as stream:
        return stream.read(length)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as plain:
            start = plain.read(2)
            plain.seek(0)
            yield gzip.GzipFile(fileobj=plain) if start == _GZIP else plain  # pyright: ignore[reportReturnType] - it reads like one
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataFileError(
            f"{path} is a damaged gzip file ({error}); delete the file and get it again."
        ) from error
    except OSError as error:
        raise DataFileError(
            f"{path} cannot be read ({error.strerror}); check that it is a file that you may read."
        ) from error


def sha256(content: bytes | bytearray) -> str:
    """The SHA-256 digest of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def check_sha256(content: bytes | bytearray, expected: str, path: Path) -> None:
    """Refuses content that is not what the checksum was taken of.

    Checksums are taken of the decompressed content: archives and distributions compress the same
    bytes in different ways.

    **Raises:** `DataFileError` when the digests differ.
    """
    found = sha256(content)
    if found != expected:
        raise DataFileError(
            f"{path} has SHA-256 {found[:16]}... and not {expected[:16]}... as it should; delete "
            "the file and get it again."
        )
