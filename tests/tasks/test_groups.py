import numpy as np
import pytest

from engrax.tasks import FiniteGroup, operation_table

GROUPS = {
    "cyclic 1": FiniteGroup.cyclic(1),
    "cyclic 12": FiniteGroup.cyclic(12),
    "cyclic 12 by its table": FiniteGroup.from_table(FiniteGroup.cyclic(12).table),
    "product": FiniteGroup.product(FiniteGroup.cyclic(3), FiniteGroup.symmetric(3)),
    "dihedral 5": FiniteGroup.dihedral(5),
    "dihedral 6": FiniteGroup.dihedral(6),
    "symmetric 3": FiniteGroup.symmetric(3),
    "symmetric 4": FiniteGroup.symmetric(4),
    "symmetric 5": FiniteGroup.symmetric(5),
}
DIMENSIONS = {
    "dihedral 5": [1, 1, 2, 2],
    "dihedral 6": [1, 1, 1, 1, 2, 2],
    "symmetric 3": [1, 1, 2],
    "symmetric 4": [1, 1, 2, 3, 3],
    "symmetric 5": [1, 1, 4, 4, 5, 5, 6],
}


@pytest.mark.parametrize("name", GROUPS)
def test_group_axioms(name):
    table, inverse = GROUPS[name].table, GROUPS[name].inverse
    elements = np.arange(len(table))
    assert (np.sort(table, 0) == elements[:, None]).all()
    assert (np.sort(table, 1) == elements).all()
    assert (table[0] == elements).all()
    assert (table[elements, inverse] == 0).all()
    a, b, c = np.meshgrid(elements[:20], elements[:20], elements[:20])
    assert (table[table[a, b], c] == table[a, table[b, c]]).all()


@pytest.mark.parametrize("name", GROUPS)
def test_characters_are_orthonormal_class_functions(name):
    group = GROUPS[name]
    sizes = np.bincount(group.classes)
    gram = (group.characters * sizes) @ group.characters.conj().T / len(group.table)
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-9)
    columns = group.characters.T @ group.characters.conj() * sizes / len(group.table)
    np.testing.assert_allclose(columns, np.eye(len(sizes)), atol=1e-9)
    np.testing.assert_allclose(group.characters[0], 1, atol=1e-9)
    assert (group.irrep_dims**2).sum() == len(group.table)
    assert (np.diff(group.irrep_dims) >= 0).all()
    if name in DIMENSIONS:
        assert group.irrep_dims.tolist() == DIMENSIONS[name]
    # Conjugates share a class, by brute force.
    table, inverse = group.table, group.inverse
    for g in range(len(table)):
        assert (group.classes[table[table[g], inverse[g]]] == group.classes).all()


@pytest.mark.parametrize("name", [n for n in GROUPS if n != "symmetric 5"])
def test_projectors_split_the_functions_on_the_group(name):
    group = GROUPS[name]
    projectors = group.projectors
    m = len(group.table)
    np.testing.assert_allclose(projectors.sum(0), np.eye(m), atol=1e-8)
    products = np.einsum("rij,sjk->rsik", projectors, projectors)
    expected = np.eye(len(projectors))[:, :, None, None] * projectors
    np.testing.assert_allclose(products, expected, atol=1e-8)
    ranks = np.trace(projectors, axis1=1, axis2=2).real
    np.testing.assert_allclose(ranks, group.irrep_dims**2, atol=1e-8)


def test_cyclic_characters_are_the_fourier_basis():
    group = GROUPS["cyclic 12"]
    np.testing.assert_allclose(group.characters, np.conj(np.fft.fft(np.eye(12))), atol=1e-9)


def test_symmetric_multiplication_applies_the_second_first():
    import itertools

    elements = list(itertools.permutations(range(4)))
    table = GROUPS["symmetric 4"].table
    for a, b in [(3, 17), (22, 5), (10, 10)]:
        composed = tuple(elements[a][elements[b][i]] for i in range(4))
        assert elements[table[a, b]] == composed


def test_operation_tables():
    np.testing.assert_array_equal(operation_table(7, np.add), FiniteGroup.cyclic(7).table)
    product = operation_table(7, np.multiply)
    assert product[3, 5] == 1
    with pytest.raises(ValueError, match="Latin square"):
        FiniteGroup.from_table(product)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (np.array([[1, 0], [1, 0]]), "Latin"),
        ((1 + np.arange(3)[:, None] - np.arange(3)) % 3, "identity"),
        # A loop of five elements: identity 0, Latin, not associative.
        (
            np.array(
                [[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1],
                 [4, 3, 1, 2, 0]]
            ),
            "associative",
        ),
    ],
)  # fmt: skip
def test_tables_that_are_no_group_are_refused(table, says):
    with pytest.raises(ValueError, match=says):
        FiniteGroup.from_table(table)


@pytest.mark.parametrize(
    "call",
    [
        lambda: FiniteGroup.cyclic(0),
        lambda: FiniteGroup.dihedral(0),
        lambda: FiniteGroup.symmetric(0),
        lambda: operation_table(1, np.add),
    ],
)
def test_empty_groups_are_refused(call):
    with pytest.raises(ValueError, match="at least"):
        call()
