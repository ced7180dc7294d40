"""Families of vectors: the multivariate normal and the Dirichlet, against SciPy."""

import itertools
import pickle

import keras
import numpy as np
import pytest
from scipy import optimize, stats

import probnn as pn
from probnn import backend

FAMILIES = [
    pn.families.MultivariateNormal(units=1),
    pn.families.MultivariateNormal(units=2),
    pn.families.MultivariateNormal(units=4),
    pn.families.Dirichlet(units=2),
    pn.families.Dirichlet(units=3),
    pn.families.Dirichlet(units=5),
]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=repr)


def tensor(values, dtype="float64"):
    return keras.ops.convert_to_tensor(np.asarray(values, dtype=dtype))


def numpy(values):
    return keras.ops.convert_to_numpy(values)


def rows(family, n, rng, dtype="float64"):
    """Return n raw rows and n responses; shares that are multiples of 2^-12, so as to sum to 1."""
    raw = rng.normal(size=(n, family.size)).astype(dtype)
    if family.name == "multivariate_normal":
        return raw, (3.0 * rng.normal(size=(n, family.units))).astype(dtype)
    raw[:, -1] = rng.uniform(-2.0, 5.0, size=n)
    whole = rng.multinomial(4096 - family.units, np.full(family.units, 1.0 / family.units), size=n)
    return raw, ((whole + 1.0) / 4096.0).astype(dtype)


def exact(family, y, raw):
    """Return SciPy's log-density, one row after the other."""
    params = family.to_params(raw)
    if family.name == "multivariate_normal":
        covariance = family.covariance(params["scale_tril"])
        return np.array(
            [
                stats.multivariate_normal.logpdf(each, loc, matrix)
                for each, loc, matrix in zip(y, params["loc"], covariance, strict=True)
            ]
        )
    alpha = params["mean"] * params["precision"][:, None]
    return np.array([stats.dirichlet.logpdf(v, a) for v, a in zip(y, alpha, strict=True)])


@pytest.mark.backend
@each_family
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-5)])
def test_log_prob_equals_scipy(family, dtype, rtol, rng):
    raw, y = rows(family, 100, rng, dtype)
    expected = exact(family, y.astype("float64"), raw.astype("float64"))
    with backend.float64():
        found = family.log_prob(tensor(y, dtype), tensor(raw, dtype))
        assert keras.backend.standardize_dtype(found.dtype) == dtype
        np.testing.assert_allclose(numpy(found), expected, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(family.log_prob(y, raw), expected, rtol=rtol, atol=rtol)


@pytest.mark.backend
@each_family
@pytest.mark.usefixtures("distributions")
def test_distribution_and_default_log_prob_agree(family, rng):
    raw, y = rows(family, 20, rng)
    expected = family.log_prob(y, raw)
    with backend.float64():
        distribution = family.to_distribution(tensor(raw))
        np.testing.assert_allclose(numpy(distribution.log_prob(tensor(y))), expected, rtol=1e-8)
        mean = distribution.mean
        mean = numpy(mean() if callable(mean) else mean)
    np.testing.assert_allclose(mean, family.mean(**family.to_params(raw)), rtol=1e-10)


@pytest.mark.backend
@each_family
def test_raw_and_params_are_inverse(family, rng):
    raw, _ = rows(family, 20, rng)
    params = family.to_params(raw)
    np.testing.assert_allclose(family.to_raw(params), raw, rtol=1e-10, atol=1e-12)
    with backend.float64():
        for name, values in family.to_params(tensor(raw)).items():
            assert keras.backend.standardize_dtype(values.dtype) == "float64"
            np.testing.assert_allclose(numpy(values), params[name], rtol=1e-12)
    for name, values in params.items():
        assert family.params[name].domain.contains(values).all()


@each_family
def test_derivatives_equal_differences(family, rng):
    raw, y = rows(family, 10, rng)
    value, gradient, hessian = family.derivatives(y, raw)
    np.testing.assert_allclose(value, -family.log_prob(y, raw), rtol=1e-10, atol=1e-12)
    step = 1e-4
    for column in range(family.size):
        shift = np.zeros(family.size)
        shift[column] = step
        at = [family.derivatives(y, raw + k * shift) for k in (-2, -1, 1, 2)]
        for which, found in ((0, gradient), (1, hessian)):
            a, b, c, d = (each[which] for each in at)
            want = (a - 8 * b + 8 * c - d) / (12 * step)
            np.testing.assert_allclose(
                found[..., column], want, rtol=1e-6, atol=1e-9 * np.abs(want).max()
            )


@pytest.mark.backend
@each_family
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 80.0), ("float64", 500.0)])
def test_loss_and_gradient_are_finite_at_the_extremes(family, dtype, bound, rng):
    levels = bound * np.array([-1.0, -0.5, -0.2, -0.01, 0.0, 0.01, 0.2, 0.5, 1.0])
    if family.size <= 4:
        raw = np.array(list(itertools.product(levels, repeat=family.size)))
    else:
        raw = rng.choice(levels, size=(9**4, family.size))
    d = family.units
    if family.name == "dirichlet":
        y = np.array([np.full(d, 1 / d), np.append(np.full(d - 1, 1e-30), 1.0)])
    else:
        y = np.array([np.zeros(d), np.full(d, 1e5), np.resize([0.8, -7.0], d)])
    y, raw = np.tile(y, (len(raw), 1)), np.repeat(raw, len(y), axis=0)
    n = len(raw)
    with backend.float64():
        y = tensor(y, dtype)

        def total(raw):
            return keras.ops.sum(family.log_prob(y, raw) / n)

        def log_probs(raw):
            return family.log_prob(y, raw)

        _, gradient = backend.compiled(backend.value_and_grad(total))(tensor(raw, dtype))
        log_prob = numpy(backend.compiled(log_probs)(tensor(raw, dtype)))
    assert np.isfinite(log_prob).all(), raw[~np.isfinite(log_prob)][:5]
    gradient = numpy(gradient)
    assert np.isfinite(gradient).all(), raw[~np.isfinite(gradient).all(axis=1)][:5]


