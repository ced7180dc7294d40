"""Quantiles and sums of counts, from tables, searches and closed forms, against other ways."""

import mpmath as mp
import numpy as np
import pytest
from scipy import special, stats

import probnn as pn
from probnn.families import Hurdle, Mixture, NegativeBinomial, Poisson, ZeroInflated
from probnn.predictive.integrals import numeric_crps

LEVELS = np.concatenate([10.0 ** np.arange(-12, -2), np.linspace(0.005, 0.995, 34), [1 - 1e-9]])
MEANS = np.concatenate([10.0 ** np.arange(-8, 5), np.linspace(0.3, 90.0, 40), [699.0, 700.5]])


def scattered(mean, dispersion):
    return stats.nbinom(1.0 / dispersion, 1.0 / (1.0 + dispersion * mean))


@pytest.mark.parametrize("dispersion", [0.0, 0.02, 0.7, 4.0])
def test_quantiles_are_those_of_scipy(dispersion):
    if dispersion == 0.0:
        mean, level = np.meshgrid(MEANS, LEVELS)
        ours, theirs = Poisson().frozen(rate=mean), stats.poisson(mean)
    else:
        mean, level = np.meshgrid(MEANS[::4], LEVELS[::2])
        ours = NegativeBinomial().frozen(mean=mean, dispersion=dispersion + 0.0 * mean)
        theirs = scattered(mean, dispersion)
    np.testing.assert_array_equal(ours.ppf(level), theirs.ppf(level))
    np.testing.assert_array_equal(ours.isf(level), theirs.isf(level))


def test_levels_of_one_row_are_those_of_many():
    rate = np.array([0.2, 5.0, 80.0, 3e3])
    frozen = Poisson().frozen(rate=rate)
    expected = np.stack([frozen.ppf(np.full(4, p)) for p in LEVELS])
    np.testing.assert_array_equal(frozen.ppf(LEVELS[:, None]), expected)
    expected = stats.poisson(rate).ppf(LEVELS[:, None])
    np.testing.assert_array_equal(frozen.ppf(LEVELS[:, None]), expected)
    one = Poisson().frozen(rate=5.0)
    np.testing.assert_array_equal(one.ppf(LEVELS), stats.poisson(5.0).ppf(LEVELS))


@pytest.mark.parametrize("k", [0, 1, 4, 30])
def test_a_quantile_at_the_cdf_of_a_count_is_that_count(k):
    rate = np.linspace(0.5, 60.0, 120)
    for frozen in (
        Poisson().frozen(rate=rate),
        NegativeBinomial().frozen(mean=rate, dispersion=0.0 * rate + 0.3),
    ):
        found = frozen.ppf(frozen.cdf(np.full(len(rate), float(k))))
        lower = frozen.cdf(k) <= 0.5  # above, the level's rounding hides counts
        np.testing.assert_array_equal(found[lower], k)


@pytest.mark.parametrize("rate", [1e-8, 1e-3, 3.7, 800.0, 1e5])
@pytest.mark.parametrize("level", [1e-300, 1e-40, 1e-17, 1e-10])
def test_quantiles_far_in_either_tail(rate, level):
    frozen = Poisson().frozen(rate=np.array([rate]))
    low, high = float(frozen.ppf(level)[0]), float(frozen.isf(level)[0])
    with mp.workdps(40):

        def below(k):  # P(Y <= k)
            return mp.gammainc(k + 1, rate, mp.inf, regularized=True) if k >= 0 else mp.mpf(0)

        def above(k):
            return mp.gammainc(k + 1, 0, rate, regularized=True) if k >= 0 else mp.mpf(1)

        if rate < 1e4:
            assert below(low) >= level > below(low - 1)
            assert above(high) <= level < above(high - 1)
        else:  # the smallest but for rounding of the tail
            room = 1 + 1e-9
            assert below(low + 1) * room >= level > below(low - 2) / room
            assert above(high + 1) / room <= level < above(high - 2) * room


def test_levels_that_are_none():
    frozen = Poisson().frozen(rate=np.full(5, 4.0))
    found = frozen.ppf(np.array([0.0, 1.0, -0.1, 1.1, np.nan]))
    np.testing.assert_array_equal(found, [0.0, np.inf, np.nan, np.nan, np.nan])
    found = frozen.isf(np.array([0.0, 1.0, -0.1, 1.1, np.nan]))
    np.testing.assert_array_equal(found, [np.inf, 0.0, np.nan, np.nan, np.nan])


# Families, their parameters in two rows, and the probabilities of counts from SciPy's.
def _inflated(k, mean, inflation):
    return inflation * (k == 0) + (1.0 - inflation) * stats.poisson.pmf(k, mean)


def _hurdled(k, mean, dispersion, zero):
    base = scattered(mean, dispersion)
    return np.where(k == 0, zero, (1.0 - zero) / base.sf(0) * base.pmf(k))


