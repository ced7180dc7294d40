"""Checks of calibration: against scikit-learn, model-diagnostics, SciPy, and simulated truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from tables.families import FAMILIES
from tables.predictives import bernoulli, categorical, normal

import probnn as pn
from probnn import calibration
from probnn.predictive.pooled import PooledPredictive

each_family = pytest.mark.parametrize(
    "case", [case for case in FAMILIES if not case.family.vector], ids=lambda case: case.name
)


def drawn(probs, rng):
    """Return class codes drawn with these probabilities."""
    return (rng.random((len(probs), 1)) > np.cumsum(probs, axis=1)[:, :-1]).sum(axis=1)


def many(case, n=400):
    """Return n distributions of a family and a draw of each."""
    d = pn.Predictive(case.family, case.arrays())
    d = d[np.resize(np.arange(len(d)), n)]
    return d, d.sample(1, seed=5)[0]


# ---- the probability integral transform --------------------------------------------------------


def test_pit_is_the_histogram_of_the_cdf(rng):
    loc, y = rng.normal(size=(2, 500))
    found = calibration.pit(y, normal(loc, 1.5), bins=8, level=0.9)
    values = stats.norm.cdf(y, loc, 1.5)
    density, edges = np.histogram(values, bins=8, range=(0, 1), density=True)
    np.testing.assert_allclose(found.density, density, rtol=1e-12)
    np.testing.assert_array_equal(found["left"], edges[:-1])
    np.testing.assert_array_equal(found["right"], edges[1:])
    assert found["count"].sum() == 500
    band = np.array(stats.binom.interval(0.9, 500, 1 / 8)) / 500 * 8
    np.testing.assert_allclose(found[["lower", "upper"]].iloc[0], band, rtol=1e-12)


def test_pit_of_the_right_model_is_in_its_band_as_often_as_it_says(rng):
    d = pn.Predictive("poisson", {"rate": rng.uniform(0.5, 6.0, size=300)})
    inside = []
    for seed in range(200):
        found = calibration.pit(d.sample(1, seed)[0], d, bins=10, seed=seed)
        inside.append(found.density.between(found.lower, found.upper).mean())
    exact = stats.binom(300, 0.1)
    low, high = exact.ppf([0.025, 0.975])
    expected = exact.cdf(high) - exact.cdf(low - 1)
    assert abs(np.mean(inside) - expected) < 4 * np.std(inside) / np.sqrt(200)


def test_pit_tells_a_model_that_is_too_wide(rng):
    found = calibration.pit(rng.normal(size=2000), normal(np.zeros(2000), 2.0))
    assert (found.density[:2] < found.lower[:2]).all()
    assert (found.density[9:11] > found.upper[9:11]).all()


def test_uniformity_test_is_that_of_kolmogorov_and_smirnov(rng):
    loc, y = rng.normal(size=(2, 300))
    found = calibration.uniformity_test(y, normal(loc, 1.2))
    expected = stats.kstest((y - loc) / 1.2, "norm")
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert found.pvalue == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize("family", ["poisson", "censored"])
def test_uniformity_test_of_randomised_transforms(rng, family):
    if family == "poisson":
        rate = rng.uniform(0.5, 3.0, size=2000)
        y, right = rng.poisson(rate), pn.Predictive("poisson", {"rate": rate})
        wrong = pn.Predictive("poisson", {"rate": 1.2 * rate})
    else:
        family = pn.families.Censored("exponential")
        time, last = rng.exponential(2.0, size=2000), rng.exponential(3.0, size=2000)
        y = pn.families.Censored.bounds(np.minimum(time, last), time <= last)
        right, wrong = (pn.Predictive(family, {"mean": np.full(2000, mean)}) for mean in (2.0, 3.0))
    assert calibration.uniformity_test(y, right).pvalue > 0.01
    assert calibration.uniformity_test(y, wrong).pvalue < 1e-6


# ---- intervals ---------------------------------------------------------------------------------


@each_family
def test_coverage_is_that_of_the_intervals(case):
    d, y = many(case)
    if d.family.y_columns or not d.ordered:
        pytest.skip("its y has two columns, or no order")
    levels = [0.137, 0.5, 0.843, 0.95]
    found = calibration.coverage(y, d, levels=levels)
    for row in found.itertuples():
        lower, upper = d.interval(row.level)
        if d.family.circular:  # draws are on another turn than quantiles
            turn = y + 2 * np.pi * np.array([-1, 0, 1])[:, None]
            inside = ((lower <= turn) & (turn <= upper)).any(axis=0)
        else:
            inside = (lower <= y) & (y <= upper)
        assert row.coverage == pytest.approx(inside.mean(), abs=1e-12)
        below = d.cdf(lower - 1.0) if d.family.discrete else d.cdf(lower)
        if d.family.atom:
            below = np.where(lower == 0.0, 0.0, below)
        assert row.expected == pytest.approx((d.cdf(upper) - below).mean(), abs=1e-9)
        assert row.lower - 1e-12 <= row.expected <= row.upper + 1e-12


def test_band_of_coverage_is_binomial(rng):
    found = calibration.coverage(rng.normal(size=137), normal(np.zeros(137)), level=0.99)
    np.testing.assert_array_equal(found.level, [*np.arange(1, 20) / 20, 0.99])
    expected = np.array(stats.binom.interval(0.99, 137, found.level)) / 137
    np.testing.assert_allclose(found[["lower", "upper"]].T, expected, rtol=1e-12)


def test_coverage_of_a_right_model_of_counts_is_in_its_band(rng):
    d = pn.Predictive("poisson", {"rate": rng.uniform(0.2, 5.0, size=400)})
    inside = []
    for seed in range(300):
        found = calibration.coverage(d.sample(1, seed)[0], d, levels=[0.5, 0.9], level=0.9)
        inside.append(found.coverage.between(found.lower, found.upper))
    np.testing.assert_allclose(np.mean(inside, axis=0), 0.9, atol=4 * np.sqrt(0.09 / 300))


def test_coverage_of_numbers_of_16_bits_expects_what_their_intervals_hold():
    family = pn.families.Discretized("logistic", low=0, high=65_535)
    d = pn.Predictive(family, {"loc": [3e4] * 5, "scale": [5e3] * 5})
    found = calibration.coverage([3e4] * 5, d, levels=[0.5, 0.9])
    base = stats.logistic(3e4, 5e3)
    ends = np.ceil(base.ppf([[0.25, 0.75], [0.05, 0.95]]) - 0.5) + np.array([-0.5, 0.5])
    expected = np.diff(base.cdf(ends), axis=1)[:, 0]
    np.testing.assert_allclose(found.expected, expected, rtol=1e-12)


def test_coverage_tells_a_model_that_is_too_narrow(rng):
    found = calibration.coverage(rng.normal(size=1000), normal(np.zeros(1000), 0.7))
    assert (found.coverage < found.lower).all()


def test_sharpness_of_numbers_is_of_widths(rng):
    scale = rng.uniform(1.0, 2.0, size=50)
    found = calibration.sharpness(normal(np.zeros(50), scale), levels=[0.5, 0.95])
    widths = 2 * scale[:, None] * stats.norm.ppf([0.75, 0.975])
    expected = pd.DataFrame(widths).describe().T[["mean", "25%", "50%", "75%"]]
    np.testing.assert_allclose(found[["mean", "q25", "median", "q75"]], expected, rtol=1e-12)
    assert found.level.tolist() == [0.5, 0.95]
    assert found.measure.tolist() == ["width", "width"]


def test_sharpness_of_classes_is_of_entropy(rng):
    p = rng.random(50)
    both = np.column_stack([p, 1 - p])
    expected = [stats.entropy(both, axis=1).mean(), both.max(axis=1).mean()]
    for d in (bernoulli(p), categorical(both)):
        found = calibration.sharpness(d)
        np.testing.assert_allclose(found["mean"], expected, rtol=1e-12)
        assert found.measure.tolist() == ["entropy", "top_probability"]


# ---- classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_reliability_is_isotonic_regression(rng, digits):
    p = rng.random(800).round(digits)
    y = rng.random(800) < p**2
    found = calibration.reliability(y, bernoulli(p), resamples=2)
    fitted = IsotonicRegression(increasing=True).fit(p, y).predict(p)
    blocks = pd.DataFrame({"forecast": p, "observed": fitted}).round({"observed": 12})
    blocks = blocks.groupby("observed", as_index=False).forecast.agg(["mean", "count"])
    np.testing.assert_allclose(found.observed, blocks.observed, atol=1e-11)
    np.testing.assert_allclose(found.forecast, blocks["mean"], rtol=1e-12)
    np.testing.assert_array_equal(found["count"], blocks["count"])


def test_reliability_of_classes_is_that_of_each_against_the_others(rng):
    probs = rng.dirichlet([1.0, 2.0, 3.0], size=300)
    y = drawn(probs, rng)
    found = calibration.reliability(y, categorical(probs))
    columns = ["forecast", "observed", "count"]
    for code in range(3):
        one = calibration.reliability(y == code, bernoulli(probs[:, code]))
        rows = found[found["class"] == code].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows[columns], one[columns])


def test_band_of_reliability_is_binomial_where_nothing_is_pooled(rng):
    p = np.repeat([0.2, 0.8], 10_000)
    found = calibration.reliability(p > 0.5, bernoulli(p), level=0.9, resamples=20_000)
    expected = np.array(stats.binom.interval(0.9, 10_000, [0.2, 0.8])) / 10_000
    # Three counts: 40 are a standard deviation, and 7 more those of the level 0.933.
    np.testing.assert_allclose(found[["lower", "upper"]].T, expected, atol=3.01e-4)


def test_band_of_reliability_holds_the_right_model_and_not_another(rng):
    p = rng.random(300)
    bold = p**3 / (p**3 + (1 - p) ** 3)

    def inside(forecast):
        """Return how many of the rows are in a bin that the band of 0.9 holds."""
        y = rng.random(300) < p
        found = calibration.reliability(y, bernoulli(forecast), resamples=200, seed=rng)
        held = (found.observed - found.lower > -1e-9) & (found.upper - found.observed > -1e-9)
        return np.average(held, weights=found["count"])

    # At 0 and 1, where the first and the last bin often are, the band is closed: more are inside.
    assert 0.9 < np.mean([inside(p) for _ in range(100)]) < 1.0
    assert np.mean([inside(bold) for _ in range(100)]) < 0.7


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_expected_calibration_error_is_that_of_the_calibration_curve(rng, strategy):
    p = rng.beta(0.7, 1.2, size=696)  # no quantile is one of them
    y = (rng.random(696) < np.sqrt(p)).astype(int)
    observed, forecast = calibration_curve(y, p, n_bins=12, strategy=strategy)
    edges = np.linspace(0, 1, 13)
    edges = np.quantile(p, edges) if strategy == "quantile" else edges
    counts = pd.cut(p, edges, include_lowest=True).value_counts().to_numpy()
    expected = np.average(abs(observed - forecast), weights=counts[counts > 0])
    found = calibration.expected_calibration_error(y, bernoulli(p), bins=12, strategy=strategy)
    assert found == pytest.approx(expected, rel=1e-12)


def test_expected_calibration_error_of_classes_is_of_the_top_label(rng):
    probs = rng.dirichlet([1.0, 1.0, 2.0], size=500)
    y = drawn(np.sqrt(probs) / np.sqrt(probs).sum(axis=1, keepdims=True), rng)
    top = pd.DataFrame({"p": probs.max(axis=1), "right": probs.argmax(axis=1) == y})
    groups = top.groupby(pd.cut(top.p, np.linspace(0, 1, 16)), observed=True)
    expected = abs(groups.p.sum() - groups.right.sum()).sum() / 500
    found = calibration.expected_calibration_error(y, categorical(probs))
    assert found == pytest.approx(expected, rel=1e-12)


# ---- decomposition -----------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["brier", "log_score", "squared_error"])
def test_decomposition_is_that_of_model_diagnostics(rng, score):
    scoring = pytest.importorskip("model_diagnostics.scoring")
    forecast = rng.random(400).round(2).clip(0.01, 0.99)
    if score == "squared_error":
        y, d = forecast**2 + 0.1 * rng.normal(size=400), normal(forecast)
    else:
        y, d = (rng.random(400) < forecast**2).astype(float), bernoulli(forecast)
    function = scoring.LogLoss() if score == "log_score" else scoring.SquaredError()
    expected = scoring.decompose(y, forecast, scoring_function=function, functional="mean")
    found = calibration.decompose(y, d, score=score)
    for name, value in found.items():
        assert value == pytest.approx(expected[name][0], rel=1e-9), name


def test_decomposition_by_isotonic_regression_of_scikit_learn(rng):
    probs = rng.dirichlet([1.0, 2.0, 2.0], size=300)
    y = drawn(probs[:, [1, 0, 2]], rng)
    expected = np.zeros(4)
    for code in range(3):
        p, event = probs[:, code], (y == code).astype(float)
        better = IsotonicRegression().fit(p, event).predict(p)
        own, best, none = (np.mean((each - event) ** 2) for each in (p, better, event.mean()))
        expected += own, own - best, none - best, none
    found = calibration.decompose(y, categorical(probs))
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert found.index.tolist() == ["score", "miscalibration", "discrimination", "uncertainty"]
    assert found.score == pytest.approx(
        found.miscalibration - found.discrimination + found.uncertainty, rel=1e-12
    )


def test_decomposition_of_what_had_probability_zero():
    found = calibration.decompose([0, 1, 1], bernoulli([0.0, 0.0, 1.0]), score="log_score")
    assert found.score == found.miscalibration == np.inf
    sure = calibration.decompose([0, 1, 1], bernoulli([0.0, 1.0, 1.0]), score="log_score")
    assert sure.score == sure.miscalibration == 0.0
    assert sure.discrimination == sure.uncertainty == pytest.approx(stats.entropy([1 / 3, 2 / 3]))


# ---- report ------------------------------------------------------------------------------------


def test_report_of_numbers(rng):
    loc, y = rng.normal(size=(2, 400))
    found = calibration.report(y, normal(loc, 1.3))
    assert found.value["log_score"] == pytest.approx(-stats.norm.logpdf(y, loc, 1.3).mean())
    assert found.value["crps"] == pytest.approx(normal(loc, 1.3).crps(y).mean())
    values = stats.norm.cdf(y, loc, 1.3)
    assert found.value["pit_mean"] == pytest.approx(values.mean())
    assert found.value["pit_variance"] == pytest.approx(values.var())
    assert found.pvalue["pit_uniformity"] == pytest.approx(stats.kstest(values, "uniform").pvalue)
    # The variance of a sample variance is (mu_4 - sigma^4 (n - 3) / (n - 1)) / n.
    deviation = np.sqrt((1 / 80 - 1 / 144 * 397 / 399) / 400)
    half = found.upper["pit_mean"] - found.expected["pit_mean"]
    assert half == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(1 / 12 / 400), rel=1e-12)
    assert found.expected["pit_mean"] == 0.5
    half = found.upper["pit_variance"] - found.expected["pit_variance"]
    assert half == pytest.approx(stats.norm.ppf(0.975) * deviation, rel=5e-3)
    assert found.expected["pit_variance"] == pytest.approx(1 / 12 * 399 / 400)
    assert found.value["coverage_90"] == np.mean((values >= 0.05) & (values <= 0.95))
    assert found.value["width_50"] == pytest.approx(2.6 * stats.norm.ppf(0.75))
    assert found.columns.tolist() == ["value", "expected", "lower", "upper", "pvalue"]


def test_report_of_classes_has_the_test_of_spiegelhalter(rng):
    p = rng.uniform(0.1, 0.9, size=300)
    y = rng.random(300) < p
    found = calibration.report(y, bernoulli(p)).loc["brier"]
    assert found.value == pytest.approx(np.mean((y - p) ** 2))
    z = np.sum((y - p) * (1 - 2 * p)) / np.sqrt(np.sum((1 - 2 * p) ** 2 * p * (1 - p)))
    assert found.pvalue == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert found.expected == pytest.approx(np.mean(p * (1 - p)))


@pytest.mark.parametrize("kind", ["normal", "bernoulli", "categorical"])
def test_tests_of_the_report_reject_the_right_model_as_often_as_they_say(rng, kind):
    n, times = 500, 300
    probs = rng.dirichlet([1.0, 2.0, 2.0], size=n)
    d = {
        "normal": normal(np.zeros(n)),
        "bernoulli": bernoulli(probs[:, 0]),
        "categorical": categorical(probs),
    }[kind]
    pvalues = pd.DataFrame([calibration.report(y, d).pvalue for y in d.sample(times, seed=1)])
    rejected = (pvalues.dropna(axis=1) < 0.1).mean()
    assert len(rejected) == (3 if kind == "normal" else 2)
    np.testing.assert_allclose(rejected, 0.1, atol=4 * np.sqrt(0.09 / times))


@each_family
def test_report_of_every_family(case):
    d, y = many(case, 60)
    if d.family.y_columns:
        y = np.column_stack([y, y])
    table = calibration.report(y, d)
    assert np.isfinite(table.value).all()
    assert table.pvalue.dropna().min() > 1e-4


def test_tables_of_an_ensemble_and_of_a_series(rng):
    y, d = rng.normal(size=100), normal(np.zeros(100))
    same = PooledPredictive([d, d])
    pd.testing.assert_frame_equal(calibration.report(y, same), calibration.report(y, d), rtol=1e-6)
    series = pd.Series(y, index=np.arange(100)[::-1])
    pd.testing.assert_frame_equal(calibration.pit(series, d), calibration.pit(y, d))


@pytest.mark.parametrize(
    "function",
    [
        calibration.pit,
        calibration.uniformity_test,
        calibration.coverage,
        calibration.report,
        calibration.decompose,
        calibration.conformal,
        calibration.isotonic,
    ],
)
def test_responses_of_one_row_are_checked_one_at_a_time(rng, function):
    # Equal responses would double the rows: a test of them is no test of independent rows.
    loc = rng.normal(size=(50, 2))
    y, several = loc + rng.normal(size=(50, 2)), normal(loc)
    with pytest.raises(ValueError, match=r"one response.*\(50, 2\).*y\[:, 0\] with d\[:, 0\]"):
        function(y, several)
    one, expected = function(y[:, 1], several[:, 1]), function(y[:, 1], normal(loc[:, 1]))
    assert repr(one) == repr(expected)
    column = function(y[:, [1]], several[:, [1]])  # one response, as a column
    assert repr(column) == repr(expected)


@pytest.mark.parametrize("function", [calibration.reliability, calibration.report])
def test_classes_of_one_row_are_checked_one_at_a_time(rng, function):
    y = rng.random((50, 2)) < 0.5
    with pytest.raises(ValueError, match="one response in each row"):
        function(y, bernoulli(np.full((50, 2), 0.5)))


def test_report_of_equal_forecasts_is_not_decided_by_rounding(rng):
    for d, y in (
        (categorical(np.full((1000, 3), 1 / 3)), rng.integers(0, 3, 1000)),
        (bernoulli(np.full(1000, 0.5)), rng.integers(0, 2, 1000)),
        (bernoulli(np.repeat([0.0, 1.0], 500)), np.repeat([0, 1], 500)),
    ):  # whichever class comes, the scores are as expected
        found = calibration.report(y, d).loc[["log_score", "brier"]]
        np.testing.assert_array_equal(found.pvalue, 1.0)
    never = calibration.report([1, 0], bernoulli([0.0, 0.0])).loc[["log_score", "brier"]]
    np.testing.assert_array_equal(never.pvalue, 0.0)


def test_report_of_ordinal_y_has_the_ranked_probability_score(rng):
    d = pn.Predictive(pn.families.Ordinal(3), {"loc": rng.normal(size=4), "cutpoints": [-0.5, 1.0]})
    y = np.array([0, 2, 1, 1])
    found = calibration.report(y, d).loc["ranked_probability"]
    assert found.value == pytest.approx(pn.scores.ranked_probability(y, d).mean(), rel=1e-12)
    probs = d.mean()
    each = np.stack([pn.scores.ranked_probability(np.full(4, k), d) for k in range(3)], axis=1)
    assert found.expected == pytest.approx((probs * each).sum() / 4, rel=1e-12)
    variance = (probs * each**2).sum(axis=1) - (probs * each).sum(axis=1) ** 2
    half = stats.norm.ppf(0.975) * np.sqrt(variance.sum()) / 4
    assert found.upper - found.expected == pytest.approx(half, rel=1e-9)
    assert "ranked_probability" not in calibration.report(y, categorical(probs)).index


def test_report_of_bounds_has_what_applies_to_them(rng):
    time, last = rng.exponential(2.0, size=500), rng.exponential(3.0, size=500)
    seen = time <= last
    y = pn.families.Censored.bounds(np.minimum(time, last), seen)
    d = pn.Predictive(pn.families.Censored("exponential"), {"mean": np.full(500, 2.0)})
    found = calibration.report(y, d, seed=3)
    wanted = ["log_score", "pit_mean", "pit_variance", "pit_uniformity", "width_50", "width_90"]
    assert found.index.tolist() == wanted
    loss = np.minimum(time, last) / 2.0 + seen * np.log(2.0)
    assert found.value["log_score"] == pytest.approx(loss.mean(), rel=1e-12)
    assert found.value["width_50"] == pytest.approx(2.0 * np.log(3.0), rel=1e-12)
    assert found.pvalue.dropna().min() > 0.01
    wrong = calibration.report(y, pn.Predictive(d.family, {"mean": np.full(500, 3.0)}))
    assert wrong.pvalue["pit_mean"] < 1e-3


# ---- errors ------------------------------------------------------------------------------------

Y, D, B = np.zeros(3), normal(np.zeros(3)), bernoulli([0.1, 0.5, 0.9])
VECTOR = pn.Predictive(
    pn.families.Dirichlet(2), {"mean": np.full((3, 2), 0.5), "precision": np.ones(3)}
)
CENSORED = pn.Predictive(pn.families.Censored("exponential"), {"mean": np.ones(3)})
BOUNDS = np.array([[1.0, np.inf]] * 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.pit(D, Y), "Expected a Predictive.*Received: ndarray"),
        (lambda: calibration.pit(np.zeros(2), D), r"y of shape \(3,\)"),
        (lambda: calibration.pit([0.0, np.nan, 0.0], D), "real numbers.*nan in row 1"),
        (lambda: calibration.pit([0, 1, 2], B), r"support.*\{0, 1\}"),
        (lambda: calibration.pit(Y[:0], D[:0]), "at least one row"),
        (lambda: calibration.pit(Y, D, bins=0), "`bins` to be a whole number from 1"),
        (lambda: calibration.pit(Y, D, bins=2.5), "`bins` to be a whole number from 1"),
        (lambda: calibration.pit(Y, D, level=1.0), "level between 0 and 1"),
        (lambda: calibration.pit(Y, normal(Y, 0.0)), "with a cdf.*scale of 0"),
        (lambda: calibration.coverage(Y, normal(Y, 0.0)), "with a cdf.*scale of 0"),
        (lambda: calibration.coverage(Y, D, levels=[]), "at least one number in levels"),
        (lambda: calibration.coverage(Y, D, levels=[0.5, 2]), "every number in levels between"),
        (lambda: calibration.coverage(BOUNDS, CENSORED), "seen in every row"),
        (lambda: calibration.pit(-BOUNDS[:, ::-1], CENSORED), "support"),
        (lambda: calibration.pit(BOUNDS[:, ::-1], CENSORED), "lower"),
        (lambda: calibration.pit(np.full(3, -1.0), CENSORED), "support"),
        (lambda: calibration.pit(np.full((3, 1), -1.0), CENSORED), "support"),
        (lambda: calibration.pit(np.full((3, 1), 0.5), B), "support"),
        (lambda: calibration.reliability(np.full((3, 1), 2), B), "support"),
        (lambda: calibration.coverage(np.full((3, 1), np.nan), D), "nan"),
        (lambda: calibration.pit(Y, D, bins="auto"), "`bins` to be a whole number.*'auto'"),
        (lambda: calibration.pit(Y, D, bins=np.inf), "`bins` to be a whole number.*inf"),
        (lambda: calibration.pit(Y, D, bins=None), "`bins` to be a whole number.*None"),
        (lambda: calibration.pit(Y, D, level="a"), "level between 0 and 1.*'a'"),
        (lambda: calibration.pit(Y, D, level=None), "level between 0 and 1.*None"),
        (lambda: calibration.pit(Y, D, level=[0.9]), "level between 0 and 1"),
        (lambda: calibration.coverage(Y, D, levels="a"), "every number in levels between.*'a'"),
        (lambda: calibration.sharpness(D, levels=None), "every number in levels between.*None"),
        (lambda: calibration.report(np.full((3, 2), 0.5), VECTOR), "one number or class"),
        (lambda: calibration.sharpness(VECTOR), "one number or class"),
        (lambda: calibration.reliability(Y, D), "bernoulli, categorical or ordinal.*normal"),
        (lambda: calibration.reliability(Y, B, resamples=0), "`resamples`"),
        (lambda: calibration.expected_calibration_error(Y, D), "bernoulli, categorical"),
        (
            lambda: calibration.expected_calibration_error(Y, B, strategy="equal"),
            "`strategy` to be one of uniform, quantile. Received: 'equal'",
        ),
        (lambda: calibration.decompose(Y, D, score="brier"), "squared_error. Received: 'brier'"),
        (lambda: calibration.decompose(Y, B, score="crps"), "brier, log_score. Received: 'crps'"),
        (
            lambda: calibration.decompose(
                Y, pn.Predictive("student_t", {"loc": Y, "scale": 1.0, "df": 1.0})
            ),
            "finite means",
        ),
        (
            lambda: calibration.decompose(
                Y, pn.Predictive("von_mises", {"loc": Y, "concentration": 1.0})
            ),
            "numbers on a line",
        ),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
