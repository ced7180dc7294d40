"""The tables that the tests read. A new family needs one row in FAMILIES, and gets every test."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scoringrules as sr
from scipy import integrate, special, stats

import probnn as pn


@dataclass(frozen=True)
class FamilyCase:
    """What is known about a family from elsewhere.

    Parameters
    ----------
    name
        The name in `probnn.families.FAMILIES`.
    family
        The family, made as a user would.
    params
        Name -> values, one for each of a few rows.
    y
        Responses to score against every row.
    outside
        Values that are no possible response.
    mean, variance
        Textbook formulas of the parameters.
    log_prob
        SciPy's log-density in its own parametrisation, from y and the parameters.
    crps
        scoringrules' closed form, from y and the parameters.
    """

    name: str
    family: pn.families.Family
    params: dict
    y: list
    outside: list
    mean: Callable
    variance: Callable
    log_prob: Callable
    crps: Callable

    def arrays(self):
        """Return the parameters as float64 arrays, a row each."""
        return {k: np.asarray(v, dtype="float64") for k, v in self.params.items()}

    def grid(self):
        """Return parameters and y with every row against every y."""
        y = np.asarray(self.y, dtype="float64")
        n = len(next(iter(self.params.values())))
        params = {k: np.repeat(v, len(y), axis=0) for k, v in self.arrays().items()}
        return params, np.tile(y, n)


def _categorical_log_prob(y, probs):
    return np.log(probs[np.arange(len(y)), y.astype(int)])


def _poisson_mixture_crps(y, rate, weights):
    k = np.arange(1000.0)[:, None]
    cdf = (weights * stats.poisson.cdf(k[..., None], rate)).sum(axis=-1)
    return ((cdf - (y <= k)) ** 2).sum(axis=0)


def _integrated_crps(frozen, y):
    """Return the integral of (cdf(x) - 1{y <= x})^2, row by row, of a frozen SciPy distribution."""
    levels = np.array([1e-14, 1e-9, 1e-6, 1e-3, 0.1])
    cuts = [side(p) for side in (frozen.ppf, frozen.isf) for p in (*levels, 0.5)]
    cuts = np.stack([np.broadcast_to(cut, y.shape) for cut in cuts])
    scores = []
    for i, at in enumerate(y):

        def square(x, i=i, at=at):
            cdf, sf = (np.broadcast_to(f(x), y.shape)[i] for f in (frozen.cdf, frozen.sf))
            return cdf**2 if x < at else sf**2

        edges = np.unique([at, *cuts[:, i]])
        parts = [
            integrate.quad(square, a, b, epsabs=0.0, epsrel=1e-11, limit=200)[0]
            for a, b in itertools.pairwise(edges)
        ]
        scores.append(sum(parts))
    return np.array(scores)


FAMILIES = [
    FamilyCase(
        name="normal",
        family=pn.families.Normal(),
        params={"loc": [0.0, -3.0, 1e3, 0.2], "scale": [1.0, 0.01, 250.0, 40.0]},
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale: loc,
        variance=lambda loc, scale: scale**2,
        log_prob=lambda y, loc, scale: stats.norm.logpdf(y, loc, scale),
        crps=lambda y, loc, scale: sr.crps_normal(y, loc, scale),
    ),
    FamilyCase(
        name="bernoulli",
        family=pn.families.Bernoulli(),
        params={"probs": [0.5, 1e-9, 0.999, 0.3]},
        y=[0.0, 1.0],
        outside=[2.0, -1.0, 0.5, np.nan],
        mean=lambda probs: probs,
        variance=lambda probs: probs * (1 - probs),
        log_prob=lambda y, probs: stats.bernoulli.logpmf(y, probs),
        crps=lambda y, probs: sr.brier_score(y, probs),
    ),
    FamilyCase(
        name="categorical",
        family=pn.families.Categorical(classes=3),
        params={"probs": [[0.2, 0.3, 0.5], [0.98, 0.01, 0.01], [1e-7, 0.5, 0.4999999]]},
        y=[0.0, 1.0, 2.0],
        outside=[3.0, -1.0, 0.5, np.nan],
        mean=lambda probs: probs,
        variance=lambda probs: probs * (1 - probs),
        log_prob=_categorical_log_prob,
        crps=lambda y, probs: sr.rps_score(y.astype(int) + 1, probs),
    ),
    FamilyCase(
        name="poisson",
        family=pn.families.Poisson(),
        params={"rate": [1.0, 0.01, 7.3, 150.0]},
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda rate: rate,
        variance=lambda rate: rate,
        log_prob=lambda y, rate: stats.poisson.logpmf(y, rate),
        crps=lambda y, rate: sr.crps_poisson(y, rate),
    ),
    FamilyCase(
        name="negative_binomial",
        family=pn.families.NegativeBinomial(),
        params={"mean": [1.0, 0.1, 7.3, 150.0, 20.0], "dispersion": [0.5, 3.0, 0.01, 0.2, 0.125]},
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda mean, dispersion: mean,
        variance=lambda mean, dispersion: mean + dispersion * mean**2,
        log_prob=lambda y, mean, dispersion: stats.nbinom.logpmf(
            y, 1 / dispersion, 1 / (1 + dispersion * mean)
        ),
        crps=lambda y, mean, dispersion: sr.crps_negbinom(
            y, 1 / dispersion, 1 / (1 + dispersion * mean)
        ),
    ),
    FamilyCase(
        name="gamma",
        family=pn.families.Gamma(),
        params={"mean": [1.0, 0.05, 300.0, 2.0], "shape": [1.0, 0.4, 30.0, 4.0]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda mean, shape: mean,
        variance=lambda mean, shape: mean**2 / shape,
        log_prob=lambda y, mean, shape: stats.gamma.logpdf(y, shape, scale=mean / shape),
        crps=lambda y, mean, shape: sr.crps_gamma(y, shape, shape / mean),
    ),
    FamilyCase(
        name="mixture",
        family=pn.families.Mixture("normal", components=3),
        params={
            "loc": [[-2.0, 0.0, 3.0], [100.0, 0.0, 0.5], [1.0, 1.0, 1.0]],
            "scale": [[0.5, 1.0, 0.2], [30.0, 1.0, 0.01], [1.0, 3.0, 0.3]],
            "weights": [[0.2, 0.3, 0.5], [0.3, 0.699, 0.001], [1 / 3, 1 / 3, 1 / 3]],
        },
        y=[0.0, -2.1, 2.9, 70.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale, weights: (weights * loc).sum(axis=-1),
        variance=lambda loc, scale, weights: (
            (weights * (loc**2 + scale**2)).sum(axis=-1) - (weights * loc).sum(axis=-1) ** 2
        ),
        log_prob=lambda y, loc, scale, weights: special.logsumexp(
            stats.norm.logpdf(y[:, None], loc, scale), axis=-1, b=weights
        ),
        crps=lambda y, loc, scale, weights: sr.crps_mixnorm(y, loc, scale, weights),
    ),
    FamilyCase(
        name="mixture",
        family=pn.families.Mixture("poisson", components=2),
        params={
            "rate": [[1.0, 6.0], [0.01, 150.0], [4.0, 4.0]],
            "weights": [[0.4, 0.6], [0.9, 0.1], [0.5, 0.5]],
        },
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda rate, weights: (weights * rate).sum(axis=-1),
        variance=lambda rate, weights: (
            (weights * (rate + rate**2)).sum(axis=-1) - (weights * rate).sum(axis=-1) ** 2
        ),
        log_prob=lambda y, rate, weights: special.logsumexp(
            stats.poisson.logpmf(y[:, None], rate), axis=-1, b=weights
        ),
        crps=_poisson_mixture_crps,
    ),
    FamilyCase(
        name="logistic",
        family=pn.families.Logistic(),
        params={"loc": [0.0, -3.0, 1e3, 0.2], "scale": [1.0, 0.01, 250.0, 40.0]},
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale: loc,
        variance=lambda loc, scale: (np.pi * scale) ** 2 / 3,
        log_prob=lambda y, loc, scale: stats.logistic.logpdf(y, loc, scale),
        crps=lambda y, loc, scale: sr.crps_logistic(y, loc, scale),
    ),
    FamilyCase(
        name="weibull",
        family=pn.families.Weibull(),
        params={"scale": [1.0, 0.05, 300.0, 2.0], "shape": [1.0, 0.7, 3.0, 5.0]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda scale, shape: scale * special.gamma(1 + 1 / shape),
        variance=lambda scale, shape: (
            scale**2 * (special.gamma(1 + 2 / shape) - special.gamma(1 + 1 / shape) ** 2)
        ),
        log_prob=lambda y, scale, shape: stats.weibull_min.logpdf(y, shape, scale=scale),
        crps=lambda y, scale, shape: _integrated_crps(stats.weibull_min(shape, scale=scale), y),
    ),
]
