"""Extreme parameters of every family, and its log-density in mpmath."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp

import probnn as pn

f = pn.families


@dataclass(frozen=True)
class Case:
    """A family at one set of parameters.

    Parameters
    ----------
    name, family, params
        The family, and name -> value.
    kind : str or int
        As for `edges.Exact`; or the last count of few.
    log_density : callable
        Of mpmath numbers by name: a function of one mpmath number.
    moments : bool
        Whether there are any.
    widest : float
        Of the panels of an integral in log(y): a density of many peaks has no smooth wide one.
    """

    name: str
    family: pn.families.Family
    params: dict
    kind: str | int
    log_density: Callable
    moments: bool = True
    widest: float = float("inf")

    @property
    def discrete(self):
        """Whether y are counts."""
        return self.family.discrete


def _normal(loc, scale):
    constant = mp.log(scale) + mp.log(2 * mp.pi) / 2
    return lambda y: -(((y - loc) / scale) ** 2) / 2 - constant


def _laplace(loc, scale):
    return lambda y: -abs(y - loc) / scale - mp.log(2 * scale)


def _logistic(loc, scale):
    def at(y):
        z = abs(y - loc) / scale
        return -z - 2 * mp.log1p(mp.exp(-z)) - mp.log(scale)

    return at


def _gumbel(loc, scale):
    return lambda y: -(y - loc) / scale - mp.exp(-(y - loc) / scale) - mp.log(scale)


def _student(loc, scale, df):
    half = (df + 1) / 2
    constant = mp.loggamma(half) - mp.loggamma(df / 2) - mp.log(mp.pi * df) / 2 - mp.log(scale)
    return lambda y: constant - half * mp.log1p(((y - loc) / scale) ** 2 / df)


def _log_normal(loc, scale):
    of_log = _normal(loc, scale)
    return lambda y: of_log(mp.log(y)) - mp.log(y)


def _log_logistic(scale, shape):
    of_log = _logistic(mp.log(scale), 1 / shape)
    return lambda y: of_log(mp.log(y)) - mp.log(y)


def _weibull(scale, shape):
    def at(y):
        z = shape * mp.log(y / scale)
        return mp.log(shape) + z - mp.log(y) - mp.exp(z)

    return at


def _exponential(mean):
    return lambda y: -y / mean - mp.log(mean)


def _gamma(mean, shape):
    rate = shape / mean
    constant = shape * mp.log(rate) - mp.loggamma(shape)
    return lambda y: constant + (shape - 1) * mp.log(y) - rate * y


def _inverse_gaussian(mean, shape):
    return lambda y: (
        (mp.log(shape / (2 * mp.pi)) - 3 * mp.log(y) - shape * (y / mean - 1) ** 2 / y) / 2
    )


def _beta(mean, precision):
    a, b = mean * precision, (1 - mean) * precision
    constant = mp.loggamma(precision) - mp.loggamma(a) - mp.loggamma(b)

    def at(y, odds=False):
        if odds:  # log(y / (1 - y)) in place of y
            return constant - (a - 1) * mp.log1p(mp.exp(-y)) - (b - 1) * mp.log1p(mp.exp(y))
        return constant + (a - 1) * mp.log(y) + (b - 1) * mp.log1p(-y)

    return at


def _truncated(low):
    def make(loc, scale):
        base, mass = _normal(loc, scale), mp.erfc((low - loc) / scale / mp.sqrt(2)) / 2
        return lambda y: base(y) - mp.log(mass)

    return make


def _tweedie(power):
    def make(mean, dispersion):
        w = power - 1
        jump = (1 - w) / w  # the shape of the gamma distribution of one of a Poisson number
        rate = mean ** (1 - w) / (dispersion * (1 - w))
        scale = mean / (rate * jump)

        @functools.cache
        def constant(j):
            return mp.loggamma(j + 1) + mp.loggamma(jump * j)

        def at(y):
            if y == 0:
                return -rate
            z = y / scale
            log_term = mp.log(rate) + jump * mp.log(z)
            peak = mp.exp((log_term - jump * mp.log(jump)) / (1 + jump))
            width = mp.sqrt(peak / (1 + jump))
            # A wide bell is summed in steps of a quarter of its width, which is exact to 1e-100.
            step = mp.mpf(2) ** max(mp.floor(mp.log(width / 4, 2)), 0)
            first = max(mp.floor((peak - 11 * width) / step), 1)
            last = mp.ceil((peak + 11 * width) / step) + 12
            j = [step * (first + i) for i in range(int(last - first) + 1)]
            terms = [n * log_term - constant(n) for n in j]
            most = max(terms)
            total = step * sum(mp.exp(t - most) for t in terms)
            return most + mp.log(total) - rate - z - mp.log(y)

        return at

    return make


def _von_mises(loc, concentration):
    constant = mp.log(2 * mp.pi) + mp.log(mp.besseli(0, concentration)) - concentration
    return lambda y: -2 * concentration * mp.sin((y - loc) / 2) ** 2 - constant


def _mixture(loc, scale, weights):
    parts = [_normal(m, s) for m, s in zip(loc, scale, strict=True)]

    def at(y):
        return mp.log(sum(w * mp.exp(p(y)) for w, p in zip(weights, parts, strict=True)))

    return at


def _poisson(rate):
    return lambda k: k * mp.log(rate) - rate - mp.loggamma(k + 1)


def _negative_binomial(mean, dispersion):
    r, odds = 1 / dispersion, dispersion * mean

    def at(k):
        ratio = mp.loggamma(k + r) - mp.loggamma(r) - mp.loggamma(k + 1)
        return ratio + k * mp.log(odds / (1 + odds)) - r * mp.log1p(odds)

    return at


def _geometric(mean):
    return lambda k: k * mp.log(mean / (1 + mean)) - mp.log1p(mean)


def _binomial(trials):
    def make(probs):
        def at(k):
            if k > trials:
                return mp.mpf("-inf")
            choices = mp.loggamma(trials + 1) - mp.loggamma(k + 1) - mp.loggamma(trials - k + 1)
            return choices + k * mp.log(probs) + (trials - k) * mp.log1p(-probs)

        return at

    return make


def _beta_binomial(trials):
    def make(probs, precision):
        a, b = probs * precision, (1 - probs) * precision

        def at(k):
            choices = mp.loggamma(trials + 1) - mp.loggamma(k + 1) - mp.loggamma(trials - k + 1)
            return choices + mp.log(mp.beta(a + k, b + trials - k) / mp.beta(a, b))

        return at

    return make


def _inflated(inflation, **params):
    base = _poisson(**params)

    def at(k):
        if k == 0:
            return mp.log(inflation + (1 - inflation) * mp.exp(base(mp.mpf(0))))
        return mp.log1p(-inflation) + base(k)

    return at


def _hurdle(zero_probs, **params):
    base = _poisson(**params)

    def at(k):
        if k == 0:
            return mp.log(zero_probs)
        return mp.log1p(-zero_probs) + base(k) - mp.log1p(-mp.exp(base(mp.mpf(0))))

    return at


def _rounded(low, high):
    def make(loc, scale):
        def cdf(y):
            return 1 / (1 + mp.exp(-(y - loc) / scale))

        def at(k):
            first = mp.mpf("-inf") if k == low else k - mp.mpf("0.5")
            last = mp.mpf("inf") if k == high else k + mp.mpf("0.5")
            if first > loc:  # by the upper tail
                first, last = 2 * loc - last, 2 * loc - first
            return mp.log(cdf(last) - cdf(first))

        return at

    return make


def _bernoulli(probs):
    return lambda k: mp.log(probs) if k == 1 else mp.log1p(-probs)


def _of_classes(probs):
    return lambda k: mp.log(probs[int(k)])


def _ordinal(loc, cutpoints):
    def at(k):
        def cdf(t):
            return 1 / (1 + mp.exp(-t))

        ends = [mp.mpf("-inf"), *cutpoints, mp.mpf("inf")]
        low, high = ends[int(k)] - loc, ends[int(k) + 1] - loc
        return mp.log(cdf(-low) - cdf(-high) if low > 0 else cdf(high) - cdf(low))

    return at


def _cases():
    for scale in (1e-150, 1.0, 1e150):
        yield "normal", f.Normal(), {"loc": 0.0, "scale": scale}, "real", _normal
        yield "laplace", f.Laplace(), {"loc": 0.0, "scale": scale}, "real", _laplace
        yield "logistic", f.Logistic(), {"loc": 0.0, "scale": scale}, "real", _logistic
        yield "gumbel", f.Gumbel(), {"loc": 0.0, "scale": scale}, "real", _gumbel
        yield "exponential", f.Exponential(), {"mean": scale}, "positive", _exponential
        student = {"loc": 0.0, "scale": scale, "df": 3.5}
        yield "student_t", f.StudentT(), student, "real", _student
        for shape in (0.05, 3.0, 1e6):
            params = {"scale": scale, "shape": shape}
            if scale == 1.0 or shape == 3.0:
                yield "weibull", f.Weibull(), params, "positive", _weibull
        for shape in (0.8, 3.0, 1e6):
            params = {"scale": scale, "shape": shape}
            moments = shape > 2
            yield "log_logistic", f.LogLogistic(), params, "positive", _log_logistic, moments
        for shape in (0.05, 3.0, 1e12):
            if scale == 1.0 or shape == 3.0:
                params = {"mean": scale, "shape": shape}
                yield "gamma", f.Gamma(), params, "positive", _gamma
        for ratio in (1e-3, 1.0, 1e12):
            if scale == 1.0 or ratio == 1.0:
                params = {"mean": scale, "shape": scale * ratio}
                yield "inverse_gaussian", f.InverseGaussian(), params, "positive", _inverse_gaussian
    for df in (0.05, 1.0, 1e8):
        params = {"loc": 0.0, "scale": 1.0, "df": df}
        yield "student_t", f.StudentT(), params, "real", _student, df > 2
    for loc, scale in ((-300.0, 1e-3), (0.0, 5.0), (300.0, 1.0)):
        yield "log_normal", f.LogNormal(), {"loc": loc, "scale": scale}, "positive", _log_normal
    for mean, precision in ((0.3, 0.1), (0.3, 3.0), (0.3, 1e12), (1e-10, 10.0), (1e-3, 1e8)):
        yield "beta", f.Beta(), {"mean": mean, "precision": precision}, "unit", _beta
    for loc in (-1e4, -30.0, 0.0, 8.0):
        params = {"loc": loc, "scale": 1.0}
        low = f.TruncatedNormal(low=0.0)
        yield "truncated_normal", low, params, "positive", _truncated(0)
    for concentration in (1e-10, 1.0, 1e6, 1e12):
        params = {"loc": 0.0, "concentration": concentration}
        yield "von_mises", f.VonMises(), params, "circle", _von_mises
    for power, mean, dispersion in (
        (1.5, 1e-150, 1e-75),
        (1.5, 1.0, 2.0),
        (1.5, 1e150, 1e75),
        (1.5, 1e-100, 1.0),
        (1.5, 1.0, 1e-12),
        (1.01, 3.0, 1.0),
        (1.01, 1e4, 1.0),
        (1.99, 1.0, 0.5),
    ):
        params = {"mean": mean, "dispersion": dispersion}
        widest = 3 * (power - 1) / (2 - power)
        family, density = f.Tweedie(power=power), _tweedie(mp.mpf(power))
        yield "tweedie", family, params, "positive", density, True, widest
    params = {"loc": [0.0, 1e3], "scale": [1.0, 1e-3], "weights": [0.4, 0.6]}
    yield "mixture", f.Mixture("normal", components=2), params, "real", _mixture
    yield "censored", f.Censored("weibull"), {"scale": 1e150, "shape": 3.0}, "positive", _weibull
    for rate, kind in ((1e-300, 20), (3.0, 200), (400.0, 1500), (1e9, "wide"), (1e13, "wide")):
        yield "poisson", f.Poisson(), {"rate": rate}, kind, _poisson
    for mean, dispersion, kind in (
        (100.0, 1e-10, 600),
        (3.0, 1e-20, 200),
        (2.0, 2.0, 400),
        (1e13, 1e-6, "wide"),
    ):
        params = {"mean": mean, "dispersion": dispersion}
        yield "negative_binomial", f.NegativeBinomial(), params, kind, _negative_binomial
    for mean, kind in ((1e-10, 20), (3.0, 400), (1e13, "wide")):
        yield "geometric", f.Geometric(), {"mean": mean}, kind, _geometric
    for trials, probs, kind in ((10, 1e-300, 10), (50, 0.3, 50)):
        family = f.Binomial(trials=trials)
        yield "binomial", family, {"probs": probs}, kind, _binomial(trials)
    for probs, precision in ((0.3, 0.1), (0.3, 1e10), (1e-10, 5.0)):
        family, params = f.BetaBinomial(trials=50), {"probs": probs, "precision": precision}
        yield "beta_binomial", family, params, 50, _beta_binomial(50)
    for rate, kind in ((1e-10, 20), (3.0, 200), (300.0, 1200)):
        params = {"rate": rate, "inflation": 1e-10}
        yield "zero_inflated", f.ZeroInflated("poisson"), params, kind, _inflated
        params = {"rate": rate, "zero_probs": 0.3}
        yield "hurdle", f.Hurdle("poisson"), params, kind, _hurdle
    for scale in (0.05, 3.0, 1e4):
        family = f.Discretized("logistic", low=0, high=255)
        params = {"loc": 100.0, "scale": scale}
        yield "discretized", family, params, 255, _rounded(0, 255)
    for probs in (1e-300, 0.3, 1.0 - 2.0**-53):
        yield "bernoulli", f.Bernoulli(), {"probs": probs}, 1, _bernoulli
    params = {"probs": [1e-300, 0.25, 0.75]}
    yield "categorical", f.Categorical(classes=3), params, 2, _of_classes, False
    params = {"loc": 0.0, "cutpoints": [-600.0, 0.5]}
    yield "ordinal", f.Ordinal(classes=3), params, 2, _ordinal, False


CASES = [Case(*each) for each in _cases()]
