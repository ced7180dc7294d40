"""What is known of the families from elsewhere: formulas that the table of cases reads."""

import itertools

import mpmath
import numpy as np
from scipy import integrate, special, stats

from probnn._quadrature import integral


def categorical_log_prob(y, probs):
    return np.log(probs[np.arange(len(y)), y.astype(int)])


def ordinal_probs(loc, cutpoints):
    z = np.asarray(cutpoints) - np.asarray(loc)[:, None]
    width = np.diff(cutpoints, axis=1)
    middle = special.expit(z[:, 1:]) * special.expit(-z[:, :-1]) * -np.expm1(-width)
    return np.column_stack([special.expit(z[:, 0]), middle, special.expit(-z[:, -1])])


def ordinal_complements(loc, cutpoints):
    """Return 1 - probs as what lies below and above each class, where nothing cancels."""
    z = np.asarray(cutpoints) - np.asarray(loc)[:, None]
    ends = np.zeros((len(z), 1))
    return np.hstack([ends, special.expit(z)]) + np.hstack([special.expit(-z), ends])


def poisson_mixture_crps(y, rate, weights):
    k = np.arange(1000.0)[:, None]
    cdf = (weights * stats.poisson.cdf(k[..., None], rate)).sum(axis=-1)
    return ((cdf - (y <= k)) ** 2).sum(axis=0)


def summed_crps(cdf, y, low=0, high=3000):
    """Return the sum over whole numbers of (cdf(k) - 1{y <= k})^2, row by row."""
    k = np.arange(low, high + 1.0)[:, None]
    return ((cdf(k) - (y <= k)) ** 2).sum(axis=0)


def inflated_log_prob(y, rate, inflation):
    zero = np.log((1 - inflation) * np.exp(-rate) + inflation)
    return np.where(y > 0, np.log1p(-inflation) + stats.poisson.logpmf(y, rate), zero)


def hurdle_log_prob(y, mean, dispersion, zero_probs):
    base = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    above = np.log1p(-zero_probs) + base.logpmf(y) - base.logsf(0)
    return np.where(y > 0, above, np.log(zero_probs))


def hurdle_moments(mean, dispersion, zero_probs):
    base = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    factor = (1 - zero_probs) / base.sf(0)
    return factor * mean, factor * (base.var() + mean**2) - (factor * mean) ** 2


def rounded_log_prob(y, loc, scale):
    low, high = (y - 0.5 - loc) / scale, (y + 0.5 - loc) / scale
    inside = stats.logistic.logcdf(high) + stats.logistic.logsf(low) + np.log(-np.expm1(low - high))
    ends = np.where(y == 0, stats.logistic.logcdf(high), stats.logistic.logsf(low))
    return np.where((y > 0) & (y < 255), inside, ends)


def rounded_moments(loc, scale):
    k = np.arange(256.0)[:, None]
    probs = np.exp(rounded_log_prob(k, loc, scale))
    mean = (k * probs).sum(axis=0)
    return mean, ((k - mean) ** 2 * probs).sum(axis=0)


def censored_log_prob(y, scale, shape):
    base = stats.weibull_min(shape, scale=scale)
    low, high = y[:, 0], y[:, 1]
    with np.errstate(divide="ignore"):
        between = np.log(base.cdf(high) - base.cdf(low))
        known = np.where(high == np.inf, base.logsf(low), between)
        return np.where(low == high, base.logpdf(low), np.where(low == 0, base.logcdf(high), known))


def bivariate_log_prob(y, loc, scale_tril):
    """Return the textbook's bivariate density, of standard deviations and a correlation."""
    a, b, c = scale_tril.T
    s, t = a, np.hypot(b, c)
    rho, u, v = b / t, (y[:, 0] - loc[:, 0]) / s, (y[:, 1] - loc[:, 1]) / t
    form = (u * u - 2 * rho * u * v + v * v) / (c / t) ** 2
    return -np.log(2 * np.pi * s * c) - form / 2


def integrated_crps(frozen, y):
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


def circular_crps(y, loc, concentration):
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


def angle_variance(loc, concentration):
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


def beta_binomial_log_prob(y, probs, precision):
    return stats.betabinom.logpmf(y, 20, probs * precision, (1 - probs) * precision)


def beta_binomial_crps(y, probs, precision):
    k = np.arange(21.0)[:, None]
    cdf = np.cumsum(np.exp(beta_binomial_log_prob(k, probs, precision)), axis=0)
    return ((cdf - (y <= k)) ** 2).sum(axis=0)


def truncated_moments(loc, scale, low, high):
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


def tweedie_log_prob(y, mean, dispersion):
    # Power 1.5: a Poisson number of exponential variables, here up to 2000.
    rate, scale = 2 * np.sqrt(mean) / dispersion, 0.5 * dispersion * np.sqrt(mean)
    j = np.arange(1.0, 2001.0)[:, None]
    terms = stats.poisson.logpmf(j, rate) + stats.gamma.logpdf(np.where(y > 0, y, 1), j, 0, scale)
    return np.where(y > 0, special.logsumexp(terms, axis=0), -rate)


