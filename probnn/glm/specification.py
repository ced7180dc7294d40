"""What the arguments of a model mean: which columns make which parameters of the family."""

import copy
from dataclasses import replace

import numpy as np

from probnn import links
from probnn.glm.data import (
    Observations,
    check_aligned,
    check_finite,
    constant_columns,
    has_constant,
    is_labelled,
    read_column,
    read_design,
    read_matrix,
    read_response,
)


class Specification:
    """The part of `GLM` that reads data, and knows what each of its columns is for.

    Attributes
    ----------
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

    def _read(self, y, X, designs, fixed):
        """Read the response and the designs, and settle what becomes of every raw column."""
        family = self.family
        family.check_names(designs, "designs")
        family.check_names(fixed, "fixed")
        both = sorted({*designs} & {*fixed} | ({family.location} & {*designs, *fixed}))
        if both:
            raise ValueError(
                f"Expected each parameter once: X is the design of {family.location!r}, `designs` "
                f"are those of others, `fixed` their values. Received twice: {both}."
            )
        for what, other in (("y", y), *((f"designs[{n!r}]", z) for n, z in designs.items())):
            check_aligned(X, other, what)
        y, trials, self.y_name = read_response(y, family)
        self.X, self.x_names = read_design(X)
        others = {name: read_design(z, f"designs[{name!r}]") for name, z in designs.items()}
        for what, z in (("X", self.X), *((f"designs[{n!r}]", z) for n, (z, _) in others.items())):
            if len(z) != len(y):
                raise ValueError(
                    f"Expected {what} with as many rows as y. Received: {len(z)} and {len(y)}."
                )
        dispersion = family.with_dispersion(1.0)
        self.dispersion = next((p for p in dispersion if p not in fixed and p not in others), None)
        unit = {**dispersion, **fixed} if self.dispersion else fixed
        self.fixed = fixed
        self.designs, self.known = [], np.full(family.size, np.nan)
        self.parameter_names, self.constants, self.raw_names = [], {}, []
        self.modelled = {name: labels for name, (_, labels) in others.items()}
        for a, (name, which) in enumerate(family.raw_columns):
            design, labels = None, []
            if name == family.location:
                design, labels = self.X, [f"{x}{which}" for x in self.x_names]
            elif name in others:
                design, labels = others[name]
                labels = [f"{name}: {z}{which}" for z in labels]
            elif name in unit:
                self._check_fixed(name, unit[name])
                self.known[a] = family.links[name].forward(np.float64(unit[name]))
            else:
                design, labels = np.broadcast_to(1.0, (len(y), 1)), [name + which]
                self.constants[len(self.parameter_names)] = name
            self.designs.append(design)
            self.raw_names.append(name)
            self.parameter_names += labels
        self.widths = [None if x is None else x.shape[1] for x in self.designs]
        constant = constant_columns(self.X)
        self.constant_index = constant[0] if constant else None
        self.k_constant = int(bool(constant) or has_constant(self.X))
        if self.k_constant and family.location in family.no_intercept:
            which = repr(self.x_names[constant[0]]) if constant else "a combination of columns"
            raise ValueError(
                f"Expected no constant in X: the {', '.join(family.constant_by_default)} of the "
                f"{family.name} family stand for it. Received: {which}. Leave a column out."
            )
        return trials, y

    def _check_fixed(self, name, value):
        if self.family.params[name].length is not None:
            raise ValueError(f"Expected fixed parameters that are numbers. Received: {name!r}.")
        domain = self.family.links[name].domain
        if not domain.contains(np.float64(value)):
            raise ValueError(f"Expected fixed {name!r} to lie in {domain}. Received: {value}.")

    def _observe(self, y, trials, columns):
        n = len(y)
        weights = {
            name: read_column(columns[name], n, name, minimum=0.0)
            for name in ("freq_weights", "var_weights")
        }
        dispersion = self.family.with_dispersion(1.0)
        if weights["var_weights"] is not None and dispersion and self.dispersion is None:
            raise ValueError(
                "Expected var_weights with a dispersion that is estimated after the fit. Received "
                f"a modelled or fixed {next(iter(dispersion))!r}: put what is known of it into "
                "its design."
            )
        for name, values in columns.items():
            if self.index is not None:
                check_aligned(self, values, name)
        for name, values in weights.items():
            if values is not None and not values.any():
                raise ValueError(f"Expected {name} with a value above 0. Received: all are 0.")
        offsets = self._offsets(columns["offset"], columns["exposure"], n)
        self.has_offset = any(np.any(values) for values in offsets.values())
        self.data = Observations(y, self.designs, offsets, trials=trials, **weights)

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

    def new_rows(self, exog, offset=None, exposure=None, designs=None):
        """Return `Observations` of new rows, whose y is not known: NaN.

        Parameters
        ----------
        exog : array_like, shape (m, p), or a data frame for models of a formula
            New rows.
        offset, exposure, designs
            As for the model.
        """
        if self.formula is not None:
            tables = {**self.formula.read(exog), **(designs or {})}
            exog = tables.pop(self.family.location)
        else:
            tables = dict(designs or {})
        x = self._like(exog, self.x_names, "exog")
        found = []
        for name, width in zip(self.raw_names, self.widths, strict=True):
            if name == self.family.location:
                found.append(x)
            elif width is None:
                found.append(None)
            elif name in self.modelled:
                if name not in tables:
                    raise ValueError(
                        f"Expected designs={{{name!r}: ...}} for the new rows, as for the model."
                    )
                found.append(self._like(tables[name], self.modelled[name], f"designs[{name!r}]"))
            else:
                found.append(np.broadcast_to(1.0, (len(x), 1)))
        offsets = self._offsets(offset, exposure, len(x))
        return Observations(np.full(len(x), np.nan), found, offsets)

    def _like(self, x, names, what):
        """Return new columns in the order of those that were fitted."""
        labelled = is_labelled(x)
        if labelled and self.labelled and getattr(x, "columns", None) is not None:
            missing = [name for name in names if name not in {str(c) for c in x.columns}]
            if missing:
                raise ValueError(
                    f"Expected {what} with the columns {names}. Received: "
                    f"{[str(c) for c in x.columns]}, without {missing}."
                )
            x = x[[c for name in names for c in x.columns if str(c) == name]]
        x, _ = read_matrix(x, what)
        if x.shape[1] != len(names):
            raise ValueError(
                f"Expected {what} of shape (m, {len(names)}), with the columns {names}. Received: "
                f"shape {x.shape}."
            )
        check_finite(x, what, names)
        return x

    @property
    def y(self):
        """The response (n,); proportions, where it was given as successes and failures."""
        return self.data.y

    @property
    def nobs(self):
        """The number of observations: the sum of freq_weights, or the number of rows."""
        return self._nobs if self.data is None else self.data.nobs

    @property
    def p(self):
        """The number of columns of X."""
        return len(self.x_names)

    @property
    def natural(self):
        """The constants that are told in natural units: log-odds of several classes are not."""
        links = self.family.links
        return {j: name for j, name in self.constants.items() if links[name].elementwise}

    @property
    def predicted(self):
        """The names of the parameters that coefficients make, in order."""
        pairs = zip(self.raw_names, self.widths, strict=True)
        return [name for name, width in pairs if width is not None]

    def __len__(self):
        return self._rows if self.data is None else len(self.data)

    def parts(self):
        """Yield the `Observations`: all at once."""
        yield self.data

    def terms(self):
        """Return name -> indices of coefficients that belong together."""
        if self.formula is not None:
            return self.formula.terms(self)
        return {name: [j] for j, name in enumerate(self.parameter_names)}

    def null_model(self):
        """Return the model with a constant in place of every design."""
        null, one = copy.copy(self), np.broadcast_to(1.0, (len(self), 1))
        null.X, null.x_names = one, ["const"]
        pairs = list(zip(self.raw_names, self.widths, strict=True))
        bare = [width is None or name in self.family.no_intercept for name, width in pairs]
        null.widths = [None if each else 1 for each in bare]
        null.designs = [None if each else one for each in bare]
        null.known = np.where(bare & np.isnan(self.known), 0.0, self.known)
        null.data = None if self.data is None else replace(self.data, designs=null.designs)
        null.parameter_names = null.predicted
        null.constants = {}
        return null

    def without_data(self):
        """Return the model without its rows, for results that are saved."""
        light = copy.copy(self)
        light._nobs, light._rows = self.nobs, len(self)
        light.X = light.data = light.designs = light.index = None
        return light
