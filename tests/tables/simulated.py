"""Models whose truth is known, and how often their intervals hold it."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

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


def fits(y, x, family, start, tol=1e-10):
    """Fit a model to many responses at once, by Newton's method.

    Parameters
    ----------
    y : array of shape (r, n)
        The responses of r data sets.
    x : array of shape (n, p)
        The design of the location, which all have.
    family : probnn.families.Family
        A family whose parameters are one raw column each.
    start : array of shape (family.size - 1 + p,)
        Where to begin: the coefficients, and raw values of the further parameters.

    Returns
    -------
    coefficients, errors : arrays of shape (r, p)
    """
    (r, n), p = y.shape, x.shape[1]
    known = family.with_dispersion(1.0)
    rest = [name for name in family.params if name != family.location]
    free = [0, *(a for a, name in enumerate(rest, 1) if name not in known)]
    designs = {a: x if a == 0 else np.ones((n, 1)) for a in free}
    at = {a: p + a - 1 for a in range(1, family.size)}
    coef = np.repeat(np.asarray(start, dtype="float64")[None], r, axis=0)
    for name, value in known.items():
        coef[:, at[1 + rest.index(name)]] = family.links[name].forward(value)
    moving = [*range(p), *(at[a] for a in free[1:])]

    def raw():
        columns = [coef[:, :p] @ x.T, *(np.repeat(coef[:, [at[a]]], n, axis=1) for a in at)]
        return np.stack(columns, axis=-1).reshape(r * n, family.size)

    def products(weights):
        """Return the sums over rows of weights (r * n, k, k) times products of the designs."""
        w = weights.reshape(r, n, *weights.shape[1:])
        return np.block(
            [
                [
                    np.einsum("rn,nij->rij", w[..., a, b], left[:, :, None] * right[:, None])
                    for b, right in designs.items()
                ]
                for a, left in designs.items()
            ]
        )

    for _ in range(30):
        _, slope, curvature = family.derivatives(y.ravel(), raw())
        slope = slope.reshape(r, n, -1)
        gradient = np.concatenate([slope[..., a] @ d for a, d in designs.items()], axis=-1)
        hessian = products(curvature)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        coef[:, moving] -= step
        if np.abs(step).max() < tol:
            break
    else:
        raise RuntimeError(f"Newton's method is {np.abs(step).max():.1g} away after 30 steps")
    if not known:
        information, scale = products(family.derivatives(y.ravel(), raw())[2]), 1.0
    else:  # (d mean / d raw)^2 / variance; and Pearson's estimate of the dispersion
        mean, slope, _ = family.mean_derivatives(raw(), second=False)
        variance = np.asarray(family.frozen(**family.to_params(raw())).var())
        information = products((slope[:, 0] ** 2 / variance)[:, None, None])
        scale = ((y.ravel() - mean) ** 2 / variance).reshape(r, n).sum(axis=1) / (n - p)
    inverse = np.diagonal(np.linalg.inv(information), axis1=1, axis2=2)[:, :p]
    return coef[:, :p], np.sqrt(inverse * np.reshape(scale, (-1, 1)))


def simulate(name, rows=1000, repeats=1000, seed=11):
    """Fit a model to many data sets that it made."""
    family, slopes, rest = FAMILIES[name]
    x, draw = sampler(name, rows, np.random.default_rng(seed))
    found = []
    for first in range(0, repeats, 100):
        y = np.array([draw() for _ in range(min(100, repeats - first))])
        found.append(fits(y, x, family, [*slopes, *rest]))
    estimates, errors = (np.concatenate(parts) for parts in zip(*found, strict=True))
    wrong = estimates - slopes
    held = np.abs(wrong) <= stats.norm.ppf(0.975) * errors
    return Simulated(
        held.mean(axis=0), wrong.mean(axis=0), estimates.std(axis=0), errors.mean(axis=0)
    )
