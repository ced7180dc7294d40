"""Firth's penalty and the elastic net: closed forms, other routes, other libraries, KKT."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import optimize
from scipy.special import expit, logit
from sklearn.linear_model import ElasticNet, LogisticRegression, PoissonRegressor

from probnn import families
from probnn.fitting import firth, likelihood
from probnn.fitting.penalties import Penalised
from probnn.glm import GLM, OLS, ConvergenceWarning, Logit, load


def binary(rng, n=60, p=4, strength=1.0):
    """Return a design with a constant, and 0 and 1 that depend on its second column."""
    x = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
    return x, (rng.random(n) < expit(strength * x[:, 1])).astype(float)


# ---- Firth ----------------------------------------------------------------------------------


def modified_score(coef, x, y, weights, offset):
    """Return Heinze and Schemper's equation (3), with the whole hat matrix."""
    mu = expit(x @ coef + offset)
    root = x * np.sqrt(weights * mu * (1 - mu))[:, None]
    hat = np.diag(root @ np.linalg.inv(root.T @ root) @ root.T)
    return x.T @ (weights * (y - mu) + hat * (0.5 - mu))


@pytest.mark.parametrize("successes", [0, 3, 10])
def test_firth_of_a_constant_adds_half_a_success_and_half_a_failure(successes):
    y = np.repeat([1.0, 0.0], [successes, 10 - successes])
    fit = Logit(y, np.ones((10, 1))).fit(method="firth")
    np.testing.assert_allclose(fit.params, [logit((successes + 0.5) / 11)], rtol=1e-12, atol=1e-12)


def test_firth_of_a_saturated_model_adds_half_to_every_cell():
    successes, trials = np.array([0, 4, 7, 5]), np.array([6, 9, 7, 11])  # two cells are empty
    y = np.column_stack([successes, trials - successes])
    fit = Logit(y, np.eye(4)).fit(method="firth")
    np.testing.assert_allclose(fit.params, logit((successes + 0.5) / (trials + 1)), rtol=1e-12)


