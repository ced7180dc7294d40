"""Every public argument in every container and dtype: the clean answer, or a ValueError.

Numbers are whole and small, so that each dtype holds them as they are.
"""

import datetime
import tempfile

import keras
import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse
from tables.cases import cases

import probnn as pn
from probnn.glm import GLM, OLS

pytestmark = pytest.mark.slow

N = 24


def mapped(x):
    with tempfile.TemporaryFile() as file:
        found = np.memmap(file, "float64", "w+", shape=x.shape)
    found[:] = x
    return found


def frozen(x):
    x = x.copy()
    x.setflags(write=False)
    return x


def columns(x):
    """Return name -> column, of a vector or a matrix."""
    x = x[:, None] if x.ndim == 1 else x
    return {f"c{j}": column for j, column in enumerate(x.T)}


def series_or_frame(x, dtype, of=float):
    frame = pd.DataFrame(
        {name: pd.array(v.astype(of).tolist(), dtype=dtype) for name, v in columns(x).items()}
    )
    return frame if x.ndim == 2 else frame["c0"]


def in_polars(x, dtype):
    frame = polars.DataFrame({name: v.tolist() for name, v in columns(x).items()}).cast(dtype)
    return frame if x.ndim == 2 else frame["c0"]


KINDS = ["f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f8", ">i4", "g", "O"]
GOOD = {
    **{f"numpy {kind}": lambda x, kind=kind: x.astype(kind) for kind in KINDS},
    "Fortran": np.asfortranarray,
    "read-only": frozen,
    "memory-mapped": mapped,
    "negative strides": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "every other": lambda x: np.repeat(x, 2, axis=0)[::2],
    "list": lambda x: x.tolist(),
    "tuple": lambda x: tuple(map(tuple, x.tolist())) if x.ndim == 2 else tuple(x.tolist()),
    "masked, nothing hidden": np.ma.MaskedArray,
    "tensor": lambda x: keras.ops.convert_to_tensor(x.astype("float32")),
    "pandas": lambda x: series_or_frame(x, "float64"),
    "pandas object": lambda x: series_or_frame(x, "object"),
    "pandas Int64": lambda x: series_or_frame(x, "Int64", int),
    "pandas Float32": lambda x: series_or_frame(x, "Float32"),
    "pandas of arrow": lambda x: series_or_frame(x, "double[pyarrow]"),
    "polars": lambda x: in_polars(x, polars.Float64),
    "polars integers": lambda x: in_polars(x, polars.Int16),
}
TABLES = {
    "pyarrow": lambda x: pyarrow.table({n: v.tolist() for n, v in columns(x).items()}),
    "named rows": lambda x: pd.DataFrame(columns(x)).rename(index=lambda i: f"row {i}"),
}


def with_gap(x, gap):
    x = x.astype(object)
    x[3] = gap
    return x


DAY = datetime.date(2024, 2, 29)
BAD = {
    "text": lambda x: x.astype(int).astype(str),
    "bytes": lambda x: x.astype(int).astype("S"),
    "complex": lambda x: x * (1.0 + 1.0j),
    "dates": lambda x: np.full(x.shape, np.datetime64(DAY)),
    "durations": lambda x: x.astype("timedelta64[s]"),
    "days": lambda x: np.full(x.shape, DAY, dtype=object),
    "NaN": lambda x: with_gap(x, np.nan).astype(float),
    "infinity": lambda x: with_gap(x, np.inf).astype(float),
    "None": lambda x: with_gap(x, None),
    "pandas.NA": lambda x: with_gap(x, pd.NA),
    "mixed": lambda x: with_gap(x, "seven"),
    "masked": lambda x: np.ma.MaskedArray(x, mask=np.arange(x.size).reshape(x.shape) == 3),
    "categories": lambda x: pd.DataFrame(columns(x)).astype("int").astype("string"),
    "polars dates": lambda x: polars.DataFrame({n: [DAY] * len(x) for n in columns(x)}),
    "structured": lambda x: np.zeros(len(x), dtype=[("a", "f8"), ("b", "f8")]),
    "sparse": lambda x: sparse.csr_array(x if x.ndim == 2 else x[:, None]),
    "three axes": lambda x: np.repeat(x.reshape(len(x), -1, 1), 2, axis=2),
    "no rows": lambda x: x[:0],
    "one row more": lambda x: np.concatenate([x, x[:1]]),
    "a dict": lambda x: {"a": 1.0},
    "a generator": lambda x: (row for row in x),
    "a set": lambda x: {1.0, 2.0},
}


