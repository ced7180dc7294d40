"""What scikit-learn's users do with estimators, and what a statistician asks of them."""

import importlib
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
import statsmodels.api as sm
from scipy import stats
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import probnn as pn
from probnn.estimators import GLMClassifier, GLMRegressor, NetworkRegressor, scorers


@pytest.fixture
def counts(rng):
    x = rng.normal(size=(200, 3))
    return x, rng.poisson(np.exp(0.5 + x @ [0.3, -0.2, 0.0]))


@pytest.fixture
def people(rng):
    n = 120
    frame = pd.DataFrame(
        {
            "age": rng.uniform(20.0, 70.0, n),
            "region": rng.choice(["north", "south", "west"], n),
            "grade": pd.Categorical(rng.choice(["low", "high"], n), ["low", "high"]),
        }
    )
    effect = frame["region"].map({"north": 0.0, "south": 1.0, "west": -1.0})
    y = 0.05 * frame["age"] + effect + (frame["grade"] == "high") + rng.normal(size=n)
    return frame, y.rename("income")


def test_coefficients_are_those_of_scikit_learn(counts):
    x, y = counts
    ours = GLMRegressor("poisson").fit(x, y)
    theirs = PoissonRegressor(alpha=0.0, tol=1e-12, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-5)
    ridge = GLMRegressor("poisson", alpha=0.5).fit(x, y)
    theirs = PoissonRegressor(alpha=0.5, tol=1e-12, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(ridge.predict(x), theirs.predict(x), rtol=1e-5)


def test_weights_are_those_of_scikit_learn(counts, rng):
    x, y = counts
    weight = rng.integers(0, 4, len(y))
    ours = GLMRegressor("poisson", alpha=0.1).fit(x, y, sample_weight=weight)
    theirs = PoissonRegressor(alpha=0.1, tol=1e-12, max_iter=1000).fit(x, y, weight)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-5)


def test_classes_have_their_labels(rng):
    x = rng.normal(size=(150, 2))
    y = np.array(["b", "a", "c"])[np.digitize(x[:, 0] + rng.logistic(size=150), [-1.0, 1.0])]
    ours = GLMClassifier(alpha=0.0).fit(x, y)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-5)
    np.testing.assert_array_equal(ours.predict_distribution(x).classes, ["a", "b", "c"])
    assert ours.results_.params.columns.tolist() == ["b", "c"]


def test_text_and_categories_are_encoded(people):
    """As formulas code them: the same results."""
    frame, y = people
    ours = GLMRegressor().fit(frame, y)
    want = pn.glm.ols("income ~ region + grade + age", frame.assign(income=y)).fit()
    assert ours.results_.params.index.tolist() == [
        *("const", "region_south", "region_west", "grade_high", "age"),
    ]
    np.testing.assert_allclose(ours.results_.params, want.params, rtol=1e-10)
    np.testing.assert_allclose(ours.results_.bse, want.bse, rtol=1e-10)
    with pytest.raises(ValueError, match="east"):
        ours.predict(frame.assign(region="east"))
    with pytest.raises(ValueError, match="SimpleImputer"):
        GLMRegressor().fit(frame.assign(region=frame["region"].where(frame["age"] > 30)), y)


def test_formulas(people):
    frame, y = people
    ours = GLMRegressor(formula="age + C(region)").fit(frame, y)
    want = pn.glm.ols("income ~ age + C(region)", frame.assign(income=y)).fit()
    np.testing.assert_allclose(ours.results_.params, want.params, rtol=1e-10)
    np.testing.assert_allclose(ours.predict(frame[:3]), want.predict(frame[:3]), rtol=1e-10)


@pytest.mark.parametrize("kind", ["pyarrow-backed", "polars", "pyarrow"])
def test_frames_of_all_kinds(people, kind):
    import polars as pl
    import pyarrow as pa

    frame, y = people
    frame = frame.assign(grade=frame["grade"].astype(str))
    other = {
        "pyarrow-backed": lambda: frame.convert_dtypes(dtype_backend="pyarrow"),
        "polars": lambda: pl.from_pandas(frame),
        "pyarrow": lambda: pa.Table.from_pandas(frame),
    }[kind]()
    want = GLMRegressor().fit(frame, y)
    found = GLMRegressor().fit(other, y.to_numpy())
    np.testing.assert_allclose(found.results_.params, want.results_.params, rtol=1e-12)
    np.testing.assert_allclose(found.predict(other), want.predict(frame), rtol=1e-12)


