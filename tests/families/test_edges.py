"""Distributions at extreme parameters, against mpmath; and one rule for impossible responses."""

import itertools

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from tables.families import FAMILIES

import probnn as pn
from probnn.predictive.integrals import numeric_crps

f = pn.families
SINGLE = [case for case in FAMILIES if not case.family.vector]


def one(family, y=None, what="log_prob", **params):
    """Return what a distribution says of one number."""
    d = pn.Predictive(family, {name: [value] for name, value in params.items()})
    method = getattr(d, what)
    return float(np.ravel(method() if y is None else method(y))[0])


def poisson(rate):
    return lambda k: k * mp.log(rate) - rate - mp.loggamma(k + 1)


def negative_binomial(mean, dispersion):
    r, odds = 1 / mp.mpf(dispersion), mp.mpf(dispersion) * mean
    return lambda k: (
        mp.loggamma(k + r)
        - mp.loggamma(r)
        - mp.loggamma(k + 1)
        + k * mp.log(odds / (1 + odds))
        - r * mp.log1p(odds)
    )


def gamma(mean, shape):
    rate = mp.mpf(shape) / mean
    return lambda y: (
        shape * mp.log(rate) - mp.loggamma(shape) + (mp.mpf(shape) - 1) * mp.log(y) - rate * y
    )


def beta(mean, precision):
    mean, n = mp.mpf(mean), mp.mpf(precision)
    a, b = mean * n, (1 - mean) * n
    constant = mp.loggamma(n) - mp.loggamma(a) - mp.loggamma(b)
    return lambda y: constant + (a - 1) * mp.log(y) + (b - 1) * mp.log(1 - mp.mpf(y))


def normal(loc, scale):
    return lambda y: -(((mp.mpf(y) - loc) / scale) ** 2) / 2 - mp.log(scale * mp.sqrt(2 * mp.pi))


def inverse_gaussian(mean, shape):
    return lambda y: (
        mp.log(shape / (2 * mp.pi * mp.mpf(y) ** 3)) / 2
        - mp.mpf(shape) * (mp.mpf(y) / mean - 1) ** 2 / (2 * mp.mpf(y))
    )


@pytest.mark.parametrize(
    ("name", "exact", "params", "y"),
    [
        ("negative_binomial", negative_binomial, {"mean": 100.0, "dispersion": 1e-10}, 100.0),
        ("negative_binomial", negative_binomial, {"mean": 1e13, "dispersion": 0.5}, 2e13),
        ("poisson", poisson, {"rate": 1e9}, 1e9 + 3e4),
        ("poisson", poisson, {"rate": 1e13}, 1e13),
        ("poisson", poisson, {"rate": 1e-300}, 2.0),
        ("gamma", gamma, {"mean": 1.0, "shape": 1e12}, 1.000002),
        ("gamma", gamma, {"mean": 1e150, "shape": 0.05}, 1e100),
        ("beta", beta, {"mean": 0.3, "precision": 1e12}, 0.3000005),
        ("beta", beta, {"mean": 1e-10, "precision": 10.0}, 1e-300),
        ("normal", normal, {"loc": 0.0, "scale": 1e-150}, 3e-150),
        ("normal", normal, {"loc": 0.0, "scale": 1e150}, 3e150),
        ("inverse_gaussian", inverse_gaussian, {"mean": 1e-150, "shape": 1e-150}, 2e-150),
    ],
)
def test_one_density_with_every_digit(name, exact, params, y):
    with mp.workdps(60):
        expected = float(exact(**params)(mp.mpf(y)))
    assert one(name, y, **params) == pytest.approx(expected, rel=1e-10)
    frozen = pn.families.get(name).frozen(**{k: np.array([v]) for k, v in params.items()})
    logs = frozen.logpmf(y) if pn.families.get(name).discrete else frozen.logpdf(y)
    assert float(logs[0]) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.name)
def test_impossible_responses_have_one_rule(case):
    if case.family.y_columns is not None:
        pytest.skip("y has several columns")
    d = pn.Predictive(case.family, case.arrays())
    assert (d.log_prob(np.inf) == -np.inf).all()
    assert np.isnan(d.log_prob(np.nan)).all()
    for y in case.outside:
        if not np.isnan(y):
            assert (d.log_prob(y) == -np.inf).all()
    log_density = d.frozen.logpmf if case.family.discrete else d.frozen.logpdf
    assert np.isnan(log_density(np.nan)).all()


