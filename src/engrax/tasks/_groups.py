"""Finite groups, as tables with their characters."""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
from jaxtyping import Complex, Int


@dataclasses.dataclass(frozen=True, eq=False)
class FiniteGroup:
    """A group of M elements 0 .. M-1, by its multiplication table, with its representation theory.

    Build one by `cyclic`, `product`, `dihedral`, `symmetric` or `from_table`. Element 0 is the
    identity, except where `from_table` was given another. Everything is a NumPy array, computed on
    the host.
    """

    table: Int[np.ndarray, "m m"]
    """`table[a, b]` is the product of a and b."""
    inverse: Int[np.ndarray, " m"]
    """Each element's inverse."""
    classes: Int[np.ndarray, " m"]
    """Each element's conjugacy class, numbered by first appearance."""
    characters: Complex[np.ndarray, "irreps classes"]
    """Character table: one row an irreducible representation, by growing dimension, the trivial one
    first; as many rows as columns."""

    @property
    def irrep_dims(self) -> Int[np.ndarray, " irreps"]:
        """Dimension of each irreducible representation; their squares sum to M."""
        identity = self.classes[self.table[0, self.inverse[0]]]
        return np.rint(np.real(self.characters[:, identity])).astype(int)

    @property
    def projectors(self) -> Complex[np.ndarray, "irreps m m"]:
        """Projector onto each representation's part of the functions on the group.

        `d / M * sum over g of conj(character(g)) R_g`, where R_g moves the function's value at h to
        g h. They are idempotent, orthogonal, and sum to 1. Computed anew at each call: M**2 numbers
        a representation.
        """
        quotient = self.classes[self.table[:, self.inverse]]  # of x h^-1, the g that moves h to x
        scale = self.irrep_dims / len(self.table)
        return scale[:, None, None] * self.characters.conj()[:, quotient]

    @classmethod
    def cyclic(cls, m: int) -> "FiniteGroup":
        """Addition modulo `m`; representation k is `exp(2 pi i k a / m)`."""
        if m < 1:
            raise ValueError(f"A cyclic group has at least 1 element, and {m} were asked for.")
        a = np.arange(m)
        characters = np.exp(2j * np.pi / m * (np.outer(a, a) % m))
        return cls((a[:, None] + a) % m, -a % m, a, characters)

    @classmethod
    def product(cls, first: "FiniteGroup", second: "FiniteGroup") -> "FiniteGroup":
        """Pairs (a, b), numbered `a * len(second) + b`, multiplied part by part."""
        n = len(second.table)
        a, b = np.divmod(np.arange(len(first.table) * n), n)
        table = first.table[a[:, None], a] * n + second.table[b[:, None], b]
        classes = first.classes[a] * (second.classes.max() + 1) + second.classes[b]
        characters = np.kron(first.characters, second.characters)
        dims = np.kron(first.irrep_dims, second.irrep_dims)
        inverse = first.inverse[a] * n + second.inverse[b]
        return cls(table, inverse, classes, characters[np.argsort(dims, kind="stable")])

    @classmethod
    def dihedral(cls, m: int) -> "FiniteGroup":
        """Symmetries of the regular m-gon: rotations 0 .. m-1, then reflections m .. 2m-1."""
        if m < 1:
            raise ValueError(f"A dihedral group needs at least 1 rotation, and {m} were asked for.")
        flip, turn = np.divmod(np.arange(2 * m), m)
        # r^i s^f r^j s^g = r^(i +- j) s^(f+g): a reflection turns the rotation behind it around.
        turns = (turn[:, None] + np.where(flip, -1, 1)[:, None] * turn) % m
        return cls.from_table((flip[:, None] ^ flip) * m + turns)

    @classmethod
    def symmetric(cls, n: int) -> "FiniteGroup":
        """All permutations of n things, in lexicographic order; a b applies b first."""
        if n < 1:
            raise ValueError(f"A symmetric group moves at least 1 thing, and got {n}.")
        elements = np.array(list(itertools.permutations(range(n))))
        code = elements @ (n ** np.arange(n))
        place = np.argsort(code)
        products = elements[:, elements]  # [a, b, i] = a(b(i))
        found = np.searchsorted(code[place], products @ (n ** np.arange(n)))
        return cls.from_table(place[found])

    @classmethod
    def from_table(cls, table: Int[np.ndarray, "m m"]) -> "FiniteGroup":
        """A group from any multiplication table.

        The characters come from the class sums, which commute: a random combination of their
        multiplication matrices has the central characters as its eigenvectors (Burnside's
        algorithm).

        Raises:
            ValueError: the table has no identity, is no Latin square, or is not associative.
        """
        table = np.asarray(table)
        m = len(table)
        identity = _identity(table)
        for a in range(m):
            if (table[table[a]] != table[a][table]).any():
                raise ValueError(
                    "The table is not associative; a group needs (a b) c = a (b c) for all a, b, c."
                )
        inverse = np.argmax(table == identity, axis=1)
        conjugates = table[table, inverse[:, None]]  # [g, a] = g a g^-1
        representative = conjugates.min(axis=0)
        classes = np.unique(representative, return_inverse=True)[1]
        return cls(table, inverse, classes, _characters(table, classes, int(classes[identity])))