def test_pipelines_and_searches(people):
    frame, y = people
    columns = make_column_transformer(
        (OneHotEncoder(drop="first"), ["region", "grade"]), (StandardScaler(), ["age"])
    )
    pipeline = make_pipeline(columns, GLMRegressor())
    want = make_pipeline(columns, LinearRegression())
    np.testing.assert_allclose(
        cross_val_predict(pipeline, frame, y, cv=3), cross_val_predict(want, frame, y, cv=3)
    )
    grid = {"glmregressor__family": ["normal", "logistic", "laplace"]}
    search = GridSearchCV(pipeline, grid, scoring=scorers.log_score, cv=3).fit(frame, y)
    assert len({*search.cv_results_["mean_test_score"]}) == 3
    halving = HalvingGridSearchCV(
        GLMRegressor(), {"alpha": [0.0, 0.1, 1.0]}, scoring=scorers.crps, cv=3, random_state=0
    ).fit(frame[["age"]], y)
    assert halving.best_params_["alpha"] in (0.0, 0.1, 1.0)
    importance = permutation_importance(GLMRegressor().fit(frame, y), frame, y, random_state=0)
    assert importance.importances_mean.argmax() == 1  # the region


def test_scorers_are_minus_mean_scores(counts):
    x, y = counts
    model = GLMRegressor("poisson").fit(x, y)
    d = model.predict_distribution(x)
    assert scorers.log_score(model, x, y) == pytest.approx(d.log_prob(y).mean(), rel=1e-12)
    assert scorers.crps(model, x, y) == pytest.approx(-d.crps(y).mean(), rel=1e-12)
    want = -pn.scores.pinball(y, d, p=0.9).mean()
    assert scorers.pinball(0.9)(model, x, y) == pytest.approx(want, rel=1e-12)
    copied = pickle.loads(pickle.dumps(scorers.crps))  # as for other processes
    found = cross_val_score(model, x, y, scoring=copied, cv=2)
    np.testing.assert_array_equal(found, cross_val_score(model, x, y, scoring=scorers.crps, cv=2))


def test_calibrated_and_copied(rng):
    x = rng.normal(size=(200, 2))
    y = np.where(x[:, 0] + rng.logistic(size=200) > 0, "yes", "no")
    calibrated = CalibratedClassifierCV(GLMClassifier(), cv=3).fit(x, y)
    assert calibrated.predict_proba(x).shape == (200, 2)
    model = GLMClassifier().fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    assert clone(model).get_params() == model.get_params()
    assert scorers.brier(model, x, y) == pytest.approx(
        -np.mean((model.predict_proba(x)[:, 1] - (y == "yes")) ** 2), rel=1e-12
    )


def test_undetermined_coefficients_say_so(rng):
    x = rng.normal(size=(30, 1))
    y = x[:, 0] > 0
    with pytest.warns(pn.glm.ConvergenceWarning, match="ridge penalty of 1 / n"):
        ours = GLMClassifier().fit(x, y)
    theirs = LogisticRegression(C=1.0, tol=1e-10).fit(x, y)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-6)
    with pytest.raises(pn.glm.PerfectSeparationError):
        GLMClassifier(undetermined="raise").fit(x, y)


@pytest.mark.backend
def test_networks(rng):
    """An ensemble of networks whose body is a function; its last layer has a statistician's say."""
    import keras

    x = rng.uniform(-1.0, 1.0, size=(100, 1))
    y = x[:, 0] ** 2 + 0.1 * rng.normal(size=100)

    def body(inputs):
        return keras.layers.Dense(8, "tanh")(inputs)

    options = {"hidden": body, "learning_rate": 0.02, "random_state": 0}
    network = NetworkRegressor("normal", members=2, **options).fit(x, y)
    with pytest.raises(AttributeError, match="an ensemble"):
        network.results_  # noqa: B018
    d = network.predict_distribution(x)
    assert d.epistemic_variance().shape == (100,)
    assert network.score(x, y) > 0.7
    assert network.predict_interval(x, 0.9).shape == (100, 2)
    np.testing.assert_allclose(network.predict_quantile(x, [0.5])[:, 0], d.quantile(0.5))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("epochs", 0), ("members", 1.5), ("batch_size", "all"), ("patience", -1)),
        *(("validation_fraction", 1.0), ("early_stopping", "yes")),
    ],
)
def test_arguments_are_checked(counts, name, value):
    with pytest.raises(ValueError, match=f"Expected {name} .* Received: {value!r}"):
        NetworkRegressor("poisson", **{name: value}).fit(*counts)


def test_compared_with_others(counts):
    """By `compare`, estimators are what their results and their networks are."""
    x, y = counts
    line = GLMRegressor("poisson").fit(x, y)
    network = NetworkRegressor("poisson", hidden=(4,), members=1, epochs=5, random_state=0)
    network.fit(x, y)
    models = {"results": line.results_, "estimator": line, "network": network}
    found = pn.compare(models, x=x, y=y, x_test=x, y_test=y).to_frame()
    held_out = found.loc["held-out NLL"]
    want = -network.predict_distribution(x).log_prob(y).mean()
    assert float(held_out["network"].iloc[0]) == pytest.approx(want, rel=1e-5)
    same = found[["results", "estimator"]].dropna()
    np.testing.assert_array_equal(same["results"], same["estimator"])
    assert network.results_.params.shape == (5,)
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_allclose(again.predict(x), network.predict(x), rtol=1e-6)
    assert not hasattr(again, "results_")  # a pickle has no rows of the data


