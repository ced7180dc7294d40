"""Plots of posteriors: what is drawn is what closed forms, SciPy and statsmodels give."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from tables.drawn import Stub, band, labels, line

import probnn as pn
from probnn.plots import coefficient_table, partial_dependence, posterior, posterior_predictive
from probnn.plots import predictive as predicted

RNG = np.random.default_rng(7)
DATA = pd.DataFrame({"a": RNG.normal(size=50), "b": RNG.normal(size=50)})
DATA["y"] = 1.0 + DATA["a"] - 0.5 * DATA["b"] + RNG.normal(size=50)
DESIGN = sm.add_constant(DATA[["a", "b"]])


@pytest.fixture(scope="module")
def line_posterior():
    return pn.bayes.laplace(pn.glm.glm("y ~ a + b", DATA), prior=1.0)


def test_densities_are_sums_of_kernels_and_intervals_those_of_each_model(line_posterior):
    theirs = sm.OLS(DATA["y"], DESIGN).fit()
    names = ["b", "a"]
    ax = posterior(line_posterior, against={"their fit": theirs}, level=0.9, names=names)
    assert [text.get_text() for text in ax.get_yticklabels()] == names
    assert labels(ax) == ["posterior", "mean", "their fit"]
    curves = [each for each in ax.lines if len(each.get_xdata()) > 100]
    frame = line_posterior.to_frame()
    for i, (name, curve) in enumerate(zip(names, curves, strict=True)):
        at, height = curve.get_data()
        draws = frame[name].to_numpy()
        width = draws.std(ddof=1) * len(draws) ** -0.2
        density = stats.norm.pdf((at[:, None] - draws) / width).mean(axis=1)
        np.testing.assert_allclose(i - height, 0.7 * density / density.max(), rtol=1e-6)
        j = line_posterior.names.index(name)
        inside = band(ax, 2 * i + 1)[0]
        np.testing.assert_allclose(inside[[0, -1]], line_posterior.interval(0.9)[j])
    points, _, (bars,) = ax.containers[0]
    np.testing.assert_allclose(points.get_xdata().astype(float), theirs.params[["a", "b"]])
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, theirs.conf_int(0.1).loc[["a", "b"]])


def test_coefficients_of_a_posterior_have_the_names_of_other_models_and_central_intervals():
    model = pn.glm.glm("y ~ a", DATA)
    found = pn.bayes.laplace(model, prior=1.0)
    frame = coefficient_table({"one": model.fit(), "two": found}, intercept=True)
    one, two = (frame[frame["model"] == name] for name in ("one", "two"))
    assert two["name"].tolist() == ["const", "a", "scale"]
    assert one["name"].tolist() == ["const", "a"]
    np.testing.assert_array_equal(two[["lower", "upper"]], found.interval(0.95))


def test_what_is_no_posterior_of_coefficients_is_refused():
    results = pn.glm.glm("y ~ a", DATA).fit()
    with pytest.raises(ValueError, match=r"Expected a posterior, .*Received: Results"):
        posterior(results)
    assert not plt.get_fignums()


def test_new_responses_are_of_one_member_each_time():
    members = [pn.Predictive("normal", {"loc": np.full(30, m), "scale": 1e-3}) for m in (0.0, 4.0)]
    d = pn.PooledPredictive(members, [0.3, 0.7])
    y = np.where(np.arange(30) < 10, 0.0, 4.0)
    ax = posterior_predictive(y, d, draws=500, bins=[-1.0, 1.0, 3.0, 5.0])
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([1 / 6, 0.0, 1 / 3])
    _, lower, upper = band(ax)
    assert np.ptp([lower.min(), lower.max()]) == 0.0
    assert upper.max() == 0.5  # all rows within a bar of width 2
    mean = line(ax, "mean of draws")[1]
    assert abs(2.0 * mean[0] - 0.3) < 4.0 * np.sqrt(0.21 / 500)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("y", "density")


def test_counts_have_a_bar_each_and_a_band_of_binomial_quantiles():
    y = pd.Series(np.r_[np.zeros(50), np.ones(30), np.full(19, 2.0), 5.0], name="visits")
    d = pn.Predictive("poisson", {"rate": np.full(100, 0.8)})
    ax = posterior_predictive(y, d, draws=4000, level=0.7)
    middle, mean = line(ax, "mean of draws")
    np.testing.assert_array_equal(middle, np.arange(6.0))
    chance = stats.poisson.pmf(middle, 0.8)
    assert (np.abs(mean - 100 * chance) < 4.0 * np.sqrt(100 * chance / 4000)).all()
    corners = ax.collections[0].get_paths()[0].vertices
    for k, p in enumerate(chance[:3]):
        ends = corners[np.isclose(corners[:, 0], k - 0.5), 1]  # of two bars, which meet there
        assert np.isin(stats.binom.ppf([0.15, 0.85], 100, p), ends).all()
    assert [bar.get_height() for bar in ax.patches] == [50, 30, 19, 0, 0, 1]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("visits", "rows", "function")


def test_labels_of_classes_are_at_their_bars():
    d = pn.Predictive("categorical", {"probs": np.tile([0.2, 0.5, 0.3], (40, 1))}, ["x", "y", "z"])
    ax = posterior_predictive(np.repeat(["z", "y"], 20), d)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["x", "y", "z"]
    assert [bar.get_height() for bar in ax.patches] == [0, 20, 20]


def test_how_far_the_mean_is_known_is_the_confidence_interval_of_a_fit():
    results = pn.glm.ols("y ~ a", DATA).fit()
    ax = predicted(results, DATA[["a"]], levels=(0.5, 0.9), epistemic=True, beyond=0.5, grid=9)
    at, lower, upper = band(ax, 2)
    low, high = DATA["a"].agg(["min", "max"])
    np.testing.assert_allclose(at[[0, -1]], [1.5 * low - 0.5 * high, 1.5 * high - 0.5 * low])
    theirs = sm.OLS(DATA["y"], DESIGN[["const", "a"]]).fit()
    ends = theirs.get_prediction(sm.add_constant(at)).conf_int(alpha=0.1)
    np.testing.assert_allclose(np.column_stack([lower, upper]), ends)
    assert labels(ax)[-1] == "90 % of the mean"


@pytest.mark.parametrize("draw", ["predictive", "partial_dependence"])
def test_members_of_a_pool_count_by_their_weights(line_posterior, draw):
    at = np.array([-2.0, 3.0])
    rows = np.column_stack([np.ones(2), at, np.full(2, DATA["b"].median())])
    x = DATA[["a", "b"]].assign(b=DATA["b"].median(), a=np.linspace(-2.0, 3.0, 50))
    cov = line_posterior.covariance_raw[:3, :3]
    mean = rows @ line_posterior.mean[:3]
    half = stats.norm.ppf(0.95) * np.sqrt(np.einsum("ij,jk,ik->i", rows, cov, rows))
    if draw == "predictive":
        _, lower, upper = band(predicted(line_posterior, x, epistemic=True, grid=2), 2)
    else:
        found = partial_dependence(line_posterior, x, "a", level=0.9, grid=at)
        lower, upper = found["lower"], found["upper"]
    np.testing.assert_allclose(lower, mean - half, rtol=1e-9)
    np.testing.assert_allclose(upper, mean + half, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epistemic": True}, "Expected a model that tells how far its mean is known"),
        ({"beyond": -0.5}, "Expected beyond to be a share"),
    ],
)
def test_predictive_refuses_what_is_not_known(options, message):
    stub = Stub("normal", lambda x: {"loc": x, "scale": np.ones(len(x))})
    with pytest.raises(ValueError, match=message):
        predicted(stub, np.arange(9.0), **options)
    assert not plt.get_fignums()
