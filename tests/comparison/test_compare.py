"""Comparisons, against statsmodels, scikit-learn, SciPy and computations of the tests' own."""

import ast
import pathlib
import warnings
from functools import cache

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeCV,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from tables.peers import NEWTON

import probnn as pn
from probnn.glm.decision import decision_line

# What each kind of note says; no note is of two kinds.
KINDS = {
    "unconverged": "is not at the optimum",
    "penalised": "is penalised",
    "flexible": "it has no coefficients",
    "transformed": "are not in the units of x",
    "rows": "Numbers of rows differ",
    "responses": "Responses differ",
    "families": "Families differ",
    "measures": "cannot be compared",
    "links": "Links differ",
    "columns": "Columns differ",
    "units": "Units of inputs differ",
    "offsets": "Offsets differ",
    "weights": "Weights differ",
    "counted": "AIC and BIC count all",
    "scales": "Scales, and with them",
    "predictions": "Held-out rows are scored",
    "cov_type": "(cov_type) differ",
    "information": "different information",
    "unexplained": "No cause was found",
    "agree": "All columns agree",
    "test": "in log-likelihood for each row",
    "no test": "No likelihood-ratio test is made",
    "optimistic": "Vuong's test is of the training rows",
    "unscored": "no score",
    "made": "is the head on x alone",
}
IRLS = {"tol": 1e-10, "tol_criterion": "params"}
EXACT = {"C": np.inf, "tol": 1e-10, "solver": "newton-cholesky"}


def kinds(comparison):
    """Return the kinds of notes, those of tests left out."""
    found = []
    for note in comparison.notes:
        (kind,) = [name for name, text in KINDS.items() if text in note]
        found.append(kind)
    return sorted({*found} - {"test", "no test", "optimistic"})


def note(comparison, kind):
    """Return the only note of a kind."""
    (found,) = [text for text in comparison.notes if KINDS[kind] in text]
    return found


@cache
def load(name, n=None, columns=None):
    """Return x, y and the design with a constant."""
    data = getattr(sm.datasets, name).load_pandas()
    x = data.exog if columns is None else data.exog[list(columns)]
    x, y = x[:n].astype("float64"), data.endog[:n]
    return x, y, sm.add_constant(x)


def neuron(x, y, *args, layers=(), epochs=0, **kwargs):
    """Return a network whose inputs are standardised."""
    norm = keras.layers.Normalization()
    norm.adapt(np.asarray(x))
    net = pn.Sequential([keras.Input((x.shape[1],)), norm, *layers, pn.Head(*args, **kwargs)])
    if epochs:
        net.compile(keras.optimizers.Adam(0.05))
        net.fit(x, y, epochs=epochs, verbose=0)
    return net


@cache
def trained():
    """Return a logistic neuron that is not yet at its optimum, and one that is."""
    x, y, _ = load("spector")
    nets = [neuron(x, y, "bernoulli", epochs=3) for _ in range(2)]
    pn.polish(nets[1], x, y)
    return nets


@cache
def hidden():
    """Return a network with a hidden layer, for engel."""
    x, y, _ = load("engel")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4, "tanh")]
    return neuron(x, y, "normal", constant=["scale"], layers=layers, epochs=40)


@cache
def logit():
    _, y, design = load("spector")
    return pn.glm.Logit(y, design).fit()


@cache
def ols():
    _, y, design = load("engel")
    return pn.glm.OLS(y, design).fit()


# ---- the table ----------------------------------------------------------------------------------


def test_logistic_columns_agree_once_the_network_is_polished():
    x, y, design = load("spector")
    peer = sm.Logit(y, design).fit(**NEWTON)
    models = {
        "network": trained()[1],
        "probnn": logit(),
        "statsmodels": peer,
        "glm": sm.GLM(y, design, sm.families.Binomial()).fit(**IRLS),
        "sklearn": LogisticRegression(**EXACT).fit(x, y),
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression(**EXACT)).fit(x, y),
    }
    found = pn.compare(models, x=x, y=y, x_test=x[:20], y_test=y[:20])
    assert kinds(found) == ["agree"]
    assert int(note(found, "agree").split()[-2]) >= 5
    frame = found.to_frame()
    assert list(frame.columns) == [(n, part) for n in models for part in ("value", "se")]
    nll = -stats.bernoulli.logpmf(y[:20], peer.predict(design[:20]))
    for name in models:
        value, se = frame[name, "value"], frame[name, "se"]
        np.testing.assert_allclose(value[:4], peer.params, rtol=1e-4)
        np.testing.assert_allclose(value["log-likelihood"], peer.llf, rtol=1e-9)
        np.testing.assert_allclose(value["AIC"], peer.aic, rtol=1e-9)
        np.testing.assert_allclose(value["BIC"], peer.bic, rtol=1e-9)
        assert value["parameters"] == 4
        assert value["observations"] == 32
        np.testing.assert_allclose(value["held-out NLL"], nll.mean(), rtol=1e-5)
        np.testing.assert_allclose(se["held-out NLL"], nll.std(ddof=1) / np.sqrt(20), rtol=1e-4)
        if name in ("sklearn", "pipeline"):
            assert se[:4].isna().all()
        else:
            np.testing.assert_allclose(se[:4], peer.bse, rtol=1e-4)
    assert "scale" not in frame.index
    assert found.tests.empty


def test_normal_columns_agree_once_the_network_is_polished():
    x, y, design = load("engel")
    net = neuron(x, y, "normal", constant=["scale"], epochs=3)
    assert kinds(pn.compare(net, ols(), x=x, y=y)) == ["unconverged"]
    pn.polish(net, x, y)
    peer = sm.OLS(y, design).fit()
    found = pn.compare(net, ols(), peer, x=x, y=y, names=["net", "ours", "peer"])
    assert kinds(found) == ["agree"]
    frame = found.to_frame()
    for name in found.names:
        np.testing.assert_allclose(frame[name, "value"][:2], peer.params, rtol=1e-5)
        np.testing.assert_allclose(frame[name, "se"][:2], peer.bse, rtol=1e-5)
        np.testing.assert_allclose(frame[name, "value"]["scale"], peer.scale, rtol=1e-5)
        np.testing.assert_allclose(frame[name, "value"]["AIC"], peer.aic, rtol=1e-5)


