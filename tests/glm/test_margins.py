"""Marginal effects, against statsmodels, closed forms, and numerical derivatives."""

import warnings
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from tables.peers import NEWTON

import probnn as pn

IRLS = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 200}


@cache
def load(name):
    data = getattr(sm.datasets, name).load_pandas()
    return data.endog, sm.add_constant(data.exog)


def head(name, n, columns):
    y, x = load(name)
    return y[:n], sm.add_constant(x[columns][:n])


def numbers(name):
    """Return a response that is not counted nor classed, with classes of rows besides."""
    y, x = load(name)
    return y, x.iloc[:, :4].assign(high=(x.iloc[:, 2] > x.iloc[:, 2].median()).astype(float))


@cache
def fitted(case):
    """Return the results of both libraries."""
    family = sm.families
    if case == "logit":
        y, x = load("spector")
        return pn.glm.Logit(y, x).fit(), sm.Logit(y, x).fit(**NEWTON)
    if case == "logit HC0":
        y, x = load("spector")
        binomial = sm.GLM(y, x, family.Binomial())
        return pn.glm.Logit(y, x).fit(cov_type="HC0"), binomial.fit(cov_type="HC0", **IRLS)
    if case == "probit":
        y, x = load("spector")
        binomial = family.Binomial(family.links.Probit())
        return (
            pn.glm.GLM(y, x, "bernoulli", "probit").fit(),
            sm.GLM(y, x, binomial).fit(**IRLS),
        )
    if case == "poisson":
        y, x = head("randhie", 3000, ["lncoins", "idp", "physlm", "disea", "hlthf"])
        return pn.glm.GLM(y, x, "poisson").fit(), sm.Poisson(y, x).fit(**NEWTON)
    if case == "negative binomial":
        y, x = head("randhie", 1000, ["lncoins", "idp", "disea"])
        start = pn.glm.GLM(y, x, "negative_binomial").fit()
        peer = sm.NegativeBinomial(y, x).fit(
            start_params=np.asarray(start.params), method="newton", **NEWTON
        )
        return start, peer
    if case == "gamma":
        y, x = numbers("scotland")
        gamma = family.Gamma(family.links.Log())
        return pn.glm.GLM(y, x, "gamma").fit(), sm.GLM(y, x, gamma).fit(**IRLS)
    if case == "normal":
        y, x = numbers("scotland")
        return pn.glm.GLM(y, x).fit(), sm.GLM(y, x).fit()
    if case == "trials":
        y, x = load("star98")
        x = x.iloc[:, :5]
        counts = y.to_numpy()
        return (
            pn.glm.GLM(counts, x.to_numpy(), "bernoulli").fit(),
            sm.GLM(counts, x.to_numpy(), family.Binomial()).fit(**IRLS),
        )
    y, x = load("anes96")
    x = x.assign(young=(x["age"] < 40).astype(float))
    probs = pn.families.Categorical(classes=7)
    return pn.glm.GLM(y, x, probs).fit(), sm.MNLogit(y, x).fit(**NEWTON)


CASES = ["logit", "logit HC0", "probit", "poisson", "negative binomial", "gamma", "normal"]
CASES += ["trials", "classes"]
OPTIONS = [{"at": at} for at in ("mean", "median", "zero")]
OPTIONS += [{"method": method} for method in ("dydx", "eyex", "dyex", "eydx")]
OPTIONS += [{"at": "median", "method": "eyex"}, {"dummy": True}, {"dummy": True, "at": "mean"}]
OPTIONS += [{"dummy": True, "method": "eydx"}, {"count": True, "dummy": True}]
OPTIONS += [{"count": True, "method": "eydx", "at": "mean"}]


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning:statsmodels")
@pytest.mark.parametrize("case", CASES)
def test_equal_statsmodels(case):
    ours, theirs = fitted(case)
    for options in OPTIONS:
        if case == "classes" and ("count" in options or "ex" in options.get("method", "")):
            continue  # statsmodels fails: `test_classes_by_complex_steps`
        a, b = ours.get_margeff(**options), theirs.get_margeff(**options)
        names = ("margeff", "margeff_se", "margeff_cov", "tvalues", "pvalues")
        found = {name: (getattr(a, name), getattr(b, name)) for name in names}
        found["conf_int"] = a.conf_int(0.1), b.conf_int(0.1)
        found["summary_frame"] = a.summary_frame(0.1), b.summary_frame(0.1)
        for name, (one, other) in found.items():
            one, other = np.asarray(one), np.asarray(other)
            assert one.shape == other.shape, name
            floor = 1e-10 * np.abs(other).max() if name == "margeff_cov" else 1e-14
            message = f"{name} with {options}"
            np.testing.assert_allclose(one, other, rtol=1e-8, atol=floor, err_msg=message)


