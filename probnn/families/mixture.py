"""Finite mixtures of distributions of one family."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.mixture import FrozenMixture
from probnn.families._numerics import spread
from probnn.families._own_distribution import OwnDistribution
from probnn.families._params import Param
from probnn.families._wrapper import Wrapper, with_links
from probnn.families.categorical import MultinomialLogit
from probnn.families.registry import get, register

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from probnn._types import Floats, Tensor
    from probnn.families.base import Family
    from probnn.links import Link


@register
class Mixture(Wrapper):
    """A mixture of K distributions of one family: a mixture density network, under a network.

    Parameters are those of the family, each a vector with a value for every component, then
    `weights`, the K probabilities of the components, from K - 1 raw log-odds against the first.

    Parameters
    ----------
    family : str, dict or Family
        The family of the components: "normal", "gamma", "poisson", ...
    components : int
        The number of components K, at least 1.
    link, links
        Of the components' parameters, as for any family.

    Raises
    ------
    ValueError
        For a number of components that is none; or a family whose parameters are vectors, or whose
        mixtures are of the same family.

    Notes
    -----
    p(y) = sum of weights[k] p(y | parameters[k]): McLachlan and Peel, *Finite Mixture Models*,
    2000, doi:10.1002/0471721182; with parameters that a network predicts: Bishop (1994), "Mixture
    density networks", technical report NCRG/94/004, Aston University. CRPS of normal components:
    Grimit et al. (2006), doi:10.1256/qj.05.235.

    The likelihood has the same value for any order of the components, may have several maxima, and
    with a free scale is infinite for a component on a single y; what training finds is a local
    maximum. It starts from components fitted to the K parts of y between its quantiles.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> family = pn.families.Mixture("normal", components=2)
    >>> family
    <family mixture: 2 x normal, loc (identity), scale (log)>
    >>> params = {"loc": [[-1.0, 3.0]], "scale": [[1.0, 0.5]], "weights": [[0.75, 0.25]]}
    >>> pn.Predictive(family, params).mean().tolist()
    [0.0]
    >>> model = pn.Sequential([pn.Head("mixture", family="normal", components=2)])
    """

    name = "mixture"

    def __init__(
        self,
        family: str | dict[str, Any] | Family,
        components: int = 2,
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        if not isinstance(components, Integral) or components < 1:
            raise ValueError(
                f"Expected `components` to be a whole number >= 1. Received: {components!r}."
            )
        self.components = int(components)
        super().__init__(with_links(_mixable(get(family)), link, links))
        self.support, self.has_tails = self.family.support, self.family.has_tails

    def _parameters(self):
        params = super()._parameters()
        of_components = {n: replace(each, size=self.components) for n, each in params.items()}
        size, length = self.components - 1, self.components
        weights = Param(MultinomialLogit(), domains.SIMPLEX, size, length)
        return {**of_components, "weights": weights}

    def distribution(self, weights: Tensor, **params: Any) -> Any:
        """Return the backend's MixtureSameFamily, or our own of what the backend lacks."""
        return self._of(self.family.distribution(**params), weights, probs=weights)

    def _distribution(self, weights, **linked):
        return self._of(self.family._distribution(**linked), weights.value, logits=weights.log)

    def _of(self, components, weights, **mixing):
        if isinstance(components, OwnDistribution):
            return OwnDistribution(self, {**components.params, "weights": weights})
        mixing = backend.distributions.Categorical(**mixing)
        return backend.distributions.MixtureSameFamily(mixing, components)

    def frozen(self, weights: Tensor, **params: Any) -> Any:
        """Return SciPy-like functions of the mixture."""
        return FrozenMixture(self.family, weights, params)

    def mean(self, weights: Tensor, **params: Any) -> Any:
        """Return the mean, from arrays or tensors of parameters."""
        terms = weights * self.family.mean(**params)
        return backend.math(terms).total(terms)

    def _log_prob(self, y, weights, **linked):
        return _log_mean(weights, self.family._log_prob(y[..., None], **linked))

    def _log_cdf(self, y, weights, **linked):
        return _log_mean(weights, self.family._log_cdf(y[..., None], **linked))

    def _log_sf(self, y, weights, **linked):
        return _log_mean(weights, self.family._log_sf(y[..., None], **linked))

    def _log_between(self, low, high, weights, **linked):
        between = self.family._log_between(low[..., None], high[..., None], **linked)
        return _log_mean(weights, between)

    def _crps(self, y, weights, **params):
        known = self.family._mixture_crps(y, weights, **params)
        if self.discrete:
            return known
        frozen = self.frozen(weights, **params)
        if known is None:
            return frozen.crps(y)
        if (rest := np.isnan(known)).any():
            part = frozen._of_rows(np.flatnonzero(rest))
            known[rest] = part.crps(np.broadcast_to(y, known.shape)[rest])
        return known

    def _start(self, y):
        y, k = np.sort(y), self.components
        location = self.family.location
        whole = self.family._start(y)
        starts = []
        for j in range(k):
            part = y[j * len(y) // k : max((j + 1) * len(y) // k, j * len(y) // k + 1)]
            start = self.family._start(part)
            if part[0] == part[-1]:  # it has no spread of its own
                start = {**whole, location: start[location]}
            starts.append(start)
        params = {name: np.array([start[name] for start in starts]) for name in whole}
        located, width = np.maximum.accumulate(params[location]), spread(y, np.mean(y))
        apart = (np.diff(located) > 1e-3 * width).all()
        params[location] = located if apart else self._apart(located, width)
        return {**params, "weights": np.full(k, 1.0 / k)}

    def inside(self) -> Floats:
        """Return raw parameters well inside their domains, the components apart."""
        location = self.family.location
        middle = np.full(self.components, self.params[location].domain.inside)
        raw = np.repeat(self.family.inside(), self.components)
        raw[: self.components] = self.links[location].forward(self._apart(middle, 1.0))
        return np.concatenate([raw, np.zeros(self.components - 1)])

    def _apart(self, locations, width):
        """Return increasing locations, moved from equal ones: equal components stay equal."""
        step = np.arange(self.components) / self.components
        if self.params[self.location].domain.low == float("-inf"):
            return locations + width * (step - step.mean())
        return locations * np.exp(0.5 * (step - step[-1]))

    def __repr__(self):
        shown = ", ".join(f"{name} ({link.name})" for name, link in self.family.links.items())
        return f"<family mixture: {self.components} x {self.family.name}, {shown}>"


def _mixable(base):
    """Return a family, or raise if it cannot be mixed."""
    if base.closed_under_mixing:
        raise ValueError(
            f"Expected a family whose mixtures are not of the family itself. Received: {base!r}, "
            f'whose probabilities say as much alone: use probnn.Head("{base.name}").'
        )
    if any(param.size is not None for param in base.params.values()):
        raise ValueError(
            f"Expected a family whose parameters are numbers. Received: {base!r}. A mixture of "
            "mixtures is one mixture with more components."
        )
    if base.y_columns is not None or base.circular:
        raise ValueError(f"Expected a family of numbers. Received: {base!r}.")
    return base


def _log_mean(weights, logs):
    """Return the logarithm of the mean over components of what has these logarithms."""
    terms = weights.log + logs
    return backend.math(terms).logsumexp(terms)