def test_count_and_gamma_columns_agree():
    x, y, design = load("randhie", 600, ("lncoins", "idp"))
    net = neuron(x, y, "poisson")
    pn.polish(net, x, y)
    found = pn.compare(
        net,
        pn.glm.GLM(y, design, "poisson").fit(),
        sm.Poisson(y, design).fit(**NEWTON),
        sm.GLM(y, design, sm.families.Poisson()).fit(**IRLS),
        PoissonRegressor(alpha=0, tol=1e-10, solver="newton-cholesky").fit(x, y),
        x=x,
        y=y,
        x_test=x[:100],
        y_test=y[:100],
    )
    assert kinds(found) == ["agree"]
    x, y, design = load("scotland", None, ("COUTAX", "UNEMPF", "MOR"))
    link = sm.families.links.Log()
    found = pn.compare(
        pn.glm.GLM(y, design, "gamma").fit(),
        sm.GLM(y, design, sm.families.Gamma(link)).fit(**IRLS),
        x_test=x,
        y_test=y,
    )
    assert kinds(found) == ["agree"]
    assert "scale" in found.to_frame().index


def test_negative_binomial_dispersion_is_one_row():
    _, y, design = load("randhie", 600, ("lncoins", "idp"))
    ours = pn.glm.GLM(y, design, "negative_binomial").fit()
    peer = sm.NegativeBinomial(y, design).fit(
        start_params=np.asarray(ours.params), method="newton", **NEWTON
    )
    fixed = sm.families.NegativeBinomial(alpha=float(np.asarray(ours.params)[-1]))
    glm = sm.GLM(y, design, fixed).fit(**IRLS)
    found = pn.compare(ours, peer, glm, x_test=design[:9], y_test=y[:9])
    frame = found.to_frame()
    np.testing.assert_allclose(frame.loc["dispersion"].iloc[0], peer.params["alpha"], rtol=1e-6)
    np.testing.assert_allclose(frame.loc["dispersion"].iloc[2], peer.params["alpha"], rtol=1e-6)
    first = sm.NegativeBinomial(y, design, loglike_method="nb1").fit(
        method="bfgs", gtol=1e-3, disp=0
    )
    assert kinds(pn.compare(peer, first)) == ["families"]
    values = frame.loc["held-out NLL"].iloc[::2].to_numpy()
    np.testing.assert_allclose(values, values[0], rtol=1e-5)


def test_classes_agree():
    x, y, design = load("anes96", None, ("age", "educ"))
    y = (y > 2).astype(int) + (y > 4)
    peer = sm.MNLogit(y, design).fit(**NEWTON)
    found = pn.compare(
        pn.glm.GLM(y, design, pn.families.Categorical(classes=3)).fit(),
        peer,
        make_pipeline(MinMaxScaler(), LogisticRegression(**EXACT)).fit(x, y),
        x=x,
        y=y,
        x_test=x[:50],
        y_test=y[:50],
    )
    assert kinds(found) == ["agree"]
    frame = found.to_frame()
    assert frame.loc["age [2]"].iloc[0] == pytest.approx(peer.params.loc["age", 1], rel=1e-6)
    assert frame.loc["age [2]"].iloc[3] == pytest.approx(peer.bse.loc["age", 1], rel=1e-5)
    assert frame.loc["parameters"].iloc[4] == 6


def test_estimators_without_data_have_coefficients_alone():
    x, y, _ = load("spector")
    frame = pn.compare(LogisticRegression(**EXACT).fit(x, y), logit()).to_frame()
    np.testing.assert_allclose(frame.iloc[:4, 0], logit().params, rtol=1e-4)
    assert frame.loc[["log-likelihood", "AIC"]].iloc[:, 0].isna().all()


def test_estimator_without_intercept_has_no_constant():
    x, y, _ = load("engel")
    found = pn.compare(LinearRegression(fit_intercept=False).fit(x, y), pn.glm.OLS(y, x).fit())
    assert list(found.to_frame().index[:2]) == ["foodexp", "observations"]


def test_gamma_regressor_is_a_gamma_model():
    x, y, _ = load("scotland", None, ("COUTAX", "UNEMPF"))
    x = (x - x.mean()) / x.std()
    peer = GammaRegressor(alpha=0, tol=1e-10, solver="newton-cholesky").fit(x, y)
    ours = pn.glm.GLM(y, sm.add_constant(x), "gamma").fit()
    found = pn.compare(peer, ours, x=x, y=y)
    assert kinds(found) == ["scales"]
    value = found.to_frame()["GammaRegressor", "value"]
    np.testing.assert_allclose(value[:3], ours.params, rtol=1e-5)
    np.testing.assert_allclose(value["scale"], ours.pearson_chi2 / len(y), rtol=1e-5)


def test_arrays_and_polars_give_the_names_that_frames_do():
    x, y, design = load("spector")
    net = trained()[1]
    arrays = pn.compare(
        {"net": net, "sm": sm.Logit(y.to_numpy(), design.to_numpy()).fit(**NEWTON)},
        x=x.to_numpy(),
        y=y.to_numpy(),
        x_test=x.to_numpy(),
        y_test=y.to_numpy()[:, None],
    )
    assert list(arrays.to_frame().index[:4]) == ["const", "x1", "x2", "x3"]
    # A model of arrays has the names of x, and one of a frame is scored on arrays by position.
    mixed = pn.compare(
        {
            "net": net,
            "sm": sm.Logit(y.to_numpy(), design.to_numpy()).fit(**NEWTON),
            "ours": logit(),
        },
        x=pl.from_pandas(x),
        y=pl.from_pandas(y),
        x_test=x.to_numpy(),
        y_test=y,
    )
    assert list(mixed.to_frame().index[:4]) == ["const", *x.columns]
    assert kinds(arrays) == kinds(mixed) == ["agree"]


