"""Rows that do not fit in memory, in batches or in parquet files."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from probnn.data.alignment import RowIndex
from probnn.data.source import Source
from probnn.data.tables import check_finite, read_column, read_matrix, remedy

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
        Files, or folders of them.
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
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError(
            "Parquet files are read by pyarrow, which is not installed. Install it: "
            'pip install "probnn[parquet]".'
        ) from error

    if response is None:
        raise ValueError("Expected response=, the column of y in the parquet files.")
    files = _files(path)
    used = [response, *by_row.values()]
    if columns is None:
        columns = [name for name in _schema(files[0]).names if name not in used]
    for file in files:
        _check_schema(file, [*used, *columns])
    names = (["const"] if constant else []) + list(columns)

    def batches():
        # One file after the other: a scan of them all would read far ahead into memory.
        for file in files:
            with ParquetFile(file, pre_buffer=False) as opened:
                for group in range(opened.num_row_groups):
                    for batch in opened.iter_batches(_ROWS, [group], [*{*used, *columns}]):
                        yield batch, f"{file}, row group {group}"

    def read():
        for batch, place in batches():

            def column(name, batch=batch):
                values = batch.column(name).cast("float64", safe=False)
                return values.to_numpy(zero_copy_only=False)

            x = np.empty((len(batch), len(names)))
            x[:, 0] = 1.0
            for j, name in enumerate(columns, len(names) - len(columns)):
                x[:, j] = column(name)
            rows = {name: column(each) for name, each in by_row.items()}
            yield column(response), pd.DataFrame(x, columns=names, copy=False), rows, place

    return read


def _files(path):
    """Return parquet files: a path or those of a list; of folders the files in them, by name."""
    found = []
    for each in map(Path, path if isinstance(path, (list, tuple)) else [path]):
        inside = sorted(file for file in each.rglob("*") if file.is_file())
        # Writers of parquet put their notes under such names.
        found += (
            [f for f in inside if not f.name.startswith(("_", "."))] if each.is_dir() else [each]
        )
    if not found:
        raise ValueError(f"Expected parquet files. Received: {path}, without a file in it.")
    return found


def _schema(file):
    """Return the schema of a parquet file; raise ValueError, naming it, if it is none."""
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import read_schema

    try:
        return read_schema(file)
    except ArrowInvalid as error:
        raise ValueError(
            f"Expected parquet files. Received: {file}, which is none, or not whole: {error}. "
            "Give a list of files, to leave others in the folder out."
        ) from error


def _check_schema(file, names):
    """Raise if a parquet file lacks a column of these names, or has one that is not numeric."""
    from pyarrow import types

    schema = _schema(file)
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise ValueError(
            f"Expected columns of the files: {schema.names} in {file}. Received: {missing}."
        )
    numbers = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    for name in names:
        kind = schema.field(name).type
        if not any(test(kind) for test in numbers):
            raise ValueError(
                f"Expected numeric columns. Received: {name!r} of type {kind} in {file}. "
                f"{remedy(np.datetime64('NaT') if types.is_temporal(kind) else str(kind))}"
            )


class Batch(NamedTuple):
    """Rows: y (n,), X (n, p), and a number for each row by name, as `offset`."""

    y: np.ndarray
    x: np.ndarray
    by_row: dict


class Batches(Source):
    """Batches (y, X) or (y, X, {"offset": ..., ...}) that can be visited again and again.

    A first pass checks all rows and draws the sample, which has a row with a number other than 0 in
    every column that has one. Each later pass must bring the same rows, perhaps in another order.

    Parameters
    ----------
    source : iterable or callable
        A list, or another iterable that starts anew; or a function that returns an iterator. A
        fourth part of a batch says, in messages, where it is from.
    seed : int
        For the sample.
    """

    def __init__(self, source, seed=0):
        self._source = source
        self.names = self._width = self._others = self._sums = None
        self._sample = self._survey(np.random.default_rng(seed))

    def __len__(self):
        return int(self._sums[0])

    def parts(self):
        """Yield each `Batch`; raise ValueError after the last if the rows are others than before.

        Their number, and the sums of y, of each column of X, and of what else there is a number of,
        are compared.
        """
        total = 0.0
        for _, batch in self._read():
            total = total + _sums(batch)
            yield batch
        if np.shape(total) != self._sums.shape or not np.allclose(
            total, self._sums, rtol=0.0, atol=1e-9 * self._sizes
        ):
            rows = int(total[0]) if np.ndim(total) else 0
            raise ValueError(
                f"Expected the same rows in every pass. Received: {len(self)} in the first, and "
                f"{rows} in a later one"
                f"{', with other numbers in them' if rows == len(self) else ''}. A source of "
                "batches that draws, shuffles into other rows, or changes while it is read, cannot "
                "be fitted: write it to a file first."
            )

    def sample(self):
        """Return a `Batch` of the rows that were drawn."""
        return self._sample

    def _read(self):
        """Yield each batch, checked, with what messages call it."""
        batches = self._source() if callable(self._source) else self._source
        if batches is iter(batches) and not callable(self._source):
            raise ValueError(
                "Expected batches that can be visited again, as every pass does: a list, a parquet "
                "file, or a function that returns an iterator. Received: an iterator, "
                f"{type(batches).__name__}. Give the function that makes it."
            )
        for number, (y, x, *rest) in enumerate(batches):
            by_row, place = (*rest, *({}, f"batch {number}")[len(rest) :])
            try:
                yield place, self._checked(y, x, by_row)
            except ValueError as error:
                raise ValueError(f"In {place}: {error}") from None

    def _checked(self, y, x, by_row):
        """Return a `Batch` of numbers that is like the first; the first says what all are like."""
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
        if self._width is None:
            self.names, self._width, self._others = names, x.shape[1], list(by_row)
        if (names, x.shape[1], list(by_row)) != (self.names, self._width, self._others):
            raise ValueError(
                f"Expected every batch like the first: {self.names or self._width} columns of X, "
                f"and {self._others}. Received: {names or x.shape[1]}, and {list(by_row)}."
            )
        check_finite(x, "X", names or [f"x{j + 1}" for j in range(x.shape[1])])
        by_row = {name: read_column(values, len(x), name) for name, values in by_row.items()}
        return Batch(read_column(y, len(x), "y"), x, by_row)

    def _survey(self, rng):
        """Look at all rows, and keep their sums; return the sample."""
        kept, self._sums, self._sizes = None, 0.0, 0.0
        for _, batch in self._read():
            y, x, by_row = batch
            if kept is None:
                seen, size = np.zeros(self._width, bool), max(20_000, 100 * self._width)
            keys = rng.random(len(x))
            for j in np.flatnonzero(~seen):
                rows = np.flatnonzero(x[:, j])
                if rows.size:
                    keys[rows[0]], seen[j] = -1.0, True
            near = keys <= (1.0 if kept is None else kept[0].max())
            found = [column[near] for column in (keys, y, x, *by_row.values())]
            if kept is not None:
                found = [np.concatenate(pair) for pair in zip(kept, found, strict=True)]
            order = np.argsort(found[0], kind="stable")[:size]
            kept = [column[order] for column in found]
            self._sums, self._sizes = self._sums + _sums(batch), self._sizes + _sums(batch, np.abs)
        if kept is None:
            raise ValueError("Expected at least one batch. Received: none.")
        _, y, x, *rest = kept
        return Batch(y, x, dict(zip(self._others, rest, strict=True)))


def _sums(batch, of=lambda values: values):
    """Return the number of rows, and the sums of what they hold, columns of X by column."""
    y, x, by_row = batch
    totals = [of(values).sum() for values in (y, *by_row.values())]
    return np.array([len(x), *totals, *(np.ones(len(x)) @ of(x))])
