"""Functions of jets: values by NumPy and SciPy, with their first and second derivatives."""

import numpy as np

from probnn.backend import host
from probnn.backend.jets import (
    Jet,
    added,
    chained,
    constant,
    each,
    joined,
    products,
    scaled,
    squares,
    value_of,
)


def where(condition, a, b):
    """Return a where the condition holds, and b elsewhere."""
    return _chosen(lambda one, other: np.where(condition, one, other), a, b)


def by_rows(condition, one, other, *args):
    """Return one(*args) of what stands where a condition holds, and other(*args) of the rest."""
    shape = np.broadcast_shapes(np.shape(condition), *(np.shape(value_of(x)) for x in args))
    condition = np.broadcast_to(condition, shape)

    def part(x, where):
        if isinstance(x, Jet):
            return each(x, lambda part, _: np.broadcast_to(part, shape)[where], whole=False)
        return np.broadcast_to(x, shape)[where]

    def put(a, b):
        found = np.empty(shape)
        found[condition], found[~condition] = a, b
        return found

    a, b = (f(*(part(x, w) for x in args)) for f, w in ((one, condition), (other, ~condition)))
    return _chosen(put, a, b)


def _chosen(choose, a, b):
    """Return what a function of two arrays chooses among values, and among each derivative."""
    if not isinstance(a, Jet) and not isinstance(b, Jet):
        return choose(a, b)
    a, b = constant(a, b), constant(b, a)

    def table(one, other):
        keys = dict.fromkeys([*one, *other])
        return {key: choose(one.get(key, 0.0), other.get(key, 0.0)) for key in keys}

    second = None if a.second is None else table(a.second, b.second)
    return Jet(choose(a.value, b.value), table(a.first, b.first), second)


def maximum(a, b):
    """Return the larger one: the first one where they are equal."""
    return where(value_of(a) >= value_of(b), a, b)


def minimum(a, b):
    """Return the smaller one: the first one where they are equal."""
    return where(value_of(a) <= value_of(b), a, b)


def stop_gradient(x):
    """Return the value alone."""
    return Jet(x.value, {}, None if x.second is None else {})


def is_double(x):
    """Return whether `x` is computed in float64: it is."""
    return True


def isfinite(x):
    """Return whether the value is finite."""
    return np.isfinite(x.value)


def floor(x):
    """Return the largest whole number that is not above, a constant."""
    return stop_gradient(each(x, lambda part, _: np.floor(part), whole=False))


def exp(x):
    """Return exp(x)."""
    value = np.exp(x.value)
    return chained(x, value, lambda: value, lambda: value)


def expm1(x):
    """Return exp(x) - 1."""
    return chained(x, np.expm1(x.value), lambda: np.exp(x.value), lambda: np.exp(x.value))


def log(x):
    """Return log(x)."""
    inverse = 1.0 / x.value
    return chained(x, np.log(x.value), lambda: inverse, lambda: -inverse * inverse)


def log1p(x):
    """Return log(1 + x)."""
    inverse = 1.0 / (1.0 + x.value)
    return chained(x, np.log1p(x.value), lambda: inverse, lambda: -inverse * inverse)


def square(x):
    """Return x^2."""
    return chained(x, np.square(x.value), lambda: 2.0 * x.value, lambda: 2.0)


def sin(x):
    """Return sin(x)."""
    value = np.sin(x.value)
    return chained(x, value, lambda: np.cos(x.value), lambda: -value)


def tan(x):
    """Return tan(x)."""
    value = np.tan(x.value)
    slope = 1.0 + value * value
    return chained(x, value, lambda: slope, lambda: 2.0 * value * slope)


def arctan2(y, x):
    """Return the angle of (x, y)."""
    y, x = constant(y, x), constant(x, y)
    u, v = y.value, x.value
    # The imaginary part of log(x + iy), whose real part has the gradient -norm.
    size = u * u + v * v
    first = added(scaled(y.first, v / size), scaled(x.first, -u / size))
    second = None
    if y.second is not None:
        second = added(scaled(y.second, v / size), scaled(x.second, -u / size))
        norm = added(scaled(y.first, -u / size), scaled(x.first, -v / size))
        second = added(second, products(first, norm))
    return Jet(np.arctan2(u, v), first, second)


def softplus(x):
    """Return log(1 + exp(x))."""
    p = host.sigmoid(x.value)
    return chained(x, host.softplus(x.value), lambda: p, lambda: p * host.sigmoid(-x.value))