def test_formulas_are_scored_on_a_data_frame():
    data = sm.datasets.fair.load_pandas().data[::4]
    data = data.assign(some=(data.affairs > 0).astype(float))
    formula = "some ~ age + C(religious)"
    found = pn.compare(
        pn.glm.logit(formula, data).fit(),
        smf.logit(formula, data).fit(**NEWTON),
        x_test=data[:300],
        y_test=data.some[:300],
    )
    assert kinds(found) == ["agree"]
    assert found.to_frame().index[0] == "const"


def test_saved_results_are_compared(tmp_path):
    logit().save(tmp_path / "results")
    again = pn.glm.load(tmp_path / "results")
    found = pn.compare(logit(), again)
    assert kinds(found) == ["agree"]
    assert note(found, "agree") == "All columns agree to 15 digits."


# ---- why columns differ -------------------------------------------------------------------------


def _spector(*models, **kwargs):
    x, y, _ = load("spector")
    return pn.compare(*models, x=x, y=y, **kwargs)


def _engel(*models, **kwargs):
    x, y, _ = load("engel")
    return pn.compare(*models, x=x, y=y, **kwargs)


def test_unconverged_networks_are_named_with_their_certificate():
    x, y, _ = load("spector")
    net = trained()[0]
    certificate = pn.inference(net, x, y).certificate
    found = _spector(net, logit())
    assert kinds(found) == ["unconverged"]
    text = note(found, "unconverged")
    assert text.startswith("'network' is not")
    for part in (f"{certificate.gap:.3g}", f"{certificate.largest:.2g}", certificate.name):
        assert part in text
    assert text.endswith("Run pn.polish.")


def test_networks_without_an_information_matrix_have_no_standard_errors():
    x, y, _ = load("engel")
    net = neuron(x, y, "normal")
    net.layers[-1].assign_coefficients([[0.0, 0.0]], [5000.0, 3.0])
    found = _engel(net)
    assert kinds(found) == ["unconverged"]
    assert found.to_frame()["network", "se"].isna().all()


def test_networks_on_separated_classes_have_no_optimum():
    x = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
    found = pn.compare(neuron(x, None, "bernoulli"), x=x, y=np.array([0, 0, 1, 1]))
    assert "classes that overlap" in note(found, "unconverged")


def test_estimators_that_ended_early_are_named():
    x, y, design = load("spector")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = LogisticRegression(C=np.inf, max_iter=3).fit(x, y)
        peer = sm.Logit(y, design).fit(disp=0, maxiter=2)
        ours = pn.glm.Logit(y, design).fit(maxiter=2)
    assert kinds(_spector(logit(), few)) == ["unconverged"]
    assert "max_iter=3" in note(pn.compare(logit(), few), "unconverged")
    assert "optimiser" in note(pn.compare(logit(), peer), "unconverged")
    assert "Newton" in note(pn.compare(logit(), ours), "unconverged")
    assert pn.compare(logit(), ours).tests.empty


def test_estimators_of_other_rows_are_named():
    x, y, _ = load("spector")
    scaled = StandardScaler().fit_transform(x)
    found = _spector(logit(), LogisticRegression(**EXACT).fit(scaled, y))
    assert kinds(found) == ["unconverged"]
    assert "other units" in note(found, "unconverged")


def test_penalised_models_are_named():
    x, y, design = load("spector")
    penalised = neuron(x, y, "bernoulli", kernel_regularizer=keras.regularizers.L2(0.01))
    x_engel, y_engel, _ = load("engel")
    cases = {
        "C=1; with C=np.inf it is not": (logit(), LogisticRegression(max_iter=1000).fit(x, y)),
        "kernel_regularizer of": (logit(), penalised),
        "alpha=0.1": (logit(), pn.glm.Logit(y, design).fit_regularized(alpha=0.1)),
        "Firth": (logit(), pn.glm.Logit(y, design).fit(method="firth")),
        "fit_regularized": (logit(), sm.Logit(y, design).fit_regularized(alpha=0.1, disp=0)),
    }
    for text, models in cases.items():
        found = _spector(*models)
        assert kinds(found) == ["penalised"], text
        assert f"({text}" in note(found, "penalised")
        value = found.to_frame().xs("value", axis=1, level=1)
        assert value.loc["AIC"].isna().tolist() == [False, True], text
        assert value.loc["log-likelihood"].iloc[0] > value.loc["log-likelihood"].iloc[1]
    gap = pn.inference(penalised, x, y).certificate.gap
    assert f"its mean NLL {gap:.3g} above" in note(_spector(penalised, logit()), "penalised")
    peer = sm.OLS(y, design).fit_regularized(alpha=0.1, L1_wt=0.0)
    found = pn.compare(pn.glm.OLS(y, design).fit(), peer)
    assert kinds(found) == ["penalised", "scales"]
    residuals = y - peer.predict()
    np.testing.assert_allclose(
        found.to_frame().loc["log-likelihood"].iloc[2],
        stats.norm.logpdf(residuals, scale=np.sqrt(np.mean(residuals**2))).sum(),
    )
    for ridge in (Ridge(100_000.0), RidgeCV([100_000.0])):
        linear = LinearRegression().fit(x_engel, y_engel)
        assert kinds(_engel(linear, ridge.fit(x_engel, y_engel))) == ["penalised"]
    # No sentence where it changes no number, nor where all are penalised alike.
    free = SGDClassifier("log_loss", penalty=None, random_state=0).fit(x, y)
    assert "penalised" not in kinds(_spector(logit(), free))
    weak = LogisticRegression(**{**EXACT, "C": 1e12}).fit(x, y)
    assert kinds(_spector(logit(), weak)) == ["agree"]
    alike = [LogisticRegression(tol=1e-8, max_iter=1000).fit(x, y) for _ in range(2)]
    assert kinds(_spector(*alike)) == ["agree"]


