"""Parts of log-densities that keep their digits where the textbook formula cancels or overflows.

Each takes NumPy arrays or tensors, has the gradient that its formula has, and is finite, with a
finite gradient, for every finite argument in its range.
"""

import math

import numpy as np

from probnn import backend

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)

# Stirling's series: log Gamma(x) = (x - 1/2) log x - x + HALF_LOG_2PI + sum of B_2n / (2n (2n-1))
# x^(1-2n). DLMF 5.11.1. Its error for x >= 8 is below 1e-16.
_STIRLING = (
    1 / 12,
    -1 / 360,
    1 / 1260,
    -1 / 1680,
    1 / 1188,
    -691 / 360360,
    1 / 156,
    -3617 / 122400,
)
STIRLING_FROM = 8.0

# Bernoulli's numbers B_2, B_4, ..., of the series in 1 / x of digamma and trigamma: DLMF 5.11.2.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)

# DLMF 8.12.14: the coefficients of powers of eta, of the first two terms of the expansion.
_TEMME = (
    (
        -1 / 3,
        1 / 12,
        -2 / 135,
        1 / 864,
        1 / 2835,
        -139 / 777600,
        1 / 25515,
        -571 / 261273600,
        -281 / 151559100,
    ),
    (-1 / 540, -1 / 288, 1 / 378, -77 / 77760),
)


def saturate(x, low=-math.inf, high=math.inf):
    """Return x held between two bounds, with the gradient that x itself would have.

    A bound keeps an exponential finite; the gradient still says which way back.
    """
    m = backend.math(x)
    held = x
    if low > -math.inf:
        held = m.maximum(held, low)
    if high < math.inf:
        held = m.minimum(held, high)
    if isinstance(x, (np.ndarray, np.generic)):
        return held  # which has no gradient, and may be infinite
    return x + m.stop_gradient(held - x)


def either(condition, one, other, *args):
    """Return one(*args) where a condition is true, else other(*args).

    Of tensors both are computed everywhere, so that each must be finite wherever it is not used; of
    host arrays, also those with derivatives, each only where it is used.
    """
    host = (np.ndarray, np.generic, int, float)
    others = [each for each in (condition, *args) if not isinstance(each, host)]
    m = backend.math(others[-1]) if others else None
    if others and not hasattr(m, "by_rows"):
        return m.where(condition, one(*args), other(*args))
    if condition.all():
        return one(*args)
    if not condition.any():
        return other(*args)
    if others:
        return m.by_rows(condition, one, other, *args)
    condition, *args = np.broadcast_arrays(condition, *args)
    found = np.empty(condition.shape, np.result_type(*args))
    for where, function in ((condition, one), (~condition, other)):
        found[where] = function(*(each[where] for each in args))
    return found


def by_precision(x, float32, float64):
    """Return the bound that suits the dtype of x."""
    return float64 if backend.math(x).is_double(x) else float32


def least_log_scale(x):
    """Return the logarithm of the least scale that counts, of an x that it divides.

    That of tensors leaves room for the squares in second derivatives.
    """
    host = isinstance(x, (np.ndarray, np.generic)) and x.dtype == np.float64
    return -690.0 if host else by_precision(x, -28.0, -300.0)


def logaddexp(a, b):
    """Return log(exp(a) + exp(b)), to the last digit of the larger one."""
    m = backend.math(a)
    return m.where(
        a > b, a + m.log1p(m.exp(m.minimum(b - a, 0.0))), b + m.log1p(m.exp(m.minimum(a - b, 0.0)))
    )


def spread(y, center):
    """Return the root mean square of y about a center, or if it is 0 but for rounding, a width.

    A single value has no spread; its own size is then wide enough to begin with.
    """
    found = float(np.sqrt(np.mean((y - center) ** 2)))
    size = float(np.max(np.abs(y)))
    return found if found > 1e-12 * size else size or 1.0


def stirling_correction(x):
    """Return log Gamma(x) less Stirling's (x - 1/2) log x - x + log(2 pi) / 2, for x >= 8."""
    inverse = 1.0 / x
    square = inverse * inverse
    total = _STIRLING[-1] * square
    for coefficient in _STIRLING[-2:0:-1]:
        total = (total + coefficient) * square
    return (total + _STIRLING[0]) * inverse


def log1p_minus(u):
    """Return log(1 + u) - u for |u| <= 1/4, without cancelling.

    With s = u / (2 + u), log(1 + u) = 2 atanh(s), so that log(1 + u) - u = s (2 (s^2 / 3 +
    s^4 / 5 + ...) - u).
    """
    s = u / (2.0 + u)
    square = s * s
    series = 0.0 * square
    for k in range(21, 1, -2):
        series = (series + 1.0 / k) * square
    return s * (2.0 * series - u)


def exp_excess(x):
    """Return exp(x) - 1 - x, without cancelling: near 0 by its series."""
    m = backend.math(x)
    held = m.maximum(m.minimum(x, 0.2), -0.2)
    series = 0.0 * held
    for k in range(13, 1, -1):
        series = series * held + 1.0 / math.factorial(k)
    return m.where(held == x, series * held * held, m.expm1(x) - x)


def log_gamma_excess(log_a):
    """Return log Gamma(a) - a log(a) + a with a = exp(log_a), which may underflow to 0."""
    m = backend.math(log_a)

    def by_series(a, log_a):
        return HALF_LOG_2PI - 0.5 * log_a + stirling_correction(m.maximum(a, STIRLING_FROM))

    def directly(a, log_a):
        small = m.minimum(a, STIRLING_FROM)
        return m.lgamma(1.0 + small) - (1.0 + small) * log_a + small

    a = m.exp(log_a)
    return either(a > STIRLING_FROM, by_series, directly, a, log_a)


