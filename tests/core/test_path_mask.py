import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

from engrax.core import Paths, path_mask
from engrax.nn import MLP


def test_paths_are_fields_keys_and_places():
    tree = {"a": [jnp.ones(2), jnp.arange(3)], "b": {"c": jnp.zeros(1)}, "name": "x"}
    assert path_mask(tree, "a.*") == {"a": [True, False], "b": {"c": False}, "name": False}
    assert path_mask(tree, "*.c", "a.0") == {"a": [True, False], "b": {"c": True}, "name": False}
    assert not any(jax.tree.leaves(path_mask(tree)))


def test_a_model_is_masked_by_its_own_names():
    model = MLP((3, 4, 2), bias=True, key=jr.key(0))
    mask = Paths("layers.1.*")(model)
    assert [bool(m) for m in (mask.layers[0].weight, mask.layers[1].weight)] == [False, True]
    assert mask.layers[1].bias
    assert Paths("layers.1.*") == Paths("layers.1.*")
    assert jax.tree.structure(mask) == jax.tree.structure(model)


def test_a_pattern_that_fits_nothing_is_refused():
    with pytest.raises(ValueError, match="no array that fits 'layer'; there are layers"):
        path_mask(MLP((3, 2), bias=True, key=jr.key(0)), "layer")