def test_searches_are_their_best_estimator():
    x, y, _ = load("spector")
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [1.0]}).fit(x, y)
    found = _spector(search, LogisticRegression(max_iter=1000).fit(x, y))
    assert kinds(found) == ["agree"]
    assert found.names == ["LogisticRegression", "LogisticRegression 2"]


def test_steps_that_are_not_linear_are_named():
    x, y, _ = load("spector")
    plain = LogisticRegression(max_iter=5000).fit(x, y)
    squares = make_pipeline(
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(max_iter=5000),
    ).fit(x, y)
    found = _spector(plain, squares)
    assert kinds(found) == ["transformed"]
    assert "PolynomialFeatures, StandardScaler" in note(found, "transformed")
    bins = KBinsDiscretizer(2, strategy="uniform")
    binned = make_pipeline(bins, LogisticRegression(max_iter=5000)).fit(x, y)
    assert kinds(_spector(plain, binned)) == ["transformed"]
    table = x.assign(group=np.where(x.PSI > 0, "yes", "no"))
    codes = make_column_transformer((OneHotEncoder(), ["group"]), remainder="passthrough")
    coded = make_pipeline(codes, LogisticRegression(max_iter=5000)).fit(table, y)
    for data in ({}, {"x": table, "y": y}):
        found = pn.compare(coded, **data)
        assert "ColumnTransformer" in note(found, "transformed")
        assert "onehotencoder__group_yes" in found.to_frame().index


def test_linear_steps_are_collapsed_without_the_rows_too():
    x, y, _ = load("spector")
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(**EXACT)).fit(x, y)
    frame = pn.compare(pipeline).to_frame()
    np.testing.assert_allclose(frame.iloc[:4, 0], logit().params, rtol=1e-4)
    arrays = pn.compare(pipeline, x=x.to_numpy(), y=y).to_frame()
    np.testing.assert_allclose(arrays.iloc[:5, 0], [*logit().params, 32], rtol=1e-4)


def test_scales_with_other_divisors_are_named():
    x, y, design = load("engel")
    of_n = pn.glm.OLS(y, design).fit(scale="ml")
    found = pn.compare(ols(), of_n)
    assert kinds(found) == ["scales"]
    assert "n - p in 'OLS'; n (maximum likelihood) in 'OLS 2'" in note(found, "scales")
    estimator = LinearRegression().fit(x, y)
    assert kinds(_engel(ols(), estimator)) == ["scales"]
    assert kinds(_engel(of_n, estimator)) == ["agree"]
    given = pn.compare(ols(), pn.glm.OLS(y, design).fit(scale=1.0))
    assert "neither n nor n - p (given" in note(given, "scales")


def test_own_scales_of_networks_are_named_where_they_predict():
    x, y, design = load("engel", 12)
    net = neuron(x, y, "normal", constant=["scale"])
    pn.polish(net, x, y)
    peer = sm.OLS(y, design).fit()
    assert kinds(pn.compare(net, peer, x=x, y=y)) == ["agree"]
    test = load("engel")[0][12:60], load("engel")[1][12:60]
    found = pn.compare(net, peer, x=x, y=y, x_test=test[0], y_test=test[1])
    assert kinds(found) == ["predictions"]
    estimator = LinearRegression().fit(x, y)
    twice = pn.compare(estimator, peer, x=x, y=y, x_test=test[0], y_test=test[1])
    assert kinds(twice) == ["scales"]  # which says it of predictions too
    mean = peer.predict(sm.add_constant(test[0]))
    row = found.to_frame().loc["held-out NLL"]
    for name, total in (("network", 12), ("statsmodels OLS", 10)):
        nll = -stats.norm.logpdf(test[1], mean, np.sqrt(peer.ssr / total))
        np.testing.assert_allclose(row[name, "value"], nll.mean(), rtol=1e-4)


def test_dropped_rows_are_named():
    _, y, design = load("engel")
    holes = design.copy()
    holes.iloc[[3, 8], 1] = np.nan
    ours = pn.glm.OLS(y, holes, missing="drop").fit()
    peer = sm.OLS(y, holes, missing="drop").fit()
    found = pn.compare(ols(), ours, peer)
    assert kinds(found) == ["rows"]
    assert "235 in 'OLS'; 233 in 'OLS 2', 'statsmodels OLS'" in note(found, "rows")
    assert "'OLS 2' dropped 2 with missing values." in note(found, "rows")
    assert "'statsmodels OLS' dropped 2 with missing values." in note(found, "rows")
    assert kinds(pn.compare(ours, peer)) == ["agree"]


def test_other_responses_are_named():
    _, y, design = load("engel")
    found = pn.compare(ols(), pn.glm.OLS(y.to_numpy()[::-1].copy(), design).fit())
    assert kinds(found) == ["responses"]
    assert found.tests.empty


def test_families_and_links_are_named():
    _, y, design = load("spector")
    probit = pn.glm.GLM(y, design, "bernoulli", "probit").fit()
    found = pn.compare(logit(), probit)
    assert kinds(found) == ["links"]
    assert "logit in 'Logit'; probit in 'GLM'" in note(found, "links")
    _, y, design = load("randhie", 600, ("lncoins", "idp"))
    poisson = pn.glm.GLM(y, design, "poisson").fit()
    found = pn.compare(poisson, pn.glm.GLM(y, design, "negative_binomial").fit())
    assert kinds(found) == ["families"]
    assert found.tests.empty  # one is a limit of the other: not for Vuong's test
    found = pn.compare(poisson, pn.glm.OLS(y, design).fit())
    assert kinds(found) == ["families", "links", "measures"]
    assert found.tests.empty


