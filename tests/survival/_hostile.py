"""Files made to hurt their reader, each read in a process that may hardly grow.

`python -m tests.survival._hostile FOLDER` prints a line of JSON a file: its name, the sentence that
refused it, and by how many MB the process has grown at most since the beginning.
"""

import gzip
import io
import json
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
import tensorstore as ts

from engrax.estimators import ContinualClassifier
from engrax.lab import ArmCheckpoints, load_run, run_study
from engrax.lab._manifest import seal
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


def zarr(folder: Path, change: Callable[[dict], dict], data: bytes | None = None) -> None:
    """A sealed checkpoint whose array has another description than Orbax gave it."""
    said: list[str] = []
    arm = ArmCheckpoints(folder / "arm", every=0.0, warn=said.append)
    arm.save(1, KEPT, last=True)
    path = arm.folder / "1"
    store = ts.KvStore.open({"driver": "ocdbt", "base": f"file://{path}/"}).result()
    about = json.loads(store["w/.zarray"])
    store["w/.zarray"] = json.dumps(change(about)).encode()
    if data is not None:
        store["w/0"] = data
    seal(path, arm.folder / "1.sha256.json")
    assert arm.restore(lambda: KEPT) is None
    raise Refused("; ".join(said))


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


def zstd_bomb() -> bytes:
    """Eight gigabytes of zeros as blocks that each repeat one byte; it declares no size."""
    block = 1 << 17
    repeated = (block << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (block << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x38" + repeated * ((1 << 16) - 1) + last


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
    "zarr: a shape of 2**40": lambda p: zarr(p, lambda about: about | {"shape": [LARGE]}),
    "zarr: chunks of 2**40": lambda p: zarr(p, lambda about: about | {"chunks": [LARGE]}),
    "zarr: Python objects": lambda p: zarr(p, lambda about: about | {"dtype": "|O"}),
    "zarr: a chunk that decompresses to 8 GB": lambda p: zarr(p, dict, zstd_bomb()),
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