def test_every_row_equals_statsmodels():
    for case in ("logit", "poisson", "classes"):
        ours, theirs = fitted(case)
        for dummy in (False, True):
            a = ours.get_margeff(at="all", dummy=dummy)
            b = theirs.get_margeff(at="all", dummy=dummy)
            np.testing.assert_allclose(a.margeff, b.margeff, rtol=1e-8, atol=1e-13)
    with pytest.raises(ValueError, match=r"Expected at='overall', .* Received: at='all'"):
        _ = a.margeff_se


def test_tables_equal_statsmodels():
    ours, theirs = (results.get_margeff() for results in fitted("logit"))
    text = ours.summary().as_text().split("\n\nEach column of X")[0]
    assert text == theirs.summary().as_text()
    pd.testing.assert_frame_equal(ours.summary_frame(), theirs.summary_frame(), rtol=1e-8)
    ours, theirs = (results.get_margeff(dummy=True) for results in fitted("classes"))
    assert ours.summary(0.1).tables[1].as_text() == theirs.summary(0.1).tables[1].as_text()
    pd.testing.assert_frame_equal(ours.summary_frame(), theirs.summary_frame(), rtol=1e-8)


def test_arrays_have_names_where_the_data_had():
    ours = fitted("logit")[0]
    margins = ours.get_margeff()
    assert [*margins.margeff.index] == ["GPA", "TUCE", "PSI"] == [*margins.margeff_cov.columns]
    assert margins.conf_int().loc["PSI"].tolist() == sorted(margins.conf_int().loc["PSI"])
    every = ours.get_margeff(at="all").margeff
    assert [*every.columns] == ["GPA", "TUCE", "PSI"]
    assert [*every.index] == [*ours.mu.index]
    classes = fitted("classes")[0].get_margeff()
    assert [*classes.margeff.columns] == list(range(7))
    assert classes.margeff_cov.columns[6] == "logpopul [1]"
    assert isinstance(fitted("trials")[0].get_margeff().margeff, np.ndarray)


def by_complex_steps(results, effects):
    """Return effects (of coefficients), and standard errors by numerical derivatives."""
    from statsmodels.tools.numdiff import approx_fprime_cs

    jacobian = approx_fprime_cs(results.coef, effects)
    return effects(results.coef), np.sqrt(np.diag(jacobian @ results._cov @ jacobian.T))


def softmax(coef, x):
    eta = x @ coef.reshape(6, -1).T
    odds = np.exp(np.column_stack([0 * eta[:, :1], eta]))
    return odds / odds.sum(axis=1, keepdims=True)


def class_effects(coef, x, method):
    p = softmax(coef, x)
    b = np.column_stack([np.zeros(x.shape[1]), coef.reshape(6, -1).T])
    effects = b - (p @ b.T)[:, :, None]
    effects = effects if "ey" in method else effects * p[:, None, :]
    effects = effects * x[:, :, None] if "ex" in method else effects
    return effects.mean(axis=0)[1:].ravel(order="F")


def class_counts(coef, x, method):
    assert method == "dydx"
    effects = []
    for j in (2, 4, 5):  # selfLR, educ and income are counts, and are not 0 and 1
        up, down = x.copy(), x.copy()
        up[:, j] += 1
        down[:, j] -= 1
        effects.append((softmax(coef, up) - softmax(coef, down)).mean(axis=0) / 2)
    return np.array(effects).ravel(order="F")