def test_other_columns_are_named():
    x, y, design = load("spector")
    found = pn.compare(logit(), sm.Logit(y, design[["const", "GPA"]]).fit(**NEWTON))
    assert kinds(found) == ["columns"]
    assert note(found, "columns") == "Columns differ: 'TUCE', 'PSI' not in 'statsmodels Logit'."
    bare = pn.compare(pn.glm.Logit(y, x).fit(), logit(), sm.Logit(y, x).fit(**NEWTON))
    expected = "Columns differ: 'const' not in 'Logit', 'statsmodels Logit'."
    assert note(bare, "columns") == expected


def test_other_units_are_named():
    _, y, design = load("engel")
    scaled = design.assign(foodexp=(design.foodexp - 100.0) / 50.0)
    peer = sm.OLS(y, scaled).fit()
    for models in ((ols(), peer), (peer, ols())):
        found = pn.compare(*models)
        assert kinds(found) == ["units"]
        text = note(found, "units")
        assert "'foodexp' in 'statsmodels OLS' is (foodexp - 100) / 50 of that in 'OLS'" in text
        assert "50 times" in text
    np.testing.assert_allclose(peer.params["foodexp"], 50 * ols().params["foodexp"])
    logs = pn.compare(ols(), sm.OLS(y, design.assign(foodexp=np.log(design.foodexp))).fit())
    assert "holds other numbers" in note(logs, "units")


def test_offsets_and_weights_are_named_and_have_no_held_out_score():
    x, y, design = load("engel")
    by = 1.0 / x.iloc[:, 0].to_numpy()
    shifted = pn.glm.OLS(y, design, offset=100.0 * np.sqrt(by)).fit()
    found = pn.compare(ols(), shifted, x_test=x, y_test=y)
    assert kinds(found) == ["offsets", "unscored"]
    assert found.to_frame().loc["held-out NLL"].isna().tolist() == [False, False, True, True]
    weighted = pn.glm.OLS(y, design, weights=by).fit()
    found = pn.compare(ols(), weighted, x_test=x, y_test=y)
    assert kinds(found) == ["unscored", "weights"]
    assert found.tests.empty
    assert kinds(pn.compare(weighted, sm.WLS(y, design, weights=by).fit())) == ["agree"]
    _, counts, design = load("randhie", 600, ("lncoins", "idp"))
    more = sm.Poisson(counts, design, offset=np.linspace(0.0, 1.0, 600)).fit(**NEWTON)
    assert kinds(pn.compare(pn.glm.GLM(counts, design, "poisson").fit(), more)) == ["offsets"]
    few = pn.glm.GLM(counts, design.iloc[:, :2], "poisson").fit()
    assert pn.compare(more, few).tests.empty


def test_kinds_of_standard_errors_are_named():
    _, y, design = load("spector")
    robust = pn.glm.Logit(y, design).fit(cov_type="HC1")
    peer = sm.Logit(y, design).fit(cov_type="HC1", **NEWTON)
    found = pn.compare(logit(), robust, peer)
    assert kinds(found) == ["cov_type"]
    text = note(found, "cov_type")
    assert "nonrobust in 'Logit'; HC1 in 'Logit 2'; HC0 under the name of HC1 in" in text
    zero = pn.glm.Logit(y, design).fit(cov_type="HC0")
    assert kinds(pn.compare(zero, sm.Logit(y, design).fit(cov_type="HC0", **NEWTON))) == ["agree"]


def test_kinds_of_information_are_named_where_they_differ():
    _, y, design = load("spector")
    probit = pn.glm.GLM(y, design, "bernoulli", "probit")
    peer = sm.Probit(y, design).fit(**NEWTON)
    link = sm.families.Binomial(sm.families.links.Probit())
    irls = sm.GLM(y, design, link).fit(**IRLS)
    found = pn.compare(probit.fit(), irls, peer)
    assert kinds(found) == ["information"]
    assert "expected in 'GLM', 'statsmodels GLM'; observed in" in note(found, "information")
    assert kinds(pn.compare(probit.fit(information="observed"), peer)) == ["agree"]
    shrunk = pn.glm.GLM(y, design, "bernoulli", "probit").fit_regularized(alpha=0.1)
    assert kinds(pn.compare(shrunk, peer)) == ["penalised"]
    observed = pn.glm.Logit(y, design).fit(information="observed")
    assert kinds(pn.compare(logit(), observed)) == ["agree"]


def test_scales_that_are_modelled_count_in_aic():
    _, y, design = load("engel")
    spread = design.assign(foodexp=design.foodexp / 1000.0)
    modelled = pn.glm.GLM(y, design, designs={"scale": spread}).fit()
    found = pn.compare(modelled, ols())
    assert kinds(found) == ["columns", "counted"]
    # Two coefficients of the scale against its one number.
    (test,) = found.tests.itertuples()
    assert (test.first, test.second, test.test, test.df) == ("GLM", "OLS", "likelihood ratio", 1)
    np.testing.assert_allclose(test.statistic, 2 * (modelled.llf - ols().llf))


def test_differences_without_a_known_cause_are_said_to_be_so():
    x, y, _ = load("spector")
    rough = LogisticRegression(C=np.inf, tol=1e-2, max_iter=1000).fit(x, y)
    found = _spector(logit(), rough)
    assert kinds(found) == ["unexplained"]
    apart = np.abs(rough.coef_[0] - logit().params[1:]) / np.maximum(
        np.abs(logit().params[1:]), logit().bse[1:]
    )
    digits = int(-np.log10(apart.max()))
    text = note(found, "unexplained")
    assert f"to {digits} digits only: 'Logit', 'LogisticRegression'" in text


