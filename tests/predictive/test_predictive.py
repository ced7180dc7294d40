"""Predictive: quantiles, intervals, scores and containers, against SciPy and scoringrules."""

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from tables.families import FAMILIES

import probnn as pn
from probnn.predictive import ParameterDomainError, PooledPredictive
from probnn.predictive.integrals import numeric_crps

CUTS = [0.9, 0.99, 1 - 1e-6, 1 - 1e-12]
each_family = pytest.mark.parametrize("case", FAMILIES, ids=lambda case: case.name)
ORDERED = [case for case in FAMILIES if case.family.kind != "categorical"]
each_ordered_family = pytest.mark.parametrize("case", ORDERED, ids=lambda case: case.name)


def predictive(case):
    """Return the distributions of every row against every y, and the y."""
    params, y = case.grid()
    return pn.Predictive(case.family, params), y


def large(case, n):
    """Return n distributions, for statistics over rows."""
    params = {k: np.resize(v, (n, *v.shape[1:])) for k, v in case.arrays().items()}
    return pn.Predictive(case.family, params)


@each_family
def test_moments(case):
    d = pn.Predictive(case.family, case.arrays())
    np.testing.assert_allclose(d.mean(), case.mean(**d.params), rtol=1e-14)
    np.testing.assert_allclose(d.variance(), case.variance(**d.params), rtol=1e-8)
    np.testing.assert_allclose(d.stddev(), np.sqrt(case.variance(**d.params)), rtol=1e-8)


@each_family
def test_log_prob_equals_scipy(case):
    d, y = predictive(case)
    expected = case.log_prob(y, **d.params)
    np.testing.assert_allclose(d.log_prob(y), expected, rtol=1e-8, atol=1e-15)
    np.testing.assert_array_equal(d.log_prob(y[:, None]), d.log_prob(y))
    np.testing.assert_array_equal(d.log_prob(pd.Series(y)), d.log_prob(y))


@each_ordered_family
def test_cdf_is_the_integral_of_the_density(case):
    d, y = predictive(case)
    found = d.cdf(y)
    for row in range(0, len(d), 3):
        one = d[row]
        if case.family.atom:
            expected = one.cdf(0.0)[0] + sum(
                integrate.quad(lambda v, one=one: np.exp(one.log_prob(v)[0]), a, b, limit=200)[0]
                for a, b in itertools.pairwise(np.unique([1e-300, *one.quantile(CUTS)[0], y[row]]))
                if b <= y[row]
            )
        elif case.family.discrete:
            expected = sum(np.exp(one.log_prob(k))[0] for k in range(int(y[row]) + 1))
        else:
            low = one.quantile(1e-14)[0]
            expected, _ = integrate.quad(
                lambda v, one=one: np.exp(one.log_prob(v)[0]),
                low,
                max(min(y[row], np.ravel(one.frozen.isf(1e-14))[0]), low),
                points=[one.quantile(p)[0] for p in (0.01, 0.5, 0.99) if one.quantile(p) < y[row]],
                limit=200,
            )
        np.testing.assert_allclose(found[row], expected, rtol=1e-6, atol=1e-8)


@each_ordered_family
def test_quantile_is_the_smallest_y_with_that_cdf(case):
    d = pn.Predictive(case.family, case.arrays())
    low = np.broadcast_to(d.frozen.support()[0], len(d))
    for p in (1e-6, 0.05, 0.3, 0.5, 0.9, 1 - 1e-6):
        q = d.quantile(p)
        if case.family.discrete:
            assert (d.cdf(q) >= p * (1 - 1e-12)).all()
            assert ((d.cdf(q - 1) < p) | (q == 0)).all()
        else:
            above = q > low if case.family.atom else np.ones(len(q), bool)
            np.testing.assert_allclose(d.cdf(q)[above], p, rtol=1e-9)
            assert (d.cdf(q)[~above] >= p).all()
    several = d.quantile([0.1, 0.5])
    assert several.shape == (len(d), 2)
    np.testing.assert_allclose(several[:, 1], d.quantile(0.5), rtol=1e-12, atol=1e-14)
    low, high = d.quantile(0.0), d.quantile(1.0)
    assert (low <= d.quantile(0.01)).all()
    assert (high >= d.quantile(0.99)).all()
    if case.family.discrete:
        np.testing.assert_array_equal(low, 0.0)


