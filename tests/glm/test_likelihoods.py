"""Likelihoods that are compared: at their maximum over the dispersion, against R."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import probnn as pn
from probnn.glm import GLM, OLS

R = json.loads((Path(__file__).parents[1] / "references" / "dispersion.json").read_text())
CARS = pd.DataFrame(R["cars"])
LINKS = {"gamma": "log", "inverse_gaussian": "log", "normal": "identity"}


def columns(name):
    if name == "inverse_gaussian":
        return CARS.mpg, sm.add_constant(CARS[["wt", "hp"]])
    loaded = sm.datasets.cpunish.load_pandas()
    return loaded.endog, sm.add_constant(loaded.exog)


@pytest.mark.parametrize("name", LINKS)
def test_log_likelihoods_are_at_their_maximum_over_the_dispersion(name):
    y, x = columns(name)
    want = R["answers"][name]
    found = GLM(y, x, name, LINKS[name]).fit()
    for kind, value in (("full", found.llf), ("null", found.llnull)):
        np.testing.assert_allclose(value, want[kind]["llf"], rtol=1e-9)
    np.testing.assert_allclose(found.scale_ml, want["full"]["phi"], rtol=1e-6)
    np.testing.assert_allclose(found.scale, want["full"]["pearson"], rtol=1e-6)
    at_pearson = found.llf_scaled(found.scale)
    np.testing.assert_allclose(at_pearson, want["full"]["at_pearson"], rtol=1e-6)
    uncounted = 2.0 * (name == "normal")  # the variance of a linear model, as in statsmodels
    np.testing.assert_allclose(found.aic + uncounted, want["full"]["aic"], rtol=1e-9)
    assert found.aic + uncounted == pytest.approx(want["full"]["printed"], abs=0.05)
    llr = 2 * (want["full"]["llf"] - want["null"]["llf"])
    np.testing.assert_allclose(found.llr, llr, rtol=1e-8)


@pytest.mark.parametrize(
    ("family", "parameter"),
    [
        ("gamma", "shape"),
        (pn.families.InverseGaussian(link="log"), "shape"),
        (pn.families.Tweedie(1.5), "dispersion"),
        (pn.families.Normal(link="log"), "scale"),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_one_model_written_twice_has_one_likelihood_and_aic(family, parameter, weighted):
    x = sm.add_constant(CARS[["wt", "hp"]] / [1.0, 100.0])
    weights = {"freq_weights": 1.0 + np.arange(len(x)) % 2} if weighted else {}
    once = GLM(CARS.mpg, x, family, **weights).fit()
    names = {"designs": {parameter: np.ones((len(x), 1))}}
    twice = GLM(CARS.mpg, x, family, **names, **weights).fit()
    np.testing.assert_allclose(once.llf, twice.llf, rtol=1e-9)
    np.testing.assert_allclose([once.aic, once.bic], [twice.aic, twice.bic], rtol=1e-9)
    np.testing.assert_allclose(once.llnull, twice.llnull, rtol=1e-9)


def test_a_constant_alone_is_its_own_null_model():
    for model in (
        OLS(CARS.mpg, np.ones(len(CARS))),
        GLM(CARS.mpg, np.ones(len(CARS))),
        GLM(CARS.mpg, np.ones(len(CARS)), "gamma", "log"),
    ):
        found = model.fit()
        np.testing.assert_allclose(found.llr, 0.0, atol=1e-8)
        np.testing.assert_allclose(found.pseudo_rsquared("cs"), 0.0, atol=1e-9)


def test_a_given_dispersion_is_where_the_likelihood_is():
    y, x = columns("gamma")
    found = GLM(y, x, "gamma", "log").fit(scale=0.5)
    np.testing.assert_allclose(found.llf, found.llf_scaled(0.5), rtol=1e-12)
    assert found.k_params == 7  # it is not estimated
    assert found.llf < GLM(y, x, "gamma", "log").fit().llf


def test_compare_sets_the_maxima_side_by_side():
    from sklearn.linear_model import GammaRegressor

    y, x = columns("gamma")
    x = (x - x.mean()).assign(const=1.0) / np.maximum(x.std(), 1.0)
    x["const"] = 1.0
    ours = GLM(y, x, "gamma", "log").fit()
    link = sm.families.links.Log()
    peer = sm.GLM(y, x, sm.families.Gamma(link)).fit(tol=1e-14)
    learned = GammaRegressor(alpha=0, tol=1e-10, solver="newton-cholesky")
    learned.fit(x.drop(columns="const"), y)
    models = {"ours": ours, "statsmodels": peer, "sklearn": learned}
    found = pn.compare(models, x=x.drop(columns="const"), y=y)
    frame = found.to_frame()
    for name in found.names:
        value = frame[name, "value"]
        np.testing.assert_allclose(value["log-likelihood"], R["answers"]["gamma"]["full"]["llf"])
        np.testing.assert_allclose(value["AIC"], R["answers"]["gamma"]["full"]["aic"], rtol=1e-6)
    assert found.tests.empty  # they are one model


def test_vuongs_test_is_of_the_maxima():
    y, x = CARS.mpg, sm.add_constant(CARS[["wt", "hp"]])
    fits = GLM(y, x, "gamma", "log").fit(), GLM(y, x, "log_normal").fit()
    (test,) = pn.compare(*fits).tests.itertuples()
    assert test.test == "Vuong z"
    np.testing.assert_allclose(test.gain * len(y), fits[0].llf - fits[1].llf, rtol=1e-9)
    np.testing.assert_allclose(fits[0].aic - fits[1].aic, -2 * test.gain * len(y), rtol=1e-8)
