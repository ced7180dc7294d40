"""Extreme parameters of the families of vectors, with closed forms in mpmath."""

from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
import numpy as np

import probnn as pn

f = pn.families


@dataclass(frozen=True)
class VectorCase:
    """A family of vectors at one set of parameters.

    Parameters
    ----------
    name, family, params
        The family, and name -> value.
    y : list of list
        Responses.
    exact : callable
        Of parameters, mpmath numbers: the log-density of a response, a function of mpmath numbers;
        the mean, the variances or the covariance matrix, and the entropy.
    """

    name: str
    family: pn.families.Family
    params: dict
    y: list
    exact: Callable


def _dirichlet(mean, precision):
    a, d = [m * precision for m in mean], len(mean)
    beta = sum(mp.loggamma(v) for v in a) - mp.loggamma(precision)

    def log_density(y):
        return sum((v - 1) * mp.log(share) for v, share in zip(a, y, strict=True)) - beta

    variance = [m * (1 - m) / (1 + precision) for m in mean]
    spread = sum((v - 1) * mp.digamma(v) for v in a)
    return log_density, mean, variance, beta + (precision - d) * mp.digamma(precision) - spread


def _multivariate_normal(loc, scale_tril):
    d, rest = len(loc), iter(scale_tril)
    lower = [[next(rest) for _ in range(i + 1)] for i in range(d)]
    logs = sum(mp.log(row[-1]) for row in lower)

    def log_density(y):
        z = []
        for at, middle, row in zip(y, loc, lower, strict=True):
            gap = at - middle - sum(a * b for a, b in zip(row, z, strict=False))
            z.append(gap / row[-1])
        return -sum(v**2 for v in z) / 2 - logs - d * mp.log(2 * mp.pi) / 2

    covariance = [[sum(map(mp.fmul, a, b)) for b in lower] for a in lower]
    return log_density, loc, covariance, logs + d * mp.log(2 * mp.pi * mp.e) / 2


def _cases():
    tiny, next_to_1 = 1e-300, 1.0 - 2.0**-53
    shares = [[0.25, 0.25, 0.5], [0.5, 2.0**-30, 0.5 - 2.0**-30], [tiny, 2.0**-53, next_to_1]]
    near = [[0.25 + k * 2.0**-22, 0.25, 0.5 - k * 2.0**-22] for k in (0, 1, -5)]
    for mean, precision, y in (
        ([0.25, 0.25, 0.5], 1e-10, shares),
        ([0.25, 0.25, 0.5], 0.1, shares),
        ([0.25, 0.25, 0.5], 3.0, shares),
        ([0.25, 0.25, 0.5], 1e12, near),
        ([tiny, 0.25, 0.75], 3.0, shares),
        ([tiny, 2.0**-53, next_to_1], 1e3, shares),
    ):
        yield "dirichlet", f.Dirichlet(), {"mean": mean, "precision": precision}, y, _dirichlet
    steps = [(0.0, 0.0, 0.0), (1.0, -2.0, 0.5), (-7.0, 30.0, 7.0), (1e8, -1e8, 1e8)]
    for scale in (1e-150, 1.0, 1e150):
        for rest in (1.0, 1e-5, 1.5e-8):
            r = np.sqrt(1.0 - rest**2)
            tril = [scale * v for v in (1.0, r, rest, -r, 0.5 * rest, rest)]
            loc = [3.0 * scale, -scale, 0.0]
            lower = np.zeros((3, 3))
            lower[np.tril_indices(3)] = tril
            y = [[*(loc + lower @ np.array(step))] for step in steps]
            family, params = f.MultivariateNormal(units=3), {"loc": loc, "scale_tril": tril}
            yield "multivariate_normal", family, params, y, _multivariate_normal


VECTORS = [VectorCase(*each) for each in _cases()]