def data(seed):
    """Return whole numbers: y, X, and one for each row."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(N), rng.integers(0, 9, (N, 2))]).astype(float)
    return rng.integers(0, 12, N).astype(float), x, rng.integers(1, 4, N).astype(float)


def fitted(y, x, **by_row):
    return np.asarray(GLM(y, x, "poisson", **by_row).fit(verbose=False).params)


def predicted(x):
    y, design, each = data(0)
    return np.asarray(GLM(y, design, "poisson", offset=each / 9.0).fit().predict(x, offset=each))


def scored(y, each=None):
    loc = np.arange(float(N)) if each is None else each
    return pn.scores.crps(y, pn.Predictive("normal", {"loc": loc, "scale": 2.0}))


ARGUMENTS = {
    "y": lambda v, y, x, each: fitted(v(y), x),
    "X": lambda v, y, x, each: fitted(y, v(x)),
    "offset": lambda v, y, x, each: fitted(y, x, offset=v(each)),
    "exposure": lambda v, y, x, each: fitted(y, x, exposure=v(each)),
    "freq_weights": lambda v, y, x, each: fitted(y, x, freq_weights=v(each)),
    "var_weights": lambda v, y, x, each: fitted(y, x, var_weights=v(each)),
    "OLS": lambda v, y, x, each: np.asarray(OLS(v(y), v(x)).fit().bse),
    "predict": lambda v, y, x, each: predicted(v(x)),
    "scores": lambda v, y, x, each: scored(v(y)),
    "Predictive": lambda v, y, x, each: scored(y, v(each)),
    "PIT": lambda v, y, x, each: pn.Predictive("normal", {"loc": each, "scale": 3.0}).pit(v(y)),
}


@cases(900)
@given(st.sampled_from([*ARGUMENTS]), st.sampled_from([*GOOD]), st.integers(0, 10**6))
def test_containers_hold_the_same_numbers(argument, container, seed):
    y, x, each = data(seed)
    want = ARGUMENTS[argument](np.asarray, y, x, each)
    found = ARGUMENTS[argument](GOOD[container], y, x, each)
    np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-9)


@cases(40)
@given(st.sampled_from(["X", "predict"]), st.sampled_from([*TABLES]), st.integers(0, 10**6))
def test_tables_hold_the_same_numbers(argument, container, seed):
    test_containers = ARGUMENTS[argument]
    y, x, each = data(seed)
    found = test_containers(TABLES[container], y, x, each)
    np.testing.assert_allclose(found, test_containers(np.asarray, y, x, each), rtol=1e-9)


@cases(900)
@given(st.sampled_from([*ARGUMENTS]), st.sampled_from([*BAD]), st.integers(0, 10**6))
def test_what_holds_no_numbers_is_refused(argument, container, seed):
    # Of one row more in all there are as many everywhere; of a y that is missing, so is the PIT.
    gaps = {"NaN", "infinity", "None", "pandas.NA", "masked"}
    assume((argument, container) != ("OLS", "one row more"))
    assume(argument != "PIT" or container not in gaps)
    y, x, each = data(seed)
    with pytest.raises(ValueError, match=r"^Expected"):
        ARGUMENTS[argument](BAD[container], y, x, each)
