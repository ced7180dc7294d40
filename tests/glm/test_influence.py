"""Influence, against statsmodels, and against fits without each row."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import probnn as pn
from probnn.glm.results.influence import Influence, OLSInfluence

IRLS = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 200}
LINEAR = ("hat_matrix_diag", "resid_studentized", "resid_studentized_internal", "ess_press")
LINEAR += ("resid_studentized_external", "resid_press", "cooks_distance", "dffits", "dfbeta")
LINEAR += ("dffits_internal", "dfbetas", "cov_ratio", "sigma2_not_obsi", "params_not_obsi")
GENERAL = ("hat_matrix_diag", "hat_matrix_exog_diag", "resid_studentized", "d_params", "dfbetas")
GENERAL += ("params_one", "cooks_distance", "d_linpred", "d_linpred_scaled", "d_fittedvalues")
GENERAL += ("d_fittedvalues_scaled",)


@cache
def load(name):
    data = getattr(sm.datasets, name).load_pandas()
    return data.endog, sm.add_constant(data.exog)


def regression(name, seed=0):
    y, x = load(name)
    return y, x, np.random.default_rng(seed).uniform(0.5, 3.0, len(y))


def equal(ours, theirs, names, rtol=1e-8, but=()):
    for name in (*names, "summary_frame"):
        if name in but:
            continue
        one, other = getattr(ours, name), getattr(theirs, name)
        if name == "summary_frame":
            one, other = one(), other()
            pd.testing.assert_index_equal(one.columns, other.columns)
            pd.testing.assert_index_equal(one.index, other.index)
        one, other = (v if isinstance(v, tuple) else (v,) for v in (one, other))
        assert len(one) == len(other), name
        for a, b in zip(one, other, strict=True):
            a, b = np.asarray(a), np.asarray(b)
            size = np.abs(b).max(axis=0, initial=1e-300)
            assert a.shape == b.shape, name
            np.testing.assert_allclose(a / size, b / size, rtol=rtol, atol=rtol, err_msg=name)


@pytest.mark.parametrize("name", ["stackloss", "scotland", "ccard"])
def test_linear_equals_statsmodels(name):
    y, x, _ = regression(name)
    equal(pn.glm.OLS(y, x).fit().get_influence(), sm.OLS(y, x).fit().get_influence(), LINEAR)


def test_linear_with_weights_equals_rows_times_their_roots():
    y, x, weights = regression("stackloss")
    root = np.sqrt(weights)
    theirs = sm.OLS(y * root, x.mul(root, axis=0)).fit().get_influence()
    ours = pn.glm.OLS(y, x, var_weights=weights).fit().get_influence()
    equal(ours, theirs, LINEAR, but=("resid_press",))
    np.testing.assert_allclose(ours.resid_press * root, theirs.resid_press, rtol=1e-8)


@pytest.mark.parametrize("kind", [None, "var_weights", "freq_weights"])
def test_linear_equals_leaving_one_out(kind):
    y, x, weights = regression("stackloss")
    y, x = y.to_numpy(), x.to_numpy()
    weights = np.ceil(weights) if kind == "freq_weights" else weights
    given = {} if kind is None else {kind: weights}
    full = pn.glm.OLS(y, x, **given).fit()
    influence = full.get_influence()
    for i in range(len(y)):
        keep = np.arange(len(y)) != i
        part = pn.glm.OLS(y[keep], x[keep], **{k: w[keep] for k, w in given.items()}).fit()
        change = full.params - part.params
        cov = full.mse_resid * full.normalized_cov_params
        known = {
            "dfbeta": change,
            "params_not_obsi": part.params,
            "sigma2_not_obsi": part.mse_resid,
            "resid_press": y[i] - x[i] @ part.params,
            "cov_ratio": np.linalg.det(part.cov_params()) / np.linalg.det(cov),
            "d_linpred": x[i] @ change,
        }
        for name, value in known.items():
            np.testing.assert_allclose(getattr(influence, name)[i], value, rtol=1e-8, err_msg=name)
        distance = change @ np.linalg.solve(cov, change) / len(change)
        np.testing.assert_allclose(influence.cooks_distance[0][i], distance, rtol=1e-8)
        unit = np.sqrt(x[i] @ full.normalized_cov_params @ x[i])
        np.testing.assert_allclose(
            influence.dffits[0][i], x[i] @ change / (unit * np.sqrt(part.mse_resid)), rtol=1e-8
        )


def test_leverages_of_an_ill_conditioned_design():
    """Longley's condition number is 5e9: exact leverages, from rational arithmetic."""
    from fractions import Fraction

    y, x, _ = regression("longley")
    rows = [[Fraction(float(v)) for v in row] for row in x.to_numpy(float)]
    p = len(rows[0])
    system = [
        [sum(r[i] * r[j] for r in rows) for j in range(p)] + [r[i] for r in rows] for i in range(p)
    ]
    for i in range(p):
        system[i] = [v / system[i][i] for v in system[i]]
        for k in range(p):
            if k != i:
                system[k] = [
                    a - system[k][i] * b for a, b in zip(system[k], system[i], strict=True)
                ]
    exact = [float(sum(r[j] * system[j][p + i] for j in range(p))) for i, r in enumerate(rows)]
    influence = pn.glm.OLS(y, x).fit().get_influence()
    np.testing.assert_allclose(influence.hat_matrix_diag, exact, rtol=1e-9)


