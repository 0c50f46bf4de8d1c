import numpy as np
import pytest

from engrax.probes import Phase, classify_phase


@pytest.mark.parametrize(
    ("train", "test", "corruption", "best", "phase"),
    [
        (0.98, 0.98, 0.35, 0.0, Phase.COEXISTENCE),
        (0.90, 0.90, 0.35, 0.0, Phase.COEXISTENCE),
        (0.786, 1.0, 0.35, 0.0, Phase.PARTIAL_INVERSION),
        (0.71, 1.0, 0.35, 0.0, Phase.PARTIAL_INVERSION),
        (0.6537, 1.0, 0.35, 0.0, Phase.FULL_INVERSION),
        (1.0, 0.03, 0.35, 0.0, Phase.MEMORIZATION),
        (1.0, 0.03, 0.35, 1.0, Phase.MEMORIZATION),
        (0.2, 0.2, 0.35, 0.0, Phase.CONFUSION),
        (0.05, 0.034, 0.35, 0.9985, Phase.FORGETTING),
        (np.nan, np.nan, 0.35, 0.0, Phase.CONFUSION),
    ],
)
def test_the_table_of_phases(train, test, corruption, best, phase):
    assert classify_phase(train, test, corruption, best) == phase


def test_a_grid_keeps_its_shape():
    corruption = np.linspace(0, 0.9, 4)[None, :]
    phases = classify_phase(np.full((3, 4), 0.95), np.ones((3, 1)), corruption)
    assert phases.shape == (3, 4)
    assert (phases == Phase.COEXISTENCE).all()