@pytest.mark.parametrize("strength", [1.0, 1e6])  # 1e6 separates the classes completely
def test_firth_solves_the_modified_score_equations(rng, strength):
    x, y = binary(rng, strength=strength)
    weights, offset = rng.integers(1, 4, len(y)).astype(float), rng.normal(scale=0.1, size=len(y))
    fit = Logit(y, x, freq_weights=weights, offset=offset).fit(method="firth")
    assert fit.converged
    assert np.abs(modified_score(fit.params, x, y, weights, offset)).max() < 1e-10

    def penalised_nll(coef):
        eta = x @ coef + offset
        information = x.T @ (x * (weights * expit(eta) * expit(-eta))[:, None])
        nll = weights @ (np.logaddexp(0, eta) - y * eta)
        return nll - 0.5 * np.linalg.slogdet(information)[1]

    other = optimize.minimize(penalised_nll, np.zeros(4), method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose(fit.params, other.x, rtol=1e-4, atol=1e-5)
    assert penalised_nll(fit.params) <= other.fun + 1e-12
    np.testing.assert_allclose(fit.fit_history["nll"][-1], penalised_nll(fit.params), rtol=1e-12)


def test_firth_standard_errors_and_likelihood_are_those_without_the_penalty(rng):
    x, y = binary(rng)
    fit = Logit(y, x).fit(method="firth")
    mu = expit(x @ fit.params)
    information = x.T @ (x * (mu * (1 - mu))[:, None])
    np.testing.assert_allclose(fit.cov_params(), np.linalg.inv(information), rtol=1e-10)
    np.testing.assert_allclose(fit.llf, np.sum(np.log(np.where(y > 0, mu, 1 - mu))), rtol=1e-12)
    assert fit.llf < Logit(y, x).fit().llf


def test_firth_hessian_is_the_derivative_of_its_gradient(rng):
    x, y = binary(rng)
    weights = rng.uniform(0.5, 2.0, len(y))
    own = Logit(y, x, var_weights=weights).likelihood()
    function = Penalised(own, firth.Firth().on(own))
    coef, step = rng.normal(scale=0.5, size=4), 1e-5 * np.eye(4)
    ends = [[function(coef + sign * e) for sign in (1, -1)] for e in step]
    _, gradient, hessian = function(coef)
    np.testing.assert_allclose([(u[0] - d[0]) / 2e-5 for u, d in ends], gradient, atol=1e-8)
    np.testing.assert_allclose([(u[1] - d[1]) / 2e-5 for u, d in ends], hessian, atol=1e-8)
    assert len(function) == len(y)
    assert function(coef, False)[2] is None


def test_firth_in_blocks_and_without_the_expensive_term_is_the_same(rng, monkeypatch):
    x, y = binary(rng, n=1000)
    whole = Logit(y, x).fit(method="firth")
    monkeypatch.setattr(likelihood, "_NUMBERS", 1)  # blocks of 256 rows
    np.testing.assert_allclose(Logit(y, x).fit(method="firth").params, whole.params, rtol=1e-12)
    monkeypatch.setattr(firth, "_EXACT", 0)
    fit = Logit(y, x).fit(method="firth")
    np.testing.assert_allclose(fit.params, whole.params, rtol=1e-9)
    assert fit.fit_history["decrement"] != whole.fit_history["decrement"]


def test_firth_is_for_logistic_regression_in_memory(rng):
    x, y = binary(rng)
    with pytest.raises(
        ValueError, match=r"Expected the bernoulli family.*<family bernoulli: probs \(probit\)>"
    ):
        GLM(y, x, "bernoulli", "probit").fit(method="firth")
    with pytest.raises(ValueError, match=r"Expected the bernoulli family.*<family poisson"):
        GLM(y, x, "poisson").fit(method="firth")


# ---- the elastic net ------------------------------------------------------------------------


def kkt(fit, alpha, share):
    """Return by how much the conditions of the optimum are violated, per row."""
    coef, n = np.ravel(fit.coef), len(fit.model)
    gradient = fit.model.likelihood()(coef)[1] / n + alpha * (1 - share) * coef
    lasso = alpha * share * np.ones(len(coef))
    inactive = np.maximum(np.abs(gradient) - lasso, 0.0)
    return np.where(coef == 0, inactive, np.abs(gradient + lasso * np.sign(coef))).max()


def test_ridge_of_a_linear_model_has_a_closed_form(rng):
    x, y = rng.normal(size=(40, 60)), rng.normal(size=40)  # more columns than rows
    weights, frequency = rng.uniform(0.5, 2, 40), rng.integers(1, 4, 40).astype(float)
    offset, alpha = rng.normal(size=40), rng.uniform(0.1, 1.0, 60)
    model = OLS(y, x, var_weights=weights, freq_weights=frequency, offset=offset)
    w = weights * frequency
    closed = np.linalg.solve(x.T @ (x * w[:, None]) + 40 * np.diag(alpha), x.T @ (w * (y - offset)))
    np.testing.assert_allclose(model.fit_regularized(alpha, 0.0).params, closed, rtol=1e-9)


def test_elastic_net_of_a_linear_model_is_that_of_scikit_learn(rng):
    x = rng.normal(size=(100, 8))
    y = x @ [2.0, -1, 0.5, 0, 0, 0, 0, 0.1] + 3.0 + rng.normal(size=100)
    theirs = ElasticNet(alpha=0.2, l1_ratio=0.7, tol=1e-12, max_iter=100_000).fit(x, y)
    alpha = np.r_[0.0, np.full(8, 0.2)]
    fit = OLS(y, np.column_stack([np.ones(100), x])).fit_regularized(alpha, 0.7)
    np.testing.assert_allclose(fit.params, np.r_[theirs.intercept_, theirs.coef_], atol=1e-9)
    assert np.sum(fit.params == 0) >= 3


def test_ridge_of_logistic_and_poisson_models_is_that_of_scikit_learn(rng):
    x, y = binary(rng, n=200)
    alpha, options = np.r_[0.0, 0.05, 0.05, 0.05], {"solver": "newton-cholesky", "tol": 1e-12}
    theirs = LogisticRegression(C=1 / (200 * 0.05), **options).fit(x[:, 1:], y)
    fit = Logit(y, x).fit_regularized(alpha, 0.0)
    np.testing.assert_allclose(fit.params, np.r_[theirs.intercept_, theirs.coef_[0]], rtol=1e-8)
    counts = rng.poisson(np.exp(0.5 * x[:, 1])).astype(float)
    theirs = PoissonRegressor(alpha=0.05, **options).fit(x[:, 1:], counts)
    fit = GLM(counts, x, "poisson").fit_regularized(alpha, 0.0)
    np.testing.assert_allclose(fit.params, np.r_[theirs.intercept_, theirs.coef_], rtol=1e-8)


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("name", ["normal", "bernoulli", "poisson", "gamma"])
def test_elastic_net_is_that_of_statsmodels(rng, name, share):
    x, y = binary(rng, n=120, p=5)
    eta = 0.5 + 0.4 * x[:, 1] - 0.2 * x[:, 2]
    y = {
        "normal": eta + 0.5 * rng.normal(size=120),
        "bernoulli": y,
        "poisson": rng.poisson(np.exp(eta)).astype(float),
        "gamma": np.exp(eta) * rng.gamma(3.0, 1 / 3, size=120),
    }[name]
    theirs = {
        "normal": sm.families.Gaussian(),
        "bernoulli": sm.families.Binomial(),
        "poisson": sm.families.Poisson(),
        "gamma": sm.families.Gamma(sm.families.links.Log()),
    }[name]
    alpha = np.r_[0.0, np.full(4, 0.08)]
    other = sm.GLM(y, x, family=theirs).fit_regularized(alpha=alpha, L1_wt=share, maxiter=1000)
    fit = GLM(y, x, name).fit_regularized(alpha, share)
    np.testing.assert_allclose(fit.params, other.params, atol=1e-8)
    assert kkt(fit, alpha, share) < 1e-12
    assert 0 < np.count_nonzero(fit.params) < 5


def test_weights_and_offsets_enter_as_in_statsmodels(rng):
    x, _ = binary(rng, n=100)
    y = rng.poisson(np.exp(0.5 + 0.4 * x[:, 1])).astype(float)
    frequency, offset = rng.integers(1, 4, 100).astype(float), rng.normal(scale=0.3, size=100)
    options, alpha = {"offset": offset, "freq_weights": frequency}, np.r_[0.0, np.full(3, 0.1)]
    other = sm.GLM(y, x, family=sm.families.Poisson(), **options)
    other = other.fit_regularized(alpha=alpha, L1_wt=0.5, maxiter=1000)
    fit = GLM(y, x, "poisson", **options).fit_regularized(alpha, 0.5)
    np.testing.assert_allclose(fit.params, other.params, atol=1e-8)
    plain = GLM(y, x, "poisson").fit_regularized(alpha, 0.5)
    assert np.abs(fit.params - plain.params).max() > 1e-3


def wide(rng, name):
    x = rng.normal(size=(60, 90))
    x[:, 0], x[:, 7] = 1.0, x[:, 6] + x[:, 5]
    eta = 0.5 + 0.5 * x[:, 6] - 0.5 * x[:, 8]
    return x, {
        "normal": eta,
        "bernoulli": (eta > 0.5).astype(float),
        "poisson": rng.poisson(np.exp(eta)).astype(float),
    }[name]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["normal", "bernoulli", "poisson"])
