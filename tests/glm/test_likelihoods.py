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
    np.testing.assert_allclose(found.scale_ml, want["full"]["phi"], rtol=1e-9)
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
    value = once.family.with_dispersion(once.scale_ml)[parameter]
    raw = once.family.links[parameter].forward(np.float64(value))
    np.testing.assert_allclose(twice.params.iloc[-1], raw, rtol=1e-7)
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


# ---- tests of nested models ---------------------------------------------------------------------


def test_tests_of_quasi_likelihoods_use_the_dispersion_of_the_table():
    y, x = columns("gamma")
    fits = [
        GLM(y, x[names], "poisson").fit(scale="X2")
        for names in (["const", "INCOME", "SOUTH"], ["const", "SOUTH"], ["const"])
    ]
    want = R["answers"]["quasi"]
    np.testing.assert_allclose(fits[0].scale, want["scale"], rtol=1e-7)
    np.testing.assert_allclose(fits[0].compare_lr_test(fits[1])[1], want["pvalue"], rtol=1e-6)
    np.testing.assert_allclose(fits[0].compare_lr_test(fits[2])[1], want["null_pvalue"], rtol=1e-6)
    plain = GLM(y, x[["const", "INCOME", "SOUTH"]], "poisson").fit()
    np.testing.assert_allclose(fits[0].llr * fits[0].scale, plain.llr, rtol=1e-9)
    degrees = fits[0].df_model, plain.df_model
    assert degrees == (2, 2)
    np.testing.assert_allclose(fits[0].llr_pvalue, want["null_pvalue"], rtol=1e-6)
    assert pn.compare(fits[0], fits[1]).tests.empty  # it has no likelihood


def test_robust_covariances_warn_as_statsmodels_does():
    from statsmodels.tools.sm_exceptions import InvalidTestWarning

    x = sm.add_constant(CARS[["wt", "hp"]])
    for test in ("compare_lr_test", "compare_f_test"):
        large, small = OLS(CARS.mpg, x).fit(cov_type="HC1"), OLS(CARS.mpg, x.iloc[:, :2]).fit()
        with pytest.warns(InvalidTestWarning, match=r"covariance, HC1, does not: use wald_test"):
            found = getattr(large, test)(small)
        peers = [sm.OLS(CARS.mpg, z).fit(cov_type="HC1") for z in (x, x.iloc[:, :2])]
        with pytest.warns(InvalidTestWarning):
            want = getattr(peers[0], test)(peers[1])
        np.testing.assert_allclose(found[:2], want[:2], rtol=1e-8)
    binary = pn.glm.Logit(CARS.mpg > 20, x.iloc[:, :2]).fit(cov_type="HC0")
    with pytest.warns(InvalidTestWarning, match="HC0"):
        _ = binary.llr_pvalue
    assert "LLR" not in binary.summary().as_text()
    notes = pn.compare({"robust": large, "small": small}).notes
    assert any("standard errors of 'robust' do not" in note for note in notes)


