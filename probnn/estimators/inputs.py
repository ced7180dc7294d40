"""Columns of text and categories as indicators, which an estimator remembers."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

from probnn.data.frames import frame_of
from probnn.data.tables import check_quantity

_TEXT = (nw.String, nw.Categorical, nw.Enum)


def encoder_of(frame):
    """Return what makes indicators of the columns of text and categories of a pandas frame, fitted.

    Of each, the first category is the reference: in the order of its categories, else sorted.

    Returns
    -------
    sklearn.compose.ColumnTransformer or None
        None where all columns are numbers.
    """
    table = nw.from_native(frame)
    names = [name for name, kind in table.schema.items() if isinstance(kind, _TEXT)]
    if not names:
        return None
    categories = [_categories(table[name]) for name in names]
    made = {
        f"{name}_{each}" for name, found in zip(names, categories, strict=True) for each in found
    }
    encoder = OneHotEncoder(categories=categories, drop="first", sparse_output=False)
    return ColumnTransformer(
        [("indicators", encoder, names)],
        remainder="passthrough",
        verbose_feature_names_out=not made.isdisjoint(frame.columns),  # names stay different
    ).fit(frame)


def check_columns(frame):
    """Raise ValueError for a time, a complex number and, beside text, a missing value.

    Of numbers alone, what is missing is NaN, which is found later.
    """
    schema = nw.from_native(frame).schema
    full = any(isinstance(kind, _TEXT) for kind in schema.values())
    for name, kind in schema.items():
        column = frame[name]
        if not (isinstance(kind, (*_TEXT, nw.Boolean)) or kind.is_numeric()):
            check_quantity(column, name)
        if full and (missing := int(column.isna().sum())):
            raise ValueError(
                f"Expected no missing value. Received: {missing} in the column {name!r}. Fill it "
                "first, in a pipeline: sklearn.impute.SimpleImputer(strategy='most_frequent')."
            )


def check_no_surprise(values, what):
    """Raise ValueError if an array has what would silently be a number: times, masked entries."""
    if np.ma.is_masked(values):
        raise ValueError(
            f"Expected {what} without missing values. Received: an array with "
            f"{np.ma.count_masked(values)} masked entries. Fill them first, as "
            "sklearn.impute.SimpleImputer does of NaN: X.filled(numpy.nan)."
        )
    if isinstance(values, np.ndarray) and values.dtype.kind in "mMO":
        check_quantity(pd.Series(values.flat[:1]), what)


def order_of(y):
    """Return the categories of an ordered categorical, of pandas or polars; None of all else."""
    frame = frame_of(y)
    if frame is not None and len(frame.shape) == 2:
        y = frame[frame.columns[0]] if frame.shape[1] == 1 else None
    kind = getattr(y if frame is None or y is None else frame_of(y), "dtype", None)
    if isinstance(kind, nw.Enum) or getattr(kind, "ordered", False):
        return [*kind.categories]
    return None


def _categories(column):
    seen = column.unique().to_list()
    if isinstance(column.dtype, nw.String):
        return sorted(seen)
    return [each for each in column.cat.get_categories().to_list() if each in seen]


def check_classes(y):
    """Raise ValueError if a class is missing."""
    missing = int(pd.isna(y).sum())
    if missing:
        raise ValueError(
            f"Expected a class in every row of y. Received: {missing} missing value(s). Input y "
            "contains NaN: leave those rows out."
        )
