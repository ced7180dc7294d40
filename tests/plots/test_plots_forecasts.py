"""Plots of forecasts, and reports: what is drawn is what SciPy and others compute."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from tables.drawn import Stub, band, binary, labels, line, normal

import probnn as pn
from probnn.plots import (
    coverage,
    distribution,
    pit,
    posterior_predictive,
    predictive,
    reliability,
    report,
    residuals,
)


@pytest.fixture
def engel():
    return sm.datasets.engel.load_pandas().data


@pytest.fixture
def fish(read_data):
    frame = read_data("fish.csv")
    results = pn.glm.glm("count ~ persons + child + camper", frame, family="poisson").fit()
    return frame[["persons", "child", "camper"]], frame["count"], results


# ---- all of them --------------------------------------------------------------------------------

NUMBERS = Stub("normal", lambda x: {"loc": x, "scale": np.ones(len(x))})
ALL = {
    "predictive": lambda ax: predictive(NUMBERS, np.arange(9.0), np.arange(9.0), ax=ax),
    "distribution": lambda ax: distribution(normal()[1], rows=[0, 1], ax=ax),
    "reliability": lambda ax: reliability(*binary(), ax=ax),
    "pit": lambda ax: pit(*normal(), ax=ax),
    "coverage": lambda ax: coverage(*normal(), ax=ax),
    "posterior_predictive": lambda ax: posterior_predictive(*normal(), ax=ax),
    "worm": lambda ax: residuals(*normal(), ax=ax),
    "qq": lambda ax: residuals(*normal(), kind="qq", ax=ax),
    "fitted": lambda ax: residuals(*normal(), kind="fitted", ax=ax),
    "binned": lambda ax: residuals(*normal(), kind="binned", ax=ax),
}


@pytest.mark.parametrize("name", ALL)
def test_draws_on_the_axes_it_is_given_or_on_new_ones(name):
    _, ax = plt.subplots()
    assert ALL[name](ax) is ax
    assert len(plt.get_fignums()) == 1
    new = ALL[name](None)
    assert new is not ax
    assert len(plt.get_fignums()) == 2
    for each in (ax, new):
        assert each.get_xlabel()
        assert each.get_ylabel()
        assert len(labels(each)) >= 2


@pytest.mark.parametrize(
    "name", ["pit", "coverage", "posterior_predictive", "worm", "qq", "fitted", "binned"]
)
@pytest.mark.parametrize("y", [np.zeros(399), np.zeros((400, 2)), np.full(400, np.nan)])
def test_impossible_y_makes_no_figure(name, y):
    d = normal()[1]
    draw = {each.__name__: each for each in (pit, coverage, posterior_predictive)}.get(name)
    with pytest.raises(ValueError, match=r"Expected .*Received"):
        draw(y, d) if draw else residuals(y, d, kind=name)
    assert not plt.get_fignums()


# ---- predictive ---------------------------------------------------------------------------------


def test_intervals_against_one_input_are_those_of_least_squares(engel):
    results = pn.glm.ols("foodexp ~ income", engel).fit()
    theirs = sm.OLS(engel["foodexp"], sm.add_constant(engel["income"])).fit()
    ax = predictive(results, engel[["income"]], engel["foodexp"], levels=(0.8, 0.5), grid=50)
    x, mean = line(ax, "mean")
    np.testing.assert_allclose(x, np.linspace(*engel["income"].agg(["min", "max"]), 50))
    np.testing.assert_allclose(mean, theirs.params.iloc[0] + theirs.params.iloc[1] * x, rtol=1e-9)
    for index, level in enumerate((0.5, 0.8)):  # the inner one first
        at, lower, upper = band(ax, index)
        half = stats.norm.ppf(0.5 + 0.5 * level) * np.sqrt(theirs.scale)
        np.testing.assert_allclose(at, x)
        np.testing.assert_allclose(lower, mean - half, rtol=1e-9)
        np.testing.assert_allclose(upper, mean + half, rtol=1e-9)
    np.testing.assert_array_equal(line(ax, "observed"), engel[["income", "foodexp"]].T)
    assert labels(ax) == ["mean", "50 % interval", "80 % interval", "observed"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("income", "foodexp", "")


@pytest.mark.parametrize("feature", ["persons", 0])
def test_other_inputs_are_held_at_their_medians(fish, feature):
    x, y, results = fish
    theirs = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit()
    ax = predictive(results, x, y, feature=feature, grid=4)
    rows = pd.DataFrame({"const": 1.0, "persons": [1, 2, 3, 4], "child": 0, "camper": 1})
    np.testing.assert_allclose(line(ax, "mean")[1], theirs.predict(rows), rtol=1e-6)
    assert ax.get_xlabel() == "persons"
    assert ax.get_title() == "at child = 0, camper = 1"


def test_text_is_held_at_its_most_frequent_value():
    data = pd.DataFrame({"x": [1.0, 2, 3, 4, 5], "g": list("abbab"), "y": [1.0, 4, 5, 4, 7]})
    results = pn.glm.ols("y ~ x + g", data).fit()
    ax = predictive(results, data[["x", "g"]], data["y"], feature="x", grid=2)
    ends = results.params[["Intercept", "g[T.b]"]].sum() + results.params["x"] * np.array([1, 5])
    np.testing.assert_allclose(line(ax, "mean")[1], ends)
    assert ax.get_title() == "at g = b"
    with pytest.raises(ValueError, match=r"Expected a column of numbers[.] Received: 'g'"):
        predictive(results, data[["x", "g"]], feature="g")


def test_many_inputs_are_counted_in_the_title(rng):
    x = rng.normal(size=(30, 7))
    assert predictive(NUMBERS, x, feature=0).get_title() == "at the medians of the other 6 inputs"


@pytest.mark.parametrize(
    ("length", "title"),
    [
        (9, "at {1} = 0, {2} = 0"),
        (40, "at {1} = 0,\n{2} = 0"),
        (70, "at the medians of the other 2 inputs"),
    ],
)
def test_no_line_of_a_title_is_wider_than_the_axes(length, title):
    names = [letter * length for letter in "abc"]
    x = pd.DataFrame(np.eye(9)[:, :3], columns=names)
    assert predictive(NUMBERS, x, feature=names[0]).get_title() == title.format(*names)


def test_a_column_of_ones_is_no_input():
    design = np.column_stack([np.ones(9), np.arange(9.0)])
    results = pn.glm.OLS(np.arange(9.0) ** 2, design).fit()
    x, mean = line(predictive(results, design, grid=3), "mean")
    np.testing.assert_allclose(mean, results.params[0] + results.params[1] * x)


@pytest.mark.parametrize("x", [np.arange(5.0), pd.Series(np.arange(5.0), name="dose")])
def test_x_of_one_dimension(x):
    ax = predictive(NUMBERS, x, np.arange(5.0)[:, None], grid=3)
    np.testing.assert_array_equal(line(ax, "mean"), [[0.0, 2.0, 4.0], [0.0, 2.0, 4.0]])
    assert ax.get_xlabel() == getattr(x, "name", "x1")


@pytest.mark.backend
def test_a_network_and_a_recalibrated_one(rng):
    x = rng.normal(size=(40, 1))
    model = pn.Sequential([keras.Input((1,)), keras.layers.Dense(4, "tanh"), pn.Head("normal")])
    grid, mean = line(predictive(model, x, grid=9), "mean")
    np.testing.assert_allclose(mean, model.predict(grid[:, None], verbose=0).ravel(), rtol=1e-5)
    d = model.predict_distribution(x, verbose=0)
    better = pn.calibration.isotonic(x[:, 0], d)(model)
    _, lower, upper = band(predictive(better, x, grid=9, levels=0.5))
    ends = better.predict_distribution(grid[:, None]).interval(0.5)
    np.testing.assert_allclose([lower, upper], ends, rtol=1e-5, atol=1e-6)


def test_rows_of_the_grid_are_predicted_once():
    model = Stub("normal", NUMBERS.params)
    predictive(model, np.arange(5.0), grid=77)
    assert model.asked == [77]


def test_probability_curve_is_that_of_logistic_regression(banknotes):
    x, y = banknotes
    x, theirs = x[:, :1], sm.Logit(y, sm.add_constant(x[:, :1])).fit(disp=0)
    results = pn.glm.Logit(y, sm.add_constant(x)).fit()
    ax = predictive(results, sm.add_constant(x), pd.Series(y, name="forged"), grid=30)
    at, probs = line(ax, "predicted")
    np.testing.assert_allclose(probs, theirs.predict(sm.add_constant(at)), rtol=1e-6)
    at, height = line(ax, "observed")
    np.testing.assert_array_equal(at, x[:, 0])
    np.testing.assert_array_equal(height > 1.0, y == 1)  # beyond the curve's range
    np.testing.assert_array_equal(height < 0.0, y == 0)
    assert ax.get_ylabel() == "P(forged = 1)"


def test_class_probabilities_and_a_strip_of_rows_for_each():
    def probs(x):
        raw = np.exp(np.outer(x, [0.0, 1.0, -1.0]))
        return {"probs": raw / raw.sum(axis=1, keepdims=True)}

    x, y = np.linspace(-1.0, 1.0, 12), np.arange(12) % 3
    ax = predictive(Stub(pn.families.Categorical(3), probs), x, y, grid=9)
    strips = [each for each in ax.lines if len(each.get_xdata()) == 4]
    for k in range(3):
        at, curve = line(ax, f"class {k}")
        np.testing.assert_allclose(curve, probs(at)["probs"][:, k])
        np.testing.assert_array_equal(strips[k].get_xdata(), x[y == k])
        assert strips[k].get_ydata().max() < 0.0
        assert strips[k].get_color() == ax.lines[2 * k + 1].get_color()
    assert ax.get_ylabel() == "probability"
    assert labels(ax)[-1] == "observed, below"
    assert [tick for tick in ax.get_yticks() if tick < 0] == []


def test_censored_rows_are_drawn_at_their_bounds():
    model = Stub(pn.families.Censored("exponential"), lambda x: {"mean": 1.0 + x})
    y = np.array([[1.0, 1.0], [2.0, np.inf], [0.0, 3.0], [4.0, 4.0]])
    ax = predictive(model, np.arange(4.0), y, levels=0.5)
    assert labels(ax) == ["mean", "50 % interval", "observed", "at least", "at most"]
    np.testing.assert_array_equal(line(ax, "observed"), [[0.0, 3.0], [1.0, 4.0]])
    np.testing.assert_array_equal(line(ax, "at least"), [[1.0], [2.0]])
    np.testing.assert_array_equal(line(ax, "at most"), [[2.0], [3.0]])


def test_the_median_stands_in_for_a_mean_that_does_not_exist():
    def params(x):
        return {"loc": x, "scale": np.ones(len(x)), "df": np.full(len(x), 0.8)}

    ax = predictive(Stub("student_t", params), np.arange(4.0), grid=4)
    np.testing.assert_allclose(line(ax, "median")[1], np.arange(4.0), atol=1e-9)


def test_proportions_where_the_trials_are_not_known():
    model = Stub(pn.families.Binomial(), lambda x: {"probs": x / 10.0})
    y = np.array([[1, 2], [3, 3], [0, 5]])
    ax = predictive(model, np.array([1.0, 5.0, 9.0]), y, grid=2)
    np.testing.assert_allclose(line(ax, "expected proportion")[1], [0.1, 0.9])
    np.testing.assert_allclose(line(ax, "observed")[1], [0.5, 1.0, 0.0])


@pytest.mark.parametrize(
    ("x", "kwargs", "message"),
    [
        (np.ones((4, 2)) * np.arange(4)[:, None], {}, "Choose one of x1, x2"),
        (np.ones((4, 1)), {}, "Received: none, and 0 such columns"),
        (np.eye(4), {"feature": 4}, "Expected a column of x: x1, x2, x3, x4"),
        (np.eye(4), {"feature": "age"}, "Received: 'age'"),
        (np.arange(4.0), {"y": np.zeros(5)}, r"Expected y of shape \(4,\).*Received: shape \(5,\)"),
        (np.arange(4.0), {"y": [0, 1, 2, np.nan]}, "in the support of the normal family"),
        (np.arange(4.0), {"y": list("abca")}, "Expected y to be numeric"),
        (np.arange(4.0), {"levels": (0.5, 1.0)}, "between 0 and 1"),
        (np.arange(4.0), {"grid": 1}, "Expected grid to be a whole number from 2 on"),
        (np.arange(4.0), {"grid": 2.5}, "whole number from 2 on. Received: 2.5"),
        (np.array([0.0, np.nan]), {}, "Expected every value of x to be finite"),
        (np.zeros((0, 1)), {}, "at least one row"),
    ],
)
def test_predictive_refuses(x, kwargs, message):
    with pytest.raises(ValueError, match=message):
        predictive(NUMBERS, x, **kwargs)
    assert not plt.get_fignums()


def test_predictive_refuses_several_responses():
    two = Stub("normal", lambda x: {"loc": np.zeros((len(x), 2)), "scale": 1.0})
    with pytest.raises(ValueError, match="Expected distributions of one response"):
        predictive(two, np.arange(3.0))
    family = pn.families.MultivariateNormal(2)
    params = {"loc": np.zeros((3, 2)), **{k: 1.0 for k in family.params if k != "loc"}}
    with pytest.raises(ValueError, match="Expected"):
        distribution(pn.Predictive(family, params))


# ---- distribution -------------------------------------------------------------------------------


def test_densities_are_those_of_scipy():
    d = pn.Predictive("gamma", {"mean": [1.0, 2.0, 6.0], "shape": [2.0, 3.0, 4.0]})
    ax = distribution(d, rows=[0, 2], y=[0.5, 1.0, 9.0])
    for row, (mean, shape, y) in {0: (1.0, 2.0, 0.5), 2: (6.0, 4.0, 9.0)}.items():
        theirs = stats.gamma(shape, scale=mean / shape)
        x, density = line(ax, f"row {row}")
        np.testing.assert_allclose(density, theirs.pdf(x), rtol=1e-10)
        np.testing.assert_allclose(x[[0, -1]], theirs.ppf([0.001, 0.999]), rtol=1e-10)
        stem = [each for each in ax.lines if list(each.get_xdata()) == [y, y]]
        np.testing.assert_allclose(stem[0].get_ydata(), [0.0, theirs.pdf(y)])
    assert labels(ax) == ["row 0", "row 2", "observed"]


def test_the_axis_is_called_what_y_is():
    y, d = normal()
    assert distribution(d, y=pd.Series(y, name="length")).get_xlabel() == "length"
    assert distribution(d, y=y).get_xlabel() == "y"


def test_a_density_without_bound_is_cut_off_and_others_are_not():
    pole = pn.Predictive("gamma", {"mean": [1.0], "shape": [0.2]})
    ax = distribution(pole, y=[1e-9])
    theirs = stats.gamma(0.2, scale=5.0)
    assert line(ax, "row 0")[1].max() > 1e6  # what is drawn goes on
    assert 5.0 * theirs.pdf(0.5) < ax.get_ylim()[1] < 1e3
    assert line(ax, "observed")[1][1] == ax.get_ylim()[1]
    ax = distribution(pn.Predictive("exponential", {"mean": [2.0]}))
    assert ax.get_ylim()[1] > 0.499  # of a largest density of 1/2


def test_a_probability_of_zero_is_a_stem():
    d = pn.Predictive("tweedie", {"mean": [1.0], "dispersion": [2.0]})
    ax = distribution(d)
    zero = np.exp(-1.0)  # exp(-mean^(2 - power) / (dispersion (2 - power)))
    np.testing.assert_allclose(line(ax, "row 0: P(y = 0)"), [[0.0, 0.0], [0.0, zero]])
    assert line(ax, "row 0")[0].min() > 0.0
    assert ax.get_ylim()[1] >= zero


def test_counts_are_bars_side_by_side():
    d = pn.Predictive("poisson", {"rate": [2.0, 5.0]})
    ax = distribution(d, rows=[0, 1], y=[1, 7], width=0.6)
    k = np.arange(stats.poisson(2.0).ppf(0.001), stats.poisson(5.0).ppf(0.999) + 1)
    for bars, rate, shift in zip(ax.containers, (2.0, 5.0), (-0.15, 0.15), strict=True):
        heights, middles = zip(*[(b.get_height(), b.get_center()[0]) for b in bars], strict=True)
        np.testing.assert_allclose(heights, stats.poisson(rate).pmf(k), rtol=1e-10)
        np.testing.assert_allclose(middles, k + shift)
        assert bars[0].get_width() == pytest.approx(0.3)
    np.testing.assert_allclose(line(ax, "observed"), [[7.15] * 2, [0.0, stats.poisson(5).pmf(7)]])


def test_many_counts_are_a_line_of_steps():
    ax = distribution(pn.Predictive("poisson", {"rate": [900.0]}))
    k, mass = line(ax, "row 0")
    assert not ax.containers
    np.testing.assert_allclose(mass, stats.poisson(900.0).pmf(k), rtol=1e-9)


def test_classes_are_bars_of_all_codes():
    d = pn.Predictive(pn.families.Categorical(4), {"probs": [[0.999, 0.0005, 0.0004, 0.0001]]})
    ax = distribution(d, y=[3])
    np.testing.assert_allclose([bar.get_height() for bar in ax.containers[0]], d.params["probs"][0])
    assert ax.get_xlabel() == "class"
    assert list(ax.get_xticks()) == [0, 1, 2, 3]
    np.testing.assert_allclose(line(ax, "observed")[1], [0.0, 0.0001])


def test_a_censored_family_is_drawn_without_censoring():
    d = pn.Predictive(pn.families.Censored("exponential"), {"mean": [2.0]})
    x, density = line(distribution(d, y=[1.0]), "row 0")
    np.testing.assert_allclose(density, stats.expon(scale=2.0).pdf(x))
    with pytest.raises(ValueError, match="Expected a y that was seen in every row"):
        distribution(d, y=[[1.0, np.inf]])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"rows": 400}, "Expected rows between 0 and 399. Received: rows=400"),
        ({"rows": range(8)}, "Expected one to 7 row numbers"),
        ({"rows": []}, "Expected one to 7 row numbers"),
        ({"rows": [0.5]}, "Expected one to 7 row numbers"),
        ({"rows": np.ones(400, bool)}, r"rows=bool of shape \(400,\)[.] Of a mask, take"),
        ({"width": 0.0}, "Expected a width between 0 and 1"),
        ({"y": [1.0]}, r"Expected y of shape \(400,\)"),
        ({"y": np.full(400, np.nan)}, "in the support"),
    ],
)
def test_distribution_refuses(kwargs, message):
    with pytest.raises(ValueError, match=message):
        distribution(normal()[1], **kwargs)
    assert not plt.get_fignums()


# ---- report -------------------------------------------------------------------------------------

NORMAL_ROWS = ["y", "density", "observed share", "residual - quantile"]


def y_labels(figure):
    return [ax.get_ylabel() for ax in figure.axes]


def test_report_of_numbers_with_one_input():
    model = Stub("normal", NUMBERS.params)
    x = np.linspace(0.0, 1.0, 60)
    figure = report(model, x, x + np.random.default_rng(0).normal(size=60))
    assert y_labels(figure) == NORMAL_ROWS
    assert model.asked == [60, 200]  # the rows once, and the grid
    assert figure.get_suptitle() == "normal, 60 rows"
    assert list(figure.get_size_inches()) == [11.0, 8.0]


def test_report_of_counts_with_several_inputs_on_a_figure_of_ones_own(fish):
    x, y, results = fish
    figure = plt.figure()
    assert report(results, x, y, figure=figure) is figure
    assert y_labels(figure) == ["quantile residual", *NORMAL_ROWS[1:]]
    assert len(plt.get_fignums()) == 1


def test_report_of_censored_times():
    model = Stub(pn.families.Censored("exponential"), lambda x: {"mean": 1.0 + x})
    y = pn.families.Censored.bounds(np.arange(1.0, 21.0), np.arange(20) % 2)
    figure = report(model, np.arange(20.0), y)
    assert y_labels(figure) == ["y", "density", "quantile residual", "residual - quantile"]


@pytest.mark.parametrize(
    ("columns", "third"), [(1, ["P(y = 1)"]), (2, ["entropy"]), (3, ["residual - quantile"])]
)
def test_report_of_two_classes(read_data, columns, third):
    data = read_data("banknote_authentication.csv").iloc[::5]
    x, y = data[["skewness", "entropy", "curtosis"][:columns]], data["class"].rename(None)
    results = pn.glm.Logit(y, sm.add_constant(x)).fit()
    figure = report(results, sm.add_constant(x), y)
    left = ["observed share", "share of the rows of a class"]
    drawn = [each for each in y_labels(figure) if each != "P(y = 1)" or columns == 1]
    assert drawn == [*left, *third, "mean of observed - predicted"]
    # The shares of the rows of each class, by their probabilities, sum to 1.
    steps = figure.axes[1].patches
    assert sum(steps[0].get_data().values) == pytest.approx(1.0)
    share = np.histogram(results.predict()[y == 1], np.linspace(0, 1, 26))[0] / (y == 1).sum()
    np.testing.assert_allclose(steps[2].get_data().values, share)
    assert labels(figure.axes[1])[1] == f"y = 1 ({(y == 1).sum()} rows)"


def test_report_of_ten_classes_shows_the_seven_most_frequent(rng):
    model = Stub(pn.families.Categorical(10), lambda x: {"probs": np.full((len(x), 10), 0.1)})
    y = np.repeat(np.arange(10), [3, 9, 9, 2, 9, 9, 9, 1, 9, 9])
    figure = report(model, rng.normal(size=(69, 3)), y)
    shown = [f"class {k}" for k in (1, 2, 4, 5, 6, 8, 9)]
    assert labels(figure.axes[0])[1:] == shown
    assert labels(figure.axes[1]) == [f"y = {name[-1]} (9 rows)" for name in shown]


@pytest.mark.parametrize("kind", ["successes and trials", "successes and failures", "new rows"])
def test_plots_of_proportions(kind, rng):
    x, trials = np.linspace(-1.0, 1.0, 40), rng.integers(3, 9, 40)
    y = rng.binomial(trials, 1.0 / (1.0 + np.exp(-x)))
    design = np.column_stack([np.ones(40), x])
    pairs = np.column_stack([y, trials])
    given = np.column_stack([y, trials - y]) if kind == "successes and failures" else pairs
    family = "bernoulli" if kind == "successes and failures" else "binomial"
    results = pn.glm.GLM(given, design, family=family).fit()
    part = slice(0, 30 if kind == "new rows" else 40)
    figure = report(results, design[part], given[part])
    assert figure.get_suptitle().startswith("binomial")
    np.testing.assert_allclose(line(figure.axes[0], "observed")[1], (y / trials)[part])
    d = pn.Predictive(pn.families.Binomial(), {"probs": results.predict(design[part])})
    expected = line(residuals(pairs[part], d), "residuals")
    np.testing.assert_allclose(line(figure.axes[3], "residuals"), expected, atol=1e-9)


def test_report_of_text_says_that_y_is_none():
    with pytest.raises(ValueError, match="Expected y to be numeric"):
        report(NUMBERS, np.arange(4.0), list("abca"))


def test_report_refuses_before_a_figure_is_made():
    with pytest.raises(ValueError, match="Expected y of shape"):
        report(NUMBERS, np.arange(4.0), np.zeros(3))
    assert not plt.get_fignums()