def test_more_columns_than_rows_dependent_columns_and_separated_classes(rng, name, share):
    x, y = wide(rng, name)
    alpha = np.r_[0.0, np.full(89, 0.02)]
    model = GLM(y, x, name)
    fit = model.fit_regularized(alpha, share)
    assert fit.converged
    assert kkt(fit, alpha, share) < 1e-9
    assert (np.count_nonzero(fit.coef) == 90) == (share == 0)
    # The optimum does not depend on where the search starts.
    again = model.fit_regularized(alpha, share, start_params=rng.normal(scale=0.3, size=90))
    np.testing.assert_allclose(again.mu, fit.mu, atol=1e-7)
    assert kkt(again, alpha, share) < 1e-9


@pytest.mark.parametrize(
    ("family", "link"),
    [
        ("bernoulli", "cloglog"),
        ("gamma", "inverse"),
        (families.get("categorical", classes=3), None),
    ],
)
def test_other_links_and_classes(rng, family, link):
    x = np.column_stack([np.ones(150), rng.normal(size=(150, 3))])
    y = {
        "bernoulli": lambda: (rng.random(150) < expit(x[:, 1])).astype(float),
        "gamma": lambda: rng.gamma(2.0, 0.5 / (1 + 0.1 * x[:, 1]), size=150),
        "categorical": lambda: rng.integers(0, 3, 150).astype(float),
    }[families.get(family).name]()
    model = GLM(y, x, family, link)
    alpha = np.where(np.arange(model.likelihood().size) % 4 == 0, 0.0, 0.03)
    fit = model.fit_regularized(alpha, 0.6)
    assert kkt(fit, alpha, 0.6) < 1e-10
    assert np.any(fit.coef == 0)
    if np.ndim(fit.params) == 2:  # alpha may have the shape of params
        same = model.fit_regularized(alpha.reshape(2, 4).T, 0.6)
        np.testing.assert_array_equal(same.params, fit.params)


def test_lasso_lets_the_first_column_in_at_its_own_alpha(rng):
    x, y = binary(rng, n=100, p=6)
    x = x[:, 1:]
    pull = np.sort(np.abs(x.T @ (y - 0.5)) / 100)
    assert np.count_nonzero(Logit(y, x).fit_regularized(pull[-1] * 1.001, 1.0).params) == 0
    fit = Logit(y, x).fit_regularized(pull[-1] * 0.999, 1.0)
    assert np.count_nonzero(fit.params) == 1
    assert kkt(fit, pull[-1] * 0.999, 1.0) < 1e-12


