"""Over many simulated data sets, intervals of 95 per cent hold the truth in 95 per cent of them."""

import numpy as np
import pytest
from tables.simulated import FAMILIES, fits, sampler, simulate

import probnn as pn

# Those without closed derivatives take the longest.
_SLOW = ("negative_binomial", "beta")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in _SLOW)) for n in FAMILIES]
)
def test_confidence_intervals_hold_the_truth(name):
    repeats = 1000
    found = simulate(name, repeats=repeats)
    assert (found.share >= 0.93).all(), found
    assert (found.share <= 0.97).all(), found
    # The estimates scatter about the truth as far as their standard errors say.
    chance = 4 * found.spread / np.sqrt(repeats)
    assert (np.abs(found.bias) < chance + 0.02 * found.spread * 5).all(), found
    np.testing.assert_allclose(found.error, found.spread, rtol=0.08)


@pytest.mark.parametrize("name", FAMILIES)
def test_many_fits_at_once_are_those_of_the_library(name):
    family, slopes, rest = FAMILIES[name]
    x, draw = sampler(name, 1000, np.random.default_rng(11))
    y = np.array([draw() for _ in range(5)])
    for each, coefficients, errors in zip(y, *fits(y, x, family, [*slopes, *rest]), strict=True):
        found = pn.glm.GLM(each, x, family).fit(tol=1e-12)
        np.testing.assert_allclose(coefficients, found.params[:3], rtol=1e-8)
        np.testing.assert_allclose(errors, found.bse[:3], rtol=1e-8)