@pytest.mark.parametrize(
    ("estimator", "name", "value"),
    [
        *((GLMRegressor, *each) for each in [("alpha", "1"), ("l1_ratio", 2), ("max_iter", 0)]),
        *((GLMRegressor, *each) for each in [("tol", -1.0), ("fit_intercept", "yes")]),
        *((NetworkRegressor, *each) for each in [("hidden", 4), ("members", 0)]),
        *((NetworkRegressor, *each) for each in [("learning_rate", "fast"), ("standardize", 2)]),
    ],
)
def test_arguments_that_make_no_sense_change_nothing(counts, estimator, name, value):
    model = estimator("poisson", **{name: value})
    with pytest.raises(ValueError, match=f"Expected {name} to be .* Received: {value!r}"):
        model.fit(*counts)
    assert vars(model) == vars(clone(model))


def test_offset_and_exposure(counts, rng):
    """As statsmodels takes them; routed, they are those of the rows of each fold."""
    x, y = counts
    exposure, weight = rng.uniform(0.5, 3.0, len(y)), rng.integers(0, 3, len(y))
    ours = GLMRegressor("poisson").fit(x, y, weight, exposure=exposure)
    options = {"exposure": exposure, "freq_weights": weight}
    theirs = sm.GLM(y, sm.add_constant(x), sm.families.Poisson(), **options).fit(tol=1e-12)
    np.testing.assert_allclose(ours.results_.params, theirs.params, rtol=1e-8)
    np.testing.assert_allclose(ours.predict(x, exposure=exposure), theirs.predict(), rtol=1e-8)
    want = r2_score(y, theirs.predict())
    assert ours.score(x, y, exposure=exposure) == pytest.approx(want, rel=1e-8)
    with pytest.raises(ValueError, match="Expected exposure of the rows to predict"):
        ours.predict(x)
    with pytest.raises(TypeError, match=r"takes: none\. Received: offset"):
        NetworkRegressor("poisson").fit(x, y, offset=exposure)
    offset, half = np.log(exposure), len(y) // 2
    with sklearn.config_context(enable_metadata_routing=True):
        model = GLMRegressor("poisson").set_fit_request(offset=True)
        pipeline = make_pipeline(StandardScaler(), model.set_predict_request(offset=True))
        pipeline.fit(x[half:], y[half:], offset=offset[half:])
        found = pipeline.predict(x[:half], offset=offset[:half])
        scorer = scorers.log_score.set_score_request(exposure=True)
        model = GLMRegressor("poisson").set_fit_request(exposure=True)
        scored = cross_val_score(
            model, x, y, cv=KFold(2), params={"exposure": exposure}, scoring=scorer
        )
    design = sm.add_constant(x)
    there = sm.GLM(y[half:], design[half:], sm.families.Poisson(), offset=offset[half:]).fit()
    want = there.predict(design[:half], offset=offset[:half])
    np.testing.assert_allclose(found, want, rtol=1e-6)
    assert scored[0] == pytest.approx(stats.poisson.logpmf(y[:half], want).mean(), rel=1e-6)


def test_responses_of_two_columns_are_refused(counts):
    x, y = counts
    with pytest.raises(ValueError, match=r"y should be a 1d array.*each row twice"):
        GLMRegressor().fit(x, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="family of one number for each row"):
        GLMRegressor("binomial").fit(x, y)


def test_pages_and_pipelines_of_frames(people):
    frame, y = people
    pipeline = make_pipeline(StandardScaler(), GLMRegressor(alpha=0.5)).set_output(
        transform="pandas"
    )
    pipeline.fit(frame[["age"]], y)
    assert pipeline[-1].feature_names_in_.tolist() == ["age"]
    page = pipeline._repr_html_()
    assert "GLMRegressor" in page
    assert "alpha" in page


@pytest.mark.slow
def test_processes(people):
    frame, y = people
    grid = {"alpha": [0.0, 0.1]}
    one, two = (
        GridSearchCV(GLMRegressor(), grid, scoring=scorers.crps, cv=2, n_jobs=jobs).fit(frame, y)
        for jobs in (1, 2)
    )
    np.testing.assert_array_equal(*(each.cv_results_["mean_test_score"] for each in (one, two)))


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "probnn.estimators")
    with pytest.raises(ImportError, match=r"pip install 'probnn\[sklearn\]'"):
        importlib.import_module("probnn.estimators")


@pytest.mark.slow
@pytest.mark.backend
def test_a_grid_compiles_once(counts, monkeypatch):
    """NumPy's numbers, as grids of `numpy.logspace` have them, are numbers."""
    import keras

    calls, forward = [], keras.layers.Dense.call

    def counted(self, inputs, training=None):
        calls[-1] += 1
        return forward(self, inputs, training)

    monkeypatch.setattr(keras.layers.Dense, "call", counted)
    options = {"hidden": np.array([11]), "epochs": np.int64(3), "standardize": np.True_}
    network = NetworkRegressor("poisson", members=1, **options)
    for seed, rate in enumerate(np.logspace(-3.0, -1.0, 3)):
        calls.append(0)
        network.set_params(learning_rate=rate, random_state=seed).fit(*counts)
    assert calls[1] == calls[2] < calls[0]
