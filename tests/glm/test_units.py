"""Numbers near the ends of float64, and what is no number at all.

A fit is equivariant: of a column times 2^k the coefficient is that times 2^-k, to the bit, since
powers of two round nothing.
"""

import numpy as np
import pandas as pd
import pytest
from tables.glms import data

import probnn as pn
from probnn.glm import GLM, OLS

FAMILIES = [
    ("normal", "scotland"),
    ("bernoulli", "fair"),
    ("poisson", "randhie"),
    ("negative_binomial", "randhie"),
    ("gamma", "scotland"),
    ("weibull", "scotland"),
]


@pytest.mark.parametrize(("family", "name"), FAMILIES)
@pytest.mark.parametrize("power", [-460, -60, 60, 460])
def test_columns_in_any_unit(family, name, power):
    y, x = data(name)
    link = "log" if family == "gamma" else None
    unit = np.ones(x.shape[1])
    unit[-1] = 2.0**power
    y, x = y[::13] if len(y) > 2000 else y, x[::13] if len(y) > 2000 else x
    want, found = GLM(y, x, family, link).fit(), GLM(y, x * unit, family, link).fit()
    unit = np.append(unit, np.ones(len(want.params) - len(unit)))
    for values in ("params", "bse"):
        np.testing.assert_allclose(
            getattr(found, values) * unit, getattr(want, values), rtol=1e-12, err_msg=values
        )
    np.testing.assert_allclose(found.llf, want.llf, rtol=1e-13)


@pytest.mark.parametrize("power", [-460, 460])
def test_linear_responses_in_any_unit(power):
    y, x = data("scotland")
    want, found = OLS(y, x).fit(), OLS(y * 2.0**power, x).fit()
    for values in ("params", "bse"):
        np.testing.assert_array_equal(
            np.ldexp(getattr(found, values), -power), getattr(want, values)
        )
    for value in ("rsquared", "fvalue", "f_pvalue"):
        np.testing.assert_allclose(getattr(found, value), getattr(want, value), rtol=1e-13)


@pytest.mark.parametrize("factor", [1e-200, 1e160, 1e300])
def test_squares_beyond_float64_are_refused(factor):
    y, x = data("scotland")
    name = x.columns[2]
    with pytest.raises(ValueError, match=f"X whose squares.*in {name!r}.*divide it by 1e"):
        OLS(y, x.assign(**{name: x[name] * factor}))
    with pytest.raises(ValueError, match=r"y whose squares.*divide it by 1e"):
        OLS(y * factor, x)
    odd = x.copy()
    odd.iloc[7, 2] = 1e160
    with pytest.raises(ValueError, match=f"1e\\+160 as the largest in {name!r}"):
        OLS(y, odd)


def test_dependent_columns_are_named():
    y, x = data("scotland")
    first, second = x.columns[1:3]
    twice = x.assign(twice=(x[first] - 3.0 * x[second]) * 2.0**400)
    with pytest.raises(ValueError, match=r"a combination of '.+'"):
        OLS(y, twice).fit()


def test_frequencies_are_of_at_least_as_many_rows_as_columns():
    y, x = data("scotland")
    p = x.shape[1]
    few = np.full(len(y), (p - 0.5) / len(y))
    with pytest.raises(ValueError, match=f"sum to {p - 0.5}, and {p} columns.*var_weights"):
        OLS(y, x, freq_weights=few).fit()
    assert np.isfinite(OLS(y, x, var_weights=few).fit().bse).all()


DAYS = pd.date_range("2020-01-01", periods=32)
NO_NUMBERS = {
    "date": DAYS,
    "zone": DAYS.tz_localize("UTC"),
    "gap": DAYS.where(np.arange(32) != 3),
    "duration": DAYS - DAYS[0],
    "period": DAYS.to_period("D"),
    "day": [day.date() for day in DAYS],
    "complex": np.arange(32) * 1j,
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
@pytest.mark.parametrize("missing", ["none", "drop"])
def test_dates_and_complex_numbers_are_no_numbers(kind, missing):
    y, x = data("scotland")
    frame = x.assign(t=NO_NUMBERS[kind], y=y)
    message = "real and the imaginary part" if kind == "complex" else "dates and durations"
    with pytest.raises(ValueError, match=message):
        OLS(y, frame[["const", "t"]], missing=missing)
    with pytest.raises(ValueError, match=f"'t'.*{message}"):
        pn.glm.ols("y ~ t", frame, missing=missing)
    with pytest.raises(ValueError, match=message):
        OLS(y, x, offset=frame.t)
    values = frame[["t"]].to_numpy()
    with pytest.raises(ValueError, match=message):
        OLS(y, values, missing=missing)


def test_dates_of_polars_are_no_numbers():
    polars = pytest.importorskip("polars")
    y = data("scotland")[0]
    frame = polars.DataFrame({"const": np.ones(32), "t": list(DAYS.to_pydatetime())})
    for table in (frame, frame.select("const", polars.col("t").dt.date())):
        with pytest.raises(ValueError, match=r"'t' with datetime.*dates and durations"):
            OLS(y, table)


def test_dates_may_be_used_in_a_function():
    y, x = data("scotland")
    frame = x.assign(t=DAYS, y=y)
    found = pn.glm.ols("y ~ I(t.dt.dayofyear)", frame).fit()
    want = OLS(y, np.column_stack([np.ones(32), np.arange(1.0, 33.0)])).fit()
    np.testing.assert_allclose(found.params, want.params, rtol=1e-9)
