"""Frames and series of every library: pandas itself, and all others by narwhals.

Rows come back in the kind that they came in. One number or several for each row of a frame are a
series or a frame: of pandas, with its index, of rows that have one, as pandas' and modin's do; else
of the library that x was of, as polars or pyarrow. Of arrays they are arrays, and tables pandas'.
What a network's `predict` and the methods of a `Predictive` return are arrays, and tables of
coefficients are pandas', whatever x was.
"""

import contextlib
import sys

import numpy as np

from probnn import backend

_NO_FRAMES = (np.ndarray, np.generic, list, tuple, dict, int, float, str)  # known without a look


def frame_of(values):
    """Return a frame or a series, of pandas as it is, of others as narwhals'; else None."""
    if values is None or isinstance(values, _NO_FRAMES):
        return None
    if _is_pandas(values):
        return values  # narwhals has the same names, and takes the time of a small fit
    import narwhals.stable.v2 as nw

    found = nw.from_native(values, pass_through=True, allow_series=True)
    if isinstance(found, nw.LazyFrame):
        return found.collect()
    return found if isinstance(found, (nw.DataFrame, nw.Series)) else None


def _is_pandas(values):
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(values, (pandas.DataFrame, pandas.Series))


def names_of(values):
    """Return the names of the columns of a frame, or that of a series; None of what is neither."""
    frame = frame_of(values)
    if frame is None:
        return None
    return [frame.name] if len(frame.shape) == 1 else list(frame.columns)


def name_of(values):
    """Return the name of a series, or of the first column of a frame; None without one."""
    names = names_of(values)
    return names[0] if names else None


def index_of(values):
    """Return the index of a frame or series of a library that has one, as pandas; else None."""
    frame = frame_of(values)
    if frame is None or _is_pandas(frame):
        return None if frame is None else frame.index
    import narwhals.stable.v2 as nw

    return nw.maybe_get_index(frame)


def library_of(values):
    """Return the name of the library of a frame or series; None for pandas, and what is neither."""
    frame = frame_of(values)
    return None if frame is None or _is_pandas(frame) else str(frame.implementation)


def table_of_rows(columns, index=None, library=None):
    """Return a frame of columns by name: of a library, or else of pandas with an index."""
    if library is None:
        import pandas as pd

        return pd.DataFrame(columns, index=index)
    import narwhals.stable.v2 as nw

    return nw.from_dict({str(k): v for k, v in columns.items()}, backend=library).to_native()


def series_of_rows(values, index=None, library=None):
    """Return one value for each row as a series: of a library, or else of pandas with an index."""
    if library is None:
        import pandas as pd

        return pd.Series(values, index=index)
    import narwhals.stable.v2 as nw

    return nw.new_series("", values, backend=library).to_native()


def take(values, rows):
    """Return rows of an array, frame or series: those at positions, or where a mask is true."""
    frame = frame_of(values)
    if frame is None:
        return to_numpy(values)[rows]
    if _is_pandas(frame):
        return frame.iloc[rows]
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows
    return frame[rows.tolist()].to_native()


def take_columns(values, order):
    """Return the columns of a frame at these positions."""
    frame = frame_of(values)
    return frame.iloc[:, order] if _is_pandas(frame) else frame[:, order].to_native()


def to_numpy(values):
    """Return a NumPy array of an array, a frame or series, a tensor, or a list.

    What is missing is NaN: pandas.NA, None, and what a masked array hides.
    """
    if isinstance(values, np.ma.MaskedArray):
        return _filled(values)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    frame = frame_of(values)
    if frame is None and backend.is_tensor(values):
        import keras

        return keras.ops.convert_to_numpy(values)
    array = np.asarray(values) if frame is None else _frame_to_numpy(frame)
    if array.dtype == object and not any(isinstance(value, (str, bytes)) for value in array.flat):
        import pandas as pd

        with contextlib.suppress(TypeError, ValueError):  # lists in it, say
            return np.where(pd.isna(array), np.nan, array).astype("float64")
    return array


def _frame_to_numpy(frame):
    """Return a NumPy array of a frame or series; dates beside numbers stay what they are."""
    if _is_pandas(frame) or len(frame.shape) == 1:
        return frame.to_numpy()
    if any(kind.is_temporal() for kind in frame.schema.values()):
        return np.array([frame[name].to_list() for name in frame.columns], dtype=object).T
    return frame.to_numpy()


def _filled(values):
    """Return a masked array with NaN, or None among objects, where it is masked."""
    if not np.ma.getmaskarray(values).any():
        return values.data
    if values.dtype.kind in "biuf":
        return values.astype(np.result_type(values.dtype, np.float32)).filled(np.nan)
    return values.astype(object).filled(None)