def test_models_without_a_likelihood_have_no_score():
    x, y, design = load("engel")
    link = sm.families.links.Log()
    cubic = sm.GLM(y, design, sm.families.Tweedie(link, var_power=2.5)).fit()
    found = pn.compare(ols(), sm.RLM(y, design).fit(), cubic, x_test=x, y_test=y)
    assert kinds(found) == ["families", "links", "unscored"]
    assert "normal in 'OLS'; RLM in 'statsmodels RLM'; tweedie in" in note(found, "families")
    assert found.to_frame().loc["log-likelihood"].isna().tolist()[2]
    assert found.tests.empty


@pytest.mark.parametrize(
    ("family", "theirs"),
    [
        (pn.families.InverseGaussian(), lambda link: sm.families.InverseGaussian(link)),
        (pn.families.Tweedie(1.3), lambda link: sm.families.Tweedie(link, var_power=1.3)),
    ],
)
def test_dispersion_families_of_statsmodels_are_scored(family, theirs):
    x, y, design = load("engel")
    peer = sm.GLM(y, design, theirs(sm.families.links.Log())).fit(**IRLS)
    ours = pn.glm.GLM(y, design, family).fit()
    found = pn.compare(ours, peer, x_test=x, y_test=y).to_frame()
    first, second = found.loc["held-out NLL"].xs("value", level=1)
    np.testing.assert_allclose(first, second, rtol=1e-6)


# ---- tests of two models ------------------------------------------------------------------------


def test_nested_models_have_the_likelihood_ratio_test():
    _, y, design = load("spector")
    small = pn.glm.Logit(y, design[["const", "GPA"]]).fit()
    statistic, pvalue, df = logit().compare_lr_test(small)
    peer = sm.Logit(y, design[["const", "GPA"]]).fit(**NEWTON)
    for models in ((logit(), small), (small, logit()), (logit(), peer), (trained()[1], small)):
        (test,) = _spector(*models).tests.itertuples()
        assert test.test == "likelihood ratio"
        np.testing.assert_allclose(test.statistic, statistic, rtol=1e-6)
        np.testing.assert_allclose(test.pvalue, pvalue, rtol=1e-6)
        np.testing.assert_allclose(test.gain, statistic / 2 / 32, rtol=1e-6)
        assert test.df == df == 2
        assert np.isnan(test.se)
    _, y, design = load("ccard")
    fits = [sm.OLS(y, design[names]).fit() for names in (list(design), ["const", "AGE"])]
    (test,) = pn.compare(*fits).tests.itertuples()
    np.testing.assert_allclose(
        (test.statistic, test.pvalue, test.df), fits[0].compare_lr_test(fits[1])
    )


def test_models_that_are_not_at_their_maximum_have_no_likelihood_ratio_test():
    x, y, design = load("spector")
    small = pn.glm.Logit(y, design[["const", "GPA"]]).fit()
    assert _spector(trained()[0], small).tests.empty
    assert _spector(LogisticRegression(max_iter=1000).fit(x, y), small).tests.empty
    other = pn.glm.Logit(y, design[["const", "GPA"]].assign(GPA=np.log(x.GPA))).fit()
    assert pn.compare(logit(), other).tests.empty  # not nested, though their names are


def test_models_that_agree_are_tested_once():
    _, y, design = load("spector")
    peer = sm.Logit(y, design).fit(**NEWTON)
    small = pn.glm.Logit(y, design[["const", "GPA"]]).fit()
    found = pn.compare(logit(), peer, small)
    assert found.tests[["first", "second"]].to_numpy().tolist() == [["Logit", "Logit 2"]]


def test_models_that_are_not_nested_have_vuongs_test():
    _, y, design = load("spector")
    one = sm.Logit(y, design[["const", "GPA"]]).fit(**NEWTON)
    two = sm.Logit(y, design[["const", "PSI"]]).fit(**NEWTON)
    found = pn.compare(one, two)
    (test,) = found.tests.itertuples()
    gain = one.model.loglikeobs(one.params) - two.model.loglikeobs(two.params)
    omega = np.sqrt(np.mean(gain**2) - np.mean(gain) ** 2)
    z = gain.sum() / (np.sqrt(len(y)) * omega)
    assert test.test == "Vuong z"
    np.testing.assert_allclose(test.statistic, z, rtol=1e-6)
    np.testing.assert_allclose(test.pvalue, 2 * stats.norm.sf(abs(z)), rtol=1e-6)
    np.testing.assert_allclose(test.gain / test.se, z, rtol=1e-6)
    assert f"{z:.4g}" in note(found, "test")


def test_hidden_layers_are_tested_by_vuong_on_the_training_rows():
    x, y, design = load("engel")
    found = _engel(ols(), hidden())
    params = hidden().predict_params(x, verbose=0)
    peer = sm.OLS(y, design).fit()
    deep = stats.norm.logpdf(y, params["loc"], params["scale"])
    flat = stats.norm.logpdf(y, peer.fittedvalues, np.sqrt(peer.ssr / len(y)))
    gain = deep - flat
    (test,) = found.tests.itertuples()
    assert (test.first, test.second, test.test) == ("network", "OLS", "Vuong z")
    np.testing.assert_allclose(
        test.statistic, gain.sum() / (np.sqrt(len(y)) * np.std(gain)), rtol=1e-5
    )
    (again,) = _engel(hidden(), peer).tests.itertuples()
    np.testing.assert_allclose(again.statistic, test.statistic, rtol=1e-6)
    assert _engel(hidden(), Ridge(100_000.0).fit(x, y)).tests.empty
    value = found.to_frame()["network", "value"]
    np.testing.assert_allclose(value["log-likelihood"], deep.sum(), rtol=1e-6)
    np.testing.assert_allclose(value["scale"], params["scale"][0] ** 2, rtol=1e-6)
    assert value["parameters"] == 4 + 4 + 4 + 1  # the one scale is not counted, as in OLS
    assert kinds(found) == ["flexible"]
    assert "Davies 1987, doi:10.1093/biomet/74.1.33" in note(found, "no test")
    assert "optimistic" in note(found, "optimistic")


