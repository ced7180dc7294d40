"""Models whose truth is known, and how often their intervals hold it."""

from dataclasses import dataclass

import numpy as np

import probnn as pn

# The family, its coefficients, and raw values of the further parameters, in order.
FAMILIES = {
    "normal": (pn.families.Normal(), [0.5, 1.0, -0.7], [0.3]),
    "bernoulli": (pn.families.Bernoulli(), [-0.4, 0.8, -0.5], []),
    "poisson": (pn.families.Poisson(), [0.7, 0.4, -0.3], []),
    "gamma": (pn.families.Gamma(), [1.0, 0.5, -0.4], [np.log(2.0)]),
    "negative_binomial": (pn.families.NegativeBinomial(), [1.2, 0.5, -0.4], [np.log(0.6)]),
    "beta": (pn.families.Beta(), [-0.3, 0.6, -0.4], [np.log(8.0)]),
    "weibull": (pn.families.Weibull(), [0.5, 0.4, -0.3], [np.log(1.5)]),
}


@dataclass(frozen=True)
class Simulated:
    """What many data sets gave, coefficient by coefficient.

    Attributes
    ----------
    share : array of shape (p,)
        The share of the intervals of 95 per cent that hold the truth.
    bias, spread : arrays of shape (p,)
        The mean error of the estimates, and their standard deviation.
    error : array of shape (p,)
        The mean of the standard errors.
    """

    share: np.ndarray
    bias: np.ndarray
    spread: np.ndarray
    error: np.ndarray


def sampler(name, rows, rng):
    """Return a design, and a function that draws responses to it."""
    family, slopes, rest = FAMILIES[name]
    x = np.column_stack([np.ones(rows), rng.normal(size=rows), rng.uniform(-1, 1, size=rows)])
    raw = np.column_stack([x @ slopes, *(np.full(rows, value) for value in rest)])
    frozen = family.frozen(**family.to_params(raw))
    return x, lambda: np.asarray(frozen.rvs(size=rows, random_state=rng), dtype="float64")


def simulate(name, rows=1000, repeats=1000, seed=11):
    """Fit a model to many data sets that it made."""
    family, slopes, _ = FAMILIES[name]
    x, draw = sampler(name, rows, np.random.default_rng(seed))
    held, estimates, errors = np.zeros(3), [], []
    for _ in range(repeats):
        found = pn.glm.GLM(draw(), x, family).fit()
        interval = found.conf_int()[:3]
        held += (interval[:, 0] <= slopes) & (slopes <= interval[:, 1])
        estimates.append(found.params[:3])
        errors.append(found.bse[:3])
    bias = np.mean(estimates, axis=0) - slopes
    return Simulated(held / repeats, bias, np.std(estimates, axis=0), np.mean(errors, axis=0))