@each_family
def test_start_is_the_marginal_maximum(family, rng):
    raw, _ = rows(family, 1, rng)
    y = family.frozen(**family.to_params(raw[0])).rvs(size=400, random_state=rng)
    raw = family.to_raw(family.start(y))

    def nll(raw):
        return -np.mean(family.log_prob(y, np.broadcast_to(raw, (400, len(raw)))))

    def slope(raw):
        return family.derivatives(y, np.tile(raw, (400, 1)))[1].mean(axis=0)

    best = optimize.minimize(nll, raw + 0.1, jac=slope, method="BFGS")
    assert nll(raw) <= best.fun + 1e-9
    np.testing.assert_allclose(slope(raw), 0.0, atol=1e-6)


@each_family
def test_start_is_finite_for_singular_responses(family, rng):
    d = family.units
    normal = family.name == "multivariate_normal"
    one = np.full((30, d), 0.1 if normal else 1.0 / d)
    line = np.repeat(rng.normal(size=(30, 1)), d, axis=1) if normal else one
    for y in (one, line, one[:1]):
        start = family.start(y)
        raw = family.to_raw(start)
        assert np.isfinite(raw).all()
        assert np.isfinite(family.log_prob(y, np.tile(raw, (len(y), 1)))).all()
        assert (np.asarray(family.raw_spread(y)) > 0).all()


@each_family
def test_config_and_pickle_round_trips(family):
    assert pn.families.get(family.get_config()) == family
    copy = pickle.loads(pickle.dumps(family))
    assert copy == family
    assert hash(copy) == hash(family)
    assert copy.y_shape == (family.units,)