@pytest.mark.parametrize(
    ("name", "params", "y", "expected"),
    [
        ("normal", {"loc": 2.0, "scale": 0.0}, 2.0, np.inf),
        ("normal", {"loc": 2.0, "scale": 0.0}, 2.1, -np.inf),
        ("log_normal", {"loc": 0.0, "scale": 0.0}, 1.0, np.inf),
        ("gamma", {"mean": 0.0, "shape": 1.0}, 1.0, -np.inf),
        ("gamma", {"mean": 1.0, "shape": 0.0}, 1.0, -np.inf),
        ("poisson", {"rate": 0.0}, 0.0, 0.0),
        ("poisson", {"rate": 0.0}, 1.0, -np.inf),
        ("geometric", {"mean": 0.0}, 0.0, 0.0),
        ("negative_binomial", {"mean": 3.0, "dispersion": 0.0}, 2.0, stats.poisson.logpmf(2, 3.0)),
        ("bernoulli", {"probs": 0.0}, 1.0, -np.inf),
        ("bernoulli", {"probs": 1.0}, 1.0, 0.0),
        ("binomial", {"probs": 0.0, "trials": 3.0}, 0.0, 0.0),
        ("binomial", {"probs": 1.0, "trials": 3.0}, 2.0, -np.inf),
        ("beta_binomial", {"probs": 0.25, "precision": 0.0, "trials": 3.0}, 3.0, np.log(0.25)),
    ],
)
def test_limits_of_parameters(name, params, y, expected):
    assert one(name, y, **params) == pytest.approx(expected, abs=1e-12)


