"""Objectives, penalties, and the door that chooses the solver."""

import numpy as np
import pytest
from scipy import stats

from probnn import families
from probnn.fitting.likelihood import Likelihood
from probnn.fitting.line_search import armijo
from probnn.fitting.objective import Objective, Sum
from probnn.fitting.penalties import ElasticNet
from probnn.fitting.solve import solve


def linear(rng, n=50, p=6):
    """Return a design, a response, and the likelihood of a normal model of unit scale."""
    x, y = rng.normal(size=(n, p)), rng.normal(size=n)
    known = np.array([np.nan, 0.0])
    return x, y, Likelihood(families.get("normal"), y, [x, None], known)


def test_a_sum_is_the_likelihood_of_all_rows(rng):
    x, y = rng.normal(size=(40, 3)), rng.poisson(2.0, 40).astype(float)
    known, family = np.array([np.nan]), families.get("poisson")
    whole = Likelihood(family, y, [x], known)
    cuts = [slice(0, 7), slice(7, 30), slice(30, 40)]
    total = Sum(lambda: (whole.rows(np.arange(40)[cut]) for cut in cuts), 40, whole)
    coef = np.array([0.1, -0.2, 0.3])
    mean = np.exp(x @ coef)
    value, gradient, hessian = total(coef)
    rest = np.sum(stats.poisson.logpmf(y, mean))
    constant = whole(coef, False)[0] + rest  # what likelihoods leave out depends on y alone
    moved = whole(0 * coef, False)[0] + np.sum(stats.poisson.logpmf(y, 1.0))
    np.testing.assert_allclose(constant, moved, rtol=1e-10)
    np.testing.assert_allclose(value, constant - rest, rtol=1e-12)
    np.testing.assert_allclose(gradient, x.T @ (mean - y), rtol=1e-10)
    np.testing.assert_allclose(hessian, x.T @ (x * mean[:, None]), rtol=1e-10)
    assert total(coef, False)[2] is None
    assert len(total) == 40


def test_linear_models_are_solved_directly(rng):
    x, y, objective = linear(rng)
    found = solve(objective, None)
    want, ssr, *_ = np.linalg.lstsq(x, y, rcond=None)
    np.testing.assert_allclose(found.coef, want, rtol=1e-12)
    np.testing.assert_allclose(found.ssr, ssr[0], rtol=1e-12)
    value, gradient, _ = objective(found.coef, False)
    np.testing.assert_allclose(found.value, value, rtol=1e-13)
    np.testing.assert_allclose(found.gradient, gradient, atol=1e-10)
    assert found.history["step"] == [1.0]


def test_absolute_deviations_are_those_of_the_median(rng):
    y = rng.normal(size=21)
    one = np.ones((21, 1))
    found = solve(Likelihood(families.get("laplace"), y, [one, one], np.full(2, np.nan)), None)
    np.testing.assert_allclose(found.coef[0], np.median(y), rtol=1e-12)


def test_ridge_and_its_degrees_of_freedom(rng):
    """Hastie, Tibshirani and Friedman, equations 3.44 and 3.50, by singular values."""
    x, y, objective = linear(rng)
    penalty = ElasticNet(3.0 / len(objective))
    found = solve(objective, np.zeros(6), penalty)
    u, d, v = np.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(found.coef, v.T @ (d / (d**2 + 3.0) * (u.T @ y)), rtol=1e-10)
    df = penalty.on(objective).degrees_of_freedom(found.coef, found.hessian)
    np.testing.assert_allclose(df, np.sum(d**2 / (d**2 + 3.0)), rtol=1e-10)
    np.testing.assert_allclose(found.gradient, x.T @ (x @ found.coef - y), atol=1e-10)


def test_lasso_of_orthogonal_columns_is_soft_thresholding(rng):
    """Its degrees of freedom are the coefficients that are left."""
    x = np.linalg.qr(rng.normal(size=(50, 6)))[0]
    y = rng.normal(size=50)
    objective = Likelihood(families.get("normal"), y, [x, None], np.array([np.nan, 0.0]))
    projected = x.T @ y
    weight = np.median(np.abs(projected))
    penalty = ElasticNet(weight / len(objective), L1_wt=1.0)
    found = solve(objective, np.zeros(6), penalty)
    want = np.sign(projected) * np.maximum(np.abs(projected) - weight, 0.0)
    np.testing.assert_allclose(found.coef, want, atol=1e-12)
    df = penalty.on(objective).degrees_of_freedom(found.coef, found.hessian)
    np.testing.assert_allclose(df, 3.0, rtol=1e-12)


def test_line_search_takes_the_first_size_that_gains():
    """x^2 from 1, with a step to -7: 1, 1/2 and 1/4 gain nothing, 1/8 arrives."""
    size, found = armijo(lambda t: ((1 - 8 * t) ** 2, -16 * (1 - 8 * t)), 1.0, -16.0)
    assert (size, found[0]) == (0.125, 0.0)
    assert armijo(lambda t: (1.0 + t, 1.0), 1.0, -1.0) is None


def test_the_protocol_says_what_is_missing():
    class Empty(Objective):
        pass

    with pytest.raises(NotImplementedError):
        Empty()(np.zeros(1))
