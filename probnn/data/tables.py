"""Columns with names, checked before anything is computed."""

import numpy as np

from probnn._parallel import share
from probnn.data.alignment import RowIndex
from probnn.data.frames import frame_of, names_of, to_numpy


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


def read_design(x, what="X"):
    """Return a float64 matrix (n, p) and the names of its columns, checked.

    Raises
    ------
    ValueError
        As `read_matrix`; or if two columns have one name, a value is not finite, or a column is 0.
    """
    x, names = read_matrix(x, what)
    if names is None:
        counter, constant = iter(range(1, x.shape[1] + 1)), set(constant_columns(x))
        names = ["const" if j in constant else f"x{next(counter)}" for j in range(x.shape[1])]
    elif len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"Expected columns of {what} with different names. Received: {twice!r} twice."
        )
    check_finite(x, what, names)
    zero = [j for j in range(x.shape[1]) if not x[0, j] and not x[:, j].any()]
    if zero:
        raise ValueError(
            f"Expected no column of zeros in {what}. Received: {names[zero[0]]!r}. Leave it out."
        )
    return x, names


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
    """Return numbers as float64; raise ValueError for others, naming the first column of text."""
    if values.dtype.kind not in "biuf":
        shown = ""
        if labels is not None and values.ndim == 2:
            for label, column in zip(labels, values.T, strict=True):
                first = column[0] if len(column) else None
                if isinstance(first, str):
                    shown = f", {label!r} with {first!r} in the first row"
                    break
        raise ValueError(
            f"Expected {what} to be numeric. Received: values of type {values.dtype}{shown}. "
            "Encode them first, or use a formula, which encodes categories: "
            "probnn.glm.glm('y ~ x', data)."
        )
    return values.astype("float64", copy=False)


def check_finite(x, what, names):
    """Raise ValueError if a number of the matrix is NaN or infinite."""
    # Sums find them in one pass without a copy; only a suspect block is looked at by element.
    step = max(1, 200_000 // x.shape[1])
    ones = np.ones(x.shape[1])

    def first_bad(rows):
        with np.errstate(all="ignore"):
            for start in range(rows.start, rows.stop, step):
                block = x[start : min(start + step, rows.stop)]
                if not np.isfinite(np.dot(block, ones).sum()):
                    bad = np.argwhere(~np.isfinite(block))
                    if len(bad):
                        return start + int(bad[0, 0]), int(bad[0, 1])
        return None

    bad = [found for found in share(first_bad, *x.shape) if found is not None]
    if bad:
        row, column = bad[0]
        raise ValueError(
            f"Expected finite numbers in {what}. Received: {x[row, column]} in row {row}, column "
            f"{names[column]!r}. Drop rows with missing values (missing='drop'), or impute them."
        )


def constant_columns(x):
    """Return the indices of columns that have one value."""
    likely = np.flatnonzero((x[:100] == x[0]).all(axis=0))
    return [int(j) for j in likely if (x[:, j] == x[0, j]).all()]


def has_constant(x):
    """Return whether some combination of the columns, none constant itself, is 1 in every row."""
    head = x[:: max(1, len(x) // 1000)]
    weights, *_ = np.linalg.lstsq(head, np.ones(len(head)), rcond=None)
    if np.abs(head @ weights - 1.0).max() > 1e-8:
        return False
    return bool(np.abs(x @ weights - 1.0).max() < 1e-8)
