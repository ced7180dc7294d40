"""Columns with names, checked before anything is computed."""

import datetime

import numpy as np

from probnn._parallel import share
from probnn.data.alignment import RowIndex
from probnn.data.frames import frame_of, names_of, to_numpy
from probnn.data.missing import LEAVE_OUT

# Squares of larger and smaller numbers, and the variances they are part of, are no float64.
_LARGEST, _SMALLEST = 1e147, 1e-147


def to_frame(data):
    """Return a pandas frame of a pandas or polars frame, or a dict of columns."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    frame = data if isinstance(data, dict) else frame_of(data)
    if frame is None or (not isinstance(frame, dict) and len(frame.shape) == 1):
        raise ValueError(
            f"Expected data to be a pandas or polars frame, or a dict of columns. Received: a "
            f"{type(data).__name__}."
        )
    names = frame if isinstance(frame, dict) else frame.columns
    columns = {name: frame[name] for name in names}
    rows = RowIndex.of(data, "the first column that has labels")
    columns = {n: rows.align(v, repr(n)) for n, v in columns.items()}
    return pd.DataFrame({n: _column(v) for n, v in columns.items()}, index=rows.labels)


def _column(values):
    """Return a column as pandas holds it: levels in an order, polars' Enum, keep the order."""
    import pandas as pd

    if isinstance(values, pd.Series):
        return values.array
    levels = getattr(getattr(frame_of(values), "dtype", None), "categories", None)
    column = to_numpy(values)
    return column if levels is None else pd.Categorical(column, [*levels], ordered=True)


def is_labelled(values):
    """Return whether an array carries names, as frames and series do."""
    return frame_of(values) is not None


def read_matrix(x, what="X"):
    """Return a float64 matrix (n, p), and the names of its columns or None, checked.

    Raises
    ------
    ValueError
        If it has zero rows or columns, is not numeric, or is not two-dimensional.
    """
    labels = names_of(x)
    x = numeric(to_numpy(x), what, labels)
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(
            f"Expected {what} of shape (n, p) with at least one row and one column. Received: "
            f"shape {x.shape}."
        )
    return x, None if labels is None else [str(label) for label in labels]


def read_design(x, what="X", zeros=False):
    """Return a float64 matrix (n, p), the names of its columns, and which are constant, checked.

    Columns that have names are not looked at for that: of these the last is None. `zeros` says
    whether a column may be 0.

    Raises
    ------
    ValueError
        As `read_matrix`; or if two columns have one name, a value is not finite, a column is 0, or
        its squares are beyond float64.
    """
    (x, names), constants = read_matrix(x, what), None
    if names is None:
        counter, constants = iter(range(1, x.shape[1] + 1)), constant_columns(x)
        names = ["const" if j in constants else f"x{next(counter)}" for j in range(x.shape[1])]
    elif len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"Expected columns of {what} with different names. Received: {twice!r} twice."
        )
    check_finite(x, what, names)
    for j in (np.abs(x[0]) < _SMALLEST).nonzero()[0]:
        if not (zeros or x[:, j].any()):
            raise ValueError(
                f"Expected no column of zeros in {what}. Received: {names[j]!r}. Leave it out."
            )
        check_range(x[:, j], what, f" in {names[j]!r}")
    return x, names, constants


def check_range(values, what, where=""):
    """Raise ValueError if the largest of some numbers is one whose square is no float64."""
    most = np.abs(values).max()
    if not np.isfinite(most):  # a bound may be infinite
        most = np.where(np.isfinite(values), np.abs(values), 0.0).max()
    if most and not _SMALLEST <= most < _LARGEST:
        raise ValueError(
            f"Expected {what} whose squares, as variances need them, are float64: absolute values "
            f"from {_SMALLEST:.0e} to {_LARGEST:.0e}. Received: {most:.3g} as the largest{where}. "
            f"Measure it in another unit: divide it by {10.0 ** np.round(np.log10(most)):.0e}."
        )


def read_column(values, n, what, minimum=None):
    """Return one float64 number for each of n rows, checked; None stays None."""
    if values is None:
        return None
    values = numeric(to_numpy(values), what)
    if values.shape == (n, 1):
        values = values[:, 0]
    if values.shape != (n,):
        raise ValueError(
            f"Expected {what} of shape ({n},), one number for each row. Received: shape "
            f"{values.shape}."
        )
    bad = ~np.isfinite(values) if minimum is None else ~((values >= minimum) & np.isfinite(values))
    if bad.any():
        bound = "" if minimum is None else f" numbers from {minimum} on, all"
        raise ValueError(
            f"Expected {what} to be{bound} finite. Received: {values[bad][0]} in row "
            f"{int(np.flatnonzero(bad)[0])}, and {int(bad.sum())} such value(s) in all."
        )
    return values


