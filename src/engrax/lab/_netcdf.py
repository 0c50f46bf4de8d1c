"""Records as netCDF, read with bounded memory whatever a file promises."""

import os
from pathlib import Path

import h5py
import xarray as xr

_ONLY_A_NAME = b"This is a netCDF dimension but not a netCDF variable"


def read_tree(path: Path) -> xr.DataTree:
    """All groups of a file, in memory.

    **Raises:** `OSError` and `ValueError`, where it is damaged or promises more than it holds.
    """
    check_sizes(path)
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return tree.load()


def read_dataset(path: Path) -> xr.Dataset:
    """The only group of a file, in memory; raises as `read_tree`."""
    check_sizes(path)
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        return dataset.load()


def content(data: xr.DataTree | xr.Dataset) -> memoryview:
    """The bytes of a file that holds `data`.

    By way of memory: a disk that fills up while HDF5 writes to it ends the process.
    """
    made = data.to_netcdf(engine="h5netcdf")
    assert isinstance(made, memoryview)  # since no path was given
    return made


def check_sizes(path: Path) -> None:
    """Refuses what reads more than is in the file: Engrax neither compresses nor links.

    **Raises:** `OSError` where it is no HDF5 file, `ValueError` naming the array otherwise.
    """
    whole = os.path.getsize(path)
    with h5py.File(path, "r") as file:
        _check_group(file, whole)


def _check_group(group: h5py.Group, whole: int) -> None:
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{group.name} links {name} to elsewhere")
        item = group[name]
        if isinstance(item, h5py.Group):
            _check_group(item, whole)
        elif isinstance(item, h5py.Dataset):
            _check_array(item, whole)


def _check_array(array: h5py.Dataset, whole: int) -> None:
    if array.is_virtual or array.external:
        raise ValueError(f"{array.name} lies in another file")
    if array.id.get_create_plist().get_nfilters():
        raise ValueError(f"{array.name} is compressed, which no file of records is")
    # A dimension without labels has a size and nothing to read.
    named = array.attrs.get("NAME", b"")
    if isinstance(named, bytes) and named.startswith(_ONLY_A_NAME):
        return
    stored = min(array.id.get_storage_size(), whole)
    if array.size and array.size * array.dtype.itemsize > stored:
        raise ValueError(
            f"{array.name} promises {array.size * array.dtype.itemsize} bytes and holds {stored}"
        )
