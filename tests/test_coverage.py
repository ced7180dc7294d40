"""Over many simulated data sets, intervals of 95 per cent hold the truth in 95 per cent of them."""

import numpy as np
import pytest
from simulated import FAMILIES, simulate


@pytest.mark.parametrize("name", FAMILIES)
def test_confidence_intervals_hold_the_truth(name):
    repeats = 1000
    found = simulate(name, repeats=repeats)
    assert (found.share >= 0.93).all(), found
    assert (found.share <= 0.97).all(), found
    # The estimates scatter about the truth as far as their standard errors say.
    chance = 4 * found.spread / np.sqrt(repeats)
    assert (np.abs(found.bias) < chance + 0.02 * found.spread * 5).all(), found
    np.testing.assert_allclose(found.error, found.spread, rtol=0.08)
