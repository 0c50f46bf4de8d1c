"""Bases by their names, for tables and command lines."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from ._basis import Basis, UnitRMS
from ._bspline import BSpline
from ._fourier import Fourier
from ._polynomials import Chebyshev, Gram, Jacobi
from ._radial import RBF, RSWAF
from ._rational import Identity, Pade
from ._relu import ReLU
from ._wavelets import Wavelet, dog, mexican_hat, meyer, morlet, shannon

FAMILIES: Mapping[str, Callable[..., Basis]] = MappingProxyType(
    {
        "bspline": BSpline,
        "rbf": RBF,
        "rswaf": RSWAF,
        "chebyshev": Chebyshev,
        "jacobi": Jacobi,
        "gram": Gram,
        "relu": ReLU,
        "fourier": Fourier,
        "pade": Pade,
        "identity": Identity,
        "mexican_hat": partial(Wavelet, mother=mexican_hat),
        "morlet": partial(Wavelet, mother=morlet),
        "dog": partial(Wavelet, mother=dog),
        "meyer": partial(Wavelet, mother=meyer),
        "shannon": partial(Wavelet, mother=shannon),
    }
)
"""Name -> what builds the family; all but `identity` take the number of functions first."""


def by_name(name: str, size: int | None = None, *, unit_rms: bool = True, **options: Any) -> Basis:
    """The basis called `name`, of `size` functions (its default if None), scaled to unit RMS.

    `options` go to the family's class. `identity` has one function, whatever `size` says.

    Raises:
        ValueError: a name that is not in `FAMILIES`, or numbers the family refuses.
    """
    if name not in FAMILIES:
        raise ValueError(f"there is no basis {name!r}; expected one of {', '.join(FAMILIES)}.")
    sizes = () if size is None or name == "identity" else (size,)
    basis = FAMILIES[name](*sizes, **options)
    return UnitRMS(basis) if unit_rms else basis
