"""Models of data that do not fit in memory: the same passes, over batches."""

import os
from dataclasses import dataclass, replace

import numpy as np

from probnn import families
from probnn.data import to_numpy
from probnn.fitting.objective import Sum
from probnn.glm.data import Observations, check_finite, read_column, read_matrix
from probnn.glm.model import GLM

_BY_ROW = ("offset", "exposure", "freq_weights", "var_weights")
_ROWS = 100_000  # of a parquet file read at once


def is_path(source):
    """Return whether a source of batches is a path of files, or a list of paths."""
    if isinstance(source, (list, tuple)):
        return bool(source) and all(is_path(item) for item in source)
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
    import pyarrow.dataset
    from pyarrow.parquet import ParquetFile

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


@dataclass
class Batches:
    """Batches (y, X) or (y, X, {"offset": ..., ...}) that can be visited again and again.

    Parameters
    ----------
    source : iterable or callable
        A list, or another iterable that starts anew; or a function that returns an iterator.
    """

    source: object

    def __iter__(self):
        """Yield y, X as a float64 matrix, the names of its columns or None, and the rest."""
        batches = self.source() if callable(self.source) else self.source
        if batches is iter(batches) and not callable(self.source):
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
            x, names = read_matrix(x)
            yield to_numpy(y), x, names, {n: to_numpy(v) for n, v in by_row.items()}

    def survey(self, seed=0):
        """Check all rows; return their number, and a random sample as (y, X, names, rest).

        The sample has a row with a number other than 0 in every column that has one.
        """
        rng = np.random.default_rng(seed)
        n, names, kept, seen = 0, None, None, None
        for y, x, labels, by_row in self:
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
        return n, (y, x, names, dict(zip(others, rest, strict=True)))


def _link_of(options):
    """Return the link among options, taken out of them, as an option of the family."""
    link = options.pop("link", None)
    return {} if link is None else {"link": link}


class BatchedGLM(GLM):
    """A `GLM` whose rows are in batches: `GLM.from_batches` makes it."""

    _is_null = False

    def __init__(self, batches, family="normal", **options):
        family = families.get(family, **_link_of(options))
        several = family.per_trial() is not None or family.y_columns is not None
        if several or not family.smooth:
            raise ValueError(
                "Expected a family of one number in each row, with second derivatives, for models "
                f"in batches. Received: {family!r}. Successes and failures are the two columns of "
                "y that the bernoulli family takes of rows in memory."
            )
        self.batches = batches
        self._rows, (y, x, names, by_row) = batches.survey()
        if names is not None:
            import pandas as pd

            x = pd.DataFrame(x, columns=names)
        super().__init__(y, x, family, **options, **by_row)
        self.sample, self.data, self.X, self.index = self.data, None, None, None
        self._nobs = sum(part.nobs for part in self._checked_parts())

    def _checked_parts(self):
        for part in self.parts():
            self.family.check(part.y)
            yield part

    def parts(self):
        """Yield the `Observations` of each batch."""
        for y, x, _, by_row in self.batches:
            n = len(x)
            one = np.broadcast_to(1.0, (n, 1))
            location = one if self._is_null else x
            designs = [
                None if width is None else location if name == self.family.location else one
                for name, width in zip(self.raw_names, self.widths, strict=True)
            ]
            weights = {
                name: read_column(by_row.get(name), n, name, minimum=0.0)
                for name in ("freq_weights", "var_weights")
            }
            offsets = self._offsets(by_row.get("offset"), by_row.get("exposure"), n)
            yield Observations(y.astype("float64"), designs, offsets, **weights)

    def null_model(self):
        """Return the model with a constant in place of every design."""
        null = super().null_model()
        null._is_null = True
        one = np.broadcast_to(1.0, (len(self.sample), 1))
        designs = [None if width is None else one for width in null.widths]
        null.sample = replace(self.sample, designs=designs)
        return null

    def likelihood(self):
        """Return the likelihood, summed over batches."""
        sample = self.sample.likelihood(self.family, self.known)

        def parts():
            return (part.likelihood(self.family, self.known) for part in self.parts())

        return Sum(parts, len(self), sample)

    def _in_memory(self):
        """Return the model of the sample."""
        model = GLM.__new__(GLM)
        model.__dict__ |= {**self.__dict__, "data": self.sample, "designs": self.sample.designs}
        model.X = next(x for x in self.sample.designs if x is not None)
        return model

    def _check_identified(self, separated=True):
        # A sample with independent columns, or overlapping classes, settles it for all rows.
        self._in_memory()._check_identified(separated)

    def _start(self, start_params=None):
        return self._in_memory()._start(start_params)