def poisson(design=("const", "wt", "hp"), rows=slice(None), **options):
    data = CARS.assign(const=1.0, count=(CARS.mpg // 3), both=CARS.wt + 2 * CARS.hp)[rows]
    given = {name: values[rows] for name, values in options.items()}
    return GLM(data["count"], data[list(design)], "poisson", **given).fit()


@pytest.mark.parametrize(
    ("small", "message"),
    [
        ({"offset": CARS.hp / 1000 - CARS.wt**2}, "Received: its offset"),
        ({"freq_weights": np.ones(32)}, None),
        ({"freq_weights": np.tile([0.5, 1.5], 16)}, "same freq_weights"),
        ({"var_weights": 1.0 + CARS.index / 40}, "same var_weights"),
        ({"rows": slice(None, None, -1)}, "same responses"),
        ({"rows": slice(1, None)}, "same rows, family and link"),
        ({"design": ("const", "mpg")}, "Received: 'mpg', which is not"),
        ({"design": ("const", "both")}, None),
        ({"offset": CARS.wt}, None),
    ],
)
def test_models_that_are_not_nested_are_refused(small, message):
    large = poisson()
    small = poisson(**{"design": ("const", "wt"), **small})
    if message is None:
        statistic, _, df = large.compare_lr_test(small)
        assert (statistic >= 0, df) == (True, 3 - len(small.coef))
        np.testing.assert_allclose(statistic, 2 * (large.llf - small.llf), rtol=1e-9)
        return
    with pytest.raises(ValueError, match=message):
        large.compare_lr_test(small)


def test_other_parameters_are_nested_too():
    x = sm.add_constant(CARS[["wt", "hp"]])
    both = GLM(CARS.mpg, x, designs={"scale": x}).fit()
    for name, nested in (("wt", True), ("wave", False)):
        z = pd.DataFrame({"const": 1.0, name: x.wt if nested else np.sin(x.hp)})
        other = GLM(CARS.mpg, x.iloc[:, :2], designs={"scale": z}).fit()
        if nested:
            assert both.compare_lr_test(other)[2] == 2
        else:
            with pytest.raises(ValueError, match="its columns of 'scale' in the span"):
                both.compare_lr_test(other)
    assert both.compare_lr_test(OLS(CARS.mpg, x).fit())[2] == 2
    counts = CARS.assign(count=CARS.mpg // 3)
    free = GLM(counts["count"], x, pn.families.get("negative_binomial"), fixed={"dispersion": 0.1})
    fixed = GLM(counts["count"], x.iloc[:, :2], "negative_binomial", fixed={"dispersion": 0.2})
    with pytest.raises(ValueError, match=r"of 'dispersion' in the span.*its offset"):
        free.fit().compare_lr_test(fixed.fit())


def test_given_dispersions_must_be_one():
    x = sm.add_constant(CARS[["wt", "hp"]])
    large = GLM(CARS.mpg, x, "gamma").fit(scale=0.02)
    small = GLM(CARS.mpg, x.iloc[:, :2], "gamma")
    with pytest.raises(ValueError, match=r"at the dispersion of this one, 0\.02"):
        large.compare_lr_test(small.fit())
    statistic, _, df = large.compare_lr_test(small.fit(scale=0.02))
    want = (small.fit().deviance - large.deviance) / 0.02
    np.testing.assert_allclose((statistic, df), (want, 1), rtol=1e-8)


def test_a_fit_that_ended_early_is_not_more_likely():
    large, small = poisson(), poisson(("const", "wt"))
    large.coef = large.coef * [1.1, 1.0, 1.0]
    with pytest.raises(ValueError, match="a fit ended before its maximum"):
        large.compare_lr_test(small)


def test_compare_tests_no_models_of_other_offsets_with_the_same_mean():
    mean = float(np.mean(CARS.wt - CARS.wt.mean()))
    one = poisson(offset=CARS.wt - CARS.wt.mean() + 1.0)
    two = poisson(("const", "wt"), offset=CARS.hp * 0.0 + 1.0 + mean)
    assert pn.compare(one, two).tests.empty
    same = poisson(("const", "wt"), offset=CARS.wt - CARS.wt.mean() + 1.0)
    assert [*pn.compare(one, same).tests["test"]] == ["likelihood ratio"]


def test_models_of_batches_are_nested_by_names():
    def batches(names):
        data = CARS.assign(const=1.0)
        y, x = CARS.mpg // 3, data[list(names)]
        parts = [(y[:16], x[:16]), (y[16:], x[16:])]
        return GLM.from_batches(parts, "poisson").fit(verbose=False)

    found = batches(("const", "wt", "hp")).compare_lr_test(batches(("const", "wt")))
    want = poisson().compare_lr_test(poisson(("const", "wt")))
    np.testing.assert_allclose(found, want, rtol=1e-6)
    with pytest.raises(ValueError, match=r"among the larger one's.*mpg"):
        batches(("const", "wt", "hp")).compare_lr_test(batches(("const", "mpg")))


@pytest.mark.parametrize("family", ["normal", "gamma", pn.families.Normal(link="log")])
def test_rows_of_var_weight_0_tell_nothing_of_the_likelihood(family):
    x, weights = sm.add_constant(CARS[["wt", "hp"]]), np.linspace(0.5, 2.0, len(CARS))
    link = "log" if family == "gamma" else None
    weights[:9] = 0.0
    found = GLM(CARS.mpg, x, family, link, var_weights=weights).fit()
    want = GLM(CARS.mpg[9:], x[9:], family, link, var_weights=weights[9:]).fit()
    for name in ("llf", "llnull", "aic", "scale_ml", "llr"):
        np.testing.assert_allclose(getattr(found, name), getattr(want, name), rtol=1e-9)
    assert np.isfinite(found.predict_distribution().stddev()).all()
