"""Families of univariate functions: what the edges of a Kolmogorov-Arnold network are made of.

basis = bases.BSpline(8)                  # or bases.by_name("bspline", 8)
basis(x)                                  # (..., 8)
bases.UnitRMS(basis)(x)                   # each function of root mean square 1
"""

from ._basis import Basis, UnitRMS
from ._bspline import BSpline
from ._by_name import FAMILIES, by_name
from ._fourier import Fourier
from ._per_input import Choice, PerInput, Picked, check_pool
from ._polynomials import Chebyshev, Gram, Jacobi
from ._radial import RBF, RSWAF
from ._rational import Identity, Pade, pade
from ._relu import ReLU
from ._wavelets import Wavelet, dog, mexican_hat, meyer, morlet, shannon

__all__ = [
    "FAMILIES",
    "RBF",
    "RSWAF",
    "BSpline",
    "Basis",
    "Chebyshev",
    "Choice",
    "Fourier",
    "Gram",
    "Identity",
    "Jacobi",
    "Pade",
    "PerInput",
    "Picked",
    "ReLU",
    "UnitRMS",
    "Wavelet",
    "by_name",
    "check_pool",
    "dog",
    "mexican_hat",
    "meyer",
    "morlet",
    "pade",
    "shannon",
]