COUNTS = {
    "poisson": (
        Poisson(),
        {"rate": [0.003, 90.0]},
        lambda k, i: stats.poisson.pmf(k, [0.003, 90.0][i]),
    ),
    "scattered": (
        NegativeBinomial(),
        {"mean": [30.0, 900.0], "dispersion": [2.5, 5.0]},
        lambda k, i: scattered([30.0, 900.0][i], [2.5, 5.0][i]).pmf(k),
    ),
    "inflated": (
        ZeroInflated("poisson"),
        {"rate": [0.004, 3e5], "inflation": [0.1, 0.8]},
        lambda k, i: _inflated(k, [0.004, 3e5][i], [0.1, 0.8][i]),
    ),
    "hurdle": (
        Hurdle("negative_binomial"),
        {"mean": [0.003, 40.0], "dispersion": [2e-4, 3.0], "zero_probs": [0.1, 0.7]},
        lambda k, i: _hurdled(k, [0.003, 40.0][i], [2e-4, 3.0][i], [0.1, 0.7][i]),
    ),
    "mixture": (
        Mixture("negative_binomial", 2),
        {
            "mean": [[0.01, 200.0], [1e-3, 50.0]],
            "dispersion": [[0.5, 8.0], [0.1, 1e-3]],
            "weights": [[0.4, 0.6], [0.97, 0.03]],
        },
        lambda k, i: (
            [0.4, 0.97][i] * scattered([0.01, 1e-3][i], [0.5, 0.1][i]).pmf(k)
            + [0.6, 0.03][i] * scattered([200.0, 50.0][i], [8.0, 1e-3][i]).pmf(k)
        ),
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_sums_over_counts(name):
    family, params, pmf = COUNTS[name]
    d = pn.Predictive(family, params)
    k = np.arange(400_000.0)
    for i, y in ((0, 0.0), (0, 3.0), (1, 25.0), (1, 2e3)):
        mass = pmf(k, i)
        expected = special.entr(mass).sum()
        # SciPy's log-masses are the looser side.
        np.testing.assert_allclose(d.entropy()[i], expected, rtol=1e-9)
        upto, above = np.cumsum(mass), np.cumsum(mass[::-1])[::-1] - mass
        expected = (np.where(k < y, upto, above) ** 2).sum()
        np.testing.assert_allclose(d.crps(np.full(2, y))[i], expected, rtol=1e-9)


@pytest.mark.parametrize("name", COUNTS)
def test_quantiles_of_all_families_of_counts(name):
    family, params, pmf = COUNTS[name]
    d = pn.Predictive(family, params)
    for i in range(2):
        upto = np.cumsum(pmf(np.arange(400_000.0), i))
        levels = np.linspace(0.0123, 0.9877, 37)
        expected = np.searchsorted(upto, levels)
        np.testing.assert_array_equal(d.quantile(levels)[i], expected)


@pytest.mark.parametrize(("rate", "inflation"), [(1e-9, 0.3), (2.0, 1.0 - 1e-9), (1e-7, 1e-7)])
def test_entropy_of_counts_that_are_nearly_always_zero(rate, inflation):
    with mp.workdps(50):
        share, total = 1 - mp.mpf(inflation), mp.mpf(0)
        for k in range(40):
            mass = share * mp.exp(-mp.mpf(rate)) * mp.mpf(rate) ** k / mp.factorial(k)
            mass += mp.mpf(inflation) if k == 0 else 0
            total -= mass * mp.log(mass)
    d = pn.Predictive(ZeroInflated("poisson"), {"rate": [rate], "inflation": [inflation]})
    np.testing.assert_allclose(d.entropy(), float(total), rtol=1e-14)


@pytest.mark.parametrize(
    ("mean", "dispersion"), [(1e-8, 2.0), (0.1, 30.0), (7.3, 0.01), (19.0, 1e-12), (150.0, 0.05)]
)
def test_entropy_of_negative_binomial_counts_is_the_sum(mean, dispersion):
    with mp.workdps(40):
        m, r = mp.mpf(mean), 1 / mp.mpf(dispersion)
        mass, total, k = (r / (r + m)) ** r, mp.mpf(0), 0
        while mass > mp.mpf(10) ** -24 or k < mean:
            total -= mass * mp.log(mass)
            mass, k = mass * (m / (r + m)) * (r + k) / (k + 1), k + 1
    d = pn.Predictive("negative_binomial", {"mean": [mean], "dispersion": [dispersion]})
    np.testing.assert_allclose(d.entropy(), float(total), rtol=2e-14)


@pytest.mark.parametrize("base", ["poisson", "geometric"])
def test_crps_of_inflated_counts_that_are_nearly_always_zero(base):
    name, mean, share = {"poisson": "rate", "geometric": "mean"}[base], 1e-12, 0.25
    d = pn.Predictive(ZeroInflated(base), {name: [mean], "inflation": [1.0 - share]})
    # (share P(B > 0))^2, and less than 1e-12 of it from P(Y > 1).
    positive = -np.expm1(-mean) if base == "poisson" else mean / (1.0 + mean)
    np.testing.assert_allclose(d.crps(np.zeros(1)), (share * positive) ** 2, rtol=1e-11)
    np.testing.assert_allclose(numeric_crps(d, np.zeros(1)), (share * positive) ** 2, rtol=1e-11)
