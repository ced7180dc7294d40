"""The tables that the tests read. A new family needs one row in FAMILIES, and gets every test."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
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
        scoringrules' closed form, or another way to it, from y and the parameters; of families of
        several columns None.
    """

    name: str
    family: pn.families.Family
    params: dict
    y: list
    outside: list
    mean: Callable
    variance: Callable | None
    log_prob: Callable
    crps: Callable | None = None

    def arrays(self):
        """Return the parameters as float64 arrays, a row each."""
        return {k: np.asarray(v, dtype="float64") for k, v in self.params.items()}

    def grid(self):
        """Return parameters and y with every row against every y."""
        y = np.asarray(self.y, dtype="float64")
        n = len(next(iter(self.params.values())))
        params = {k: np.repeat(v, len(y), axis=0) for k, v in self.arrays().items()}
        return params, np.concatenate([y] * n)


def _categorical_log_prob(y, probs):
    return np.log(probs[np.arange(len(y)), y.astype(int)])


def _ordinal_probs(loc, cutpoints):
    z = np.asarray(cutpoints) - np.asarray(loc)[:, None]
    width = np.diff(cutpoints, axis=1)
    middle = special.expit(z[:, 1:]) * special.expit(-z[:, :-1]) * -np.expm1(-width)
    return np.column_stack([special.expit(z[:, 0]), middle, special.expit(-z[:, -1])])


def _poisson_mixture_crps(y, rate, weights):
    k = np.arange(1000.0)[:, None]
    cdf = (weights * stats.poisson.cdf(k[..., None], rate)).sum(axis=-1)
    return ((cdf - (y <= k)) ** 2).sum(axis=0)


def _summed_crps(cdf, y, low=0, high=3000):
    """Return the sum over whole numbers of (cdf(k) - 1{y <= k})^2, row by row."""
    k = np.arange(low, high + 1.0)[:, None]
    return ((cdf(k) - (y <= k)) ** 2).sum(axis=0)


def _inflated_log_prob(y, rate, inflation):
    zero = np.log((1 - inflation) * np.exp(-rate) + inflation)
    return np.where(y > 0, np.log1p(-inflation) + stats.poisson.logpmf(y, rate), zero)


def _hurdle_log_prob(y, mean, dispersion, zero_probs):
    base = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    above = np.log1p(-zero_probs) + base.logpmf(y) - base.logsf(0)
    return np.where(y > 0, above, np.log(zero_probs))


def _hurdle_moments(mean, dispersion, zero_probs):
    base = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    factor = (1 - zero_probs) / base.sf(0)
    return factor * mean, factor * (base.var() + mean**2) - (factor * mean) ** 2


def _rounded_log_prob(y, loc, scale):
    low, high = (y - 0.5 - loc) / scale, (y + 0.5 - loc) / scale
    inside = stats.logistic.logcdf(high) + stats.logistic.logsf(low) + np.log(-np.expm1(low - high))
    ends = np.where(y == 0, stats.logistic.logcdf(high), stats.logistic.logsf(low))
    return np.where((y > 0) & (y < 255), inside, ends)


def _rounded_moments(loc, scale):
    k = np.arange(256.0)[:, None]
    probs = np.exp(_rounded_log_prob(k, loc, scale))
    mean = (k * probs).sum(axis=0)
    return mean, ((k - mean) ** 2 * probs).sum(axis=0)


def _censored_log_prob(y, scale, shape):
    base = stats.weibull_min(shape, scale=scale)
    low, high = y[:, 0], y[:, 1]
    with np.errstate(divide="ignore"):
        between = np.log(base.cdf(high) - base.cdf(low))
        known = np.where(high == np.inf, base.logsf(low), between)
        return np.where(low == high, base.logpdf(low), np.where(low == 0, base.logcdf(high), known))


def _bivariate_log_prob(y, loc, scale_tril):
    a, b, c = scale_tril.T
    return np.array(
        [
            stats.multivariate_normal.logpdf(row, center, [[a * a, a * b], [a * b, b * b + c * c]])
            for row, center, a, b, c in zip(y, loc, a, b, c, strict=True)
        ]
    )


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