@each_family
def test_frozen_marginals_and_entropy_equal_scipy(family, rng):
    raw, y = rows(family, 12, rng)
    params = family.to_params(raw)
    frozen = family.frozen(**params)
    if family.name == "multivariate_normal":
        covariance = family.covariance(params["scale_tril"])
        scale = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        marginal = stats.norm(params["loc"], scale)
        entropy = [stats.multivariate_normal(cov=matrix).entropy() for matrix in covariance]
    else:
        alpha = params["mean"] * params["precision"][:, None]
        marginal = stats.beta(alpha, alpha.sum(axis=1, keepdims=True) - alpha)
        entropy = [stats.dirichlet(a).entropy() for a in alpha]
    np.testing.assert_allclose(frozen.logpdf(y), exact(family, y, raw), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(frozen.entropy(), entropy, rtol=1e-9)
    np.testing.assert_allclose(frozen.mean(), marginal.mean(), rtol=1e-12)
    np.testing.assert_allclose(frozen.var(), marginal.var(), rtol=1e-10)
    np.testing.assert_allclose(frozen.std(), marginal.std(), rtol=1e-10)
    np.testing.assert_allclose(frozen.cdf(y), marginal.cdf(y), rtol=1e-9)
    np.testing.assert_allclose(frozen.sf(y), marginal.sf(y), rtol=1e-9)
    np.testing.assert_allclose(frozen.ppf(0.3), marginal.ppf(0.3), rtol=1e-9)
    np.testing.assert_array_equal(frozen.ppf(np.full(12, 0.3)), frozen.ppf(0.3))
    np.testing.assert_array_equal(frozen.isf(np.full(y.shape, 0.7)), frozen.isf(0.7))
    crps = family._crps(y, **params)
    assert crps.shape == y.shape
    column = pn.Predictive(
        "normal" if family.name == "multivariate_normal" else "beta",
        {"loc": marginal.mean()[:, 0], "scale": marginal.std()[:, 0]}
        if family.name == "multivariate_normal"
        else {"mean": params["mean"][:, 0], "precision": params["precision"]},
    )
    np.testing.assert_allclose(crps[:, 0], column.crps(y[:, 0]), rtol=1e-9)


@each_family
def test_draws_have_the_moments(family, rng):
    raw, _ = rows(family, 3, rng)
    frozen = family.frozen(**family.to_params(raw))
    draws = frozen.rvs(size=(50_000, 3), random_state=rng)
    assert draws.shape == (50_000, 3, family.units)
    assert frozen.rvs(random_state=1).shape == (3, family.units)
    family.check(draws.reshape(-1, family.units))
    error = 4.5 * frozen.std() / np.sqrt(50_000)
    assert (np.abs(draws.mean(axis=0) - frozen.mean()) <= error + 1e-12).all()
    log_prob = frozen.logpdf(draws)
    error = 4.5 * log_prob.std(axis=0) / np.sqrt(50_000)
    assert (np.abs(log_prob.mean(axis=0) + frozen.entropy()) <= error + 1e-9).all()


@pytest.mark.backend
def test_covariance_is_that_of_the_draws(rng):
    family = pn.families.MultivariateNormal(units=3)
    raw = rng.normal(size=family.size)
    params = family.to_params(raw)
    draws = family.frozen(**params).rvs(size=200_000, random_state=rng)
    covariance = family.covariance(params["scale_tril"])
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.02 * covariance.max())
    with backend.float64():
        on_device = numpy(family.covariance(tensor(params["scale_tril"])))
    np.testing.assert_allclose(on_device, covariance, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("precision", [1e-3, 1.0, 1e3, 1e9])
def test_dirichlet_of_any_precision_keeps_its_digits(precision, rng):
    mp = pytest.importorskip("mpmath")
    family = pn.families.Dirichlet(units=3)
    mean = np.array([0.5, 0.3, 0.2])
    y = mean * np.exp(rng.normal(size=3) / np.sqrt(1.0 + precision))
    y[0] = 1.0 - y[1] - y[2]
    with mp.workdps(50):
        shares = [mp.mpf(1) - mp.mpf(y[1]) - mp.mpf(y[2]), mp.mpf(y[1]), mp.mpf(y[2])]
        linked = family.to_raw({"mean": mean, "precision": precision})
        logs = [mp.mpf(0), mp.mpf(linked[0]), mp.mpf(linked[1])]
        weights = [mp.exp(each) for each in logs]
        n = mp.exp(mp.mpf(linked[2]))
        alpha = [n * w / sum(weights) for w in weights]
        expected = mp.loggamma(n) + sum(
            (a - 1) * mp.log(v) - mp.loggamma(a) for a, v in zip(alpha, shares, strict=True)
        )
    found = family.log_prob(y, linked)
    # y itself is rounded: by 1e-16, which a large precision makes more of.
    slack = 3e-16 * (1.0 + np.sqrt(precision)) * 3
    np.testing.assert_allclose(found, float(expected), rtol=1e-11, atol=slack)


def test_dirichlet_of_two_shares_is_beta(rng):
    raw, y = rows(pn.families.Dirichlet(units=2), 20, rng)
    found = pn.families.Dirichlet(units=2).log_prob(y, raw)
    np.testing.assert_allclose(found, pn.families.Beta().log_prob(y[:, 1], raw), rtol=1e-10)


def test_dirichlet_with_tiny_precision_draws_shares(rng):
    frozen = pn.families.Dirichlet(units=3).frozen(np.array([0.5, 0.3, 0.2]), np.array(1e-4))
    draws = frozen.rvs(size=20_000, random_state=rng)
    assert np.isfinite(draws).all()
    np.testing.assert_allclose(draws.mean(axis=0), [0.5, 0.3, 0.2], atol=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pn.families.MultivariateNormal(units=0), "whole number >= 1. Received: 0"),
        (lambda: pn.families.Dirichlet(units=1), "whole number >= 2. Received: 1"),
        (lambda: pn.families.Dirichlet(units=2).start([[0.5, 0.6]]), "shares that sum to 1"),
        (lambda: pn.families.Dirichlet(units=2).start([[0.0, 1.0]]), "none of them 0"),
        (lambda: pn.families.MultivariateNormal(links={"scale_tril": "log"}), "cannot be changed"),
    ],
)
def test_bad_arguments_get_a_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