@each_ordered_family
def test_interval_has_its_coverage(case, rng):
    d = large(case, 20_000)
    y = d.sample(seed=rng)[0]
    for level in (0.5, 0.9):
        lower, upper = d.interval(level)
        # What the interval has by its own cdf; at least the level, and the level if continuous.
        exact = (d.cdf(upper) - case.family.cdf_range(d.frozen, lower)[0]).mean()
        assert exact >= level - 1e-9
        if not (case.family.discrete or case.family.atom):
            np.testing.assert_allclose(exact, level, rtol=1e-9)
        covered = np.mean((lower <= y) & (y <= upper))
        assert abs(covered - exact) < 4 * np.sqrt(0.25 / len(d))


@each_family
def test_pit_is_uniform(case, rng):
    d = large(case, 5000)
    y = d.sample(seed=rng)[0]
    u = d.pit(y, seed=1)
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(u, d.pit(y, seed=1))
    if case.family.discrete or case.family.atom:
        below, upto = case.family.cdf_range(d.frozen, y)
        assert (u <= upto).all()
        assert (u >= below).all()
        assert not np.array_equal(u, d.pit(y, seed=2))


@each_family
def test_crps_equals_scoringrules(case):
    d, y = predictive(case)
    np.testing.assert_allclose(d.crps(y), case.crps(y, **d.params), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "case",
    [
        c
        for c in FAMILIES
        if c.name
        not in ("laplace", "mixture", "spline_flow", "transformation", "tweedie", "von_mises")
    ],
    ids=lambda c: c.name,
)  # quantiles with a kink, or that jump; the score of angles is that of the circle
def test_numeric_crps_equals_the_closed_form(case):
    d, y = predictive(case)
    numeric = numeric_crps(d, y)
    np.testing.assert_allclose(numeric, case.crps(y, **d.params), rtol=1e-6, atol=1e-12)


def test_numeric_crps_with_a_heavy_tail():
    # Student's t with 3 degrees of freedom: the closed form of scoringrules.
    import scoringrules as sr

    class Heavy(pn.families.Normal):
        name = "heavy"

        def frozen(self, loc, scale):
            return stats.t(3.0, loc, scale)

        def _crps(self, y, **params):
            return None

    y = np.array([-30.0, -1.0, 0.0, 2.0, 50.0])
    d = pn.Predictive(Heavy(), {"loc": np.zeros(5), "scale": np.ones(5)})
    np.testing.assert_allclose(d.crps(y), sr.crps_t(y, 3.0), rtol=1e-6)


@each_family
def test_entropy_is_minus_the_mean_log_prob(case, rng):
    d = pn.Predictive(case.family, case.arrays())
    if case.name in ("bernoulli", "categorical", "ordinal"):  # case.y is the whole support
        log_prob = np.stack([d.log_prob(value) for value in case.y])
        expected = -(np.exp(log_prob) * log_prob).sum(axis=0)
        np.testing.assert_allclose(d.entropy(), expected, rtol=1e-8)
        return
    draws = d.sample(40_000, seed=rng)
    many = d[np.tile(np.arange(len(d)), len(draws))]
    log_prob = many.log_prob(draws.reshape(len(many), *draws.shape[2:])).reshape(len(draws), -1)
    error = log_prob.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(d.entropy() + log_prob.mean(axis=0)) < 4.5 * error + 1e-9).all()


def test_entropy_of_counts_equals_scipy():
    rate = np.array([0.1, 3.0, 80.0])
    d = pn.Predictive("poisson", {"rate": rate})
    np.testing.assert_allclose(d.entropy(), [stats.poisson(r).entropy() for r in rate], rtol=1e-9)


@each_family
def test_sample_has_the_moments(case, rng):
    d = pn.Predictive(case.family, case.arrays())
    draws = d.sample(20_000, seed=rng)
    assert draws.shape == (20_000, len(d))
    np.testing.assert_array_equal(d.sample(3, seed=7), d.sample(3, seed=7))
    if case.name in ("categorical", "ordinal"):
        found = np.stack([(draws == k).mean(axis=0) for k in case.y], axis=1)
    else:
        found = draws.mean(axis=0)
    assert (np.abs(found - d.mean()) <= 4.5 * d.stddev() / np.sqrt(20_000) + 1e-12).all()