def _circular_crps(y, loc, concentration):
    """Return E d(V, y) - E d(V, V') / 2 by quadrature, with d the angle between directions."""
    angle = np.linspace(-np.pi, np.pi, 4000, endpoint=False)
    scores = []
    for at, center, k in zip(y, loc, concentration, strict=True):
        scale = np.pi / 2000
        density = stats.vonmises(k).pdf

        def between(d, density=density, scale=scale):
            return d * 2.0 * scale * np.sum(density(angle) * density(angle + d))

        def to_y(v, density=density, t=at - center):
            return v * (density(t + v) + density(t - v))

        cuts = abs(at - center) + np.array([-6, -3, -1, 0, 1, 3, 6]) / np.sqrt(k + 1)
        cuts = [c for c in cuts if 0 < c < np.pi]
        first = integrate.quad(to_y, 0.0, np.pi, points=cuts, epsabs=0.0, epsrel=1e-12, limit=400)[
            0
        ]
        cuts = [c for c in np.array([1, 3, 6]) / np.sqrt(k + 1) if c < np.pi]
        second = integrate.quad(
            between, 0.0, np.pi, points=cuts, epsabs=0.0, epsrel=1e-12, limit=400
        )[0]
        scores.append(first - 0.5 * second)
    return np.array(scores)


def _angle_variance(loc, concentration):
    """Return the integral of t^2 p(loc + t) over a turn, by quadrature."""
    return np.array(
        [
            2
            * integrate.quad(
                lambda t, k=k: t**2 * stats.vonmises(k).pdf(t),
                0.0,
                np.pi,
                points=[c for c in np.array([1, 3, 6]) / np.sqrt(k + 1) if c < np.pi],
                epsabs=0.0,
                epsrel=1e-13,
            )[0]
            for k in concentration
        ]
    )


def _beta_binomial_log_prob(y, probs, precision):
    return stats.betabinom.logpmf(y, 20, probs * precision, (1 - probs) * precision)


def _beta_binomial_crps(y, probs, precision):
    k = np.arange(21.0)[:, None]
    cdf = np.cumsum(np.exp(_beta_binomial_log_prob(k, probs, precision)), axis=0)
    return ((cdf - (y <= k)) ** 2).sum(axis=0)


def _truncated_moments(loc, scale, low, high):
    """Return the mean and the variance of normal distributions between bounds."""
    moments = []
    with mpmath.workdps(50):
        for center, size in zip(loc.tolist(), scale.tolist(), strict=True):
            ends = [(mpmath.mpf(end) - center) / size for end in (low, high)]
            a, b = (mpmath.npdf(end) for end in ends)
            mass = mpmath.ncdf(ends[1]) - mpmath.ncdf(ends[0])
            first = (a - b) / mass
            edges = [end * p if p else 0 for end, p in zip(ends, (a, b), strict=True)]
            second = 1 + (edges[0] - edges[1]) / mass
            moments.append((center + size * first, size**2 * (second - first**2)))
    return np.array(moments, dtype=float).T


def _tweedie_log_prob(y, mean, dispersion):
    # Power 1.5: a Poisson number of exponential variables, here up to 2000.
    rate, scale = 2 * np.sqrt(mean) / dispersion, 0.5 * dispersion * np.sqrt(mean)
    j = np.arange(1.0, 2001.0)[:, None]
    terms = stats.poisson.logpmf(j, rate) + stats.gamma.logpdf(np.where(y > 0, y, 1), j, 0, scale)
    return np.where(y > 0, special.logsumexp(terms, axis=0), -rate)


