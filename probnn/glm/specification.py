"""What the arguments of a model mean: which columns make which parameters of the family."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from probnn import links
from probnn.data.alignment import LabelsError, RowIndex, column_of, order_of
from probnn.data.classes import Classes
from probnn.data.columns import Columns
from probnn.data.frames import frame_of, take
from probnn.data.missing import complete_rows
from probnn.data.source import Gone, Source
from probnn.data.tables import (
    check_finite,
    has_constant,
    read_column,
    read_design,
    read_matrix,
    to_frame,
)
from probnn.design.matrix import Dense, ones
from probnn.glm.observations import Observations, read_response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    from probnn._types import ArrayLike, Floats, Rows


@dataclass(frozen=True)
class Origin:
    """What a formula, a network or a source of batches knows that arrays do not tell.

    Attributes
    ----------
    y_name : str, optional
        The name of the response.
    labelled : bool, optional
        Whether results have names; by default they do if X has.
    classes : Classes, optional
        The classes that codes of a response stand for.
    formula : object, optional
        What makes designs of new data, by `read`, and knows the `terms` of a model.
    rows : RowIndex, optional
        The rows that were given, and those that are left.
    table : frame or dict, optional
        The columns of all rows that were given, which by-row arguments of a fit may name.
    source : Source, optional
        Batches of all rows; y and X are then a sample of them.
    likelihood_weights : numpy.ndarray, shape (n,), optional
        Factors of the rows' log-likelihoods, as sample weights of a network are.
    frame : pandas.DataFrame, optional
        What the formula reads of the rows.
    zeros : bool
        Whether columns may be 0, as features are of units that no row wakes.
    """

    y_name: str | None = None
    labelled: bool | None = None
    classes: object = None
    formula: object = None
    rows: RowIndex | None = None
    table: object = None
    source: Source | None = None
    likelihood_weights: np.ndarray | None = None
    frame: object = None
    zeros: bool = False


class Specification:
    """The part of `GLM` that reads data, and knows what each of its columns is for.

    Attributes
    ----------
    data : Source
        The rows as `Observations`: at once where they are in memory, else in parts.
    nobs, n_used : float, int
        The number of observations, the sum of freq_weights, and of rows; none of weight 0.
    raw_names, widths : list
        For each raw column of the family, its parameter, and how many coefficients make it, or
        None where it is known.
    known : numpy.ndarray
        The raw values of those, NaN elsewhere.
    constants : dict
        The position of a coefficient -> the parameter that it alone is.
    modelled : dict
        Further parameter -> the names of the columns of its design.
    """

    kinds = {}  # name -> class, of the models whose results files may hold

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if links.same_class(cls.kinds.setdefault(cls.__name__, cls), cls):
            cls.kinds[cls.__name__] = cls  # perhaps defined anew by a notebook cell

    def _together(self, tables, rows, drop):
        """Return y, X and all else that rows have, in one order; settle which rows are left."""
        if rows is None:
            rows = RowIndex.first(X=tables["X"], y=tables["y"])
        tables = {name: rows.align(values, name) for name, values in tables.items()}
        kept = complete_rows(tables.values()) if drop else None
        if kept is not None:
            rows = rows.take(kept)
            tables = {n: None if v is None else take(v, kept) for n, v in tables.items()}
        self.rows, self.n_missing = rows, rows.n_missing
        return tables

    def _read(self, y, X, designs, fixed, zeros=False):
        """Settle what becomes of every raw column; return y, the designs, and trials or None."""
        family = self.family
        family.check_names(designs, "designs")
        family.check_names(fixed, "fixed")
        both = sorted({*designs} & {*fixed} | ({family.location} & {*designs, *fixed}))
        if both:
            raise ValueError(
                f"Expected each parameter once: X is the design of {family.location!r}, `designs` "
                f"are those of others, `fixed` their values. Received twice: {both}."
            )
        y, trials, self.y_name = read_response(y, family)
        x, self.x_names, constants = read_design(X, zeros=zeros)
        others = {name: read_design(z, f"designs[{name!r}]", zeros) for name, z in designs.items()}
        for what, z in (("X", x), *((f"designs[{n!r}]", z) for n, (z, *_) in others.items())):
            if len(z) != len(y):
                raise ValueError(
                    f"Expected {what} with as many rows as y. Received: {len(z)} and {len(y)}."
                )
        dispersion = family.with_dispersion(1.0)
        self.dispersion = next((p for p in dispersion if p not in fixed and p not in others), None)
        unit = {**dispersion, **fixed} if self.dispersion else fixed
        self.fixed = fixed
        self.known, self.widths = np.full(family.size, np.nan), []
        self.parameter_names, self.constants, self.raw_names = [], {}, []
        self.modelled = {name: labels for name, (_, labels, _) in others.items()}
        for a, (name, which) in enumerate(family.columns_of(self._labels)):
            labels = []
            if name == family.location:
                labels = [f"{column}{which}" for column in self.x_names]
            elif name in others:
                labels = [f"{name}: {column}{which}" for column in self.modelled[name]]
            elif name in unit:
                self._check_fixed(name, unit[name])
                self.known[a] = family.links[name].forward(np.float64(unit[name]))
            else:
                labels = [name + which]
                self.constants[len(self.parameter_names)] = name
            self.raw_names.append(name)
            self.widths.append(len(labels) or None)
            self.parameter_names += labels
        others = {name: z for name, (z, *_) in others.items()}
        return y, self._designs(x, others, constants), trials

    def _find_constant(self, design):
        """Settle which column of the location's design is the constant."""
        constant, family = design.constants, self.family
        self.constant_index = constant[0] if constant else None
        self.k_constant = int(bool(constant) or has_constant(design.toarray()))
        if self.k_constant and family.location in family.no_intercept:
            which = repr(self.x_names[constant[0]]) if constant else "a combination of columns"
            raise ValueError(
                f"Expected no constant in X: the {', '.join(family.constant_by_default)} of the "
                f"{family.name} family stand for it. Received: {which}. Leave a column out."
            )

    def _designs(self, x, others, constants=None):
        """Return the design of each raw column, None where it is known, of rows of all tables."""
        one = ones(len(x)) if self.constants else None
        tables = {name: Dense(z, self.modelled[name]) for name, z in others.items()}
        tables[self.family.location] = Dense(x, self.x_names, constants=constants)
        pairs = zip(self.raw_names, self.widths, strict=True)
        return [None if width is None else tables.get(name, one) for name, width in pairs]

    def _check_fixed(self, name, value):
        if self.family.params[name].length is not None:
            raise ValueError(f"Expected fixed parameters that are numbers. Received: {name!r}.")
        domain = self.family.links[name].domain
        if not domain.contains(np.float64(value)):
            raise ValueError(f"Expected fixed {name!r} to lie in {domain}. Received: {value}.")

    def _observe(self, y, designs, trials, columns, origin):
        """Make the `Observations` of all rows, and check what there is a number of for each."""
        dispersion = self.family.with_dispersion(1.0)
        if columns["var_weights"] is not None and dispersion and self.dispersion is None:
            raise ValueError(
                "Expected var_weights with a dispersion that is estimated after the fit. Received "
                f"a modelled or fixed {next(iter(dispersion))!r}: put what is known of it into "
                "its design."
            )
        rows = self._observations(y, designs, columns, trials)
        for name in ("freq_weights", "var_weights"):
            values = getattr(rows, name)
            if values is not None and not values.any():
                raise ValueError(f"Expected {name} with a value above 0. Received: all are 0.")
        self.has_offset = any(np.any(values) for values in rows.offsets.values())
        if origin.likelihood_weights is not None:
            rows.var_weights = origin.likelihood_weights
        rows.frame = origin.frame
        if not len(rows.used):
            raise ValueError("Expected a row whose weights are all above 0. Received: none.")
        self._find_constant(self.location_design(rows.used))
        self.data, self.nobs, self.n_used = rows, rows.nobs, len(rows.used)
        if origin.source is not None:
            self.data, self.nobs, self.n_used = origin.source.map(self._of_batch), 0, 0
            for part in self.data.parts():
                self.family.check(part.y)
                self.nobs += part.nobs
                self.n_used += len(part)

    def _observations(self, y, designs, columns, trials=None):
        n = len(y)
        weights = {
            name: read_column(columns.get(name), n, name, minimum=0.0)
            for name in ("freq_weights", "var_weights")
        }
        offsets = self._offsets(columns.get("offset"), columns.get("exposure"), n)
        return Observations(y, designs, offsets, trials=trials, **weights)

    def _of_batch(self, batch):
        """Return the `Observations` of a `Batch`, of the rows that count."""
        y = batch.y.astype("float64")
        return self._observations(y, self._designs(batch.x, {}), batch.by_row).used

    def _offsets(self, offset, exposure, n):
        """Return what is added to the raw location: raw column -> (n,)."""
        offset = read_column(offset, n, "offset")
        exposure = read_column(exposure, n, "exposure", minimum=0.0)
        if exposure is not None:
            link = self.family.links[self.family.location]
            if link != links.get("log") or not (exposure > 0).all():
                raise ValueError(
                    f"Expected exposure above 0, with the log link. Received: link {link.name!r}, "
                    f"smallest exposure {exposure.min()}. Use offset= with other links."
                )
            offset = np.log(exposure) + (0.0 if offset is None else offset)
        size = self.family.params[self.family.location].size or 1
        return {} if offset is None else dict.fromkeys(range(size), offset)

    def new_rows(
        self,
        exog: Rows,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        designs: Mapping[str, Rows] | None = None,
        rows: RowIndex | None = None,
    ) -> Observations:
        """Return `Observations` of new rows, whose y is not known: NaN.

        Parameters
        ----------
        exog : array_like, shape (m, p), or a data frame for models of a formula
            New rows.
        offset, exposure, designs
            As for the model; the first two may be names of columns.
        rows : RowIndex, optional
            Which of the rows, by default all.
        """
        rows = RowIndex.of(exog, "exog") if rows is None else rows
        given = {"offset": offset, "exposure": exposure}
        for name, values in given.items():
            values = column_of(exog, values, name) if isinstance(values, str) else values
            given[name] = rows.align(values, name)
        tables = {n: rows.align(z, f"designs[{n!r}]") for n, z in (designs or {}).items()}
        exog = exog if rows.kept is None else to_frame(exog).iloc[rows.kept]
        if self.formula is not None:
            tables = {**self.formula.read(exog), **tables}
            exog = tables.pop(self.family.location)
        x, others = self._like(exog, self.x_names, "exog", rows), {}
        for name, names in self.modelled.items():
            if name not in tables:
                raise ValueError(
                    f"Expected designs={{{name!r}: ...}} for the new rows, as for the model."
                )
            others[name] = self._like(tables[name], names, f"designs[{name!r}]", rows)
        offsets = self._offsets(**given, n=len(x))
        return Observations(np.full(len(x), np.nan), self._designs(x, others), offsets)

    def fitted_rows(self, exog: Rows) -> RowIndex | None:
        """Return the `RowIndex` of the frame whose rows a formula left out; None of any other."""
        rows = RowIndex.of(exog, "exog")
        if self.formula is None or not self.n_missing or self.data.rows is None:
            return None
        if rows.count != self.rows.count:
            return None
        try:
            order = order_of(self.rows.labels, rows.labels, "exog")
        except LabelsError:
            return None
        kept = self.rows.kept if order is None else order[self.rows.kept]
        frame = to_frame(exog)
        if not self.formula.complete(frame)[kept].all():
            return None
        x = self.location_design(self.new_rows(frame.iloc[kept]))
        return rows.take(kept) if np.array_equal(x, self.X) else None

    def rows_of(self, exog: Rows) -> RowIndex:
        """Return the `RowIndex` of rows; of the fitted frame, if it has gaps, the fitted ones."""
        if exog is None:
            return self.rows
        fitted = self.fitted_rows(exog)
        gaps = fitted is not None and not self.formula.complete(exog).all()
        return fitted if gaps else RowIndex.of(exog, "exog")

    def _like(self, x, names, what, rows):
        """Return new columns in the order of those that were fitted."""
        frame = frame_of(x)
        if frame is not None and self.labelled and len(frame.shape) == 2:
            found = {str(column): column for column in frame.columns}
            missing = [name for name in names if name not in found]
            if missing:
                raise ValueError(
                    f"Expected {what} with the columns {names}. Received: {[*found]}, without "
                    f"{missing}."
                )
            x = frame[[found[name] for name in names]]
        x, _ = read_matrix(x, what)
        if x.shape[1] != len(names):
            raise ValueError(
                f"Expected {what} of shape (m, {len(names)}), with the columns {names}. Received: "
                f"shape {x.shape}."
            )
        check_finite(x, what, names, rows)
        return x

    @property
    def y(self) -> Floats:
        """The response (n,); proportions, where it was given as successes and failures."""
        return self.data.whole().y

    @property
    def X(self) -> Floats:
        """The design of the location, (n, p)."""
        return self.design.toarray()

    @property
    def design(self) -> Any:
        """The `Design` of the location."""
        return self.location_design(self.data.whole())

    def location_design(self, rows: Observations) -> Any:
        """Return the `Design` of the location, of some `Observations`."""
        return rows.designs[self.raw_names.index(self.family.location)]

    def columns_of(self, name: str) -> list[str]:
        """Return the names of the columns of a parameter's design, as coefficients have them."""
        if name == self.family.location:
            return self.x_names
        return [f"{name}: {column}" for column in self.modelled[name]]

    @property
    def p(self) -> int:
        """The number of columns of X."""
        return len(self.x_names)

    @property
    def natural(self) -> dict[int, str]:
        """The constants that are told in natural units: log-odds of several classes are not."""
        links = self.family.links
        return {j: name for j, name in self.constants.items() if links[name].elementwise}

    @property
    def _labels(self):
        return [] if self.classes is None else [*self.classes]

    @property
    def labels_of_predictors(self) -> list[Any] | None:
        """The labels of the classes that have a linear predictor each; None where there is one.

        Of ordered classes there is one, of others one for each class but the first.
        """
        family = self.family
        if family.params[family.location].size is None or family.classes is None:
            return None
        return [*(range(family.classes) if self.classes is None else self.classes)][1:]

    @property
    def class_ends(self) -> list[tuple[Any, Any]]:
        """The ends of the coefficients' names that tell classes: pairs, by code and by label."""
        by_label = self.family.columns_of(self._labels)
        pairs = zip(self.family.raw_columns, by_label, self.widths, strict=True)
        return [(code, label) for (_, code), (_, label), n in pairs for _ in range(n or 0)]

    @property
    def predicted(self) -> list[str]:
        """The names of the parameters that coefficients make, in order."""
        pairs = zip(self.raw_names, self.widths, strict=True)
        return [name for name, width in pairs if width is not None]

    def __len__(self) -> int:
        return len(self.data)

    def terms(self) -> dict[str, list[int]]:
        """Return name -> indices of coefficients that belong together."""
        if self.formula is not None:
            return self.formula.terms(self)
        return {name: [j] for j, name in enumerate(self.parameter_names)}

    def resampled(self, freq_weights: ArrayLike) -> Self:
        """Return the model with other numbers of observations that its used rows stand for."""
        other = copy.copy(self)
        other.data = replace(self.data.whole().used, freq_weights=freq_weights)
        return other

    def null_model(self) -> Self:
        """Return the model with a constant in place of every design."""
        null, family = copy.copy(self), self.family
        pairs = list(zip(self.raw_names, self.widths, strict=True))
        bare = [width is None or name in family.no_intercept for name, width in pairs]

        def constants(rows):
            one = ones(len(rows))
            return replace(rows, designs=[None if each else one for each in bare])

        null.data, null.x_names = self.data.map(constants), ["const"]
        null.widths = [None if each else 1 for each in bare]
        null.known = np.where(bare & np.isnan(self.known), 0.0, self.known)
        null.parameter_names, null.constants = null.predicted, {}
        return null

    def with_free_dispersion(self) -> Self:
        """Return the model whose dispersion is one more coefficient: a likelihood of all there is.

        Raises
        ------
        ValueError
            If rows have var_weights, and the dispersion's link is no logarithm.
        """
        if self.dispersion is None:
            return self
        free, a = copy.copy(self), self.raw_names.index(self.dispersion)
        free.dispersion, free.known, free.widths = None, self.known.copy(), [*self.widths]
        free.known[a], free.widths[a] = np.nan, 1
        before = sum(width or 0 for width in self.widths[:a])
        free.parameter_names = [*self.parameter_names]
        free.parameter_names.insert(before, self.dispersion)
        free.constants = {j + (j >= before): name for j, name in self.constants.items()}
        free.constants[before] = self.dispersion
        free.data = self.data.map(lambda rows: self._dispersed(rows, a))
        return free

    def _dispersed(self, rows, a):
        """Return rows whose raw column of the dispersion is a constant, weighted where y is."""
        designs, offsets, often = [*rows.designs], rows.offsets, rows.freq_weights
        designs[a] = ones(len(rows))
        if rows.var_weights is not None:
            link = self.family.links[self.dispersion]
            if link != links.get("log"):
                raise ValueError(
                    "Expected the log link of the dispersion, for var_weights and a dispersion "
                    f"that is a coefficient. Received: {link!r}."
                )
            counts = rows.var_weights > 0
            often = often if counts.all() else counts * (1.0 if often is None else often)
            weights = np.where(counts, rows.var_weights, 1.0)
            divided = self.family.with_dispersion(1.0 / weights)[self.dispersion]
            offsets = {
                **offsets,
                a: np.log(divided / self.family.with_dispersion(1.0)[self.dispersion]),
            }
        changed = {"designs": designs, "offsets": offsets, "freq_weights": often}
        return replace(rows, **changed, var_weights=None)

    def without_data(self) -> Self:
        """Return the model without its rows, for results that are saved."""
        light = copy.copy(self)
        light.data, light.index = Gone(len(self)), None
        light.rows = light.table = None
        return light

    def __setstate__(self, state):
        """Take in the attributes; in files of version 0.1 rows that are gone were None."""
        state = {"rows": None, "table": None, "y_columns": Columns(), **state}
        if state["data"] is None:
            old = ("X", "designs", "batches", "sample", "_rows", "_nobs")
            kept = {name: value for name, value in state.items() if name not in old}
            state = {**kept, "data": Gone(state["_rows"]), "nobs": state["_nobs"]}
        self.__dict__.update(state)
        if self.classes is not None and not isinstance(self.classes, Classes):  # of version 0.1
            self.classes = Classes(self.classes, ordered=self.family.kind != "categorical")
            self.parameter_names = [
                name.removesuffix(code) + label
                for name, (code, label) in zip(self.parameter_names, self.class_ends, strict=True)
            ]
