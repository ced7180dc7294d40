"""Rows with missing values."""

import numpy as np

from probnn.data.alignment import RowIndex
from probnn.data.frames import to_numpy

LEAVE_OUT = "Leave these rows out, as dropna() does with a frame, or impute what is missing."


def complete_rows(tables):
    """Return the positions of the rows that have every value in all tables; None if all have.

    Parameters
    ----------
    tables : iterable of array_like
        None is left out, and what is no number has no missing value.
    """
    whole = None
    for values in tables:
        numbers = None if values is None else to_numpy(values)
        if numbers is None or numbers.dtype.kind not in "fiub" or not numbers.ndim:
            continue
        rows = ~np.isnan(numbers.astype("float64")).reshape(len(numbers), -1).any(axis=1)
        if whole is not None and len(whole) != len(rows):
            return None  # whoever reads them says what their lengths should be
        whole = rows if whole is None else whole & rows
    return None if whole is None or whole.all() else np.flatnonzero(whole)


def gaps(frame, whole):
    """Say which rows of a pandas frame a mask (n,) has no True for, what they lack, and the remedy.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from probnn.data.missing import gaps
    >>> frame = pd.DataFrame({"x": [1.0, np.nan]}, index=["a", "b"])
    >>> gaps(frame, np.array([True, False])).split(". ")[0]
    "none of 'x' in row labelled 'b'"
    """
    names = [repr(name) for name, column in frame.items() if column.isna().any()]
    what = f"none of {', '.join(names)}" if names else "no number of the formula"
    return f"{what} in {RowIndex.of(frame, 'data').named(~whole)}. {LEAVE_OUT}"


def readable(column, name):
    """Return a pandas column as formulas read it: objects that are numbers, as numbers.

    Text is objects, whatever type of pandas holds it, and None where it is missing.

    Raises
    ------
    ValueError
        If it has both text and other values, which have no order.
    """
    import pandas as pd

    kind, types = column.dtype, pd.api.types
    if isinstance(kind, pd.CategoricalDtype):
        return column
    if types.is_object_dtype(kind):
        found = pd.api.types.infer_dtype(column, skipna=True)
        if found.startswith("mixed") and found != "mixed-integer-float":
            seen = sorted({type(value).__name__ for value in column[column.notna()]})
            if "str" in seen and len(seen) > 1:
                raise ValueError(
                    f"Expected values of one type in {name!r}. Received: {' and '.join(seen)}. Say "
                    f"what they are: data.assign({name}=data[{name!r}].astype(str))."
                )
        if found in ("integer", "floating", "mixed-integer-float", "decimal"):
            return pd.to_numeric(column.where(column.notna(), np.nan).astype("float64"))
        return column
    if types.is_string_dtype(kind):
        return column.astype(object).where(column.notna(), None)
    return column
