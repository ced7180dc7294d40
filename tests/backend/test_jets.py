"""Arrays with derivatives, against mpmath's derivatives and closed forms."""

import keras
import mpmath
import numpy as np
import pytest
from tables.families import FAMILIES

from probnn import backend, families
from probnn.backend import jet_math as m


def _mp(value):
    """Return a function of one number with mpmath's 60 digits, of a name or itself."""
    return getattr(mpmath, value) if isinstance(value, str) else value


FUNCTIONS = {
    "exp": ("exp", [-700.0, -1.5, 0.0, 2.5, 700.0]),
    "expm1": ("expm1", [-40.0, -1e-9, 0.0, 1e-9, 3.0]),
    "log": ("log", [1e-10, 0.3, 1.0, 1e12]),
    "log1p": (mpmath.log1p, [-0.9, -1e-12, 0.0, 1e-12, 1e8]),
    "square": (lambda x: x * x, [-3.0, 0.0, 1e-5, 7.0]),
    "sin": ("sin", [-3.0, 0.0, 1e-5, 2.0]),
    "tan": ("tan", [-1.5, 0.0, 1e-5, 1.0]),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), [-300.0, -30.0, -1.0, 0.0, 2.0, 30.0]),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), [-300.0, -30.0, -1.0, 0.0, 2.0, 30.0]),
    "logit": (lambda p: mpmath.log(p / (1 - p)), [1e-12, 0.2, 0.5, 0.75]),
    "lgamma": ("loggamma", [1e-3, 0.7, 1.5, 8.0, 1e5]),
    "ndtr": ("ncdf", [-30.0, -5.0, -1.0, 0.0, 1.0, 5.0]),
    "log_ndtr": (lambda x: mpmath.log(mpmath.ncdf(x)), [-300.0, -20.0, -5.1, -4.9, -1.0, 0.0, 4.0]),
    "ndtri": (lambda p: -mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * p), [1e-10, 0.1, 0.5, 0.9]),
    "i0e": (lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x), [-2.0, 1e-3, 0.5, 3.0, 40.0]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_the_derivatives_that_mpmath_finds(name):
    function, points = _mp(FUNCTIONS[name][0]), FUNCTIONS[name][1]
    found = backend.derivatives(lambda x: getattr(m, name)(x[..., 0]))(np.array(points)[:, None])
    with mpmath.workdps(60):
        want = np.array(
            [[float(mpmath.diff(function, mpmath.mpf(x), n)) for n in range(3)] for x in points]
        )
    # I_0's second derivative is a difference of numbers that are at most 2.
    close = {"rtol": 2e-13, "atol": 4e-16 if name == "i0e" else 1e-30}
    found = np.column_stack([found[0], found[1][:, 0], found[2][:, 0, 0]])
    np.testing.assert_allclose(found, want, **close)


def _every_operator(a, b, angle, power):
    """Return a function of two numbers that has every operator."""
    quotient = (2.0 - a) / (b * b + 1.0) - a / 3.0 + 1.0 / (b + 4.0)
    return angle(quotient, a + 2.0 * b) * abs(-b) + (1.0 + a * b) ** 3 - b**1.5 * power(a)


def test_operators_have_the_derivatives_that_mpmath_finds():
    at = np.array([[0.3, 0.7], [1.5, 2.0], [-0.4, 1.2]])

    def jets(x):
        return _every_operator(x[..., 0], x[..., 1], m.arctan2, m.exp)

    def numbers(a, b):
        return _every_operator(a, b, mpmath.atan2, mpmath.exp)

    value, gradient, hessian = backend.derivatives(jets)(at)
    with mpmath.workdps(40):
        for i, (a, b) in enumerate(at.tolist()):

            def d(*n, at=(a, b)):
                return float(mpmath.diff(numbers, at, n))

            assert value[i] == pytest.approx(d(0, 0), rel=1e-14)
            np.testing.assert_allclose(gradient[i], [d(1, 0), d(0, 1)], rtol=1e-13)
            want = [[d(2, 0), d(1, 1)], [d(1, 1), d(0, 2)]]
            np.testing.assert_allclose(hessian[i], want, rtol=1e-12)