def polygamma_excess(x):
    """Return x (log(x) - digamma(x)) - 1/2 and x (x trigamma(x) - 1) - 1/2, in NumPy."""
    from scipy.special import digamma, zeta

    inverse = 1.0 / np.maximum(x, STIRLING_FROM)
    square = inverse * inverse
    small = np.clip(x, 1e-150, STIRLING_FROM)
    first, second = 0.0 * square, 0.0 * square
    for k in range(len(_BERNOULLI), 0, -1):
        first = first * square + _BERNOULLI[k - 1] / (2 * k)
        second = second * square + _BERNOULLI[k - 1]
    is_small = x < STIRLING_FROM
    return (
        np.where(is_small, small * (np.log(small) - digamma(small)) - 0.5, first * inverse),
        np.where(is_small, small * (small * zeta(2.0, small) - 1.0) - 0.5, second * inverse),
    )


def bernoulli_divergence(p, d, complement, e):
    """Return the divergence p log(p / q) + (1 - p) log((1 - p) / (1 - q)), without cancelling.

    Parameters
    ----------
    p, complement : tensor or array
        p and 1 - p.
    d, e : tensor or array
        log(q / p) and log((1 - q) / (1 - p)): any number above 1 where p or 1 - p is 0.

    Notes
    -----
    With q near p its terms are p (exp(d) - 1 - d), the sum of which lacks nothing.
    """
    m = backend.math(d)
    near_d = m.minimum(m.maximum(d, -0.2), 0.2)
    near_e = m.minimum(m.maximum(e, -0.2), 0.2)

    def near(p, near_d, _, complement, near_e, __):
        return p * log1p_minus(m.expm1(near_d)) + complement * log1p_minus(m.expm1(near_e))

    def far(p, _, d, complement, __, e):
        return p * d + complement * e

    args = p, near_d, d, complement, near_e, e
    return -either((near_d == d) & (near_e == e), near, far, *args)


def of_others(probs):
    """Return 1 - p of each of several probabilities, with all digits: of the largest, the rest."""
    rest, largest = probs.copy(), probs.argmax(axis=-1)[..., None]
    np.put_along_axis(rest, largest, 0.0, axis=-1)
    complement = 1.0 - probs
    np.put_along_axis(complement, largest, rest.sum(axis=-1, keepdims=True), axis=-1)
    return complement


def gamma_tail(a, x, upper):
    """Return P(G <= x), or P(G > x), of a gamma variable G with shape a and scale 1, in NumPy.

    SciPy's series have no digits in tails of large shapes: there it is the uniform expansion of
    Temme (1979), doi:10.1137/0510071.
    """
    from scipy.special import erfc, gammainc, gammaincc

    a, x = np.broadcast_arrays(np.asarray(a, dtype="float64"), np.asarray(x, dtype="float64"))
    with np.errstate(all="ignore"):
        found = (gammaincc if upper else gammainc)(a, x)
        if not (a > 1e5).any():
            return found
        mu = (x - a) / a
        large = (a > 1e5) & (abs(mu) < 0.2)
        mu, shape = mu[large], a[large]
        eta = np.copysign(np.sqrt(-2.0 * log1p_minus(mu)), mu)
        series = np.polyval(_TEMME[0][::-1], eta) + np.polyval(_TEMME[1][::-1], eta) / shape
        rest = np.exp(-0.5 * shape * eta**2) / np.sqrt(2.0 * np.pi * shape) * series
        side, found = 1.0 if upper else -1.0, np.array(found)
        found[large] = 0.5 * erfc(side * eta * np.sqrt(0.5 * shape)) + side * rest
    return found[()]


def kernel_score(weights, apart, between, size):
    """Return E|X - y| - E|X - X'| / 2 of mixtures, in NumPy; NaN where it has lost two digits.

    None of more than 32 components, whose pairs take longer than an integral.

    Parameters
    ----------
    weights, apart : numpy.ndarray, shape (..., K)
        Of the components, and their E|X - y|.
    between : callable
        Of two numbers of components: E|X - X'| of one X of each.
    size : numpy.ndarray, shape (..., K)
        That of the numbers of which `apart` is a difference.
    """
    if weights.shape[-1] > 32:
        return None
    found = (weights * apart).sum(axis=-1)
    for i in range(weights.shape[-1]):
        for j in range(i + 1):
            share = weights[..., i] * weights[..., j] * (0.5 if i == j else 1.0)
            found = found - share * between(i, j)
    return np.where(found > 0.01 * (weights * size).sum(axis=-1), found, np.nan)


def log_factorial_excess(y):
    """Return y log(y) - y - log(y!) of counts y: the log-mass at y of a Poisson with mean y."""
    m = backend.math(y)

    def by_series(y):
        large = m.maximum(y, STIRLING_FROM)
        return -HALF_LOG_2PI - 0.5 * m.log(large) - stirling_correction(large)

    def directly(y):
        small = m.minimum(m.maximum(y, 1.0), STIRLING_FROM)
        return m.where(y > 0, small * m.log(small) - small - m.lgamma(small + 1.0), 0.0 * y)

    return either(y > STIRLING_FROM, by_series, directly, y)