def test_quantiles_and_scores_of_large_rates():
    rate = 1e13
    d = pn.Predictive("poisson", {"rate": [rate]})
    root = np.sqrt(rate)
    for p in (1e-10, 0.1, 0.5, 0.999):
        z = stats.norm.ppf(p)  # Cornish and Fisher's expansion
        near = rate + z * root + (z * z - 1) / 6 + (z - z**3) / (72 * root)
        assert abs(float(d.quantile(p)[0]) - near) < 0.75 + 1e-15 * rate
    # CRPS of a normal distribution, but for 1 / rate of it.
    expected = root * (2 / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(d.crps(rate), expected, rtol=1e-9)
    np.testing.assert_allclose(d.entropy(), 0.5 * np.log(2 * np.pi * np.e * rate), rtol=1e-9)


@pytest.mark.parametrize("z", [-7.0, -5.0, 5.0, 7.0])
def test_tails_of_large_shapes(z):
    shape = 1e8
    y = 1.0 + z / np.sqrt(shape)
    frozen = f.Gamma().frozen(mean=np.array([1.0]), shape=np.array([shape]))
    with mp.workdps(40):
        x = shape * mp.mpf(y)
        density = gamma(1.0, shape)
        width = 1 / mp.sqrt(shape)
        ends = [mp.mpf(y) + np.sign(z) * j * width for j in range(14)]
        expected = abs(float(mp.quad(lambda v: mp.exp(density(v)), ends)))
        assert x > 0
    found = frozen.cdf(y) if z < 0 else frozen.sf(y)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    level = frozen.ppf(expected) if z < 0 else frozen.isf(expected)
    np.testing.assert_allclose(level, y, rtol=1e-14)


@pytest.mark.parametrize("df", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("p", [1e-12, 1e-3, 0.3, 0.500001, 0.99])
def test_quantiles_of_few_degrees_of_freedom(df, p):
    frozen = f.StudentT().frozen(loc=np.zeros(1), scale=np.ones(1), df=np.array([df]))
    y = float(frozen.ppf(np.array([p]))[0])
    with mp.workdps(40):
        z = mp.mpf(y)
        x = mp.mpf(df) / (mp.mpf(df) + z * z)
        tail = mp.betainc(mp.mpf(df) / 2, 0.5, 0, x, regularized=True) / 2
        expected = float(tail if y < 0 else 1 - tail)
    assert expected == pytest.approx(p, rel=1e-9)
    assert float(frozen.cdf(np.array([y]))[0]) == pytest.approx(expected, rel=1e-11)


def test_quantiles_next_to_a_bound():
    family = f.TruncatedNormal(low=0.0)
    d = pn.Predictive(family, {"loc": [0.0, -3.0, 5.0], "scale": [1.0, 1.0, 1.0]})
    for p in (1e-300, 1e-20):
        density = stats.norm.pdf([0.0, 3.0, -5.0]) / stats.norm.sf([0.0, 3.0, -5.0])
        np.testing.assert_allclose(d.quantile(p), p / density, rtol=1e-12)


@pytest.mark.parametrize("shape", [1e-6, 0.3, 1.0, 7.9, 8.1, 900.0, 1e8, 1e15])
def test_entropy_of_a_gamma_distribution_of_any_shape(shape):
    with mp.workdps(60):
        a = mp.mpf(shape)
        expected = float(a + mp.loggamma(a) + (1 - a) * mp.digamma(a) + mp.log(3 / a))
    d = pn.Predictive("gamma", {"mean": [3.0], "shape": [shape]})
    np.testing.assert_allclose(d.entropy(), expected, rtol=1e-14)


def test_entropy_of_a_tweedie_distribution_near_poisson():
    d = pn.Predictive(f.Tweedie(power=1.01), {"mean": [1.0], "dispersion": [1.0]})
    # By the trapezoidal rule in log(y), where the density is smooth.
    x = np.linspace(-4.0, 3.0, 200_001)
    logs = np.array(d.frozen.logpdf(np.exp(x)[:, None]))[:, 0]
    rate = float(d.frozen.rate[0])
    expected = -np.trapezoid(np.exp(logs + x) * logs, x) + rate * np.exp(-rate)
    np.testing.assert_allclose(d.entropy(), expected, rtol=1e-8)


def test_tails_and_scores_of_a_tweedie_distribution_of_many_jumps():
    deviation = 1e-6
    d = f.Tweedie(power=1.5).frozen(mean=np.ones(1), dispersion=np.full(1, deviation**2))
    y = 1.0 + deviation * np.array([-5.0, -1.0, 0.5, 5.0])
    z, skewness = (y - 1.0) / deviation, 1.5 * deviation
    edgeworth = skewness / 6.0 * (z**2 - 1.0) * stats.norm.pdf(z)
    np.testing.assert_allclose(d.cdf(y), stats.norm.cdf(z) - edgeworth, rtol=1e-9)
    np.testing.assert_allclose(d.sf(y), stats.norm.sf(z) + edgeworth, rtol=1e-9)
    expected = deviation * (2 / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(d.crps(np.ones(1)), expected, rtol=1e-9)


@pytest.mark.parametrize("p", [0.4, 0.999])
@pytest.mark.parametrize(
    ("family", "params"),
    [
        (f.Tweedie(power=1.5), ("mean", {"dispersion": 1.0})),
        (f.VonMises(), ("concentration", {"loc": 0.0})),
    ],
)
def test_quantiles_of_many_rows_are_those_of_each(family, params, p):
    name, other = params
    values = np.linspace(1.0, 2.0, 2000)  # so many that Newton's steps begin at interpolated ones
    d = family.frozen(**{name: values}, **other)
    found = d.ppf(np.full(2000, p))
    alone = [family.frozen(**{name: each}, **other).ppf(p) for each in values[::500]]
    np.testing.assert_allclose(found[::500], alone, rtol=1e-14)
    np.testing.assert_allclose(d.cdf(found), p, rtol=1e-13)


def test_scores_of_a_tweedie_distribution_that_is_hardly_ever_above_0():
    d = f.Tweedie(power=1.5).frozen(mean=np.full(1, 1e-100), dispersion=np.ones(1))
    # The mean of the lesser of two, each above 0 with a probability of 2e-50, and exponential.
    np.testing.assert_allclose(d.crps(np.zeros(1)), 0.5 * 2e-50 * 1e-100, rtol=1e-12)


def test_scores_of_a_tweedie_distribution_near_poisson():
    d = f.Tweedie(power=1.01).frozen(mean=np.full(1, 3.0), dispersion=np.ones(1))
    below, above = np.linspace(0.0, 2.0, 2_001), np.linspace(2.0, 22.0, 16_001)
    expected = np.trapezoid(d.cdf(below) ** 2, below) + np.trapezoid(d.sf(above) ** 2, above)
    np.testing.assert_allclose(d.crps(np.full(1, 2.0)), expected, rtol=1e-6)


def test_entropy_of_a_binomial_distribution_that_is_hardly_ever_above_0():
    rate = 10 * 1e-300
    expected = rate * (1.0 - np.log(rate))
    assert one(f.Binomial(trials=10), what="entropy", probs=1e-300) == pytest.approx(
        expected, rel=1e-13
    )


@pytest.mark.parametrize("dispersion", [1.0, 1e-9])
def test_long_sums_of_counts(dispersion):
    mean = 1e6
    d = pn.Predictive("negative_binomial", {"mean": [mean], "dispersion": [dispersion]})
    k = np.arange(9e5, 1.2e6)
    if dispersion == 1.0:
        q = mean / (1.0 + mean)
        expected = mean * -np.log(q) + np.log1p(mean)  # the geometric distribution
        crps = pn.Predictive("geometric", {"mean": [mean]}).crps(2e6)
    else:
        logs = d.frozen.logpmf(k)
        expected = -np.sum(np.exp(logs) * logs)
        cdf = np.cumsum(np.exp(logs))
        crps = np.sum((cdf - (k >= 1.001e6)) ** 2)
    y = np.array([2e6 if dispersion == 1.0 else 1.001e6])
    np.testing.assert_allclose(d.entropy(), expected, rtol=1e-11)
    np.testing.assert_allclose(numeric_crps(d, y), crps, rtol=1e-9)
    np.testing.assert_allclose(d.crps(y), crps, rtol=1e-9)


def test_scores_of_inflated_counts_with_large_means():
    params = {"mean": [1e6], "dispersion": [1.0], "inflation": [0.25]}
    d = pn.Predictive(f.ZeroInflated("negative_binomial"), params)
    y, m, q = 1e6, 1e6, 1e6 / (1.0 + 1e6)
    # P(Y > k) = 0.75 q^(k + 1): sums of geometric series.
    above = 0.75**2 * q ** (2 * (y + 1)) / (1 - q * q)
    s1, s2 = (1 - q**y) * q / (1 - q), (1 - q ** (2 * y)) * q * q / (1 - q * q)
    below = y - 2 * 0.75 * s1 + 0.75**2 * s2
    np.testing.assert_allclose(d.crps(y), above + below, rtol=1e-10)
    assert m == y


def test_entropy_of_a_geometric_distribution_of_any_mean():
    d = pn.Predictive("geometric", {"mean": [1e-12, 3.0, 1e13]})
    with mp.workdps(40):
        expected = [
            float(m * mp.log1p(1 / mp.mpf(m)) + mp.log1p(mp.mpf(m))) for m in (1e-12, 3.0, 1e13)
        ]
    np.testing.assert_allclose(d.entropy(), expected, rtol=1e-12)


def test_scores_of_many_components_hold_no_table_of_pairs():
    import tracemalloc

    rng, n, k = np.random.default_rng(0), 50, 200
    params = {
        "loc": rng.normal(size=(n, k)),
        "scale": rng.gamma(2.0, size=(n, k)),
        "weights": rng.dirichlet(np.ones(k), size=n),
    }
    d = pn.Predictive(f.Mixture("normal", components=k), params)
    tracemalloc.start()
    score = d.crps(np.zeros(n))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n * k * 40  # one table of pairs is 8 n k 200
    m, s, w = (params[name][0] for name in ("loc", "scale", "weights"))

    def size(m, s):  # E|X| of a normal X
        return m * (2.0 * stats.norm.cdf(m / s) - 1.0) + 2.0 * s * stats.norm.pdf(m / s)

    pairs = size(m[:, None] - m, np.sqrt(s[:, None] ** 2 + s**2))
    np.testing.assert_allclose(score[0], w @ size(-m, s) - 0.5 * w @ pairs @ w, rtol=1e-10)


def test_a_family_of_ones_own_has_one_density_too():
    class Half(f.Gamma):
        name = "half"

        def frozen(self, mean, shape):
            return stats.gamma(shape, scale=mean / shape)

    d = pn.Predictive(Half(), {"mean": [1.0], "shape": [1e12]})
    assert float(d.log_prob(1.0)[0]) == pytest.approx(12.896572025, abs=1e-8)
    assert float(d.frozen.logpdf(1.0)[0]) == float(d.log_prob(1.0)[0])


def test_slopes_of_counts_keep_their_digits_next_to_poisson_and_far_from_it():
    grid = itertools.product((0, 1, 7, 8, 30, 1e5), (-8, 1, 7, 12), (-25, -9, -2.2, -2, 0, 3, 10))
    rows = np.array(list(grid), dtype=float)
    _, gradient, hessian = pn.families.NegativeBinomial().derivatives(rows[:, 0], rows[:, 1:])
    want = []
    with mp.workdps(60):
        for y, log_mean, log_alpha in rows:
            y, r, mean = mp.mpf(y), mp.exp(-mp.mpf(log_alpha)), mp.exp(log_mean)
            q, p = mean / (r + mean), r / (r + mean)
            gap = mp.psi(0, y + r) - mp.psi(0, r) - mp.log1p(mean / r)
            bend = mp.psi(1, y + r) - mp.psi(1, r)
            slope = r * gap - (y - mean) * p
            last = (y - mean) * q * p - r * gap - r * r * bend - r * q
            want.append([(mean - y) * p, slope, (mean + y * mean / r) * p**2, last])
    found = np.column_stack([gradient, hessian[:, 0, 0], hessian[:, 1, 1]])
    np.testing.assert_allclose(found, np.array(want, dtype=float), rtol=5e-12)