def test_hidden_layers_are_tested_on_held_out_rows_where_there_are_some():
    x, y, design = load("engel")
    test = x[::3], y[::3]
    found = _engel(hidden(), ols(), x_test=test[0], y_test=test[1])
    (row,) = found.tests.itertuples()
    params = hidden().predict_params(test[0], verbose=0)
    deep = -stats.norm.logpdf(test[1], params["loc"], params["scale"])
    mean = np.asarray(ols().predict(design[::3]))
    flat = -stats.norm.logpdf(test[1], mean, np.sqrt(ols().scale))
    peer = stats.ttest_rel(flat, deep)
    assert row.test == "held-out z"
    np.testing.assert_allclose(row.statistic, peer.statistic, rtol=1e-5)
    np.testing.assert_allclose(row.gain, np.mean(flat - deep), rtol=1e-5)
    np.testing.assert_allclose(row.pvalue, 2 * stats.norm.sf(abs(peer.statistic)), rtol=1e-4)
    frame = found.to_frame()
    np.testing.assert_allclose(frame.loc["held-out NLL"].iloc[::2], [deep.mean(), flat.mean()])
    np.testing.assert_allclose(
        frame.loc["held-out NLL"].iloc[1::2], [stats.sem(deep), stats.sem(flat)], rtol=1e-5
    )
    assert not any(KINDS["optimistic"] in text for text in found.notes)
    # Neither one row nor a model against itself is a test.
    assert _engel(hidden(), ols(), x_test=x[:1], y_test=y[:1]).tests.empty
    assert _engel(hidden(), hidden(), ols()).tests["second"].tolist() == ["OLS", "OLS"]


def test_hidden_layers_alone_are_set_beside_their_head():
    found = _engel({"deep": hidden()})
    assert found.names == ["deep", "one neuron, normal"]
    frame = found.to_frame()["one neuron, normal"]
    np.testing.assert_allclose(frame["value"][:2], ols().params)
    np.testing.assert_allclose(frame["se"][:2], ols().bse)
    np.testing.assert_allclose(frame["value"]["log-likelihood"], ols().llf)
    assert kinds(found) == ["flexible", "made"]
    assert found.tests["second"].tolist() == ["one neuron, normal"]


def test_hidden_layers_on_dependent_columns_stand_alone():
    x = np.random.default_rng(0).normal(size=(40, 1)) * [1.0, 2.0]
    y = x[:, 0]
    layers = [keras.layers.Dense(2, "tanh")]
    found = pn.compare(neuron(x, y, "normal", layers=layers), x=x, y=y)
    assert found.names == ["network"]
    assert "There is no model of the normal head on x alone" in found.notes[0]
    assert "linearly independent" in found.notes[0]


def test_models_without_coefficients_are_scored():
    x, y, _ = load("spector")
    forest = RandomForestClassifier(20, min_samples_leaf=4, random_state=0).fit(x, y)
    found = _spector(logit(), forest, x_test=x, y_test=y)
    assert kinds(found) == ["flexible"]
    (row,) = found.tests.itertuples()
    assert (row.first, row.second) == ("RandomForestClassifier", "Logit")
    nll = -np.log(forest.predict_proba(x)[np.arange(32), y.astype(int)])
    value = found.to_frame()["RandomForestClassifier", "value"]
    np.testing.assert_allclose(value["held-out NLL"], nll.mean())
    assert np.isnan(value["parameters"])


# ---- text ---------------------------------------------------------------------------------------


def test_text_is_aligned_and_followed_by_the_notes():
    x, y, _ = load("spector")
    found = _spector({"net": trained()[0], "sm": logit()}, x_test=x, y_test=y)
    lines = str(found).split("\n")
    at = lines.index("Standard errors in parentheses.")
    table = lines[:at]
    assert table[0].split() == ["net", "sm"]
    assert {*table[1]} == {"-"}
    rows = {line.split("  ")[0]: line for line in table if not line.startswith("-")}
    assert list(rows)[1:] == list(found.to_frame().index)
    assert len({line.rindex(")") for line in table if ")" in line}) == 1
    assert max(map(len, table)) == len(table[1])
    params, bse = logit().params, logit().bse
    assert rows["const"].endswith(f"{params['const']:.3f}   ({bse['const']:.3f})")
    assert rows["observations"].split() == ["observations", "32", "32"]
    assert lines[at + 1 :] == found.notes
    assert repr(found) == str(found)


def test_small_and_large_numbers_keep_their_digits():
    _, y, design = load("engel")
    tiny = sm.OLS(y * 1e-9, design).fit()
    text = str(pn.compare({"tiny": tiny}))
    assert f"{tiny.params['foodexp']:.4g}" in text
    assert f"({tiny.bse['foodexp']:.4g})" in text


def test_html_has_the_table_and_escaped_notes():
    found = _spector({"a<b": trained()[0], "sm": logit()})
    text = found.to_html()
    assert text == found._repr_html_()
    assert text.count("<tr") == 1 + len(found.to_frame())
    assert "<th>GPA</th>" in text
    assert f"({logit().bse['const']:.3f})" in text
    assert "a&lt;b" in text
    assert "a<b" not in text
    assert text.count("<li>") == len(found.notes) == 1


# ---- what is asked for --------------------------------------------------------------------------


def test_names_are_those_given_or_of_the_kind():
    x, y, design = load("spector")
    peer = sm.Logit(y, design).fit(**NEWTON)
    models = (trained()[1], logit(), logit(), peer, LogisticRegression(**EXACT).fit(x, y))
    expected = ["network", "Logit", "Logit 2", "statsmodels Logit", "LogisticRegression"]
    assert _spector(*models).names == expected
    assert _spector(*models, names=list("abcde")).names == list("abcde")
    with pytest.raises(ValueError, match="names that differ, one for each of 2 models"):
        pn.compare(logit(), peer, names=["a", "a"])
    with pytest.raises(ValueError, match="names that differ, one for each of 2 models"):
        pn.compare(logit(), peer, names=["a"])