def test_sums_along_the_last_axis_have_softmax_s_derivatives(rng):
    x = rng.normal(size=(5, 4))
    p = np.exp(x - np.logaddexp.reduce(x, axis=1, keepdims=True))
    value, gradient, hessian = backend.derivatives(lambda x: m.logsumexp(x))(x)
    np.testing.assert_allclose(value, np.logaddexp.reduce(x, axis=1), rtol=1e-14)
    np.testing.assert_allclose(gradient, p, rtol=1e-13)
    curve = p[:, :, None] * (np.eye(4) - p[:, None, :])
    np.testing.assert_allclose(hessian, curve, rtol=1e-12, atol=1e-15)
    code = np.array([0, 3, 1, 2, 9])  # beyond the last column: the last one
    _, gradient, _ = backend.derivatives(lambda y, x: m.pick(m.log_softmax(x), y))(code, x)
    np.testing.assert_allclose(gradient, np.eye(4)[code.clip(max=3)] - p, rtol=1e-12, atol=1e-15)
    _, gradient, _ = backend.derivatives(
        lambda x: m.total(
            m.cumsum(m.concatenate([x[..., :2], m.stack([x[..., 2], 0.0 * x[..., 3]])]))
        )
    )(x)
    np.testing.assert_allclose(gradient, np.tile([4.0, 3.0, 2.0, 0.0], (5, 1)))


def test_where_takes_the_derivatives_of_what_it_takes():
    def function(x):
        a = x[..., 0]
        held = m.maximum(m.minimum(a, 1.0), -1.0)
        return m.where(a > 0, m.log(held), a * a) + m.stop_gradient(m.exp(a)) + m.floor(a)

    x = np.array([[-3.0], [0.25], [4.0]])  # the logarithm of a negative number is not taken
    value, gradient, hessian = backend.derivatives(function)(x)
    rest = np.exp(x[:, 0]) + np.floor(x[:, 0])
    np.testing.assert_allclose(value, np.array([9.0, np.log(0.25), 0.0]) + rest, rtol=1e-15)
    assert gradient[:, 0].tolist() == [-6.0, 4.0, 0.0]
    assert hessian[:, 0, 0].tolist() == [2.0, -16.0, 0.0]


def test_rows_in_blocks_are_those_of_one(rng):
    x = rng.normal(size=(40_000, 2))
    found = backend.derivatives(lambda x: m.exp(x[..., 0]) * x[..., 1])(x)
    e, b = np.exp(x[:, 0]), x[:, 1]
    np.testing.assert_allclose(found[0], e * b, rtol=1e-15)
    np.testing.assert_allclose(found[1], np.column_stack([e * b, e]), rtol=1e-15)
    np.testing.assert_allclose(found[2][:, 0], np.column_stack([e * b, e]), rtol=1e-15)
    assert not found[2][:, 1, 1].any()


@pytest.mark.parametrize("case", FAMILIES, ids=lambda case: case.name)
def test_no_family_compiles(case, monkeypatch):
    def compiled(function):
        raise AssertionError("compiled")

    monkeypatch.setattr(backend._module(), "compiled", compiled)
    monkeypatch.setattr(type(case.family), "_derivatives", lambda self, y, raw: None)
    params, y = case.grid()
    raw = case.family.to_raw(params)
    families.base._derivatives_of.cache_clear()
    assert np.isfinite(case.family.derivatives(y, raw)[2]).all()
    if not case.family.has_classes:
        assert case.family.mean_derivatives(raw)[2].shape == (len(raw), raw.shape[1], raw.shape[1])
    families.base._derivatives_of.cache_clear()


@pytest.mark.backend
@pytest.mark.parametrize("second", [True, False])
def test_a_function_of_tensors_is_compiled(second, rng):
    x = rng.normal(size=(7, 2))
    function = backend.derivatives(lambda x: keras.ops.sum(keras.ops.exp(x), axis=-1), second)
    for _ in range(2):
        value, gradient, hessian = function(x)
        np.testing.assert_allclose(value, np.exp(x).sum(axis=1), rtol=1e-12)
        np.testing.assert_allclose(gradient, np.exp(x), rtol=1e-12)
        want = np.exp(x)[:, :, None] * np.eye(2) if second else None
        assert hessian is None if want is None else np.allclose(hessian, want, rtol=1e-12)
