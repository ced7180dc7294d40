"""Over many simulated data sets, intervals of 95 per cent hold the truth in 95 per cent of them."""

import numpy as np
import pytest

import probnn as pn

ROWS, REPEATS = 1000, 1000
# Raw values of the further parameters, in order.
FAMILIES = {
    "normal": (pn.families.Normal(), [0.5, 1.0, -0.7], [0.3]),
    "bernoulli": (pn.families.Bernoulli(), [-0.4, 0.8, -0.5], []),
    "poisson": (pn.families.Poisson(), [0.7, 0.4, -0.3], []),
    "gamma": (pn.families.Gamma(), [1.0, 0.5, -0.4], [np.log(2.0)]),
    "negative_binomial": (pn.families.NegativeBinomial(), [1.2, 0.5, -0.4], [np.log(0.6)]),
    "beta": (pn.families.Beta(), [-0.3, 0.6, -0.4], [np.log(8.0)]),
    "weibull": (pn.families.Weibull(), [0.5, 0.4, -0.3], [np.log(1.5)]),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_confidence_intervals_hold_the_truth(name):
    family, slopes, rest = FAMILIES[name]
    rng = np.random.default_rng(11)
    x = np.column_stack([np.ones(ROWS), rng.normal(size=ROWS), rng.uniform(-1, 1, size=ROWS)])
    raw = np.column_stack([x @ slopes, *(np.full(ROWS, value) for value in rest)])
    frozen = family.frozen(**family.to_params(raw))
    held, estimates, errors = np.zeros(3), [], []
    for _ in range(REPEATS):
        y = np.asarray(frozen.rvs(size=ROWS, random_state=rng), dtype="float64")
        found = pn.glm.GLM(y, x, family).fit()
        interval = found.conf_int()[:3]
        held += (interval[:, 0] <= slopes) & (slopes <= interval[:, 1])
        estimates.append(found.params[:3])
        errors.append(found.bse[:3])
    share = held / REPEATS
    assert (share >= 0.93).all(), share
    assert (share <= 0.97).all(), share
    # The estimates scatter about the truth as far as their standard errors say.
    spread = np.std(estimates, axis=0)
    bias = np.mean(estimates, axis=0) - slopes
    assert (np.abs(bias) < 4 * spread / np.sqrt(REPEATS) + 0.02 * spread * 5).all()
    np.testing.assert_allclose(np.mean(errors, axis=0), spread, rtol=0.08)
