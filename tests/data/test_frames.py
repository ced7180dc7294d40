"""Data frames of several libraries: they all say what pandas says."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import probnn as pn
from probnn.data.frames import index_of, name_of, names_of, take, to_numpy

COLUMNS = {"const": np.ones(6), "dose": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]}
COUNTS = [1.0, 2.0, 2.0, 4.0, 9.0, 11.0]


def frames(library, columns):
    if library == "pandas":
        return pd.DataFrame(columns)
    if library == "polars":
        return pytest.importorskip("polars").DataFrame(columns)
    return pytest.importorskip("pyarrow").table({k: list(v) for k, v in columns.items()})


LIBRARIES = pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])


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