def numeric(values, what, labels=None):
    """Return numbers as float64; raise ValueError for others, naming the first column of them."""
    if values.dtype.kind not in "biuf":
        row, column, first = _no_number(values)
        name = f"{labels[column]!r} with " if labels is not None and values.ndim == 2 else ""
        where = "the first row" if row == 0 else f"row {row}"
        shown = f"{name}{first!r:.60} in {where}, of" if values.size else "no rows, of"
        raise ValueError(
            f"Expected {what} to be numeric. Received: {shown} values of type {values.dtype}. "
            f"{remedy(first)}"
        )
    return values.astype("float64", copy=False)


def _no_number(values):
    """Return the row and the column of the first thing that is no number, and that; 0, 0, None."""
    columns = values.T if values.ndim == 2 else [values.ravel()]
    for j, column in enumerate(columns):
        for i, value in enumerate(column):
            if _is_no_quantity(value) or not isinstance(value, (int, float, np.number, np.bool_)):
                return i, j, value
    return 0, 0, values.flat[0] if values.size else None


def _is_no_quantity(value):
    """Return whether a value is a time or a complex number: neither a number nor a category."""
    import pandas as pd

    times = (datetime.date, datetime.timedelta, np.datetime64, np.timedelta64, pd.Period)
    return isinstance(value, times) or (np.iscomplexobj(value) and value.imag != 0.0)


def remedy(value):
    """Say how something that is no number becomes one, or several."""
    if np.iscomplexobj(value):
        return "Give the real and the imaginary part as two columns."
    if _is_no_quantity(value):
        return (
            "Turn dates and durations into numbers first, as days since one of them: "
            "(t - t.min()) / pandas.Timedelta(days=1)."
        )
    return (
        "Encode them first, or use a formula, which encodes categories: "
        "probnn.glm.glm('y ~ x', data)."
    )


def check_quantity(column, name):
    """Raise ValueError if a pandas column has dates, durations or complex numbers."""
    if column.dtype.kind in "biuf":
        return
    for value in column:
        if _is_no_quantity(value):
            raise ValueError(
                f"Expected numbers or categories in {name!r}. Received: {value!r:.60}. "
                f"{remedy(value)}"
            )


def check_finite(x, what, names, rows=None):
    """Raise ValueError if a number of the matrix is not finite, or too large to be squared.

    Of new rows, with their `RowIndex`, all such rows are named; a model leaves them out.
    """
    # Sums of squares find them in one pass without a copy; a suspect block is looked at by element.
    step = max(1, 200_000 // x.shape[1])

    def first_bad(rows):
        for start in range(rows.start, rows.stop, step):
            block = x[start : min(start + step, rows.stop)]
            if not np.vdot(block, block) < _LARGEST**2:
                bad = np.argwhere(~(np.abs(block) < _LARGEST))
                if len(bad):
                    return start + int(bad[0, 0]), int(bad[0, 1])
        return None

    bad = [found for found in share(first_bad, *x.shape) if found is not None]
    if bad:
        row, column = bad[0]
        if np.isfinite(x[row, column]):
            check_range(x[row, column], what, f" in {names[column]!r}")
        if rows is not None:
            wrong = ~np.isfinite(x)
            columns = ", ".join(repr(names[j]) for j in np.flatnonzero(wrong.any(axis=0)))
            raise ValueError(
                f"Expected finite numbers in {what}, without missing values. Received: others in "
                f"{columns}, {rows.named(wrong.any(axis=1))}. {LEAVE_OUT}"
            )
        raise ValueError(
            f"Expected finite numbers in {what}. Received: {x[row, column]} in row {row}, column "
            f"{names[column]!r}. Drop rows with missing values (missing='drop'), or impute them."
        )


def constant_columns(x):
    """Return the indices of columns that have one value."""
    likely = (x[:10] == x[0]).all(axis=0).nonzero()[0]
    return [int(j) for j in likely if (x[:, j] == x[0, j]).all()]


def has_constant(x):
    """Return whether some combination of the columns, none constant itself, is 1 in every row."""
    head = x[:: max(1, len(x) // 1000)]
    weights, *_ = np.linalg.lstsq(head, np.ones(len(head)), rcond=None)
    if np.abs(head @ weights - 1.0).max() > 1e-8:
        return False
    return bool(np.abs(x @ weights - 1.0).max() < 1e-8)
