"""Parts of log-densities that keep their digits where the textbook formula cancels or overflows.

Each takes NumPy arrays or tensors, has the gradient that its formula has, and is finite, with a
finite gradient, for every finite argument in its range.
"""

import math

from probnn import backend

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)

# Stirling's series: log Gamma(x) = (x - 1/2) log x - x + HALF_LOG_2PI + sum of B_2n / (2n (2n-1))
# x^(1-2n). DLMF 5.11.1. Its error for x >= 8 is below 1e-16.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
STIRLING_FROM = 8.0


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
    return x + m.stop_gradient(held - x)


def log_range(x, float32, float64):
    """Return the bound that suits the dtype of x."""
    return float64 if backend.math(x).eps(x) < 1e-10 else float32


def stirling_correction(x):
    """Return log Gamma(x) less Stirling's (x - 1/2) log x - x + log(2 pi) / 2, for x >= 8."""
    inverse = 1.0 / x
    square = inverse * inverse
    total = _STIRLING[-1] * square
    for coefficient in _STIRLING[-2:0:-1]:
        total = (total + coefficient) * square
    return (total + _STIRLING[0]) * inverse


NEAR = 0.25


def log1p_minus(u):
    """Return log(1 + u) - u for |u| <= 1/4, without cancelling.

    With s = u / (2 + u), log(1 + u) = 2 atanh(s), so that log(1 + u) - u = s (2 (s^2 / 3 + s^4 / 5 +
    ...) - u).
    """
    s = u / (2.0 + u)
    square = s * s
    series = 0.0 * square
    for k in range(21, 1, -2):
        series = (series + 1.0 / k) * square
    return s * (2.0 * series - u)


def log_factorial_excess(y):
    """Return y log(y) - y - log(y!) for counts y, 0 at y = 0: the log-mass of a Poisson at its mean."""
    m = backend.math(y)
    large = m.maximum(y, STIRLING_FROM)
    positive = m.maximum(y, 1.0)
    small = m.minimum(positive, STIRLING_FROM)
    return m.where(
        y > STIRLING_FROM,
        -HALF_LOG_2PI - 0.5 * m.log(large) - stirling_correction(large),
        m.where(y > 0, small * m.log(small) - small - m.lgamma(small + 1.0), 0.0 * y),
    )


def log_poisson(y, log_rate, rate):
    """Return the Poisson log-mass, by Loader's deviance form: no large terms that cancel.

    Notes
    -----
    With d = log(rate / y), y log(rate) - rate - log(y!) = log_factorial_excess(y) - y (exp(d) - 1 -
    d). Loader (2000), "Fast and accurate computation of binomial probabilities".
    """
    m = backend.math(log_rate)
    d = log_rate - m.log(m.maximum(y, 1.0))
    return m.where(y > 0, log_factorial_excess(y) - y * (m.expm1(d) - d), -rate)


def log_negative_binomial(y, log_mean, log_alpha):
    """Return the NB2 log-mass, in whichever of three forms has no large terms that cancel.

    Notes
    -----
    With r = 1 / alpha, n = y + r, p = r / (r + mean) and q = 1 - p, the log-mass is log(Gamma(n) /
    (Gamma(r) y!)) + r log(p) + y log(q). For y < 8 the Gamma ratio is a product of y terms. For y
    and r above 8 it goes by Stirling's series into the deviances of r against n p and of y against
    n q, as in R's `dnbinom`: Loader (2000). Between, only Gamma(n) / y! does.
    """
    m = backend.math(log_mean)
    bound = STIRLING_FROM
    alpha, r = m.exp(log_alpha), m.exp(-log_alpha)
    t = log_mean + log_alpha
    softplus = m.softplus(t)

    # y < 8: log(Gamma(y + r) / (Gamma(r) r^y)) = sum of log(1 + j alpha), j < y.
    few = m.minimum(y, bound)
    rising = 0.0 * t
    for j in range(1, int(bound)):
        rising = rising + m.where(y > j, m.log1p(j * alpha), 0.0 * t)
    direct = rising + few * log_mean - (few + r) * softplus - m.lgamma(few + 1.0)

    # y >= 8 and r > 8: deviances y log(n q / y) + r log(n p / r), whose linear parts cancel in
    # full: near 0 they are left out.
    many = m.maximum(y, bound)
    log_many = m.log(many)
    large = m.maximum(r, bound)
    log_n_over_r = m.log1p(many * alpha)
    below = m.sigmoid(-t)  # r / (r + mean)
    w = m.expm1(log_mean - log_many) * below  # n q / y - 1
    near_w = m.minimum(m.maximum(w, -0.25), 0.25)
    v = -near_w * many * m.minimum(alpha, 1.0 / bound)  # n p / r - 1
    near_v = m.minimum(m.maximum(v, -0.25), 0.25)
    log_v = log_n_over_r - softplus
    log_w = m.where(near_w == w, m.log1p(near_w), log_mean - log_many + log_v)
    deviance = m.where(
        (near_w == w) & (near_v == v),
        many * log1p_minus(near_w) + large * log1p_minus(near_v),
        many * log_w + large * log_v,
    )
    corrections = (
        stirling_correction(many + large) - stirling_correction(large) - stirling_correction(many)
    )
    by_deviance = deviance + corrections - HALF_LOG_2PI - 0.5 * (log_many + log_n_over_r)

    # y >= 8 and r <= 8: log(Gamma(y + r) / Gamma(y + 1)) by Stirling's series.
    small = m.minimum(r, bound)
    ratio = (
        (many + 0.5) * m.log1p((small - 1.0) / (many + 1.0))
        + (small - 1.0) * (m.log(many + small) - 1.0)
        + stirling_correction(many + small)
        - stirling_correction(many + 1.0)
    )
    by_ratio = ratio - m.lgamma(small) - small * softplus - many * m.softplus(-t)

    return m.where(y < bound, direct, m.where(r > bound, by_deviance, by_ratio))