def test_columns_of_very_different_size(rng):
    scales = np.array([1.0, 1e6, 1e-6, 1.0])
    x, y = binary(rng, n=200)
    alpha = np.array([0.0, 0.02, 0.02, 0.02])
    plain = Logit(y, x).fit_regularized(alpha, 1.0)
    scaled = Logit(y, x * scales).fit_regularized(alpha * scales, 1.0)
    np.testing.assert_allclose(scaled.params * scales, plain.params, rtol=1e-9)


def test_one_alpha_leaves_a_dispersion_free(rng):
    x = np.column_stack([np.ones(100), rng.normal(size=100)])
    y = rng.poisson(np.exp(0.5 + 0.5 * x[:, 1]) * rng.gamma(2.0, 0.5, 100)).astype(float)
    model = GLM(y, x, "negative_binomial")
    fit = model.fit_regularized(0.05, 0.5)
    assert kkt(fit, np.array([0.05, 0.05, 0.0]), 0.5) < 1e-10
    again = model.fit_regularized(0.05, 0.5, start_params=fit.params)  # in natural units
    assert len(again.fit_history["nll"]) == 1
    np.testing.assert_allclose(again.params, fit.params, rtol=1e-9)


def test_no_penalty_is_maximum_likelihood_and_hardly_any_lasso_is_ridge(rng):
    x, y = binary(rng)
    np.testing.assert_allclose(Logit(y, x).fit_regularized(0.0).params, Logit(y, x).fit().params)
    near = [Logit(y, x).fit_regularized(0.1, share).params for share in (0.0, 1e-12)]
    np.testing.assert_allclose(*near, rtol=1e-9)


def test_results_keep_names_and_have_no_standard_errors(rng):
    x, y = binary(rng)
    fit = Logit(y, pd.DataFrame(x, columns=list("abcd"))).fit_regularized(0.01, 0.5)
    assert list(fit.params.index) == list("abcd")
    np.testing.assert_allclose(fit.llf, Logit(y, x).likelihood()(fit.coef)[0] * -1, rtol=1e-12)
    with pytest.raises(AttributeError, match="A penalised fit has no standard errors"):
        _ = fit.bse


@pytest.mark.parametrize("name", ["firth", "elastic net"])
def test_saved_results_keep_the_penalty_without_the_rows(rng, name, tmp_path):
    x, y = binary(rng)
    model = Logit(y, x)
    fit = model.fit(method="firth") if name == "firth" else model.fit_regularized(0.01, 0.5)
    fit.save(tmp_path / "r.pickle")
    assert x[:, 1].tobytes()[:64] not in (tmp_path / "r.pickle").read_bytes()
    assert x.tobytes()[:64] not in (tmp_path / "r.pickle").read_bytes()
    loaded = load(tmp_path / "r.pickle")
    assert (loaded.method, loaded.penalty) == (name, fit.penalty)
    ready = loaded.optimum.penalty.on(model.likelihood())
    objective = Penalised(model.likelihood(), ready)
    assert ready.lasso is not None or np.abs(objective(fit.coef)[1]).max() < 1e-8
    total = objective(fit.coef)[0] + (0 if ready.lasso is None else ready.lasso @ abs(fit.coef))
    np.testing.assert_allclose(total, fit.fit_history["nll"][-1], rtol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_too_few_iterations_warn(rng, share):
    x, y = binary(rng)
    with pytest.warns(ConvergenceWarning, match="made all of 1 iterations"):
        fit = Logit(y, x).fit_regularized(0.01, share, maxiter=1)
    assert not fit.converged


@pytest.mark.parametrize("alpha", [-0.1, np.nan, np.inf, [0.1, 0.1], [0.1, 0.1, 0.1, -1.0]])
def test_alpha_is_checked(rng, alpha):
    x, y = binary(rng)
    with pytest.raises(ValueError, match="Expected alpha to be one number or 4"):
        Logit(y, x).fit_regularized(alpha)


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan, [0.5, 0.5]])
def test_the_share_of_the_lasso_is_checked(rng, share):
    x, y = binary(rng)
    with pytest.raises(ValueError, match="Expected L1_wt to be a number from 0 to 1"):
        Logit(y, x).fit_regularized(0.1, share)


def test_rows_in_batches(rng):
    x, y = binary(rng, n=500)
    batches = [(y[:200], x[:200]), (y[200:], x[200:])]
    model, alpha = GLM.from_batches(batches, "bernoulli"), np.r_[0.0, np.full(3, 0.03)]
    whole = Logit(y, x).fit_regularized(alpha, 0.7)
    np.testing.assert_allclose(model.fit_regularized(alpha, 0.7).params, whole.params, rtol=1e-9)
    with pytest.raises(ValueError, match=r"not in batches.*<family bernoulli.*>, in batches"):
        model.fit(method="firth")
