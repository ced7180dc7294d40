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


def log1p_minus(u):
    """Return log(1 + u) - u for u >= 0, without cancelling when u is small.

    With s = u / (2 + u), log(1 + u) = 2 atanh(s), so that log(1 + u) - u = -u s + 2 (s^3/3 + s^5/5
    + ...).
    """
    m = backend.math(u)
    small = m.minimum(u, 0.3)
    s = small / (2.0 + small)
    square = s * s
    series = 0.0 * square
    for k in range(19, 1, -2):
        series = (series + 1.0 / k) * square
    large = m.maximum(u, 0.3)
    return m.where(u < 0.3, s * (2.0 * series - small), m.log1p(large) - large)


def log_rising(log_alpha, y):
    """Return log(Gamma(y + r) / (Gamma(r) r^y)) with r = 1 / alpha: the sum of log(1 + j alpha), j < y.

    It is 0 at y = 0 and 1, and tends to 0 with alpha.
    """
    m = backend.math(log_alpha)
    r = m.exp(-log_alpha)
    large = m.maximum(r, STIRLING_FROM)
    u = y / large
    by_stirling = (
        large * log1p_minus(u)
        + (y - 0.5) * m.log1p(u)
        + stirling_correction(large + y)
        - stirling_correction(large)
    )
    small = m.minimum(r, STIRLING_FROM)
    direct = m.lgamma(y + small) - m.lgamma(small) - y * m.log(small)
    return m.where(r > STIRLING_FROM, by_stirling, direct)