@pytest.mark.parametrize(
    ("effects", "options", "columns"),
    [
        (class_effects, {"method": "eyex"}, slice(None)),
        (class_effects, {"method": "dyex"}, slice(None)),
        (class_counts, {"count": True, "method": "dydx"}, [1, 3, 4]),
    ],
)
def test_classes_by_complex_steps(effects, options, columns):
    results = fitted("classes")[0]
    margins = results.get_margeff(**options)
    known, se = by_complex_steps(
        results, partial(effects, x=results.model.X, method=options["method"])
    )
    found = np.asarray(margins.margeff)[columns], np.asarray(margins.margeff_se)[columns]
    np.testing.assert_allclose(found[0].ravel(order="F"), known, rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(found[1].ravel(order="F"), se, rtol=1e-8)


@pytest.mark.parametrize("at", ["overall", "mean", "median", "zero"])
def test_offset_stays_in_the_predictor(at):
    y, x = head("randhie", 1000, ["lncoins", "physlm"])
    exposure = np.linspace(0.5, 2.0, 1000)
    results = pn.glm.GLM(y, x, "poisson", exposure=exposure).fit()
    x, offset = x.to_numpy(), np.log(exposure)
    place = {"mean": np.mean, "median": np.median}.get(at)
    if place:
        x, offset = place(x, axis=0)[None], place(offset)
    elif at == "zero":
        x, offset = np.array([[1.0, 0, 0]]), 0.0

    def effects(coef):
        return np.mean(np.exp(x @ coef + offset)) * coef[1:]

    known, se = by_complex_steps(results, effects)
    margins = results.get_margeff(at)
    np.testing.assert_allclose(margins.margeff, known, rtol=1e-10)
    np.testing.assert_allclose(margins.margeff_se, se, rtol=1e-10)


def test_designs_of_other_parameters_keep_their_values(rng):
    """The mean of this family depends on both parameters, and so do its effects."""

    class Wide(pn.families.Normal):
        name = "wide"

        def mean(self, loc, scale):
            return loc * loc * scale

    x = np.column_stack([np.ones(300), rng.normal(size=300), rng.integers(0, 2, 300)])
    y = x @ [1.0, 0.5, -0.5] + np.exp(0.3 * x[:, 1]) * rng.normal(size=300)
    results = pn.glm.GLM(y, x, Wide(), designs={"scale": x[:, :2]}).fit()

    def effects(coef, dummy):
        loc, scale = x @ coef[:3], np.exp(x[:, :2] @ coef[3:])
        first, second = (np.mean(2.0 * loc * scale) * coef[j] for j in (1, 2))
        if dummy:
            zero = loc - x[:, 2] * coef[2]
            second = np.mean(((zero + coef[2]) ** 2 - zero**2) * scale)
        return np.array([first, second])

    for dummy in (False, True):
        margins = results.get_margeff(dummy=dummy)
        known, se = by_complex_steps(results, partial(effects, dummy=dummy))
        np.testing.assert_allclose(margins.margeff, known, rtol=1e-10)
        np.testing.assert_allclose(margins.margeff_se, se, rtol=1e-10)


def test_a_constant_parameter_is_differentiated_in_natural_units():
    """The mean of this family depends on the dispersion, which is among `params`."""

    class Shifted(pn.families.NegativeBinomial):
        name = "shifted"

        def mean(self, mean, dispersion):
            return mean * dispersion

    y, x = head("randhie", 500, ["lncoins", "disea"])
    results = pn.glm.GLM(y, x, Shifted()).fit()
    margins = results.get_margeff()

    def effects(raw):  # raw[-1] is the logarithm of the dispersion
        return np.mean(np.exp(x.to_numpy() @ raw[:3] + raw[3])) * raw[1:3]

    # In raw coefficients the observed information is the whole story.
    from statsmodels.tools.numdiff import approx_fprime_cs

    jacobian = approx_fprime_cs(results.coef, effects)
    cov = jacobian @ results.normalized_cov_params @ jacobian.T
    np.testing.assert_allclose(margins.margeff, effects(results.coef), rtol=1e-10)
    np.testing.assert_allclose(margins.margeff_cov, cov, rtol=1e-8)


def test_rows_are_taken_in_blocks(monkeypatch):
    from probnn.fitting import likelihood

    results = fitted("poisson")[0]
    whole = [results.get_margeff(at, dummy=True) for at in ("overall", "all")]
    monkeypatch.setattr(likelihood, "_NUMBERS", 1)
    for margins in whole:
        again = results.get_margeff(margins.at, dummy=True)
        # 3,000 terms in another order: up to as many units of rounding.
        np.testing.assert_allclose(again.margeff, margins.margeff, rtol=1e-12)
    np.testing.assert_allclose(
        results.get_margeff(dummy=True).margeff_cov, whole[0].margeff_cov, rtol=1e-12
    )


def test_frequencies_do_not_count_and_a_warning_says_so():
    y, x = load("spector")
    results = pn.glm.Logit(y, x, freq_weights=np.arange(1.0, 33.0)).fit()
    with pytest.warns(UserWarning, match="each row once, whatever its freq_weights"):
        margins = results.get_margeff()
    mu = np.asarray(results.mu)
    np.testing.assert_allclose(
        margins.margeff, np.mean(mu * (1 - mu)) * results.params[1:], rtol=1e-12
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results.get_margeff("zero")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": "means"}, "Expected at to be one of overall, .* Received: 'means'"),
        ({"method": "dxdy"}, "Expected method to be one of dydx, .* Received: 'dxdy'"),
        ({"dummy": True, "method": "eyex"}, "for dummy=True or count=True. .* method='eyex'"),
        ({"count": True, "at": "median"}, "for dummy=True or count=True. .* at='median'"),
    ],
)
def test_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        fitted("logit")[0].get_margeff(**options)


def test_logarithm_of_a_negative_mean():
    results = pn.glm.OLS([-1.0, 0.0, 2.0], np.array([[1.0, 0], [1, 1], [1, 2]])).fit()
    np.testing.assert_allclose(results.get_margeff().margeff, [1.5])
    with pytest.raises(ValueError, match=r"Expected positive means.* Use method='dydx' or 'dyex'"):
        results.get_margeff(method="eydx")


def test_a_penalised_fit_has_effects_without_errors():
    y, x = load("spector")
    margins = pn.glm.Logit(y, x).fit_regularized(alpha=0.1).get_margeff()
    assert np.isfinite(margins.margeff).all()
    with pytest.raises(AttributeError, match="penalised fit has no standard errors"):
        _ = margins.margeff_se
