"""Rows that do not fit in memory, in batches or in parquet files."""

import os
from typing import NamedTuple

import numpy as np

from probnn.data.alignment import RowIndex
from probnn.data.frames import to_numpy
from probnn.data.source import Source
from probnn.data.tables import check_finite, read_column, read_matrix

_BY_ROW = ("offset", "exposure", "freq_weights", "var_weights")
_ROWS = 100_000  # of a parquet file read at once


def read_batches(batches, response=None, columns=None, constant=True, **by_row):
    """Return the `Batches` of an iterable or of parquet files: see `GLM.from_batches`."""
    if _is_path(batches):
        return Batches(parquet(batches, response, columns, constant, **by_row))
    if response is not None or columns is not None or by_row:
        raise ValueError(
            "Expected `response`, `columns` and names of columns with parquet files. Received "
            "them with batches, which hold (y, X) or (y, X, {'offset': ...})."
        )
    return Batches(batches)


def _is_path(source):
    if isinstance(source, (list, tuple)):
        return bool(source) and all(_is_path(item) for item in source)
    return isinstance(source, (str, os.PathLike))


def parquet(path, response, columns=None, constant=True, **by_row):
    """Return a function that reads batches from parquet files, with pyarrow.

    Parameters
    ----------
    path : str, path-like, or list of them
        Files, or a folder of them.
    response : str
        The column of y.
    columns : list of str, optional
        The columns of X; by default all others.
    constant : bool
        Whether a column `const` of ones comes first.
    **by_row
        `offset`, `exposure`, `freq_weights`, `var_weights`: names of columns.
    """
    import pandas as pd

    try:
        import pyarrow.dataset
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError(
            "Parquet files are read by pyarrow, which is not installed. Install it: "
            'pip install "probnn[parquet]".'
        ) from error

    if response is None:
        raise ValueError("Expected response=, the column of y in the parquet files.")
    data = pyarrow.dataset.dataset(path, format="parquet")
    used = {response, *by_row.values()}
    columns = (
        [name for name in data.schema.names if name not in used] if columns is None else columns
    )
    missing = [name for name in [*used, *columns] if name not in data.schema.names]
    if missing:
        raise ValueError(
            f"Expected columns of the files: {data.schema.names}. Received: {missing}."
        )
    names = (["const"] if constant else []) + list(columns)

    def batches():
        # One file after the other: a scan of them all would read far ahead into memory.
        for file in data.files:
            with ParquetFile(file, pre_buffer=False) as opened:
                yield from opened.iter_batches(_ROWS, columns=[*used, *columns])

    def read():
        for batch in batches():
            x = np.empty((len(batch), len(names)))
            x[:, 0] = 1.0
            for j, name in enumerate(columns, len(names) - len(columns)):
                x[:, j] = batch.column(name).to_numpy(zero_copy_only=False)
            rows = {n: batch.column(c).to_numpy(zero_copy_only=False) for n, c in by_row.items()}
            y = batch.column(response).to_numpy(zero_copy_only=False)
            yield y, pd.DataFrame(x, columns=names, copy=False), rows

    return read


class Batch(NamedTuple):
    """Rows: y (n,), X (n, p), and a number for each row by name, as `offset`."""

    y: np.ndarray
    x: np.ndarray
    by_row: dict


class Batches(Source):
    """Batches (y, X) or (y, X, {"offset": ..., ...}) that can be visited again and again.

    A first pass checks all rows and draws the sample, which has a row with a number other than 0 in
    every column that has one.

    Parameters
    ----------
    source : iterable or callable
        A list, or another iterable that starts anew; or a function that returns an iterator.
    seed : int
        For the sample.
    """

    def __init__(self, source, seed=0):
        self._source = source
        self._length, self.names, self._sample = self._survey(np.random.default_rng(seed))

    def __len__(self):
        return self._length

    def parts(self):
        """Yield each `Batch`."""
        for batch, _ in self._read():
            yield batch

    def sample(self):
        """Return a `Batch` of the rows that were drawn."""
        return self._sample

    def _read(self):
        """Yield each batch, and the names of its columns or None."""
        batches = self._source() if callable(self._source) else self._source
        if batches is iter(batches) and not callable(self._source):
            raise ValueError(
                "Expected batches that can be visited again, as every pass does: a list, a parquet "
                "file, or a function that returns an iterator. Received: an iterator, "
                f"{type(batches).__name__}. Give the function that makes it."
            )
        for batch in batches:
            y, x, by_row = (*batch, {})[:3]
            unknown = sorted({*by_row} - {*_BY_ROW})
            if unknown:
                raise ValueError(
                    f"Expected the third part of a batch to hold some of {', '.join(_BY_ROW)}. "
                    f"Received: {unknown}."
                )
            rows = RowIndex.first(X=x, y=y)
            y = rows.align(y, "y")
            by_row = {name: rows.align(values, name) for name, values in by_row.items()}
            x, names = read_matrix(x)
            yield Batch(to_numpy(y), x, {n: to_numpy(v) for n, v in by_row.items()}), names

    def _survey(self, rng):
        """Check all rows; return their number, the names of the columns, and the sample."""
        n, names, kept, seen = 0, None, None, None
        for (y, x, by_row), labels in self._read():
            if seen is None:
                names, seen = labels, np.zeros(x.shape[1], bool)
                others, size = list(by_row), max(20_000, 100 * x.shape[1])
            if x.shape[1] != len(seen) or labels != names or list(by_row) != others:
                raise ValueError(
                    f"Expected every batch like the first: {names or len(seen)} columns of X, "
                    f"and {others}. Received, after row {n}: {labels or x.shape[1]}, and "
                    f"{list(by_row)}."
                )
            check_finite(x, "X", names or [f"x{j + 1}" for j in range(len(seen))])
            keys = rng.random(len(x))
            for j in np.flatnonzero(~seen):
                rows = np.flatnonzero(x[:, j])
                if rows.size:
                    keys[rows[0]], seen[j] = -1.0, True
            found = [keys, read_column(y, len(x), "y"), x]
            found += [read_column(by_row[name], len(x), name) for name in others]
            near = keys <= (1.0 if kept is None else kept[0].max())
            found = [column[near] for column in found]
            if kept is not None:
                found = [np.concatenate(pair) for pair in zip(kept, found, strict=True)]
            order = np.argsort(found[0], kind="stable")[:size]
            kept = [column[order] for column in found]
            n += len(x)
        if kept is None:
            raise ValueError("Expected at least one batch. Received: none.")
        _, y, x, *rest = kept
        return n, names, Batch(y, x, dict(zip(others, rest, strict=True)))