def _tweedie_crps(y, mean, dispersion):
    rate, scale = 2 * np.sqrt(mean) / dispersion, 0.5 * dispersion * np.sqrt(mean)
    j = np.arange(1.0, 2001.0)
    scores = []
    for at, lam, theta, mu in zip(y, rate, scale, mean, strict=True):

        def tail(x, above, lam=lam, theta=theta):
            part = special.gammaincc(j, x / theta) if above else special.gammainc(j, x / theta)
            return stats.poisson.pmf(j, lam) @ part + (0.0 if above else np.exp(-lam))

        deviation = np.sqrt(2 * lam) * theta
        edges = np.unique([0.0, at, *(mu + deviation * np.arange(-12, 13)), mu + 40 * deviation])
        edges = edges[edges >= 0]
        parts = [
            integrate.quad(lambda x, at=at: tail(x, x >= at) ** 2, a, b, epsabs=0, epsrel=1e-11)[0]
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
    FamilyCase(
        name="zero_inflated",
        family=pn.families.ZeroInflated("poisson"),
        params={"rate": [1.0, 0.01, 7.3, 150.0], "inflation": [0.2, 0.9, 1e-7, 0.5]},
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda rate, inflation: (1 - inflation) * rate,
        variance=lambda rate, inflation: (1 - inflation) * rate * (1 + inflation * rate),
        log_prob=_inflated_log_prob,
        crps=lambda y, rate, inflation: _summed_crps(
            lambda k: inflation + (1 - inflation) * stats.poisson.cdf(k, rate), y
        ),
    ),
    FamilyCase(
        name="hurdle",
        family=pn.families.Hurdle("negative_binomial"),
        params={
            "mean": [2.0, 0.1, 7.3, 50.0],
            "dispersion": [0.5, 3.0, 0.01, 0.2],
            "zero_probs": [0.3, 0.99, 1e-7, 0.5],
        },
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda **params: _hurdle_moments(**params)[0],
        variance=lambda **params: _hurdle_moments(**params)[1],
        log_prob=_hurdle_log_prob,
        crps=lambda y, **params: _summed_crps(
            lambda k: np.cumsum(np.exp(_hurdle_log_prob(k, **params)), axis=0), y
        ),
    ),
    FamilyCase(
        name="discretized",
        family=pn.families.Discretized("logistic", low=0, high=255),
        params={"loc": [100.0, 3.0, 260.0, 128.0], "scale": [10.0, 0.5, 4.0, 500.0]},
        y=[100.0, 0.0, 3.0, 255.0],
        outside=[-1.0, 256.0, 1.5, np.nan],
        mean=lambda loc, scale: _rounded_moments(loc, scale)[0],
        variance=lambda loc, scale: _rounded_moments(loc, scale)[1],
        log_prob=_rounded_log_prob,
        crps=lambda y, loc, scale: _summed_crps(
            lambda k: np.where(k < 255, stats.logistic.cdf(k + 0.5, loc, scale), 1.0), y, high=255
        ),
    ),
    FamilyCase(
        name="von_mises",
        family=pn.families.VonMises(),
        params={"loc": [0.0, 0.5, -0.4, 1.0], "concentration": [1.0, 0.05, 30.5, 400.0]},
        y=[0.0, -1.2, 0.45, 2.5],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, concentration: loc,
        variance=_angle_variance,
        log_prob=lambda y, loc, concentration: stats.vonmises.logpdf(y, concentration, loc),
        crps=_circular_crps,
    ),
    FamilyCase(
        name="laplace",
        family=pn.families.Laplace(),
        params={"loc": [0.1, -3.0, 1e3, 0.2], "scale": [1.0, 0.01, 250.0, 40.0]},
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale: loc,
        variance=lambda loc, scale: 2 * scale**2,
        log_prob=lambda y, loc, scale: -abs(y - loc) / scale - np.log(2 * scale),
        crps=lambda y, loc, scale: sr.crps_laplace(y, loc, scale),
    ),
    FamilyCase(
        name="gumbel",
        family=pn.families.Gumbel(),
        params={"loc": [0.0, -3.0, 1e3, 0.2], "scale": [1.0, 0.01, 250.0, 40.0]},
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale: loc + np.euler_gamma * scale,
        variance=lambda loc, scale: (np.pi * scale) ** 2 / 6,
        log_prob=lambda y, loc, scale: stats.gumbel_r.logpdf(y, loc, scale),
        crps=lambda y, loc, scale: _integrated_crps(pn.families.Gumbel().frozen(loc, scale), y),
    ),
    FamilyCase(
        name="log_normal",
        family=pn.families.LogNormal(),
        params={"loc": [0.0, -3.0, 5.0, 0.7], "scale": [1.0, 0.3, 0.05, 1.7]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda loc, scale: np.exp(loc + scale**2 / 2),
        variance=lambda loc, scale: np.expm1(scale**2) * np.exp(2 * loc + scale**2),
        log_prob=lambda y, loc, scale: stats.lognorm.logpdf(y, scale, scale=np.exp(loc)),
        crps=lambda y, loc, scale: sr.crps_lognormal(y, loc, scale),
    ),
    FamilyCase(
        name="log_logistic",
        family=pn.families.LogLogistic(),
        params={"scale": [1.0, 0.05, 300.0, 2.0], "shape": [2.5, 3.7, 30.0, 5.0]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda scale, shape: scale * (np.pi / shape) / np.sin(np.pi / shape),
        variance=lambda scale, shape: (
            scale**2
            * (
                (2 * np.pi / shape) / np.sin(2 * np.pi / shape)
                - (np.pi / shape) ** 2 / np.sin(np.pi / shape) ** 2
            )
        ),
        log_prob=lambda y, scale, shape: (
            stats.logistic.logpdf(np.log(y), np.log(scale), 1 / shape) - np.log(y)
        ),
        crps=lambda y, scale, shape: sr.crps_loglogistic(y, np.log(scale), 1 / shape),
    ),
    FamilyCase(
        name="exponential",
        family=pn.families.Exponential(),
        params={"mean": [1.0, 0.05, 300.0, 2.0]},
        y=[1e-3, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda mean: mean,
        variance=lambda mean: mean**2,
        log_prob=lambda y, mean: stats.expon.logpdf(y, scale=mean),
        crps=lambda y, mean: sr.crps_exponential(y, 1 / mean),
    ),
    FamilyCase(
        name="student_t",
        family=pn.families.StudentT(),
        params={
            "loc": [0.0, -3.0, 1e3, 0.2, 1.5],
            "scale": [1.0, 0.01, 250.0, 40.0, 2.0],
            "df": [5.0, 3.0, 2.5, 1e5, 17.0],
        },
        y=[0.0, -2.97, 1.5, 700.0],
        outside=[np.nan, np.inf, -np.inf],
        mean=lambda loc, scale, df: loc,
        variance=lambda loc, scale, df: np.where(
            df > 2, scale**2 * df / np.where(df > 2, df - 2, 1), np.inf
        ),
        log_prob=lambda y, loc, scale, df: stats.t.logpdf(y, df, loc, scale),
        crps=lambda y, loc, scale, df: sr.crps_t(y, df, loc, scale),
    ),
    FamilyCase(
        name="beta",
        family=pn.families.Beta(),
        params={"mean": [0.5, 0.25, 0.97, 0.3], "precision": [2.0, 2.0, 40.0, 400.0]},
        y=[0.3, 1e-3, 0.71, 0.9995],
        outside=[0.0, 1.0, -0.1, np.nan],
        mean=lambda mean, precision: mean,
        variance=lambda mean, precision: mean * (1 - mean) / (1 + precision),
        log_prob=lambda y, mean, precision: stats.beta.logpdf(
            y, mean * precision, (1 - mean) * precision
        ),
        crps=lambda y, mean, precision: sr.crps_beta(y, mean * precision, (1 - mean) * precision),
    ),
    FamilyCase(
        name="inverse_gaussian",
        family=pn.families.InverseGaussian(),
        params={"mean": [1.0, 0.05, 300.0, 2.0], "shape": [1.0, 0.4, 30.0, 400.0]},
        y=[1e-2, 0.7, 2.2, 310.0],
        outside=[0.0, -1.0, np.nan, np.inf],
        mean=lambda mean, shape: mean,
        variance=lambda mean, shape: mean**3 / shape,
        log_prob=lambda y, mean, shape: stats.invgauss.logpdf(y, mean / shape, scale=shape),
        crps=lambda y, mean, shape: _integrated_crps(stats.invgauss(mean / shape, scale=shape), y),
    ),
    FamilyCase(
        name="geometric",
        family=pn.families.Geometric(),
        params={"mean": [1.0, 1e-3, 7.3, 150.0]},
        y=[0.0, 1.0, 4.0, 140.0],
        outside=[-1.0, 1.5, np.nan, np.inf],
        mean=lambda mean: mean,
        variance=lambda mean: mean + mean**2,
        log_prob=lambda y, mean: stats.geom.logpmf(y, 1 / (1 + mean), loc=-1),
        crps=lambda y, mean: sr.crps_negbinom(y, 1.0, 1 / (1 + mean)),
    ),
    FamilyCase(
        name="ordinal",
        family=pn.families.Ordinal(classes=4),
        params={
            "loc": [0.0, 1.5, -20.0, 0.3],
            "cutpoints": [[-1.0, 0.0, 2.0], [-3.0, -2.9, 9.0], [-5.0, 0.1, 0.2], [0.0, 1e-3, 50.0]],
        },
        y=[0.0, 1.0, 2.0, 3.0],
        outside=[4.0, -1.0, 0.5, np.nan],
        mean=_ordinal_probs,
        variance=lambda loc, cutpoints: (
            _ordinal_probs(loc, cutpoints) * (1 - _ordinal_probs(loc, cutpoints))
        ),
        log_prob=lambda y, loc, cutpoints: _categorical_log_prob(y, _ordinal_probs(loc, cutpoints)),
        crps=lambda y, loc, cutpoints: sr.rps_score(
            y.astype(int) + 1, _ordinal_probs(loc, cutpoints)
        ),
    ),
    FamilyCase(
        name="binomial",
        family=pn.families.Binomial(trials=20),
        params={"probs": [0.5, 1e-3, 0.97, 0.3]},
        y=[0.0, 1.0, 7.0, 20.0],
        outside=[21.0, -1.0, 1.5, np.nan],
        mean=lambda probs: 20 * probs,
        variance=lambda probs: 20 * probs * (1 - probs),
        log_prob=lambda y, probs: stats.binom.logpmf(y, 20, probs),
        crps=lambda y, probs: sr.crps_binomial(y, 20, probs),
    ),
    FamilyCase(
        name="beta_binomial",
        family=pn.families.BetaBinomial(trials=20),
        params={"probs": [0.5, 0.01, 0.97, 0.3], "precision": [2.0, 0.5, 40.0, 3e4]},
        y=[0.0, 1.0, 7.0, 20.0],
        outside=[21.0, -1.0, 1.5, np.nan],
        mean=lambda probs, precision: 20 * probs,
        variance=lambda probs, precision: (
            20 * probs * (1 - probs) * (20 + precision) / (1 + precision)
        ),
        log_prob=_beta_binomial_log_prob,
        crps=_beta_binomial_crps,
    ),
    FamilyCase(
        name="truncated_normal",
        family=pn.families.TruncatedNormal(low=0.0),
        params={"loc": [0.5, -3.0, 1.0, 100.0], "scale": [1.0, 1.5, 0.1, 40.0]},
        y=[0.0, 0.7, 1.5, 80.0],
        outside=[-0.1, -np.inf, np.nan, np.inf],
        mean=lambda loc, scale: _truncated_moments(loc, scale, 0, mpmath.inf)[0],
        variance=lambda loc, scale: _truncated_moments(loc, scale, 0, mpmath.inf)[1],
        log_prob=lambda y, loc, scale: stats.truncnorm.logpdf(y, -loc / scale, np.inf, loc, scale),
        crps=lambda y, loc, scale: sr.crps_tnormal(y, loc, scale, 0.0, np.inf),
    ),
    FamilyCase(
        name="truncated_normal",
        family=pn.families.TruncatedNormal(low=-1.0, high=10.0),
        params={"loc": [0.5, -3.0, 12.0, 4.0, 9.0], "scale": [1.0, 1.5, 3.0, 60.0, 0.5]},
        y=[-1.0, 0.7, 1.5, 10.0],
        outside=[-1.1, 10.1, np.nan, np.inf],
        mean=lambda loc, scale: _truncated_moments(loc, scale, -1, 10)[0],
        variance=lambda loc, scale: _truncated_moments(loc, scale, -1, 10)[1],
        log_prob=lambda y, loc, scale: stats.truncnorm.logpdf(
            y, (-1 - loc) / scale, (10 - loc) / scale, loc, scale
        ),
        crps=lambda y, loc, scale: sr.crps_tnormal(y, loc, scale, -1.0, 10.0),
    ),
    FamilyCase(
        name="tweedie",
        family=pn.families.Tweedie(power=1.5),
        params={"mean": [1.0, 0.05, 300.0, 2.0], "dispersion": [1.0, 0.4, 30.0, 0.05]},
        y=[0.0, 1e-3, 2.2, 310.0],
        outside=[-1.0, np.nan, np.inf],
        mean=lambda mean, dispersion: mean,
        variance=lambda mean, dispersion: dispersion * mean**1.5,
        log_prob=_tweedie_log_prob,
        crps=_tweedie_crps,
    ),
]

# Families whose y has several columns.
SEVERAL = [
    FamilyCase(
        name="censored",
        family=pn.families.Censored("weibull"),
        params={"scale": [1.0, 0.5, 30.0, 2.0], "shape": [1.0, 0.7, 3.0, 5.0]},
        y=[[0.7, 0.7], [0.3, np.inf], [0.0, 2.0], [0.5, 0.6], [1.0, 1.0 + 1e-6], [0.2, 3.0]],
        outside=[[2.0, 1.0], [-1.0, 1.0], [np.nan, 1.0], [0.0, 0.0], [np.inf, np.inf]],
        mean=lambda scale, shape: scale * special.gamma(1 + 1 / shape),
        variance=lambda scale, shape: (
            scale**2 * (special.gamma(1 + 2 / shape) - special.gamma(1 + 1 / shape) ** 2)
        ),
        log_prob=_censored_log_prob,
    ),
    FamilyCase(
        name="binomial",
        family=pn.families.Binomial(),
        params={"probs": [0.5, 1e-6, 0.999, 0.3]},
        y=[[3.0, 10.0], [0.0, 1.0], [200.0, 1000.0], [7.0, 7.0]],
        outside=[[2.0, 1.0], [-1.0, 1.0], [np.nan, 1.0], [0.0, 0.0], [0.5, 3.0]],
        mean=lambda probs: probs,
        variance=None,
        log_prob=lambda y, probs: stats.binom.logpmf(y[:, 0], y[:, 1], probs),
    ),
    FamilyCase(
        name="multivariate_normal",
        family=pn.families.MultivariateNormal(units=2),
        params={
            "loc": [[0.0, 1.0], [-3.0, 100.0], [0.2, 0.1]],
            "scale_tril": [[1.0, 0.5, 2.0], [0.01, -3.0, 40.0], [3.0, 0.0, 0.2]],
        },
        y=[[0.0, 1.5], [-3.01, 90.0], [1.0, -0.3]],
        outside=[[np.nan, 1.0], [np.inf, 0.0], [-np.inf, 1.0]],
        mean=lambda loc, scale_tril: loc,
        variance=lambda loc, scale_tril: np.stack(
            [scale_tril[:, 0] ** 2, (scale_tril[:, 1:] ** 2).sum(axis=1)], axis=1
        ),
        log_prob=_bivariate_log_prob,
    ),
    FamilyCase(
        name="dirichlet",
        family=pn.families.Dirichlet(units=3),
        params={
            "mean": [[0.2, 0.3, 0.5], [0.98, 0.01, 0.01], [0.1, 0.6, 0.3]],
            "precision": [3.0, 0.5, 200.0],
        },
        y=[[0.25, 0.25, 0.5], [0.125, 0.5, 0.375], [0.875, 0.0625, 0.0625]],
        outside=[[0.5, 0.5, 0.5], [0.0, 0.5, 0.5], [np.nan, 0.5, 0.5], [-0.5, 1.0, 0.5]],
        mean=lambda mean, precision: mean,
        variance=lambda mean, precision: mean * (1 - mean) / (1 + precision[:, None]),
        log_prob=lambda y, mean, precision: np.array(
            [
                stats.dirichlet.logpdf(each, m * n)
                for each, m, n in zip(y, mean, precision, strict=True)
            ]
        ),
    ),
]
