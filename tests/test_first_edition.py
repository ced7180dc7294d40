"""Files that version 0.1.0 wrote: they load, and say what a fit of today says."""

import runpy
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import probnn as pn

FOLDER = Path(__file__).parent / "data" / "first_edition"
MADE = runpy.run_path(str(FOLDER / "make.py"))
FITS = MADE["results"]()


def lines(results):
    """Return the lines of the summary but those of the date and the time."""
    text = results.summary().as_text().splitlines()
    return [line for line in text if not line.startswith(("Date:", "Time:"))]


@pytest.mark.parametrize("name", FITS)
def test_results(name, tmp_path):
    path, want = FOLDER / f"{name}.pickle", FITS[name]()
    with pytest.raises(ValueError, match="trust=True"):
        pn.glm.load(path)
    with pytest.warns(UserWarning, match="Save the results anew"):
        loaded = pn.glm.load(path, trust=True)
    np.testing.assert_allclose(loaded.params, want.params, rtol=1e-7)
    assert type(loaded) is type(want)
    assert type(loaded.params) is type(want.params)
    if want.penalty is None:
        np.testing.assert_allclose(loaded.bse, want.bse, rtol=1e-7)
        np.testing.assert_allclose(loaded.conf_int(), want.conf_int(), rtol=1e-6)
    for value in ("llf", "llnull", "scale", "nobs", "df_resid"):
        np.testing.assert_allclose(getattr(loaded, value), getattr(want, value), rtol=1e-8)
    assert {*lines(loaded)} <= {*lines(want), ""}  # all but tests of an OLS's residuals
    assert repr(loaded) == repr(want)
    assert (loaded.method, loaded.penalty) == (want.method, want.penalty)
    assert str(loaded.optimum.penalty) == str(want.optimum.penalty)
    new = pd.DataFrame({"x": [0.5, -1.0], "const": 1.0, "group": ["a", "d"]})
    new = new if name in ("formula", "classes") else new[["x", "const"]]
    new = new[["const", "x"]] if name == "inference" else new
    new = new.to_numpy() if name == "arrays" else new
    np.testing.assert_allclose(loaded.predict(new), want.predict(new), rtol=1e-7)
    with pytest.raises(AttributeError, match="not part of the results"):
        _ = loaded.resid_response
    loaded.save(tmp_path / "anew")
    again = pn.glm.load(tmp_path / "anew")
    np.testing.assert_array_equal(again.predict(new), loaded.predict(new))
    assert lines(again) == lines(loaded)


def test_network():
    loaded, want = keras.saving.load_model(FOLDER / "network.keras"), MADE["network"]()
    x = np.linspace(-2.0, 2.0, 9)[:, None].astype("float32")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), want.predict(x, verbose=0), rtol=1e-6)
    assert loaded.heads.family == want.heads.family