@each_family
def test_rows_are_taken_as_numpy_takes_them(case):
    d, y = predictive(case)
    assert len(d) == len(y)
    for rows in (2, -1, slice(1, 4), np.array([0, 3]), y > np.median(y)):
        index = np.arange(len(d))[rows]
        part = d[rows]
        assert len(part) == np.size(index)
        found, expected = part.log_prob(y[index].reshape(-1)), d.log_prob(y)[rows]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(IndexError):
        d[len(d)]


@each_family
def test_frame_repr_and_pickle(case):
    d, y = predictive(case)
    frame = d.to_frame(level=0.8)
    assert len(frame) == len(d)
    if d.ordered:
        assert {"lower", "upper"} <= set(frame.columns)
        np.testing.assert_array_equal(frame["upper"], d.interval(0.8)[1])
    else:
        np.testing.assert_array_equal(frame["mode"], d.mode())
    assert repr(d) == f"<Predictive {case.name}: n={len(d)}, {', '.join(d.params)}>"
    html = d._repr_html_()
    assert "<table" in html
    assert f"{len(d)} {case.name} distributions" in html
    copy = pickle.loads(pickle.dumps(d))
    np.testing.assert_array_equal(copy.log_prob(y), d.log_prob(y))


def test_sums_longer_than_a_chunk(monkeypatch):
    y = np.array([3.0, 40.0, 700.0])
    params = {"mean": [5.0, 60.0, 900.0], "dispersion": [0.5, 0.1, 0.3]}
    d = pn.Predictive("negative_binomial", params)
    expected = numeric_crps(d, y), d.entropy()
    monkeypatch.setattr("probnn.predictive.integrals._CHUNK", 37)
    np.testing.assert_allclose((numeric_crps(d, y), d.entropy()), expected, rtol=1e-12)


def test_a_number_is_a_parameter_of_all_rows():
    d = pn.Predictive("normal", {"loc": [0.0, 1.0, 2.0], "scale": 2.0})
    assert len(d) == 3
    np.testing.assert_array_equal(d.stddev(), 2.0)
    assert len(d[1:]) == 2
    assert len(pn.Predictive("poisson", {"rate": 3.0})) == 1


@each_family
def test_two_responses_are_each_their_own(case):
    one, y = predictive(case)
    params = {k: np.stack([v, v[::-1]], axis=1) for k, v in one.params.items()}
    both, turned = pn.Predictive(case.family, params), np.stack([y, y[::-1]], axis=1)
    for name in ("log_prob", "crps", *["cdf"] * one.ordered):
        want = getattr(one, name)(y)
        found = getattr(both, name)(turned)
        np.testing.assert_allclose(found, np.stack([want, want[::-1]], axis=1), rtol=1e-10)
    for name in ("variance", "entropy"):
        want = getattr(one, name)()
        found = getattr(both, name)()
        np.testing.assert_allclose(found, np.stack([want, want[::-1]], axis=1), rtol=1e-7)
    want, found = (each.quantile(0.3) if one.ordered else each.mode() for each in (one, both))
    np.testing.assert_allclose(found, np.stack([want, want[::-1]], axis=1), 1e-12)


def test_trials_of_rows():
    family = pn.families.Binomial()
    d = pn.Predictive(family, {"probs": 0.5, "trials": [1, 4, 9]})
    np.testing.assert_allclose(d.mean(), [0.5, 2.0, 4.5])
    np.testing.assert_allclose(d[1:].variance(), [1.0, 2.25])
    y = np.array([[1, 1], [0, 4], [9, 9]])
    plain = pn.Predictive(family, {"probs": [0.5] * 3})
    np.testing.assert_allclose(plain.log_prob(y), np.log([0.5, 0.5**4, 0.5**9]))
    np.testing.assert_allclose(plain.crps(y), d.crps(y[:, 0]))
    assert list(plain.to_frame().columns) == ["probs", "mean"]
    assert {"trials", "upper"} <= set(d.to_frame().columns)
    with pytest.raises(ValueError, match="'trials'"):
        plain.quantile(0.5)
    for wrong in (2.5, -3, [1, 2]):
        with pytest.raises(ValueError, match=r"trials to be whole|one value for each row"):
            pn.Predictive(family, {"probs": [0.5] * 3, "trials": wrong})


