"""The standard distributions of location-scale families, against 50 digits."""

import keras
import mpmath
import numpy as np
import pytest

from probnn import backend
from probnn.families import _standard as standard


def normal_cdf(z):
    return mpmath.erfc(-z / mpmath.sqrt(2)) / 2


def laplace_cdf(z):
    return mpmath.exp(z) / 2 if z < 0 else 1 - mpmath.exp(-z) / 2


def gumbel_sf(z):
    return -mpmath.expm1(-mpmath.exp(-z))


# The distribution, its log-density, cdf and sf.
TABLE = {
    "normal": (
        standard.StandardNormal(),
        lambda z: -(z**2) / 2 - mpmath.log(2 * mpmath.pi) / 2,
        normal_cdf,
        lambda z: normal_cdf(-z),
    ),
    "logistic": (
        standard.StandardLogistic(),
        lambda z: -z - 2 * mpmath.log1p(mpmath.exp(-z)),
        lambda z: 1 / (1 + mpmath.exp(-z)),
        lambda z: 1 / (1 + mpmath.exp(z)),
    ),
    "laplace": (
        standard.StandardLaplace(),
        lambda z: -abs(z) - mpmath.log(2),
        laplace_cdf,
        lambda z: laplace_cdf(-z),
    ),
    "gumbel": (
        standard.StandardGumbel(),
        lambda z: -z - mpmath.exp(-z),
        lambda z: mpmath.exp(-mpmath.exp(-z)),
        gumbel_sf,
    ),
    "mirrored gumbel": (
        standard.Mirrored(standard.StandardGumbel()),
        lambda z: z - mpmath.exp(z),
        lambda z: gumbel_sf(-z),
        lambda z: mpmath.exp(-mpmath.exp(z)),
    ),
}
_SIZES = [0.0, 1e-6, 0.01, 0.3, 1.0, 2.7, 8.0, 30.0, 39.0, 200.0, 1e4]
LOW = np.array(sorted({sign * size for size in _SIZES for sign in (-1.0, 1.0)}))
WIDTH = np.array([1e-12, 1e-6, 1e-3, 0.1, 0.5, 1.0, 4.0, 40.0, 1e4])

each = pytest.mark.parametrize("name", TABLE)
everywhere = pytest.mark.parametrize(
    "where", ["host", pytest.param("tensor", marks=pytest.mark.backend)]
)


def largest(name):
    """Return the size of a log-density or probability that is not held at a bound."""
    return 1e140 if "gumbel" in name else np.inf


def exactly(function, *places):
    """Return values of mpmath in float64; NaN where they are infinite in it."""
    found = []
    with mpmath.workdps(50):
        for place in zip(*places, strict=True):
            value = float(function(*(mpmath.mpf(each) for each in place)))
            found.append(value if np.isfinite(value) else np.nan)
    return np.array(found)


def evaluated(function, where, *arrays):
    if where == "host":
        return function(*arrays)
    with backend.float64():
        found = function(*(keras.ops.convert_to_tensor(each) for each in arrays))
        assert keras.backend.standardize_dtype(found.dtype) == "float64"
        return keras.ops.convert_to_numpy(found)


def assert_close(found, expected, name):
    known = abs(expected) < largest(name)
    assert known.sum() > 0.3 * len(known)
    np.testing.assert_allclose(found[known], expected[known], rtol=1e-11, atol=1e-30)


@each
@everywhere
def test_density_and_tails_equal_50_digits(name, where):
    distribution, log_density, cdf, sf = TABLE[name]
    found = evaluated(distribution.log_density, where, LOW)
    assert_close(found, exactly(log_density, LOW), name)

    def log_of(tail, other):
        # Near 1 by the other tail: 50 digits may round it away.
        return lambda z: mpmath.log1p(-other(z)) if tail(z) > 0.5 else mpmath.log(tail(z))

    for method, tail, other in (("log_cdf", cdf, sf), ("log_sf", sf, cdf)):
        found = evaluated(getattr(distribution, method), where, LOW)
        kept = abs(LOW) <= (700.0 if "gumbel" in name else np.inf)
        assert_close(found[kept], exactly(log_of(tail, other), LOW[kept]), name)


@each
@everywhere
def test_probability_of_an_interval_equals_50_digits(name, where):
    distribution, _, cdf, sf = TABLE[name]
    low, width = (each.ravel() for each in np.meshgrid(LOW, WIDTH))
    kept = (low + width > low) & (abs(low) <= (700.0 if "gumbel" in name else np.inf))
    low, width = low[kept], width[kept]

    def log_between(low, width):
        high = low + width
        outside = cdf(low) + sf(high)
        if outside < 0.5:
            return mpmath.log1p(-outside)
        return mpmath.log(cdf(high) - cdf(low) if low < 0 else sf(low) - sf(high))

    expected = exactly(log_between, low, width)
    assert_close(evaluated(distribution.log_between, where, low, width), expected, name)


@pytest.mark.backend
@each
def test_gradients_are_finite_everywhere(name):
    distribution = TABLE[name][0]
    places = np.array([sign * size for size in (0.0, 1e-6, 1.0, 50.0, 1e17) for sign in (-1, 1)])
    low, width = (each.ravel() for each in np.meshgrid(places, [1e-12, 1.0, 1e17]))
    functions = {
        "log_density": distribution.log_density,
        "log_cdf": distribution.log_cdf,
        "log_sf": distribution.log_sf,
        "low": lambda z: distribution.log_between(z, 0.0 * z + tensor(width)),
        "width": lambda w: distribution.log_between(0.0 * w + tensor(low), w),
    }

    def tensor(values):
        return keras.ops.convert_to_tensor(values.astype("float32"))

    for which, function in functions.items():
        at = width if which == "width" else low
        value, gradient = backend.value_and_grad(lambda x, f=function: keras.ops.sum(f(x) / 1e4))(
            tensor(at)
        )
        assert np.isfinite(keras.ops.convert_to_numpy(value)), which
        assert np.isfinite(keras.ops.convert_to_numpy(gradient)).all(), which