def operation_table(p: int, operation: Callable) -> Int[np.ndarray, "p p"]:
    """The table of `operation(a, b) mod p`, which need not be that of a group.

    `operation_table(p, np.multiply)` is the multiplication of Doshi et al. 2024; with 0 in it, it
    is no group.

    Raises:
        ValueError: `p` below 2.
    """
    if p < 2:
        raise ValueError(f"An operation modulo p needs a p of at least 2, and was given {p}.")
    a = np.arange(p)
    return operation(a[:, None], a[None, :]) % p


def _identity(table: np.ndarray) -> int:
    elements = np.arange(len(table))
    if table.shape != (table.size**0.5, table.size**0.5) or not table.size:
        raise ValueError(f"A table is square and not empty, and this one has shape {table.shape}.")
    if (np.sort(table, 0) != elements[:, None]).any() or (np.sort(table, 1) != elements).any():
        raise ValueError(
            "The table is no Latin square: each row and column of a group's table holds every "
            "element once."
        )
    neutral = (table == elements).all(1) & (elements == table.T).all(1)
    if not neutral.any():
        raise ValueError("The table has no identity: no element leaves all others as they are.")
    return int(neutral.argmax())


def _characters(table: np.ndarray, classes: np.ndarray, identity: int) -> np.ndarray:
    """The character table; `identity` is the identity's class."""
    count, sizes = classes.max() + 1, np.bincount(classes)
    # constants[i, j, k]: in how many ways an element of class k is a product from i times j.
    flat = (classes[:, None] * count + classes) * count + classes[table]
    constants = np.bincount(flat.ravel(), minlength=count**3).reshape(count, count, count) / sizes
    for seed in range(20):
        weights = np.random.default_rng(seed).standard_normal(count)
        central = np.linalg.eig(np.tensordot(weights, constants, 1))[1].T
        central = central / central[:, identity, None]
        dims = np.sqrt(len(table) / (np.abs(central) ** 2 / sizes).sum(1))
        found = central * dims[:, None] / sizes
        if np.allclose((found * sizes) @ found.conj().T / len(table), np.eye(count), atol=1e-9):
            break
    else:  # pragma: no cover - twenty random combinations with a double eigenvalue
        raise ValueError("The class sums could not be told apart; the table is too large for this.")
    trivial = np.abs(found - 1).max(1) < 1e-6
    rounded = np.round(found, 6)
    order = np.lexsort((*rounded.imag.T, *rounded.real.T, ~trivial, np.rint(dims)))
    return found[order].astype(complex)
