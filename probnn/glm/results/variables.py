"""The variables of a model, and what its designs become as one of them changes.

A variable of a model of arrays is a column of its design, for arrays do not tell that one column is
the square of another. One of a formula is a column of the data frame, and changes every column of
every design that the formulas make of it.

Each class has

- `names`: the variables;
- `rows`: the `Observations` where effects are taken, all or one that stands for them;
- `training(name)`: the values (n,) that were fitted;
- `values(name)`: those of `rows`;
- `levels(name)`: the levels, of which the first is the reference; None of a number;
- `slopes(name)`: raw column of the family -> indices (k,) of the columns of its design that the
  variable moves, and their derivatives (m, k);
- `moved(name, value)`: `rows` with other values, (m,) or one.
"""

from dataclasses import replace

import numpy as np

from probnn.data.frames import to_numpy
from probnn.design.differences import slopes
from probnn.design.matrix import Dense
from probnn.glm.results import delta

_PLACES = {"mean": np.mean, "median": np.median}


def variables(results, at):
    """Return the variables of a model, at "overall", "all", "mean", "median" or "zero"."""
    return (OfColumns if results.model.formula is None else OfFormula)(results, at)


def _rows(model, at):
    """Return the rows whose effects are averaged, those that count; for "all" each row."""
    data = model.data.whole()
    return data if at == "all" else data.used


def _place(x, at):
    """Return what stands for values (n,) or (n, p); for "zero" it is 0, but of constants."""
    if at in _PLACES:
        return _PLACES[at](x, axis=0)
    return np.where((x == x[0]).all(axis=0), x[0], 0.0)


def _one(data, designs, at):
    """Return the `Observations` of one row, with these designs."""
    offsets = {a: np.atleast_1d(_place(offset, at)) for a, offset in data.offsets.items()}
    return replace(data, y=data.y[:1], designs=designs, offsets=offsets, **_UNWEIGHTED)


_UNWEIGHTED = {"freq_weights": None, "var_weights": None, "trials": None}


class OfColumns:
    """The columns of the location's design but the constant; other designs keep their values."""

    def __init__(self, results, at):
        model = results.model
        self.rows = data = _rows(model, at)
        self._design, self._columns = model.location_design(data), model.x_names
        self._raw = [a for a, x in enumerate(data.designs) if x is self._design]
        self.names = [n for j, n in enumerate(model.x_names) if j != model.constant_index]
        if at not in ("overall", "all"):
            places = {
                id(x): Dense(_place(x.toarray(), at)[None], x.names)
                for x in data.designs
                if x is not None
            }
            self.rows = _one(data, [x if x is None else places[id(x)] for x in data.designs], at)

    def training(self, name):
        """Return the column (n,)."""
        return self._design.toarray()[:, self._columns.index(name)]

    def values(self, name):
        """Return the column of the rows."""
        return self.rows.designs[self._raw[0]].toarray()[:, self._columns.index(name)]

    def levels(self, name):
        """Return None: arrays tell of numbers alone."""

    def slopes(self, name):
        """Return 1, of the column itself."""
        one = np.broadcast_to(1.0, (len(self.rows), 1))
        return dict.fromkeys(self._raw, ([self._columns.index(name)], one))

    def moved(self, name, value):
        """Return the rows with another column."""
        here = self.rows.designs[self._raw[0]]
        x = np.array(here.toarray())
        x[:, self._columns.index(name)] = value
        moved = Dense(x, here.names)
        return replace(self.rows, designs=[moved if x is here else x for x in self.rows.designs])


