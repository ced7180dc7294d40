"""Data frames of several libraries: they all say what pandas says, and get it in their own kind."""

import os

import keras
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import probnn as pn
from probnn.data.frames import index_of, name_of, names_of, take, to_numpy

COLUMNS = {"const": np.ones(6), "dose": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]}
COUNTS = [1.0, 2.0, 2.0, 4.0, 9.0, 11.0]


def modin(columns):
    os.environ["MODIN_ENGINE"] = "python"
    return pytest.importorskip("modin.pandas").DataFrame(columns)


KINDS = {
    "pandas": pd.DataFrame,
    "pandas of arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(
        dtype_backend="pyarrow"
    ),
    "pandas nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "polars": lambda columns: pytest.importorskip("polars").DataFrame(columns),
    "pyarrow": lambda columns: pytest.importorskip("pyarrow").table(
        {name: list(values) for name, values in columns.items()}
    ),
    "modin": modin,
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
LIBRARIES = pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])


def frames(library, columns):
    return KINDS[library](columns)


N = 40
RNG = np.random.default_rng(3)
ROWS = {
    "y": RNG.poisson(3.0, N).astype(float),
    "one": np.ones(N),
    "x": RNG.normal(size=N),
    "group": RNG.choice(["a", "b", "c", "d"], N),
    "often": RNG.integers(1, 4, N),
    "time": RNG.uniform(1.0, 2.0, N),
}


def of_rows(results, data, **more):
    """Return everything that results say of rows, each of which is a series or a table of them."""
    return {
        "mu": results.mu,
        "predict()": results.predict(),
        "predict": results.predict(data, **more),
        "deviance": results.resid_deviance,
        "pearson": results.resid_pearson,
        "get_prediction": results.get_prediction(data, **more).summary_frame(),
        "influence": results.get_influence().summary_frame(),
        "dfbetas": results.get_influence().dfbetas,
        "predict_distribution": results.predict_distribution(data, **more).to_frame(),
    }


def by_formula(data):
    model = pn.glm.glm("y ~ x + group", data, "poisson", freq_weights="often", exposure="time")
    robust = model.fit(cov_type="cluster", cov_kwds={"groups": "group"})
    return {"bse": robust.bse}, of_rows(robust, data)


def by_columns(data):
    x, time = select(data, "one", "x"), data["time"]
    model = pn.glm.GLM(data["y"], x, "poisson", exposure=time, var_weights=data["often"])
    robust = model.fit(cov_type="cluster", cov_kwds={"groups": data["group"]})
    return {"bse": robust.bse}, of_rows(robust, x, exposure=time)


def by_least_squares(data):
    x = select(data, "one", "x")
    results = pn.glm.OLS(data["y"], x, weights=data["often"]).fit()
    return {"bse": results.bse}, of_rows(results, x)


def by_estimator(data):
    x = select(data, "group", "x")
    fitted = pn.estimators.GLMRegressor("poisson").fit(x, data["y"], sample_weight=data["often"])
    table = fitted.predict_distribution(x).to_frame()
    return {"predict": fitted.predict(x)}, {"predict_distribution": table}


def by_network(data):
    keras.utils.set_random_seed(0)
    x = select(data, "one", "x")
    model = NETWORKS.setdefault("poisson", pn.Sequential([keras.Input((2,)), pn.Head("poisson")]))
    model.set_weights(NETWORKS.setdefault("weights", model.get_weights()))
    model.compile(keras.optimizers.SGD(0.01))
    model.fit(x, data["y"], sample_weight=data["often"], batch_size=N, verbose=0)
    table = model.predict_distribution(x).to_frame()
    return {"predict": model.predict(x, verbose=0)}, {"predict_distribution": table}


NETWORKS = {}
DOORS = [by_formula, by_columns, by_least_squares, by_estimator, by_network]


def select(data, *names):
    return data.select(list(names)) if hasattr(data, "select") else data[list(names)]


@pytest.fixture(scope="module", params=DOORS, ids=lambda door: door.__name__)
def door(request):
    """Return a door, and what it says of NumPy's numbers in pandas."""
    return request.param, request.param(pd.DataFrame(ROWS))


@EVERY_KIND
def test_every_door_says_the_same_of_every_kind_in_its_kind(door, kind):
    enter, (totals, rows) = door
    data = KINDS[kind](ROWS)
    found, of_each = enter(data)
    for name, want in totals.items():
        assert not hasattr(found[name], "to_arrow")  # pandas or NumPy
        np.testing.assert_allclose(np.asarray(found[name]), np.asarray(want), rtol=1e-9)
    library = kind if kind in ("polars", "pyarrow") else "pandas"  # of modin, which has an index
    for name, want in rows.items():
        assert type(of_each[name]).__module__.partition(".")[0] == library, name
        np.testing.assert_allclose(to_numpy(of_each[name]), to_numpy(want), rtol=1e-9, err_msg=name)
        assert names_of(of_each[name]) == names_of(want) or want.ndim == 1


@LIBRARIES
def test_fits_and_predictions(library):
    x = frames(library, COLUMNS)
    found = pn.glm.GLM(COUNTS, x, "poisson").fit()
    want = sm.GLM(COUNTS, pd.DataFrame(COLUMNS), sm.families.Poisson()).fit(tol=1e-12)
    np.testing.assert_allclose(found.params, want.params, rtol=1e-7)
    assert found.params.index.tolist() == ["const", "dose"]
    turned = frames(library, dict(reversed(COLUMNS.items())))
    np.testing.assert_allclose(found.predict(turned), found.mu, rtol=1e-12)
    with pytest.raises(ValueError, match="without"):
        found.predict(frames(library, {"const": [1.0], "does": [1.0]}))


@LIBRARIES
def test_formulas_and_missing_values(library):
    data = frames(library, {"y": COUNTS, **COLUMNS})
    found = pn.glm.glm("y ~ dose", data, "poisson").fit()
    want = pn.glm.GLM(COUNTS, frames(library, COLUMNS), "poisson").fit()
    np.testing.assert_allclose(found.params, want.params, rtol=1e-9)
    gap = {**COLUMNS, "dose": [np.nan, *COLUMNS["dose"][1:]]}
    model = pn.glm.GLM(COUNTS, frames(library, gap), "poisson", missing="drop")
    assert (model.n_missing, len(model)) == (1, 5)
    np.testing.assert_array_equal(model.X[:, 1], COLUMNS["dose"][1:])


@LIBRARIES
def test_what_is_read(library):
    frame = frames(library, {"a": [1, None, 3], "b": [0.5, 1.5, 2.5]})
    assert names_of(frame) == ["a", "b"]
    np.testing.assert_array_equal(to_numpy(frame), [[1, 0.5], [np.nan, 1.5], [3, 2.5]])
    left = take(frame, np.array([True, False, True]))
    assert type(left) is type(frame)
    np.testing.assert_array_equal(to_numpy(left), [[1, 0.5], [3, 2.5]])
    assert (index_of(frame) is None) == (library != "pandas")
    series = frame["b"]
    assert name_of(series) == ("b" if library != "pyarrow" else "")
    np.testing.assert_array_equal(to_numpy(series), [0.5, 1.5, 2.5])


def test_what_is_no_frame_has_no_names():
    for values in ([1.0], np.ones(2), {"a": [1.0]}, pd.Index([1])):
        assert names_of(values) is None
        assert index_of(values) is None
    np.testing.assert_array_equal(to_numpy(pd.Index([1, 2])), [1, 2])
