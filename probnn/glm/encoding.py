"""How the columns of a formula are made of data: what a fitted model keeps of its formula."""

import types
import warnings

import numpy as np

from probnn.data.missing import gaps, readable
from probnn.data.tables import to_frame
from probnn.glm.expressions import names_of

_PROBED = 40  # rows at most


class Encoding:
    """How the columns of a formula are made of a data frame: of new data as of the training data.

    Parameters
    ----------
    parts : dict
        Parameter -> formulaic's ModelSpec.
    location : str
        The parameter that the formula itself is for.
    context : dict
        Functions and numbers of the caller that the formula uses; see `used_of`.
    probe : tuple, optional
        Made-up data, as a dict of columns, and parameter -> the design (m, q) of them.
    """

    probe = None  # of version 0.1

    def __init__(self, parts, location, context, probe=None):
        self.parts, self.location, self.context, self.probe = parts, location, context, probe

    @property
    def columns(self):
        """The names of the columns that data must have."""
        return {str(name.root) for name in self._variables()}

    def _variables(self):
        parts = self.parts.values()
        return set().union(*(spec.variables_by_source.get("data", set()) for spec in parts))

    def read(self, data):
        """Return parameter -> design of new data; the location's under its name."""
        return self._encode(to_frame(data), "raise")

    def complete(self, data):
        """Return which rows (m,) of new data have all that the formulas need."""
        data = to_frame(data).reset_index(drop=True)
        kept = [data.index.isin(x.index) for x in self._encode(data, "drop").values()]
        return np.logical_and.reduce(kept)

    def _encode(self, data, na_action):
        from formulaic.errors import DataMismatchWarning

        data = data.copy(deep=False)
        used = set().union(*(spec.required_variables for spec in self.parts.values()))
        for name in used & {*data.columns}:
            data[name] = readable(data[name], name)
        found = {*data.columns}
        missing = sorted(str(v) for v in self._variables() if not {str(v), str(v.root)} & found)
        if missing:  # some of which may be functions of Python, as id
            raise ValueError(
                f"Expected new data with the columns of the formula, without missing values. "
                f"Received: {list(data.columns)}, without {missing}."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("error", DataMismatchWarning)
            try:
                return {
                    name: spec.get_model_matrix(data, na_action=na_action, context=self.context)
                    for name, spec in self.parts.items()
                }
            except DataMismatchWarning as unseen:
                raise ValueError(
                    "Expected new data with the categories of the training data. Received: "
                    f"{unseen}"
                ) from None
            except Exception as error:
                received = f"{list(data.columns)}, for which formulaic says: {error}"
                if na_action == "raise":  # which complete() does, if rows are not what is wrong
                    whole, read = self.complete(data), [name for name in data if name in used]
                    received = received if whole.all() else gaps(data[read], whole)
                raise ValueError(
                    "Expected new data with the columns of the formula, without missing values. "
                    f"Received: {received}"
                ) from error

    # ---- files ------------------------------------------------------------------------------

    def probed(self, frame):
        """Return this encoding with a probe: designs of made-up rows, by which files are checked.

        They are of the means of numbers, and of the levels that the encoding knows: none is a row.
        Where formulas do not take them there is no probe.
        """
        known = self._levels()
        columns = {name: _probe(column, known.get(name, ())) for name, column in frame.items()}
        if not all(columns.values()):
            return self
        m = min(max(map(len, columns.values()), default=1), _PROBED)
        rows = {name: [each[i % len(each)] for i in range(m)] for name, each in columns.items()}
        try:
            return Encoding(self.parts, self.location, self.context, (rows, self._designs(rows)))
        except ValueError:
            return self

    def check_probe(self):
        """Raise ValueError if the designs of the probe's rows are not those that were recorded."""
        if self.probe is None:
            return
        rows, recorded = self.probe
        found = self._designs(rows)
        for name, design in recorded.items():
            if not np.allclose(found[name], design, rtol=1e-9, atol=1e-12, equal_nan=True):
                raise ValueError(
                    f"Expected the formula of {name!r} to make the columns that it made where the "
                    "results were saved. Received: others. Its functions, or formulaic, have "
                    "changed since: load with those versions, or fit anew."
                )

    def _designs(self, rows):
        import pandas as pd

        with np.errstate(all="ignore"):
            found = self.read(pd.DataFrame(rows))
        return {name: np.asarray(x, dtype="float64") for name, x in found.items()}

    def _levels(self):
        """Return column -> the levels of categories that are made of it."""
        found = {}
        for spec in self.parts.values():
            for expr, (_, state) in spec.encoder_state.items():
                for name in {str(expr), *names_of(expr)}:
                    found.setdefault(name, []).extend(state.get("categories", ()))
        return found

    def terms(self, model):
        """Return term -> indices of its coefficients in the model."""
        terms, start = {}, 0
        found = {}
        for name in dict.fromkeys(model.predicted):
            spec = self.parts.get(name)
            prefix = "" if name == self.location else f"{name}: "
            if spec is None:
                found[name] = {name: [0]}, 1
                continue
            columns = {
                prefix + ("Intercept" if str(term) == "1" else str(term)): list(indices)
                for term, indices in spec.term_indices.items()
            }
            width = len(spec.column_names)
            if name in model.family.no_intercept and "Intercept" in spec.column_names:
                columns.pop(prefix + "Intercept")
                columns = {term: [j - 1 for j in at] for term, at in columns.items()}
                width -= 1
            found[name] = columns, width
        for name in model.predicted:
            columns, width = found[name]
            for term, indices in columns.items():
                terms.setdefault(term, []).extend(start + j for j in indices)
            start += width
        return terms


def _probe(column, levels):
    """Return made-up values of a column: levels that it has, or a number; none of other columns."""
    seen = {*column.dropna()} if levels else ()
    if found := [level for level in levels if level in seen]:
        return found
    kind = getattr(column.dtype, "kind", "O")
    if kind == "b":
        return [False, True]
    if kind in "iuf":
        return [float(column.mean()) if kind == "f" else round(column.mean())]
    return []


def used_of(context, specs, frame):
    """Return what formulas use of a caller's names; of modules, what is used of them alone.

    Parameters
    ----------
    context : dict
        The names.
    specs : iterable of ModelSpec
        The formulas.
    frame : pandas.DataFrame
        The data, whose columns hide the names.
    """
    factors = {factor.expr for spec in specs for factor in spec.factors}
    found = {}
    for dotted in sorted(set().union(*map(names_of, factors))):
        first, *rest = dotted.split(".")
        if first in frame or first not in context or context[first] is np:
            continue
        value, place = context[first], found
        for part in rest:  # a module may be anything, and has no place in a file
            if not isinstance(value, types.ModuleType) or not hasattr(value, part):
                break
            place = vars(place.setdefault(first, types.SimpleNamespace()))
            first, value = part, getattr(value, part)
        place[first] = value
    return found
