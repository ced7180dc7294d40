"""The expected information of every family, against closed forms and mean Hessians."""

import numpy as np
import pytest
from scipy import special
from tables.families import FAMILIES

import probnn as pn

CASES = [case for case in FAMILIES if case.family.y_columns is None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.family))
def test_it_is_the_mean_hessian(case):
    family = case.family
    raw = np.atleast_2d(family.to_raw(case.arrays()))[:1]
    found = family.information(raw)[0]
    np.testing.assert_array_equal(found, found.T)
    assert np.linalg.eigvalsh(found).min() > -1e-9 * np.abs(found).max()
    n = 4_000
    rows = np.repeat(raw, n, axis=0)
    d = pn.Predictive(family, family.to_params(rows))
    y = d.sample(1, 0)[0]
    if family.smooth:
        each = family.derivatives(y, rows)[2]
    else:  # where a second derivative misses what the kink has
        slope = family.derivatives(y, rows, second=False)[1]
        each = slope[:, :, None] * slope[:, None, :]
    error = each.std(axis=0) / np.sqrt(n) + 1e-6 * np.abs(found).max()
    np.testing.assert_array_less(np.abs(each.mean(axis=0) - found), 6.0 * error)


def test_known_formulas():
    def of(family, **params):
        raw = family.to_raw({k: np.array([float(v)]) for k, v in params.items()})
        return family.information(raw)[0]

    def check(found, right):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-9 * np.abs(right).max())

    check(of(pn.families.Normal(), loc=3.0, scale=0.5), np.diag([4.0, 2.0]))
    check(of(pn.families.Laplace(), loc=3.0, scale=0.5), np.diag([4.0, 1.0]))
    check(of(pn.families.Logistic(), loc=0.0, scale=2.0), np.diag([1 / 12, (3 + np.pi**2) / 9]))
    # Lange, Little and Taylor (1989): of Student's t, location and log-scale.
    found = of(pn.families.StudentT(), loc=0.0, scale=2.0, df=4.0)[:2, :2]
    check(found, np.diag([5 / 7 / 4, 2 * 4 / 7]))
    # Of the gamma distribution, with orthogonal mean and shape, both on logarithms.
    shape = 3.0
    right = np.diag([shape, shape**2 * (special.polygamma(1, shape) - 1 / shape)])
    check(of(pn.families.Gamma(), mean=2.0, shape=shape), right)
    check(of(pn.families.Geometric(), mean=150.0), [[150.0 / 151.0]])
    check(of(pn.families.Poisson(), rate=1e6), [[1e6]])


def test_beta_regression_has_the_errors_of_betareg():
    # Ferrari and Cribari-Neto (2004), equation 10.
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(200), rng.normal(size=200)])
    mean = special.expit(0.3 + 0.5 * x[:, 1])
    results = pn.glm.GLM(rng.beta(20 * mean, 20 * (1 - mean)), x, "beta").fit(
        information="expected"
    )
    mu, phi = special.expit(x @ results.params[:2]), results.params[2]
    a, b = special.polygamma(1, mu * phi), special.polygamma(1, (1 - mu) * phi)
    slope = mu * (1 - mu)
    inner = np.empty((3, 3))
    inner[:2, :2] = x.T @ ((phi**2 * (a + b) * slope**2)[:, None] * x)
    inner[:2, 2] = inner[2, :2] = x.T @ (phi * slope * (a * mu - b * (1 - mu)))
    inner[2, 2] = (a * mu**2 + b * (1 - mu) ** 2 - special.polygamma(1, phi)).sum()
    right = np.sqrt(np.diag(np.linalg.inv(inner)))
    np.testing.assert_allclose(results.bse, right, rtol=1e-9)


def test_several_numbers_have_no_expected_information():
    family = pn.families.MultivariateNormal(2)
    with pytest.raises(ValueError, match="information='observed'"):
        family.information(np.zeros((1, family.size)))
