"""Quantile residuals, against closed forms and the transform that they are quantiles of."""

import numpy as np
import pytest
from scipy import stats
from tables.families import FAMILIES

import probnn as pn
from probnn.calibration import quantile_residuals

# ---- quantile residuals -------------------------------------------------------------------------


def test_quantile_residuals_of_normal_y_are_standardised():
    d = pn.Predictive("normal", {"loc": [0.0, 1.0, 0.0], "scale": [1.0, 1e-3, 2.0]})
    np.testing.assert_allclose(quantile_residuals([0.5, 0.0, 80.0], d), [0.5, -1000.0, 40.0])


@pytest.mark.parametrize("tail", [5.0, 700.0])
def test_quantile_residuals_far_in_a_tail(tail):
    d = pn.Predictive("exponential", {"mean": [1.0]})
    (found,) = quantile_residuals([tail], d)
    assert stats.norm.logsf(found) == pytest.approx(-tail, rel=1e-10)


@pytest.mark.parametrize(
    ("family", "params"),
    [
        ("poisson", {"rate": np.linspace(0.1, 30.0, 200)}),
        (pn.families.ZeroInflated("poisson"), {"rate": np.full(200, 3.0), "inflation": 0.4}),
        ("tweedie", {"mean": np.full(200, 1.0), "dispersion": 1.5}),
        (pn.families.Ordinal(4), {"loc": np.linspace(-1, 1, 200), "cutpoints": [-1.0, 0.0, 1.0]}),
    ],
)
def test_quantile_residuals_are_normal_quantiles_of_the_pit(family, params):
    d = pn.Predictive(family, params)
    y = d.sample(seed=5)[0]
    found = quantile_residuals(y, d, seed=2)
    np.testing.assert_allclose(found, stats.norm.ppf(d.pit(y, seed=2)), rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(found, quantile_residuals(y, d, seed=2))
    assert not np.array_equal(found, quantile_residuals(y, d, seed=3))


@pytest.mark.parametrize(
    "case", [case for case in FAMILIES if not case.family.vector], ids=lambda case: case.name
)
def test_quantile_residuals_of_every_family_are_those_of_its_pit(case):
    d = pn.Predictive(case.family, case.arrays())
    y = d.sample(seed=1)[0]
    if d.family.y_columns:
        y = np.column_stack([y, y])
    u = stats.norm.cdf(quantile_residuals(y, d, seed=4))
    np.testing.assert_allclose(u, d.pit(y, seed=4), rtol=1e-9, atol=1e-12)


def test_quantile_residuals_of_several_responses(rng):
    y = rng.normal(size=(20, 2))
    d = pn.Predictive("normal", {"loc": np.zeros((20, 2)), "scale": 2.0})
    np.testing.assert_allclose(quantile_residuals(y, d), y / 2.0, rtol=1e-9)


def test_quantile_residuals_are_standard_normal_for_a_right_model():
    d = pn.Predictive("poisson", {"rate": np.full(4000, 0.7)})
    y = np.random.default_rng(11).poisson(0.7, 4000)
    assert stats.kstest(quantile_residuals(y, d), "norm").pvalue > 0.01


def test_quantile_residuals_of_censored_rows_lie_beyond_the_bound():
    d = pn.Predictive(pn.families.Censored("exponential"), {"mean": np.ones(300)})
    y = pn.families.Censored.bounds(np.ones(300), np.zeros(300))
    beyond = stats.norm.cdf(quantile_residuals(y, d))
    at = 1.0 - np.exp(-1.0)
    assert stats.kstest(beyond, stats.uniform(at, 1.0 - at).cdf).pvalue > 0.01


def test_quantile_residuals_are_finite_where_the_tail_is_not():
    d = pn.Predictive("poisson", {"rate": [1.0, 1e6]})
    found = quantile_residuals([5000, 0], d)  # SciPy's tails are 0 there
    np.testing.assert_allclose(found, [38.5, -38.5], atol=0.1)


@pytest.mark.parametrize("y", [[1.0], [-1.0, 2.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_quantile_residuals_refuse(y):
    with pytest.raises(ValueError, match=r"Expected .*Received"):
        quantile_residuals(y, pn.Predictive("gamma", {"mean": [1.0, 1.0], "shape": 1.0}))
