"""Rows with missing values."""

import numpy as np

from probnn.data.frames import take, to_numpy


def drop_missing(y, X, columns, designs):
    """Return everything without the rows in which a value is missing, and their number."""
    arrays = {("y", ""): y, ("X", ""): X}
    arrays |= {("column", k): v for k, v in columns.items() if v is not None}
    arrays |= {("design", k): v for k, v in (designs or {}).items()}
    whole = None
    for values in arrays.values():
        numbers = to_numpy(values)
        missing = np.isnan(numbers.astype("float64")) if numbers.dtype.kind in "fiub" else None
        if missing is None:
            continue
        rows = ~missing.reshape(len(missing), -1).any(axis=1)
        whole = rows if whole is None or len(whole) != len(rows) else whole & rows
    if whole is None or whole.all():
        return y, X, columns, designs, 0

    def kept(tables):
        return {k: None if v is None else take(v, whole) for k, v in (tables or {}).items()}

    return (
        take(y, whole),
        take(X, whole),
        kept(columns),
        kept(designs),
        int((~whole).sum()),
    )
