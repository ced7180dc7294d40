"""Plots of checks: what is drawn is what SciPy, scikit-learn and others compute."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss
from statsmodels.nonparametric.smoothers_lowess import lowess
from tables.drawn import band, binary, labels, line, normal

import probnn as pn
from probnn.fitted import adapt
from probnn.plots import coverage, pit, reliability, residuals

# ---- reliability --------------------------------------------------------------------------------


def test_reliability_is_isotonic_regression():
    y, d = binary()
    probs = d.mean()
    ax = reliability(y, d)
    forecast, observed = line(ax, "forecasts")
    fit = IsotonicRegression().fit(probs, y).predict(probs)
    np.testing.assert_allclose(observed, np.unique(fit), atol=1e-12)
    np.testing.assert_allclose(forecast, [probs[fit == each].mean() for each in np.unique(fit)])
    at, lower, upper = band(ax)
    np.testing.assert_array_equal(at, forecast)
    assert np.mean((lower <= observed) & (observed <= upper)) > 0.8  # 0.9 if right, as they are
    shown = dict(row.split() for row in ax.texts[0].get_text().split("\n"))
    brier = brier_score_loss(y, probs)
    assert shown["Brier"] == f"{brier:.4f}"
    assert shown["MCB"] == f"{brier - brier_score_loss(y, fit):.4f}"
    assert shown["UNC"] == f"{y.mean() * (1 - y.mean()):.4f}"
    bars = ax.containers[0]
    heights = [bar.get_height() for bar in bars]
    counts = np.histogram(probs, 40, (0.0, 1.0))[0]
    np.testing.assert_allclose(heights / np.max(heights), counts / counts.max())
    assert max(bar.get_y() + bar.get_height() for bar in bars) < 0.0  # below the diagram
    assert labels(ax) == ["90 % band if right", "forecasts"]


def test_reliability_of_classes_has_a_line_for_each():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([1.0, 2.0, 3.0], 300)
    y = (rng.random(300)[:, None] > probs.cumsum(axis=1)).sum(axis=1)
    ax = reliability(y, pn.Predictive(pn.families.Categorical(3), {"probs": probs}), level=0.5)
    for k in range(3):
        fit = IsotonicRegression().fit(probs[:, k], y == k).predict(probs[:, k])
        np.testing.assert_allclose(line(ax, f"class {k}")[1], np.unique(fit), atol=1e-12)
    assert labels(ax) == ["50 % band if right", "class 0", "class 1", "class 2"]


def test_the_note_goes_where_no_line_is():
    y, d = binary()
    right = reliability(y, d)
    assert right.texts[0].get_ha() == "right"
    rare = (np.random.default_rng(0).random(500) < d.mean() ** 8).astype(int)
    left = reliability(rare, d)  # high forecasts, few events
    assert left.texts[0].get_ha() == "left"


def test_one_forecast_for_all_rows_has_a_band_that_shows():
    ax = reliability([0, 1, 1, 0], pn.Predictive("bernoulli", {"probs": np.full(4, 0.5)}))
    at, lower, upper = band(ax)
    np.testing.assert_allclose(at, [0.49, 0.51])
    assert (upper > lower).all()


def test_some_of_many_classes_are_drawn():
    probs = np.random.default_rng(0).dirichlet(np.ones(9), 200)
    y = np.random.default_rng(1).integers(0, 9, 200)
    ax = reliability(y, pn.Predictive(pn.families.Categorical(9), {"probs": probs}), classes=[8, 2])
    assert labels(ax)[1:] == ["class 8", "class 2"]
    fit = IsotonicRegression().fit(probs[:, 8], y == 8).predict(probs[:, 8])
    np.testing.assert_allclose(line(ax, "class 8")[1], np.unique(fit), atol=1e-12)


def test_reliability_refuses():
    many = pn.Predictive(pn.families.Categorical(8), {"probs": np.full((9, 8), 1 / 8)})
    with pytest.raises(
        ValueError, match=r"Expected at most 7 classes in one diagram[.] Received: 8"
    ):
        reliability(np.zeros(9), many)
    for classes, message in (
        ([0, 9], "one of the classes 0, 1, .*Received: 9 in row 1"),
        ([0.5], "one of the classes 0, 1, .*Received: 0.5"),
        ([1, 1], "different classes"),
        ([], "one to 7 different classes"),
    ):
        with pytest.raises(ValueError, match=message):
            reliability(np.zeros(9), many, classes=classes)
    with pytest.raises(ValueError, match="classes to be left out"):
        reliability(*binary(), classes=[1])
    with pytest.raises(ValueError, match="Expected the probabilities of classes"):
        reliability(*normal())
    assert not plt.get_fignums()


# ---- pit and coverage ---------------------------------------------------------------------------


def test_pit_is_the_histogram_of_the_cdf():
    y, d = normal(scale=2.0)
    ax = pit(y, d, bins=8, level=0.9)
    values = stats.norm.cdf(y, d.params["loc"], 2.0)
    density = np.histogram(values, 8, (0.0, 1.0), density=True)[0]
    np.testing.assert_allclose([bar.get_height() for bar in ax.containers[0]], density)
    lower, upper = stats.binom(400, 1 / 8).interval(0.9)
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([heights.min(), heights.max()], [lower / 50, upper / 50])
    assert [list(each.get_ydata()) for each in ax.lines] == [[1.0, 1.0]]
    assert ax.texts[0].get_text() == "KS p < 0.001"
    assert labels(ax) == ["90 % band if right", "observed"]
    y, d = normal()
    p = stats.kstest(stats.norm.cdf(y, d.params["loc"], 1.0), "uniform").pvalue
    assert pit(y, d).texts[0].get_text() == f"KS p = {p:.3f}"


def test_coverage_of_several_models():
    y, right = normal()
    models = {"right": right, "wide": normal(scale=2.0)[1]}
    ax = coverage(y, models, levels=[0.25, 0.5, 0.75])
    for name, scale in {"right": 1.0, "wide": 2.0}.items():
        expected, share = line(ax, name)
        np.testing.assert_allclose(expected, [0.25, 0.5, 0.75])
        z = abs(y - right.params["loc"]) / scale
        inside = [np.mean(z <= stats.norm.ppf(0.5 + 0.5 * each)) for each in expected]
        np.testing.assert_allclose(share, inside)
    _, lower, upper = band(ax)
    np.testing.assert_allclose(lower, stats.binom(400, [0.25, 0.5, 0.75]).ppf(0.025) / 400)
    np.testing.assert_allclose(upper, stats.binom(400, [0.25, 0.5, 0.75]).ppf(0.975) / 400)
    assert labels(ax) == ["right", "wide", "95 % band if right"]


def test_coverage_of_counts_is_against_what_the_model_expects(rng):
    d = pn.Predictive("poisson", {"rate": np.full(300, 2.0)})
    expected, _ = line(coverage(rng.poisson(2.0, 300), d, levels=[0.5]), "observed")
    theirs = stats.poisson(2.0)
    low, high = theirs.ppf([0.25, 0.75])
    np.testing.assert_allclose(expected, theirs.cdf(high) - theirs.cdf(low - 1))


@pytest.mark.parametrize("models", [{}, {str(i): normal()[1] for i in range(8)}])
def test_coverage_refuses_no_models_and_too_many(models):
    with pytest.raises(ValueError, match="Expected one to 7 models"):
        coverage(normal()[0], models)


# ---- residuals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["worm", "qq"])
def test_sorted_residuals_against_normal_quantiles(kind):
    y, d = normal()
    ax = residuals(y, d, kind=kind, level=0.9)
    quantile, value = line(ax, "residuals")
    p = (np.arange(400) + 0.5) / 400
    np.testing.assert_allclose(quantile, stats.norm.ppf(p))
    trend = quantile if kind == "qq" else 0.0
    ordered = np.sort(y - d.params["loc"])
    np.testing.assert_allclose(value, ordered - quantile + trend, atol=1e-12)
    # The band of van Buuren and Fredriks (2001).
    at, lower, upper = band(ax)
    half = stats.norm.ppf(0.95) * np.sqrt(stats.norm.cdf(at) * (1.0 - stats.norm.cdf(at)) / 400)
    half /= stats.norm.pdf(at)
    trend = at if kind == "qq" else 0.0
    np.testing.assert_allclose(lower, trend - half, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(upper, trend + half, rtol=1e-9, atol=1e-12)
    assert labels(ax) == ["90 % band if right", "residuals"]


def test_of_many_residuals_a_part_is_drawn_with_both_tails():
    y, d = normal(40_000)
    quantile, value = line(residuals(y, d, kind="qq"), "residuals")
    ordered = np.sort(y - d.params["loc"])
    assert len(value) <= 5000
    np.testing.assert_allclose(value[:20], ordered[:20])
    np.testing.assert_allclose(value[-20:], ordered[-20:])
    assert np.abs(np.diff(quantile[20:-20])).max() < 0.05
    assert len(line(residuals(y, d, kind="fitted"), "residuals")[0]) == 5000


def test_residuals_against_the_mean_with_lowess():
    y, d = normal()
    y = y + 0.5 * d.mean() ** 2  # a bend that the model lacks
    ax = residuals(y, d, kind="fitted")
    mean, value = line(ax, "residuals")
    np.testing.assert_allclose(value, y - d.mean())
    theirs = lowess(y - d.mean(), d.mean(), delta=0.04, return_sorted=False)
    np.testing.assert_allclose(line(ax, "smooth (lowess)"), [mean, theirs], atol=1e-9)
    assert labels(ax) == ["residuals", "smooth (lowess)"]
    heights = [each.get_ydata()[0] for each in ax.lines if len(each.get_ydata()) == 2]
    np.testing.assert_allclose(np.sort(heights), [-1.959964, 0.0, 1.959964], atol=1e-6)


def test_one_mean_for_all_rows_has_no_curve(rng):
    d = pn.Predictive("normal", {"loc": np.zeros(50), "scale": 1.0})
    assert labels(residuals(rng.normal(size=50), d, kind="fitted")) == ["residuals"]


def test_means_of_groups_of_rows():
    y, d = binary(100)
    ax = residuals(y, d, kind="binned")
    middle, gap = line(ax, "groups of rows")
    groups = np.argsort(d.mean()).reshape(10, 10)  # sqrt(n) of them
    probs = d.mean()[groups]
    np.testing.assert_allclose(middle, probs.mean(axis=1))
    np.testing.assert_allclose(gap, y[groups].mean(axis=1) - probs.mean(axis=1), atol=1e-12)
    _, lower, upper = band(ax)
    half = stats.norm.ppf(0.975) * np.sqrt((probs * (1 - probs)).sum(axis=1)) / 10
    np.testing.assert_allclose([-lower, upper], [half, half])


def test_means_of_groups_of_each_class():
    probs = np.random.default_rng(0).dirichlet([1.0, 2.0], 400)
    d = pn.Predictive(pn.families.Categorical(2), {"probs": probs})
    y = np.random.default_rng(1).integers(0, 2, 400)
    ax = residuals(y, d, kind="binned")
    (one, gap_one), (zero, gap_zero) = line(ax, "class 1"), line(ax, "class 0")
    assert len(one) == 15
    assert np.mean(one) + np.mean(zero) == pytest.approx(1.0, abs=0.01)
    assert np.mean(gap_one) == pytest.approx(-np.mean(gap_zero), abs=0.02)


def test_rows_of_equal_forecasts_are_one_group(rng):
    probs = np.repeat([0.1, 0.3, 0.3 + 1e-16, 0.6, 0.8], [100, 30, 20, 40, 10])
    y = np.concatenate([np.arange(n) >= n * (1 - p) for p, n in [(0.1, 100), (0.3, 50)]])
    y = np.concatenate([y, np.arange(40) >= 16, np.arange(10) >= 2]).astype(float)  # sorted
    order = rng.permutation(200)
    for rows in (np.arange(200), order):
        d = pn.Predictive("bernoulli", {"probs": probs[rows]})
        middle, gap = line(residuals(y[rows], d, kind="binned"), "groups of rows")
        np.testing.assert_allclose(middle, [0.1, 0.3, 0.6, 0.8])
        np.testing.assert_allclose(gap, 0.0, atol=1e-12)


def test_results_stand_for_the_rows_that_they_were_fitted_to():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(80), rng.normal(size=80)])
    trials = rng.integers(3, 9, size=80)
    won = rng.binomial(trials, expit(x[:, 1]))
    results = pn.glm.GLM(np.column_stack([won, trials - won]), x, "bernoulli").fit()
    pairs = np.column_stack([won, trials])
    d = pn.Predictive("binomial", {"probs": results.predict(x)})
    found = line(residuals(results, seed=1), "residuals")
    np.testing.assert_allclose(found, line(residuals(pairs, d, seed=1), "residuals"), rtol=1e-9)
    y = rng.poisson(np.exp(x[:, 1])).astype(float)
    results = pn.glm.GLM(y, x, "poisson", exposure=trials).fit()
    d = results.predict_distribution(x, exposure=trials)
    found = line(residuals(results), "residuals")
    np.testing.assert_allclose(found, line(residuals(y, d), "residuals"), rtol=1e-9)
    results = pn.glm.ols("y ~ g", {"y": won, "g": np.where(x[:, 1] > 0, "b", "a")}).fit()
    found, expected = pn.plots.report(results), pn.plots.report(results, *adapt(results).training())
    for one, other in zip(found.axes, expected.axes, strict=True):
        for a, b in zip(one.lines, other.lines, strict=True):
            np.testing.assert_array_equal(a.get_xydata(), b.get_xydata())
    with pytest.raises(ValueError, match="Expected results that hold the rows"):
        residuals(pn.glm.GLM.from_batches([(y, x)], "poisson").fit())


def test_a_saturated_model_has_no_binned_residuals():
    fair = sm.datasets.fair.load_pandas().data
    fair = fair.assign(affair=(fair["affairs"] > 0).astype(int)).sort_values("affair")
    results = pn.glm.logit("affair ~ C(rate_marriage)", fair).fit()
    ax = residuals(fair["affair"], results.predict_distribution(fair), kind="binned")
    middle, gap = line(ax, "groups of rows")
    shares = fair.groupby("rate_marriage")["affair"].mean()
    np.testing.assert_allclose(middle, np.sort(shares), rtol=1e-9)
    np.testing.assert_allclose(gap, 0.0, atol=1e-9)


def test_residuals_refuse():
    with pytest.raises(ValueError, match=r"one of worm, qq, fitted, binned[.] Received: 'loop'"):
        residuals(*normal(), kind="loop")
    with pytest.raises(ValueError, match="Expected level between 0 and 1"):
        residuals(*normal(), level=1.0)
    d = pn.Predictive(pn.families.Categorical(2), {"probs": [[0.4, 0.6]]})
    with pytest.raises(ValueError, match="Choose kind='binned' for classes"):
        residuals([1], d, kind="fitted")
    assert not plt.get_fignums()


def test_a_report_of_results_alone_keeps_their_weights(rng):
    x, weights = sm.add_constant(rng.normal(size=(300, 1))), np.exp(2.0 * rng.normal(size=300))
    y = x.sum(axis=1) + rng.normal(size=300) / np.sqrt(weights)
    results = pn.glm.OLS(y, x, weights=weights).fit()
    found = pn.plots.report(results).axes[-1].lines[-1].get_ydata()
    np.testing.assert_allclose(found, residuals(results).lines[-1].get_ydata(), atol=1e-12)
    assert np.abs(found).max() < 1.0  # of residuals without the weights 30
    weights[:20] = 0.0
    results = pn.glm.OLS(np.where(weights == 0.0, 99.0, y), x, weights=weights).fit()
    for ax in (pn.plots.report(results).axes[-1], residuals(results)):
        assert len(ax.lines[-1].get_ydata()) == 280
