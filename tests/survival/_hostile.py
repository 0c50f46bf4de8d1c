"""Files made to hurt their reader, each read in a process that may hardly grow.

`python -m tests.survival._hostile FOLDER` prints a line of JSON a file: its name, the sentence that
refused it, and by how many MB the process has grown at most since the beginning.
"""

import gzip
import io
import json
import os
import pickle
import resource
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np

from engrax.estimators import ContinualClassifier
from engrax.lab import ArmCheckpoints, load_run, run_study
from engrax.lab._manifest import OPEN, seal, sealed, write
from engrax.lab._safetensors import SEAL_AT
from engrax.tasks import read_idx
from engrax.tasks._matrices import ARRAY_NAMES, read_arrays
from engrax.text import LanguageModel
from tests.text.small_models import untrained
from tests.tiny_study import STUDY

ROOM = 700 << 20
"""Bytes that the process may grow by; most files here promise thousands of times more."""

Case = Callable[[Path], None]


class Refused(Exception):  # noqa: N818 - it is what should happen
    """A checkpoint was passed over, with this warning."""


def idx(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    read_idx(path)


def idx_head(*sizes: int) -> bytes:
    return bytes((0, 0, 8, len(sizes))) + struct.pack(f">{len(sizes)}I", *sizes)


def bomb(megabytes: int) -> bytes:
    """Zeros that decompress to so many megabytes, as gzip members one after another."""
    return gzip.compress(bytes(1 << 20), 9) * megabytes


def npy(folder: Path, content: bytes) -> None:
    for name in ARRAY_NAMES:
        np.save(folder / name, np.zeros((2, 3), np.uint8) if "x" in name else np.arange(2))
    (folder / ARRAY_NAMES[0]).write_bytes(content)
    read_arrays(folder)


def npy_head(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    head = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


def zipped() -> bytes:
    """An .npz: an archive whose member would decompress to a gigabyte."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("arr_0.npy", "w") as member,
    ):
        member.write(npy_head((1 << 30,)))
        for _ in range(64):
            member.write(bytes(1 << 24))
    return made.getvalue()


class Evil:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (sys.exit, ("unpickled",))


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def text_model(folder: Path, content: bytes, **changes: object) -> None:
    untrained("bdh").save(folder)
    about = json.loads((folder / "model.json").read_text())
    about["architecture"] |= changes
    (folder / "model.json").write_text(json.dumps(about))
    (folder / "model.safetensors").write_bytes(content)
    LanguageModel.load(folder)


def classifier(folder: Path, content: bytes) -> None:
    import hashlib

    model = ContinualClassifier(hidden_layer_sizes=(4,), epochs=1, random_state=0)
    model.partial_fit(np.eye(4), np.arange(4), task="one")
    model.save(folder)
    about = json.loads((folder / "model.json").read_text())
    about["arrays"] = hashlib.sha256(content).hexdigest()  # as who made it would
    (folder / "model.json").write_text(json.dumps(about))
    (folder / "model.safetensors").write_bytes(content)
    ContinualClassifier.load(folder)


KEPT = {"w": jnp.arange(6.0)}


W = {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}


def header(w: object = W, **changes: object) -> dict[str, object]:
    """What a checkpoint of `KEPT` says of itself, or something else."""
    made = {"__metadata__": {"sha256": OPEN, "tick": "1"}, "['w']": w} | changes
    return {name: entry for name, entry in made.items() if entry is not None}


def checkpoint(
    folder: Path,
    said: dict[str, object] | bytes,
    data: bytes = bytes(24),
    *,
    length: int | None = None,
    size: int | None = None,
) -> None:
    """A file whose seal is right, among the checkpoints of an arm."""
    warned: list[str] = []
    arm = ArmCheckpoints(folder / "arm", every=0.0, warn=warned.append)
    text = said if isinstance(said, bytes) else json.dumps(said, separators=(",", ":")).encode()
    content = safetensors(text, data, length).ljust(SEAL_AT + len(OPEN), b"0")
    content = content[:SEAL_AT] + OPEN.encode() + content[SEAL_AT + len(OPEN) :]
    arm.folder.mkdir()
    path = arm.folder / "1.safetensors"
    write(path, *sealed(SEAL_AT, content))
    if size is not None:
        os.truncate(path, size)  # which takes no space on the disk
    else:
        assert list(arm.good()) == [1]
    assert arm.restore(lambda: KEPT) is None
    raise Refused("; ".join(warned))


def nested(value: bytes, depth: int) -> bytes:
    """A header with one value that is an object in an object, and so on."""
    head = json.dumps(header(), separators=(",", ":")).encode()
    return head.replace(value, b'{"a":' * depth + b"1" + b"}" * depth)


def wide(entries: bytes) -> bytes:
    """A header with more in it."""
    return json.dumps(header(), separators=(",", ":")).encode()[:-1] + entries + b"}"


def around_seal(before: bytes, after: bytes) -> bytes:
    """A header without the usual beginning, and yet a seal in its place."""
    return before.replace(b" ", b" " * (SEAL_AT - 8 - len(before) + 1)) + OPEN.encode() + after


def records(folder: Path, write: Callable[[h5py.File], None]) -> None:
    """A sealed run folder with other records."""
    run_study(STUDY, out=folder, scale="smoke", claims=("C2",))
    with h5py.File(folder / "records.nc", "w") as file:
        write(file.create_group("slow"))
    seal(folder, folder / "manifest.json", skip=("checkpoints", ".lock"))
    load_run(folder, study=STUDY)


def virtual(group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((1 << 40,), "f8")
    layout[:10] = h5py.VirtualSource("elsewhere.h5", "x", (10,))
    group.create_virtual_dataset("total", layout)


F8 = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
LARGE = 1 << 40

CASES: dict[str, Case] = {
    "idx: more values than there are": lambda p: idx(p / "a", idx_head(60000, 28, 28) + b"1"),
    "idx: sizes whose product overflows": lambda p: idx(p / "a", idx_head(*[2**32 - 1] * 4)),
    "idx: 255 dimensions": lambda p: idx(p / "a", b"\0\0\x08\xff" + bytes(1000)),
    "idx: values of another type": lambda p: idx(p / "a", b"\0\0\x0d\x01" + bytes(100)),
    "idx.gz: a bomb": lambda p: idx(p / "a.gz", gzip.compress(idx_head(10)) + bomb(20_000)),
    "idx.gz: a bomb as long as announced": lambda p: idx(
        p / "a.gz", gzip.compress(idx_head(2**31, 2)) + bomb(5_000)
    ),
    "idx.gz: cut short": lambda p: idx(p / "a.gz", gzip.compress(idx_head(9) + bytes(9))[:-9]),
    "npy: more than there is": lambda p: npy(p, npy_head((LARGE, 28, 28))),
    "npy: a size below zero": lambda p: npy(p, npy_head((-1, 4))),
    "npy: a pickle": lambda p: npy(p, npy_head((1,), "|O") + pickle.dumps([Evil()])),
    "npz: a bomb": lambda p: npy(p, zipped()),
    "safetensors: a header of 2**62 bytes": lambda p: text_model(p, safetensors({}, length=2**62)),
    "safetensors: values beyond the end": lambda p: text_model(p, safetensors({"w": F8}, b"1")),
    "safetensors: a shape that overflows": lambda p: text_model(
        p, safetensors({"w": F8 | {"shape": [2**62, 2**62]}}, bytes(16))
    ),
    "safetensors: a header nested without end": lambda p: text_model(
        p, safetensors(b"[" * 200_000 + b"]" * 200_000)
    ),
    "safetensors: two arrays in one place": lambda p: classifier(
        p, safetensors({"a": F8, "b": F8}, bytes(16))
    ),
    "safetensors: a model of a billion neurons": lambda p: text_model(
        p, safetensors({"w": F8}, bytes(16)), neurons=1 << 30
    ),
    "checkpoint: a header of 2**62 bytes": lambda p: checkpoint(p, header(), length=2**62),
    "checkpoint: a header of no bytes": lambda p: checkpoint(p, header(), length=0),
    "checkpoint: a shape of 2**40": lambda p: checkpoint(p, header(W | {"shape": [LARGE]})),
    "checkpoint: a shape that overflows": lambda p: checkpoint(
        p, header(W | {"shape": [2**62, 2**62]})
    ),
    "checkpoint: values beyond the end": lambda p: checkpoint(
        p, header(W | {"data_offsets": [LARGE, LARGE + 24]})
    ),
    "checkpoint: fewer values than it says": lambda p: checkpoint(p, header(), bytes(23)),
    "checkpoint: more values than it says": lambda p: checkpoint(p, header(), bytes(1 << 19)),
    "checkpoint: two arrays in one place": lambda p: checkpoint(p, header(**{"['x']": W})),
    "checkpoint: an array too many": lambda p: checkpoint(
        p, header(**{"['x']": W | {"data_offsets": [24, 48]}}), bytes(48)
    ),
    "checkpoint: an array too few": lambda p: checkpoint(p, header(None), b""),
    "checkpoint: another dtype": lambda p: checkpoint(p, header(W | {"dtype": "I32"})),
    "checkpoint: another shape": lambda p: checkpoint(p, header(W | {"shape": [2, 3]})),
    "checkpoint: no dtype that there is": lambda p: checkpoint(p, header(W | {"dtype": ["F32"]})),
    "checkpoint: another tick than its name": lambda p: checkpoint(
        p, header(__metadata__={"sha256": OPEN, "tick": "2"})
    ),
    "checkpoint: a tick of a million digits": lambda p: checkpoint(
        p, header(__metadata__={"sha256": OPEN, "tick": "9" * 10**6})
    ),
    "checkpoint: a tick without end": lambda p: checkpoint(
        p, json.dumps(header(), separators=(",", ":")).replace('"1"', "1e999").encode()
    ),
    "checkpoint: no metadata": lambda p: checkpoint(p, around_seal(b'{ "a":"', b'"}')),
    "checkpoint: metadata that are a list": lambda p: checkpoint(
        p, around_seal(b'{"__metadata__":[ "', b'"]}')
    ),
    "checkpoint: a header that is a list": lambda p: checkpoint(p, around_seal(b'[ "', b'"]')),
    "checkpoint: metadata nested without end": lambda p: checkpoint(p, nested(b'"1"', 100_000)),
    "checkpoint: a dtype nested as deep as JSON goes": lambda p: checkpoint(
        p, nested(b'"F32"', 950)
    ),
    "checkpoint: a header that is no text": lambda p: checkpoint(p, b"\xff" * 1000),
    "checkpoint: ninety thousand arrays": lambda p: checkpoint(
        p, wide(b"".join(b',"%d":{}' % i for i in range(90_000)))
    ),
    "checkpoint: a header of 9 MB": lambda p: checkpoint(p, wide(b',"a":[]' * 1_300_000)),
    "checkpoint: 8 GB": lambda p: checkpoint(p, header(), size=1 << 33),
    "hdf5: an array of 2**40": lambda p: records(
        p, lambda group: group.create_dataset("total", (LARGE,), "f8")
    ),
    "hdf5: a bomb": lambda p: records(
        p,
        lambda group: group.create_dataset(
            "total", data=np.zeros(1 << 24), compression="gzip", chunks=(1 << 20,)
        ),
    ),
    "hdf5: an array in another file": lambda p: records(
        p,
        lambda group: group.create_dataset(
            "total", (100,), "u1", external=[("/etc/passwd", 0, 100)]
        ),
    ),
    "hdf5: a link to another file": lambda p: records(
        p, lambda group: group.__setitem__("total", h5py.ExternalLink("elsewhere.h5", "/x"))
    ),
    "hdf5: a virtual array of 2**40": lambda p: records(p, virtual),
}


def main(home: Path) -> None:
    """Reads them all."""
    # What compiles and loads libraries does so before memory is counted.
    run_study(STUDY, out=home / "before", scale="smoke", claims=("C2",))
    made = ArmCheckpoints(home / "kept", every=0.0, warn=print)
    made.save(1, KEPT, last=True)
    made.restore(lambda: KEPT)
    size = next(
        int(line.split()[1]) << 10
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmSize")
    )
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, (name, case) in enumerate(CASES.items()):
        folder = home / f"{number}"
        folder.mkdir()
        try:
            case(folder)
            said, kind = "", "accepted"
        except Exception as error:
            said, kind = str(error), type(error).__name__
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begun) >> 10
        print(json.dumps({"name": name, "kind": kind, "said": said, "grown": grown}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
