"""Priors of all coefficients of a model, as the penalty that they are; and what is the default."""

from __future__ import annotations

import copy
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from probnn import backend, links
from probnn._priors import (
    Exponential,
    Flat,
    Gamma,
    HalfNormal,
    HalfStudentT,
    Horseshoe,
    Laplace,
    Normal,
    Prior,
    ScaleMixture,
    StudentT,
)
from probnn.data import as_often
from probnn.fitting.penalties import Penalty

if TYPE_CHECKING:
    from probnn._types import Floats

__all__ = [
    "Exponential",
    "Flat",
    "Gamma",
    "HalfNormal",
    "HalfStudentT",
    "Horseshoe",
    "Laplace",
    "Normal",
    "Prior",
    "Priors",
    "StudentT",
]

_WIDE = 2.5  # standard deviations of y that one of x may move it by


class Priors(Penalty):
    """Independent priors of a model's coefficients: minus their log-density is a penalty.

    Parameters
    ----------
    model : GLM
        The model, all of whose parameters are coefficients.
    given : dict, optional
        Name of a coefficient, or pattern as `"x*"` -> `Prior`. Of patterns the first that fits
        counts, after names. Others have the default.

    Attributes
    ----------
    each : list of Prior
        That of each coefficient; of a parameter in natural units where its domain is positive.
    mixtures : list of tuple
        Those that are a `ScaleMixture`, each with the indices of its coefficients.

    Raises
    ------
    ValueError
        If a name or pattern fits no coefficient, or a prior is none of such a number.

    Notes
    -----
    The prior of a constant is of the predictor where the other columns are at their means, as in
    rstanarm, brms and bambi. By default, weakly informative as theirs: of a coefficient
    Normal(0, 2.5 s / sd(x)), of the constant Normal(m, 2.5 s), with m and s the center and the
    spread of the raw location of y, s = 1 on a scale without units (a logarithm, log-odds) and for
    other predicted parameters; of a scale Exponential(1 / s'), s' that of y; of other positive
    constants Exponential(1 / m) too, m at least 1, but of degrees of freedom Gamma(2, 0.1); and of
    all else Normal(m, 2.5) on the raw scale. Gelman, Jakulin, Pittau and Su (2008),
    doi:10.1214/08-AOAS191.

    Examples
    --------
    >>> import probnn as pn
    >>> model = pn.glm.GLM([0, 1, 1, 0, 1], [[1, 0.0], [1, 1.0], [1, 2.0], [1, 3.0], [1, 4.0]],
    ...     "bernoulli")
    >>> priors = pn.bayes.Priors(model, {"x1": pn.bayes.priors.StudentT(3.0, 0.0, 1.0)})
    >>> [str(prior) for prior in priors.each]
    ['Normal(0.4055, 2.5)', 'StudentT(3, 0, 1)']
    """

    label = "Prior"

    def __init__(self, model: Any, given: dict | None = None) -> None:
        self._find_parameters(model)
        self._find_columns(model)
        self.each = [self._check(j, prior) for j, prior in enumerate(self._chosen(model, given))]
        self._settle()

    def _find_parameters(self, model):
        self.names = list(model.parameter_names)
        self._natural = {j: model.family.links[name] for j, name in model.natural.items()}
        domains = {j: link.domain for j, link in self._natural.items()}
        self._positive = {j for j, d in domains.items() if d.low == 0.0 and d.high == np.inf}

    @classmethod
    def restored(cls, model: Any, each: list, center: Floats, constants: list) -> Priors:
        """Return the priors of a model without rows, from what a file holds."""
        found = cls.__new__(cls)
        found._find_parameters(model)
        found.each, found.center, found.constants = each, center, constants
        found._settle()
        return found

    @classmethod
    def of(cls, model: Any, given: dict | Priors | None = None) -> Priors:
        """Return priors of a model that were made already, or those of a dict."""
        if not isinstance(given, cls):
            return cls(model, given)
        if given.names != [*model.parameter_names]:
            raise ValueError(
                f"Expected priors of the coefficients {', '.join(model.parameter_names)}. "
                f"Received: Priors of another model, of {', '.join(given.names)}."
            )
        return given

    @classmethod
    def of_precision(cls, model: Any, precision: float) -> Priors:
        """Return normal priors about 0 of every coefficient, as it stands, with one precision."""
        if not (np.ndim(precision) == 0 and 0.0 < precision < np.inf):
            raise ValueError(f"Expected a precision above 0. Received: {precision!r}.")
        found = cls(model)
        found.center = np.eye(len(found.names))
        scale = float(precision) ** -0.5
        return found.replaced(
            {
                name: Normal(0.0, scale)
                for j, name in enumerate(found.names)
                if j not in model.constants
            }
        )

    def replaced(self, given: dict) -> Priors:
        """Return these priors with others of some coefficients, by name."""
        found = copy.copy(self)
        found.each = [given.get(name, old) for name, old in zip(self.names, self.each, strict=True)]
        found._settle()
        return found

    def _settle(self):
        self._groups, self.mixtures = self._by_kind(), self._mixtures()
        lasso = np.array([prior.lasso or 0.0 for prior in self.each])
        self.lasso = lasso if lasso.any() else None

    def _mixtures(self):
        """Return each mixture, with the indices of its coefficients."""
        found = {}
        for j, prior in enumerate(self.each):
            if isinstance(prior, ScaleMixture):
                found.setdefault(prior, []).append(j)
        return [(prior, np.array(at)) for prior, at in found.items()]

    def _find_columns(self, model):
        """Find the means and spreads of columns, and the constants that stand for the others."""
        p = len(self.names)
        self.center, self.spread, self.constants = np.eye(p), np.ones(p), []
        rows, start = model.data.sample().used, 0
        for x in rows.designs:
            if x is None:
                continue
            stop = start + x.shape[1]
            if start not in model.constants:
                values = x.toarray()
                mean = _mean(values, rows)
                spread = np.sqrt(_mean(np.square(values - mean), rows))
                self.spread[start:stop] = np.where(spread > 0, spread, 1.0)
                if x.constants:
                    const = start + x.constants[0]
                    self.constants.append(const)
                    self.center[const, start:stop] = mean / mean[x.constants[0]]
            start = stop

    def _chosen(self, model, given):
        """Return the prior of each coefficient: that of its name, of a pattern, or the default."""
        given, chosen, used = given or {}, self._default(model), set()
        if not (isinstance(given, dict) and all(isinstance(key, str) for key in given)):
            raise ValueError(
                "Expected priors as a dict, name or pattern of coefficients -> prior of "
                f"probnn.bayes.priors. Received: {given!r}."
            )
        for j, name in enumerate(self.names):
            fits = [key for key in given if _fits(key, name)]
            used |= {*fits}
            if fits:
                chosen[j] = given[name if name in given else fits[0]]
        lost = [key for key in given if key not in used]
        if lost:
            raise ValueError(
                f"Expected priors of coefficients: {', '.join(self.names)}, or patterns such as "
                f"'x*'. Received: {', '.join(map(repr, lost))}, which fits none."
            )
        return chosen

    def _default(self, model):
        """Return weakly informative priors, scaled by the data."""
        rows, family = model.data.sample().used, model.family
        y, often = rows.y, rows.freq_weights
        if rows.trials is not None:  # zeros and ones of that share
            trials = rows.trials if often is None else rows.trials * often
            y = np.arange(1_000) < 1_000 * np.average(y, weights=trials)
        elif often is not None:
            y = as_often(y, often)
        raw = family.marginal(y, model.known)
        has_units = family.links[family.location].name == "identity"
        unit = float(np.mean(family.raw_spread(y))) if has_units else 1.0
        found, start = [], 0
        for a, width in enumerate(model.widths):
            size = unit if model.raw_names[a] == family.location else 1.0
            for j in range(start, start + (width or 0)):
                if j in self.constants:
                    center = raw[a] - _mean(rows.offsets.get(a, np.zeros(len(rows))), rows)
                    found.append(Normal(float(center), _WIDE * size))
                elif j in self._positive:
                    name, value = model.raw_names[a], float(self._natural[j].inverse(raw[a]))
                    mean = value if name == family.scale_parameter else max(value, 1.0)
                    to_infinity = family.limits.get(name, (0.0,))[0] == np.inf
                    found.append(Gamma(2.0, 0.1) if to_infinity else Exponential(1.0 / mean))
                elif j in model.constants:
                    found.append(Normal(float(raw[a]), _WIDE))
                else:
                    found.append(Normal(0.0, _WIDE * size / float(self.spread[j])))
            start += width or 0
        return found

    def _check(self, j, prior):
        name = self.names[j]
        if not isinstance(prior, Prior):
            raise ValueError(
                f"Expected a prior of probnn.bayes.priors for {name!r}. Received: {prior!r}."
            )
        is_positive = j in self._positive
        if prior.domain is not None and is_positive != (prior.domain.low == 0.0):
            kinds = {True: "a positive number, as HalfNormal", False: "any number, as Normal"}
            raise ValueError(
                f"Expected a prior of {kinds[is_positive]}, for {name!r}. Received: {prior}."
            )
        if (prior.lasso or isinstance(prior, ScaleMixture)) and j in self.constants:
            raise ValueError(
                f"Expected a smooth prior of the constant {name!r}. Received: {prior}."
            )
        return prior

    def _by_kind(self):
        """Return the priors of one kind together: indices, and derivatives of minus log p."""
        found = {}
        for j, prior in enumerate(self.each):
            link = self._natural[j] if j in self._positive else None
            found.setdefault((type(prior), link), []).append(j)
        return [
            (np.array(index), _derivatives(_stacked(kind, [self.each[j] for j in index]), link))
            for (kind, link), index in found.items()
        ]

    def log_prob(self, coef: Floats) -> float:
        """Return the log-density of coefficients (p,) on the raw scale."""
        return -self.whole(coef, False)[0]

    def whole(self, coef: Floats, second: bool = True) -> tuple[float, Floats, Floats | None]:
        """Return minus the log-density with its derivatives, also where it has a kink."""
        values = self.center @ coef
        total, slope = 0.0, np.empty(len(coef))
        curvature = np.empty(len(coef)) if second else None
        for index, derivatives in self._groups:
            value, first, more = derivatives(values[index])
            total += value.sum()
            slope[index] = first
            if second:
                curvature[index] = more
        hessian = (self.center.T * curvature) @ self.center if second else None
        return float(total), self.center.T @ slope, hessian

    def __call__(self, coef: Floats, second: bool = True) -> tuple[float, Floats, Floats | None]:
        """Return the value, the gradient (p,), and the Hessian (p, p) or None, at coefficients."""
        value, gradient, hessian = self.whole(coef, second)
        if self.lasso is not None:  # which is the solver's own part
            value -= self.lasso @ np.abs(coef)
            gradient = gradient - self.lasso * np.sign(coef)
        return value, gradient, hessian

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return coefficients (size, p) on the raw scale, at random from the priors."""
        values = np.column_stack([prior.draw(rng, size) for prior in self.each])
        for prior, at in self.mixtures:
            values[:, at] = prior.draw_group(rng, size, len(at))
        for j in self._positive:
            values[:, j] = self._natural[j].forward(values[:, j])
        return np.linalg.solve(self.center, values.T).T

    def __str__(self):
        return "; ".join(f"{n}: {prior}" for n, prior in zip(self.names, self.each, strict=True))


def _mean(values, rows):
    """Return the mean over rows, each of which counts as often as its frequency weight says."""
    return np.average(values, axis=0, weights=rows.freq_weights)


def _fits(key, name):
    """Return whether a key is a name, or a pattern that fits it; brackets are those of classes."""
    return key == name or fnmatchcase(name, key.replace("[", "[[]"))


def _stacked(kind, priors):
    """Return priors of one kind as one, of arrays."""
    columns = zip(*(vars(prior).values() for prior in priors), strict=True)
    return kind(*(np.array(column) for column in columns))


def _derivatives(prior, link):
    """Return a function of values on the raw scale: minus log p, and its first two derivatives."""
    on_link = None if link is None else _of_link(link)

    def of(raw):
        if on_link is None:
            first, second = prior.slopes(raw)
            return -prior.log_prob(raw), -first, -second
        (value, slope, bend), (log, by, twice) = on_link(raw)  # log p(value) + log d value / d raw
        first, second = prior.slopes(value)
        first, second = first * slope + by, second * slope**2 + first * bend + twice
        return -(prior.log_prob(value) + log), -first, -second

    return of


def _of_link(link):
    """Return a function of raw values: the natural ones and their log-slopes, with derivatives."""
    if link == links.get("log"):
        return lambda raw: ((np.exp(raw),) * 3, (raw, np.ones_like(raw), np.zeros_like(raw)))

    inverse, log_slope = (
        backend.derivatives(lambda raw, f=f: f(raw[..., 0])) for f in (link.inverse, link.log_slope)
    )

    def of(raw):
        each = [derivatives(raw[:, None]) for derivatives in (inverse, log_slope)]
        return tuple((value, first[:, 0], second[:, 0, 0]) for value, first, second in each)

    return of
