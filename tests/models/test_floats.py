"""What float32, which Keras computes in, cannot hold of x."""

import keras
import numpy as np
import pandas as pd
import pytest

import probnn as pn

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def model():
    model = pn.Sequential([keras.Input((2,)), pn.Head("normal")])
    model.compile("adam")
    return model


def frame(start, step=1.0):
    x = np.linspace(-1.0, 1.0, 50)
    return pd.DataFrame({"x": x, "time": start + step * np.arange(50.0)}), x


def test_numbers_that_are_infinite_in_float32_are_refused(model):
    table, y = frame(0.0)
    before = model.get_weights()
    wrong = table.assign(time=np.where(table.time == 7.0, 1e39, table.time))
    for call in (
        lambda: model.fit(wrong, y, verbose=0),
        lambda: model.predict(wrong, verbose=0),
        lambda: model.predict_on_batch(wrong.to_numpy()),
        lambda: model.evaluate(wrong, y, verbose=0),
    ):
        with pytest.raises(ValueError, match=r"finite in float32.*1e\+39"):
            call()
    for found, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, want)


def test_seconds_since_1970_lose_half_a_minute(model):
    """Between 2^30 and 2^31 neighbours in float32 are 128 apart, and rounding moves by up to 64."""
    table, y = frame(1.7e9, step=17.0)
    lost = np.abs(table.time.astype("float32").astype("float64") - table.time).max()
    assert 30 < lost <= 64
    with pytest.warns(UserWarning, match=f"'time' of x by up to {lost:.3g}.*Standardise"):
        model.fit(table, y, epochs=0, verbose=0)
    with pytest.warns(UserWarning, match="column 1 of x"):
        pn.Sequential([keras.Input((2,)), pn.Head("normal")]).predict(table.to_numpy(), verbose=0)


@pytest.mark.parametrize("table", [frame(2000.0)[0], frame(1e5)[0], frame(1.7e9, 1e6)[0]])
def test_what_loses_nothing_is_silent(model, table):
    model.predict(table, verbose=0)
    model.predict(np.full((50, 2), 1.7e9 + 1.0), verbose=0)  # a constant has nothing to lose