def tweedie_crps(y, mean, dispersion):
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


class Transformed:
    """A base distribution of SciPy at an increasing function of y, moments by Gauss's rule.

    Parameters
    ----------
    base : scipy.stats.rv_continuous
        The distribution of T(y).
    at : callable
        Of parameters: the knots between which T is smooth, beyond which it is a line, and a
        function of y, one for each row, that returns T and its slope.
    """

    def __init__(self, base, at):
        self.base, self.at = base, at

    def _rows(self, params):
        return [self.at(*row) for row in zip(*params.values(), strict=True)]

    def log_prob(self, y, **params):
        z, slope = self.at(**params)[1](y)
        return self.base.logpdf(z) + np.log(slope)

    def _integral(self, function, knots, each):
        ends = 45.0 / each(knots)[1][[0, -1]]  # in which either tail ends
        knots = [knots[0] - ends[0], *knots, knots[-1] + ends[1]]
        edges = np.unique([np.linspace(a, b, 100) for a, b in itertools.pairwise(knots)])
        return integral(function, edges[:-1, None], np.diff(edges)[:, None], 16).sum()

    def moments(self, **params):
        found = []
        for knots, each in self._rows(params):

            def density(x, each=each):
                z, slope = each(x)
                return self.base.pdf(z) * slope

            mean = self._integral(lambda x: x * density(x), knots, each)
            var = self._integral(lambda x, m=mean: (x - m) ** 2 * density(x), knots, each)
            found.append((mean, var))
        return np.array(found).T

    def mean(self, **params):
        return self.moments(**params)[0]

    def variance(self, **params):
        return self.moments(**params)[1]

    def crps(self, y, **params):
        found = []
        for (knots, each), at in zip(self._rows(params), y, strict=True):

            def square(x, each=each, at=at):
                z = each(x)[0]
                return np.where(x < at, self.base.cdf(z), self.base.sf(z)) ** 2

            found.append(self._integral(square, np.sort([*knots, at]), each))
        return np.array(found)


def rational(reach):
    """Return the knots and the function of `Transformed`: splines in Gregory and Delbourgo's form.

    Of quadratics in t and 1 - t, slopes by the quotient rule.
    """

    def at(loc, scale, widths, heights, slopes):
        ends = np.zeros((*np.shape(slopes)[:-1], 1))
        x, z = (
            2 * reach * (0.999 * np.concatenate([ends, each.cumsum(axis=-1)], axis=-1))
            - reach
            + 2 * reach * 0.001 * np.linspace(0, 1, each.shape[-1] + 1)
            for each in (widths, heights)
        )
        d = np.concatenate([ends + 1, slopes, ends + 1], axis=-1)
        knots = np.asarray(loc)[..., None] + np.asarray(scale)[..., None] * x

        def each(y):
            u = (y - loc) / scale
            inside = np.clip(u, -reach, reach)
            k = (inside[..., None] >= x[..., 1:-1]).sum(axis=-1)[..., None]

            def pick(values, k):
                values = np.broadcast_to(values, (*k.shape[:-1], values.shape[-1]))
                return np.take_along_axis(values, k, -1)[..., 0]

            (x0, x1), (z0, z1), (d0, d1) = ((pick(v, k), pick(v, k + 1)) for v in (x, z, d))
            s, t = (z1 - z0) / (x1 - x0), (inside - x0) / (x1 - x0)
            a, b, c = z0 * s, z0 * d1 + z1 * d0, z1 * s
            over = a * (1 - t) ** 2 + b * t * (1 - t) + c * t**2
            under = s * (1 - t) ** 2 + (d0 + d1) * t * (1 - t) + s * t**2
            rise = -2 * a * (1 - t) + b * (1 - 2 * t) + 2 * c * t
            turn = -2 * s * (1 - t) + (d0 + d1) * (1 - 2 * t) + 2 * s * t
            slope = (rise * under - over * turn) / under**2 / (x1 - x0)
            return over / under + u - inside, slope / scale

        return knots, each

    return at


def bernstein(low, high):
    """Return the knots and the function of `Transformed`, by SciPy's binomial tails."""

    def at(loc, increments):
        n = increments.shape[-1]
        k = np.arange(n)

        def each(y):
            t = (y - low) / (high - low)
            inside = np.clip(t, 0.0, 1.0)[..., None]
            slopes = n * special.binom(n - 1, k) * inside**k * (1.0 - inside) ** (n - 1 - k)
            slope = (increments * slopes).sum(axis=-1)
            h = (increments * special.bdtrc(k, n, inside)).sum(axis=-1)
            return h + slope * (t - inside[..., 0]) - loc, slope / (high - low)

        return np.array([low, high]), each

    return at