def sigmoid(x):
    """Return 1 / (1 + exp(-x))."""
    p, q = host.sigmoid(x.value), host.sigmoid(-x.value)
    return chained(x, p, lambda: p * q, lambda: p * q * (q - p))


def logit(x):
    """Return log(x / (1 - x))."""
    p = x.value
    slope = 1.0 / (p * (1.0 - p))
    return chained(x, host.logit(p), lambda: slope, lambda: (2.0 * p - 1.0) * slope * slope)


def lgamma(x):
    """Return log Gamma(x)."""
    from scipy.special import digamma, zeta

    return chained(x, host.lgamma(x.value), lambda: digamma(x.value), lambda: zeta(2.0, x.value))


def ndtr(x):
    """Return the standard normal cdf."""
    density = np.exp(-0.5 * x.value**2) / np.sqrt(2.0 * np.pi)
    return chained(x, host.ndtr(x.value), lambda: density, lambda: -x.value * density)


def log_ndtr(x):
    """Return the logarithm of the standard normal cdf."""
    from scipy.special import erfcx

    z = x.value
    low = np.minimum(z, 0.0)
    # The density over the cdf: by the scaled complementary error function below 0.
    below = np.sqrt(2.0 / np.pi) / erfcx(-low / np.sqrt(2.0))
    above = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi) / host.ndtr(np.maximum(z, 0.0))
    ratio = np.where(z < 0.0, below, above)

    def curve():
        t = np.maximum(-z, 5.0)  # ratio + z = 1 / (t + 2 / (t + 3 / ...)), where it would cancel
        rest = t
        for k in range(60, 1, -1):
            rest = t + k / rest
        return -ratio * np.where(z < -5.0, 1.0 / rest, ratio + z)

    return chained(x, host.log_ndtr(z), lambda: ratio, curve)


def ndtri(x):
    """Return the standard normal quantile."""
    z = host.ndtri(x.value)
    slope = np.sqrt(2.0 * np.pi) * np.exp(0.5 * z**2)
    return chained(x, z, lambda: slope, lambda: z * slope * slope)


def i0e(x):
    """Return exp(-|x|) I_0(x), of the modified Bessel function."""
    from scipy.special import i1e

    z, value = x.value, host.i0e(x.value)
    sign, one = np.sign(z), i1e(z)
    small = np.abs(z) < 1e-8  # where I_1(z) / z is 1 / 2
    ratio = np.where(small, 0.5, one / np.where(small, 1.0, z))
    return chained(
        x, value, lambda: one - sign * value, lambda: 2.0 * value - ratio - 2.0 * sign * one
    )


# ---- functions along the last axis ---------------------------------------------------------------


def total(x):
    """Return the sum over the last axis."""
    return each(x, lambda part, shape: np.broadcast_to(part, shape).sum(axis=-1))


def cumsum(x, axis=-1):
    """Return the sums up to each place."""
    return each(x, lambda part, shape: np.broadcast_to(part, shape).cumsum(axis=axis))


def concatenate(parts):
    """Return parts side by side."""
    return joined(parts, lambda each: np.concatenate(each, axis=-1))


def stack(parts):
    """Return parts along a new axis."""
    shape = np.broadcast_shapes(*(np.shape(value_of(part)) for part in parts))
    zero = np.zeros(shape)
    return joined([part + zero for part in parts], lambda each: np.stack(each, axis=-1))


def after_zero(x):
    """Return the numbers after a zero."""
    return concatenate([np.zeros((*x.shape[:-1], 1)), x])


def logsumexp(x):
    """Return log(sum(exp(x)))."""
    value = host.logsumexp(x.value)
    share = np.exp(x.value - value[..., None])
    first = {i: (share * part).sum(axis=-1) for i, part in x.first.items()}
    second = None
    if x.second is not None:
        second = {ij: (share * part).sum(axis=-1) for ij, part in x.second.items()}
        apart = {i: part - first[i][..., None] for i, part in x.first.items()}
        spread = squares(apart, share)
        second = added(second, {ij: part.sum(axis=-1) for ij, part in spread.items()})
    return Jet(value, first, second)


def log_softmax(x):
    """Return x - log(sum(exp(x)))."""
    return x - logsumexp(x)[..., None]


def pick(values, index):
    """Return the value with this number in each row; of a number outside the nearest value."""
    index = value_of(index)
    return each(values, lambda part, shape: host.pick(np.broadcast_to(part, shape), index))


def like(values, x):
    """Return a NumPy array as what x is."""
    return constant(values, x)