@cache
def fitted(case):
    """Return the results of both libraries."""
    family = sm.families
    if case in ("logit", "probit", "clusters"):
        y, x = load("spector")
        link = family.links.Probit() if case == "probit" else None
        kwds = {"cov_type": "cluster", "cov_kwds": {"groups": np.arange(32) // 4}}
        kwds = kwds if case == "clusters" else {}
        name = "probit" if case == "probit" else "logit"
        theirs = sm.GLM(y, x, family.Binomial(link)).fit(**IRLS, **kwds)
        return pn.glm.GLM(y, x, "bernoulli", name).fit(**kwds), theirs
    if case == "trials":
        y, x = load("star98")
        y, x = y.to_numpy(), x.iloc[:, :6].to_numpy()
        theirs = sm.GLM(y, x, family.Binomial()).fit(**IRLS)
        return pn.glm.GLM(y, x, "bernoulli").fit(), theirs
    if case.startswith("gamma"):
        y, x = load("scotland")
        x = (x - x.mean() + (x.std() == 0)) / (x.std() + (x.std() == 0))
        link = {"gamma log": family.links.Log(), "gamma identity": family.links.Identity()}[case]
        weights = np.linspace(0.5, 2.0, len(y))
        ours = pn.glm.GLM(y, x, "gamma", case.split()[1], var_weights=weights).fit()
        return ours, sm.GLM(y, x, family.Gamma(link), var_weights=weights).fit(**IRLS)
    y, x = load("randhie")
    y, x = y[:400], sm.add_constant(x[["lncoins", "disea", "physlm"]][:400])
    if "poisson" in case:
        offset = np.linspace(-1.0, 1.0, 400) if "offset" in case else None
        theirs = sm.GLM(y, x, family.Poisson(), offset=offset).fit(**IRLS)
        return pn.glm.GLM(y, x, "poisson", offset=offset).fit(), theirs
    if case == "negative binomial":
        theirs = sm.GLM(y, x, family.NegativeBinomial(alpha=0.7)).fit(**IRLS)
        return pn.glm.GLM(y, x, "negative_binomial", fixed={"dispersion": 0.7}).fit(), theirs
    y, x, weights = regression("stackloss")
    theirs = sm.GLM(y, x, var_weights=weights).fit(**IRLS)
    return pn.glm.GLM(y, x, "normal", var_weights=weights).fit(), theirs


CASES = ["logit", "probit", "clusters", "trials", "gamma log", "gamma identity", "poisson"]
CASES += ["poisson with offset", "negative binomial", "normal"]


@pytest.mark.filterwarnings(
    "ignore:The Identity link:statsmodels.tools.sm_exceptions.DomainWarning"
)
@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_equal_statsmodels(case, observed):
    ours, theirs = fitted(case)
    ours, theirs = Influence(ours, observed), theirs.get_influence(observed)
    # statsmodels divides by the standard error of a mean without the offset.
    but = ("d_fittedvalues_scaled", "summary_frame") if "offset" in case else ()
    equal(ours, theirs, GENERAL, but=but)
    np.testing.assert_allclose(np.abs(ours.d_fittedvalues_scaled), np.abs(ours.d_linpred_scaled))


def test_results_make_the_class_with_statsmodels_names():
    y, x, _ = regression("stackloss")
    assert type(pn.glm.OLS(y, x).fit().get_influence()) is OLSInfluence
    assert type(pn.glm.GLM(y, x).fit().get_influence()) is Influence
    known = np.asarray(fitted("probit")[1].get_influence().hat_matrix_diag)
    found = fitted("probit")[0].get_influence().hat_matrix_diag
    np.testing.assert_allclose(found, known, rtol=1e-8)  # of the observed information


def test_frequencies_leave_out_all_that_a_row_stands_for():
    y, x = load("spector")
    times = np.array([1.0, 2.0, 3.0, 4.0] * 8)
    ours = pn.glm.Logit(y, x, freq_weights=times).fit()
    model = pn.glm.Logit(y.drop(index=7), x.drop(index=7), freq_weights=np.delete(times, 7))
    exact = ours.params - model.fit().params
    influence = ours.get_influence()
    # One step: the formula in full, and near the change itself.
    mu = np.asarray(ours.mu)
    score = times[7] * (y[7] - mu[7]) * x.to_numpy()[7]
    information = np.einsum("i,ij,ik->jk", times * mu * (1 - mu), x.to_numpy(), x.to_numpy())
    step = np.linalg.solve(information, score) / (1 - influence.hat_matrix_diag[7])
    np.testing.assert_allclose(influence.d_params.loc[7], step, rtol=1e-9)
    np.testing.assert_allclose(step, exact, atol=0.3 * np.abs(exact).max())


def test_arrays_have_names_where_the_data_had():
    y, x, _ = regression("stackloss")
    x.index = y.index = [f"day {i}" for i in range(len(y))]
    influence = pn.glm.OLS(y, x).fit().get_influence()
    assert [*influence.dfbetas.columns] == [*x.columns]
    for values in (influence.dfbetas, influence.cooks_distance[0], influence.resid_press):
        assert [*values.index] == [*x.index]
    bare = pn.glm.OLS(y.to_numpy(), x.to_numpy()).fit().get_influence()
    assert isinstance(bare.dfbetas, np.ndarray)
    np.testing.assert_allclose(bare.dfbetas, influence.dfbetas, rtol=1e-10)


def test_a_row_that_alone_determines_a_coefficient_has_nan():
    y = np.array([1.0, 3.0, 2.0, 5.0, 4.0, 9.0])
    x = np.column_stack([np.ones(6), np.arange(6.0), np.arange(6) == 2])
    influence = pn.glm.OLS(y, x).fit().get_influence()
    assert influence.hat_matrix_diag[2] == pytest.approx(1.0, abs=1e-14)
    for values in (influence.cooks_distance[0], influence.dffits[0], influence.dfbetas[:, 0]):
        assert [*np.isnan(values)] == [False, False, True, False, False, False]


def test_the_last_degree_of_freedom_has_no_variance():
    influence = pn.glm.OLS([0.0, 1.0, 5.0], np.array([[1.0, 0], [1, 1], [1, 2]])).fit()
    influence = influence.get_influence()
    assert np.isnan(influence.resid_studentized_external).all()
    np.testing.assert_allclose(influence.resid_press, [3.0, -1.5, 3.0])


def test_errors(rng):
    x = np.column_stack([np.ones(60), rng.normal(size=60)])
    y = rng.poisson(3.0, 60).astype(float)
    overdispersed = rng.negative_binomial(2.0, 0.3, 60)
    several = pn.glm.GLM(overdispersed, x, "negative_binomial").fit()
    classes = pn.glm.GLM(y % 3, x, pn.families.Categorical(classes=3)).fit()
    for results in (several, classes):
        with pytest.raises(ValueError, match="Expected a model of a single mean"):
            results.get_influence()
    with pytest.raises(ValueError, match="Expected a fit without a penalty"):
        pn.glm.GLM(y, x, "poisson").fit_regularized(alpha=0.1).get_influence()


def test_a_negative_information_is_named():
    x = np.column_stack([np.ones(8), np.arange(8.0)])
    y = np.array([0.1, 2, 1, 3, 2, 30, 2, 4])
    results = pn.glm.GLM(y, x, "gamma", "inverse_squared").fit(start_params=[0.5, -0.05])
    with pytest.raises(ValueError, match=r"positive observed information.*Use observed=False"):
        results.get_influence()
    np.testing.assert_allclose(Influence(results, False).hat_matrix_diag.sum(), 2.0)