def test_several_responses():
    loc = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    d = pn.Predictive("normal", {"loc": loc, "scale": np.ones((3, 2))})
    assert d.quantile(0.5).shape == (3, 2)
    assert d.quantile([0.1, 0.2, 0.3]).shape == (3, 2, 3)
    assert d.crps(loc).shape == (3, 2)
    assert d.sample(4).shape == (4, 3, 2)
    assert list(d.to_frame().columns[:2]) == ["loc[0]", "loc[1]"]
    assert len(d[1]) == 1


@pytest.mark.parametrize("n", [1, 3])
def test_a_number_is_scored_against_all_rows(n):
    d = pn.Predictive("normal", {"loc": np.arange(float(n)), "scale": np.ones(n)})
    np.testing.assert_allclose(d.cdf(0.5), stats.norm.cdf(0.5 - np.arange(n)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: d.log_prob([0.0, 1.0]), r"shape \(3,\).*Received: shape \(2,\)"),
        (lambda d: d.cdf(np.zeros((3, 3))), r"Received: shape \(3, 3\)"),
        (lambda d: d.crps([0.0, np.nan, 1.0]), "nan in row 1"),
        (lambda d: d.quantile(1.5), r"\[0, 1\]"),
        (lambda d: d.quantile([[0.5]]), "one or a list"),
        (lambda d: d.interval(90), "Received: 90"),
        (lambda d: pn.Predictive("normal", {"loc": [0.0]}), "none for scale"),
        (lambda d: pn.Predictive("normal", {"mu": [0.0]}), "'mu'"),
        (lambda d: pn.Predictive("normal", {"loc": 0.0, "scale": [1.0, -2.0]}), "scale.*-2.0"),
        (lambda d: pn.Predictive("normal", {"loc": np.nan, "scale": 1.0}), "loc.*nan"),
        (
            lambda d: pn.Predictive("normal", {"loc": np.zeros(3), "scale": np.ones(2)}),
            r"loc \(3,\), scale \(2,\)",
        ),
    ],
)
def test_bad_arguments_get_a_clear_error(make, message):
    d = pn.Predictive("normal", {"loc": np.zeros(3), "scale": np.ones(3)})
    with pytest.raises(ValueError, match=message):
        make(d)


def test_an_error_names_the_parameter_outside_its_domain():
    with pytest.raises(ParameterDomainError, match="scale of the normal family") as caught:
        pn.Predictive("normal", {"loc": 0.0, "scale": [1.0, -2.0, -3.0]})
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.parameter, error.value) == ("scale", -2.0)
    assert str(error) == str(caught.value)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    "d",
    [
        pn.Predictive("weibull", {"scale": [1.0, 2.0], "shape": 1.5}),
        pn.Predictive(pn.families.Censored("weibull"), {"scale": [1.0, 2.0], "shape": 1.5}),
    ],
    ids=["weibull", "censored"],
)
def test_crps_of_impossible_numbers_is_refused(d):
    for y in (-1.0, [1.0, -1.0]):
        with pytest.raises(ValueError, match="the positive numbers"):
            d.crps(y)


@pytest.mark.parametrize("pooled", [False, True])
def test_steps_are_pooled_by_flatten(rng, pooled):
    mean = rng.normal(size=(20, 4))
    d = pn.Predictive("normal", {"loc": mean, "scale": 2.0})
    if pooled:
        d = PooledPredictive([d, pn.Predictive("normal", {"loc": mean + 1.0, "scale": 1.0})])
    y, mask = rng.normal(mean), np.arange(4) < rng.integers(0, 5, size=(20, 1))
    assert type(d.flatten()) is type(d)
    np.testing.assert_array_equal(d.flatten().crps(y.ravel()), d.crps(y).ravel())
    np.testing.assert_array_equal(d.flatten(mask).log_prob(y[mask]), d.log_prob(y)[mask])
    assert len(pn.calibration.report(y[mask], d.flatten(mask)))
    with pytest.raises(ValueError, match=r"pool them, as y.ravel\(\) with d.flatten"):
        pn.calibration.report(y, d)
    with pytest.raises(ValueError, match=r"booleans of shape \(20, 4\). Received: bool of"):
        d.flatten(mask[0])