class OfFormula:
    """The columns of the data frame that the mean depends on."""

    def __init__(self, results, at):
        self._model, self._parts = results.model, results.model.formula.parts
        self.rows = data = _rows(results.model, at)
        self._training = self._frame = data.frame
        moving = [spec for name, spec in self._parts.items() if name in _moving(results)]
        read = set().union(*(spec.required_variables for spec in moving))
        self.names = [name for name in data.frame if name in read]
        if at not in ("overall", "all"):
            values = {name: self._stands_for(name, at) for name in data.frame}
            self._frame = data.frame.iloc[:1].assign(**values)
            self.rows = _one(data, results.model.new_rows(self._frame).designs, at)

    def _stands_for(self, name, at):
        """Return the value, (1,), of one row: of a category its most frequent level."""
        levels = self.levels(name)
        if levels is None:
            return np.atleast_1d(_place(self.training(name), at))
        often = self._training[name].value_counts()
        return self._like(name, levels[0] if at == "zero" else max(levels, key=often.get), 1)

    def _like(self, name, level, m):
        """Return a column (m,) of one level, of the type that was fitted."""
        import pandas as pd

        return pd.Series([level] * m, dtype=self._training[name].dtype)

    def training(self, name):
        """Return the numbers (n,)."""
        return to_numpy(self._training[name]).astype("float64")

    def values(self, name):
        """Return the numbers of the rows."""
        return to_numpy(self._frame[name]).astype("float64")

    def levels(self, name):
        """Return the levels of a category, the reference of its coding first; None of a number."""
        column = self._training[name]
        seen = set(column)
        for spec in self._parts.values():
            for factor, coded in spec.factor_contrasts.items():
                if _read(spec, factor) == {name} and seen <= {*coded.levels}:
                    first = getattr(coded.contrasts, "base", None)
                    levels = [each for each in coded.levels if each in seen]
                    return sorted(levels, key=lambda each: each != first)
        return None if column.dtype.kind in "iuf" else sorted(seen)

    def _is_linear(self, name):
        """Return whether each term that reads a variable is its product with others."""
        for spec in self._parts.values():
            for factors in spec.term_factors.values():
                by = [factor for factor in factors if name in _read(spec, factor)]
                if by and (len(by) > 1 or by[0].expr != name):
                    return False
        return True

    def slopes(self, name):
        """Return the derivatives of the designs."""
        if self._is_linear(name):
            low, high = (self._designs(self.moved(name, value)) for value in (0.0, 1.0))
            return self._split({each: high[each] - low[each] for each in low})
        known = self.training(name)
        widths = [x.shape[1] for x in self._designs(self.rows).values()]

        def columns(values, rows):
            frame = self._frame.iloc[rows].assign(**{name: values}).reset_index(drop=True)
            designs = self._designs(self._model.new_rows(frame))
            return np.concatenate([*designs.values()], axis=1)

        found = slopes(columns, self.values(name), known.min(), known.max(), name)
        parts = np.split(found, np.cumsum(widths)[:-1], axis=1)
        return self._split(dict(zip(self._designs(self.rows), parts, strict=True)))

    def _designs(self, rows):
        """Return parameter -> its design, as an array, where a formula makes it."""
        pairs = zip(self._model.raw_names, rows.designs, strict=True)
        return {name: x.toarray() for name, x in pairs if x is not None and name in self._parts}

    def _split(self, found):
        """Return raw column -> the columns that are not 0, and which they are."""
        some = {name: np.flatnonzero(x.any(axis=0)) for name, x in found.items()}
        pairs = enumerate(self._model.raw_names)
        return {a: (some[n], found[n][:, some[n]]) for a, n in pairs if n in found and len(some[n])}

    def moved(self, name, value):
        """Return the rows of the frame with another column."""
        if self.levels(name) is not None:
            value = self._like(name, value, len(self._frame))
        moved = self._model.new_rows(self._frame.assign(**{name: value}))
        return replace(self.rows, designs=moved.designs)


def _moving(results):
    """Return the names of the parameters that the mean depends on."""
    _, slope, _ = delta.mean_derivatives(results.family, results._raw, second=False)
    return [name for a, name in enumerate(results.model.raw_names) if slope[:, a].any()]


def _read(spec, factor):
    """Return the names of the columns of a frame that a factor of a formula reads."""
    return {str(v.root) for v in spec.factor_variables[factor] if v.source == "data"}