def test_errors_say_what_to_do():
    x, y, design = load("spector")
    with pytest.raises(ValueError, match="at least one fitted model"):
        pn.compare()
    with pytest.raises(ValueError, match=r"Expected x= and y=.*network 'network'"):
        pn.compare(trained()[1], logit())
    with pytest.raises(ValueError, match=r"x and y together. Received no y\."):
        pn.compare(logit(), x=x)
    with pytest.raises(ValueError, match=r"x_test and y_test together. Received no x_test\."):
        pn.compare(logit(), y_test=y)
    with pytest.raises(ValueError, match=r"y with one value for each of 32 rows.*\(31,\)"):
        pn.compare(logit(), x=x, y=y.to_numpy()[1:])
    with pytest.raises(ValueError, match=r"y_test with one value for each of 5 rows"):
        pn.compare(logit(), x_test=x[:5], y_test=y.to_numpy())
    with pytest.raises(ValueError, match=r"x_test of shape \(n, p\)"):
        pn.compare(logit(), x_test=x.GPA.to_numpy(), y_test=y)
    for model in (pn.glm.Logit(y, design), sm.Logit(y, design), LogisticRegression(), 3):
        with pytest.raises(ValueError, match=r"Received: \w+ for 'a'. Fit it first"):
            pn.compare({"a": model})
    with pytest.raises(ValueError, match=r"x_test with the columns .* without \['PSI'\]"):
        pn.compare(logit(), x_test=x[["GPA", "TUCE"]], y_test=y)
    with pytest.raises(ValueError, match=r"Expected every y_test to lie in the support"):
        pn.compare(logit(), x_test=x, y_test=y + 1)
    with pytest.raises(ValueError, match="without predict_proba"):
        pn.compare(SGDClassifier().fit(x, y))
    with pytest.raises(ValueError, match="y to be one of the classes 'no', 'yes'"):
        _spector(LogisticRegression().fit(x, np.where(y == 1, "yes", "no")))


def test_only_the_estimators_import_sklearn():
    paths = {*pathlib.Path(pn.__file__).parent.rglob("*.py")}
    for path in paths - {*pathlib.Path(pn.estimators.__file__).parent.rglob("*.py")}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [getattr(node, "module", ""), *(alias.name for alias in node.names)]
                assert not any(str(name).startswith("sklearn") for name in names), path


# ---- decision lines -----------------------------------------------------------------------------


def test_the_line_of_log_odds():
    line = decision_line([1.0, 2.0, 0.5])
    assert line == (-2.0, -4.0)
    assert (line.intercept, line.slope) == (-2.0, -4.0)
    b = np.array([0.3, -1.2, 0.7])
    line = decision_line(b, level=0.2)
    x1 = np.linspace(-3, 3, 5)
    p = 1 / (1 + np.exp(-(b[0] + b[1] * x1 + b[2] * (line.intercept + line.slope * x1))))
    np.testing.assert_allclose(p, 0.2)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_results_are_undecided_on_the_line(link):
    x, y, design = load("spector", None, ("GPA", "TUCE"))
    results = pn.glm.GLM(y, design, "bernoulli", link).fit()
    for names in (None, ["TUCE", "GPA"]):
        line = decision_line(results, names, level=0.3)
        one = np.array([2.0, 3.0])
        points = dict(zip(names or x, (one, line.intercept + line.slope * one), strict=True))
        points = pd.DataFrame({"const": 1.0, **points})
        np.testing.assert_allclose(results.predict(points), 0.3)


def test_results_without_a_constant_have_a_line_through_the_origin():
    x, y, _ = load("spector", None, ("GPA", "TUCE"))
    assert decision_line(pn.glm.Logit(y, x).fit()).intercept == 0.0


def test_networks_are_undecided_on_the_line():
    x, y, _ = load("spector", None, ("GPA", "TUCE"))
    net = neuron(x, y, "bernoulli", link="probit", layers=[keras.layers.Dense(3)])
    pn.polish(net, x, y)
    line = decision_line(net, level=0.25)
    one = np.array([2.0, 2.5, 3.5])
    points = np.column_stack([one, line.intercept + line.slope * one])
    np.testing.assert_allclose(net.predict(points, verbose=0), 0.25, rtol=1e-4)
    results = pn.inference(net, x, y)
    np.testing.assert_allclose(line, decision_line(results, level=0.25), rtol=1e-5)


def test_what_has_no_line_says_why():
    x, y, design = load("spector", None, ("GPA", "TUCE"))
    two = pn.glm.Logit(y, design).fit()
    cases = [
        (([1.0, 2.0, 0.0],), r"vertical line x1 = -0\.5"),
        (([1.0, 0.0, 0.0],), "no line"),
        (([1.0, 2.0],), r"three coefficients b0, b1, b2. Received: shape \(2,\)"),
        (([1.0, 2.0, 0.5], ["a", "b"]), "x_names with results"),
        (([1.0, 2.0, 0.5], None, 1.0), "level between 0 and 1"),
        ((logit(),), "model of two columns"),
        ((ols(),), "bernoulli family"),
        ((two, ["GPA", "PSI"]), r"x_names to be \['GPA', 'TUCE'\]"),
        ((pn.glm.Logit(y, design, offset=np.ones(32)).fit(),), "without an offset"),
        ((trained()[0],), "two inputs"),
        ((pn.Sequential([pn.Head("bernoulli")]),), "shape unknown"),
        ((neuron(x, y, "bernoulli", layers=[keras.layers.Dense(2, "tanh")]),), "linear layers"),
        ((neuron(x, y, "poisson"),), "bernoulli family"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            decision_line(*arguments)
