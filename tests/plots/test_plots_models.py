"""Plots of models and training: what is drawn, against statsmodels, scikit-learn and SciPy."""

import keras
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from matplotlib import pyplot as plt
from scipy import stats
from scipy.special import expit, logit
from tables.peers import NEWTON

import probnn as pn
from probnn.bridge import HeadModel
from probnn.plots._inputs import Inputs
from probnn.plots.diagrams import network
from probnn.plots.effects import effect, partial_dependence
from probnn.plots.losses import loss_grid, loss_surface
from probnn.plots.models import coefficient_table, coefficients
from probnn.plots.steps import descent, gradient_descent
from probnn.plots.surfaces import decision_boundary
from probnn.plots.training import history
from probnn.training.callbacks import WeightPath


@pytest.fixture(autouse=True)
def _no_other_figures():
    plt.close("all")  # those of docstrings that ran before
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.subplots()[1]


@pytest.fixture
def data(rng):
    """Return a frame of three columns, and a binary y that they predict."""
    x = pd.DataFrame(rng.normal(size=(300, 3)) * [1.0, 2.0, 0.5], columns=["age", "dose", "size"])
    chance = expit(0.3 + x["age"] - 0.5 * x["dose"] + x["size"])
    return x, pd.Series((rng.random(300) < chance).astype(float), name="cured")


def neuron(width, *args, before=(), **kwargs):
    return pn.Sequential([keras.Input((width,)), *before, pn.Head(*args, **kwargs)])


def scattered(model, rng):
    """Give every head weights as if it had been trained."""
    for each in getattr(model, "members", [model]):
        for weight in each.heads.trainable_variables:
            weight.assign(rng.normal(size=weight.shape))
    return model


def curve(ax, levels):
    """Return the vertices of the line that is drawn at one level."""
    (found,) = [
        c for c in ax.collections if hasattr(c, "levels") and not c.filled and [*c.levels] == levels
    ]
    return np.concatenate([path.vertices for path in found.get_paths()])


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# ---- the surface of a probability ---------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_the_boundary_lies_where_the_logit_is_that_of_the_level(data, ax, level):
    x, y = data
    ours = pn.glm.Logit(y, sm.add_constant(x)).fit()
    b = sm.Logit(y, sm.add_constant(x)).fit(disp=0).params
    found = decision_boundary(
        ours, sm.add_constant(x), y, features=["dose", "age"], level=level, ax=ax
    )
    dose, age = curve(ax, [level]).T
    eta = b["const"] + b["dose"] * dose + b["age"] * age + b["size"] * x["size"].median()
    assert np.abs(expit(eta) - level).max() < 1e-3
    assert found is ax
    assert len(plt.get_fignums()) == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("dose", "age")
    assert ax.get_title() == f"at size = {x['size'].median():.4g}"
    assert legend(ax) == ["cured = 0", "cured = 1", f"P(cured = 1) = {level}"]
    assert [*ax.figure.axes[1].get_yticks()][-1] == 1.0
    assert ax.figure.axes[1].get_ylabel() == "P(cured = 1)"
    for marker, value in (("o", 0), ("s", 1)):
        drawn = np.concatenate([ln.get_xydata() for ln in ax.lines if ln.get_marker() == marker])
        wanted = x.loc[y == value, ["dose", "age"]].to_numpy()
        np.testing.assert_array_equal(drawn[drawn[:, 0].argsort()], wanted[wanted[:, 0].argsort()])


def test_no_class_is_painted_over_the_others_and_shared_places_are_spread(rng, ax):
    x = pd.DataFrame({"a": rng.integers(0, 5, 2000), "b": 2.0 * rng.integers(0, 4, 2000)})
    y = np.sort(rng.random(2000) < 0.3).astype(int)  # all rows of class 1 last
    results = pn.glm.Logit(rng.permutation(y), sm.add_constant(x)).fit()
    decision_boundary(results, sm.add_constant(x), y, ax=ax)
    lines = sorted((ln for ln in ax.lines if len(ln.get_xdata())), key=lambda ln: ln.get_zorder())
    assert sum(len(ln.get_xdata()) for ln in lines) == 2000
    top = [ln for ln in lines if ln.get_zorder() > 2.5]
    rows = {m: sum(len(ln.get_xdata()) for ln in top if ln.get_marker() == m) for m in "os"}
    assert rows["s"] / (rows["o"] + rows["s"]) == pytest.approx(y.mean(), abs=0.05)
    at = np.concatenate([ln.get_xydata() for ln in lines])
    assert len(np.unique(at, axis=0)) == 2000
    places = np.round(at / [1.0, 2.0]) * [1.0, 2.0]
    assert np.abs(at - places).max() < 0.3
    np.testing.assert_array_equal(
        np.unique(places, axis=0, return_counts=True)[1], x.groupby(["a", "b"]).size()
    )


def test_ten_classes_have_ten_looks(rng, ax):
    model = neuron(2, "categorical", classes=10)
    x, y = rng.normal(size=(40, 2)), np.arange(40) % 10
    decision_boundary(model, x, y, grid=5, ax=ax)
    looks = {(ln.get_color(), ln.get_marker()) for ln in ax.lines}
    assert len(looks) == 10
    assert len(legend(ax)) == 10


def test_the_boundary_of_a_formula_needs_its_own_columns_alone(data, ax):
    x, y = data
    frame = x.assign(cured=y, site=np.where(x["size"] > 0.2, "a", "b"))
    results = pn.glm.logit("cured ~ age + dose + site", frame).fit()
    decision_boundary(results, frame, grid=50, ax=ax)
    b = results.params
    age, dose = curve(ax, [0.5]).T
    eta = b["Intercept"] + b["age"] * age + b["dose"] * dose + b.filter(like="site").sum()
    assert np.abs(eta).max() < 0.01
    assert ax.get_title() == "at site = b"
    assert legend(ax) == ["P(cured = 1) = 0.5"]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), frame[["age", "dose"]])


@pytest.mark.parametrize("kind", ["network", "ensemble"])
def test_one_pass_over_a_grid_is_what_predict_gives(data, rng, kind):
    x, _ = data
    before = [keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.5)]
    model = neuron(3, "bernoulli", before=before)
    model.compile()
    model = scattered(pn.DeepEnsemble(model, members=2) if kind == "ensemble" else model, rng)
    found = Inputs(model, x).believed(x).mean()
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-5)
    assert np.std(found) > 0.01


def test_a_level_that_is_nowhere_has_no_line(data, ax):
    x, y = data
    decision_boundary(binary(), x, y, features=["age", "dose"], grid=10, ax=ax)
    assert legend(ax) == ["cured = 0", "cured = 1"]
    assert len(ax.collections) == 1


def test_classes_meet_where_two_are_as_probable(data, ax):
    x, _ = data
    x = x[["age", "dose"]]
    y = np.digitize(x["age"] + 0.3 * x["dose"] ** 2, [0.0, 1.5])
    model = neuron(2, "categorical", classes=3, before=[keras.layers.Dense(8, "tanh")])
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(x, y, epochs=30, verbose=0)
    decision_boundary(model, x, y, ax=ax)
    lines = [c for c in ax.collections if hasattr(c, "levels")]
    at = np.concatenate([path.vertices for line in lines for path in line.get_paths()])
    probs = np.sort(model.predict(at, verbose=0), axis=1)
    assert len(at) > 100
    assert (probs[:, 2] - probs[:, 1]).max() < 0.03
    assert legend(ax) == ["y = 0", "y = 1", "y = 2"]
    (mesh,) = [c for c in ax.collections if not hasattr(c, "levels")]
    assert mesh.get_array().shape[:2] == (200, 200)


# ---- losses -------------------------------------------------------------------------------------


def test_the_loss_over_two_coefficients_is_that_of_statsmodels(data, ax):
    x, y = data
    design = sm.add_constant(x)
    reference = sm.Logit(y, design)
    best = reference.fit(**NEWTON).params.to_numpy()
    model = neuron(3, "bernoulli", before=[keras.layers.Rescaling(0.5)])
    pair = [names.index(n) for names in [[*design]] for n in ("dose", "size")]
    found = loss_grid(model, x, y, weights=("dose", "size"), grid=12)
    np.testing.assert_allclose(found.optimum, best[pair], rtol=1e-6)

    def nll(point):
        b = best.copy()
        b[pair] = point
        return -reference.loglike(b) / len(y)

    expected = [[nll([a, b]) for a in found.first] for b in found.second]
    np.testing.assert_allclose(found.nll, expected, rtol=1e-9)
    point, e = np.array([0.2, 1.3]), 1e-5
    slope = [(nll(point + e * d) - nll(point - e * d)) / (2 * e) for d in np.eye(2)]
    np.testing.assert_allclose(found.gradient(point[None])[0], slope, rtol=1e-6)

    path = np.array([[0.0, 0.0], [-0.2, 0.5], [-0.4, 0.6]])
    loss_surface(model, x, y, weights=("dose", "size"), path=path, gradient=True, ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), path)
    np.testing.assert_allclose(ax.lines[2].get_xydata()[0], best[pair], rtol=1e-6)
    (arrows,) = [c for c in ax.collections if hasattr(c, "U")]
    np.testing.assert_array_equal(arrows.get_offsets()[0], path[0])
    downhill = [-(nll(path[0] + e * d) - nll(path[0] - e * d)) for d in np.eye(2)]
    drawn = np.array([arrows.U[0], arrows.V[0]])
    np.testing.assert_allclose(
        drawn / np.linalg.norm(drawn), downhill / np.linalg.norm(downhill), rtol=1e-6
    )
    assert ax.get_aspect() == 1.0
    assert arrows.angles == arrows.scale_units == "xy"
    assert legend(ax) == ["path", "start", "optimum", "negative gradient"]
    assert ax.lines[0].get_zorder() > arrows.get_zorder()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("dose", "size")
    np.testing.assert_allclose(np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim()))


def test_the_loss_has_all_terms_of_the_density(rng):
    x = rng.normal(size=(80, 1))
    y = 2.0 + x[:, 0] + rng.normal(size=80)
    model = neuron(1, "normal", constant=["scale"])
    found = loss_grid(model, x, y, weights=(0, 1), span=((1.0, 3.0), (0.0, 2.0)), grid=5)
    scale = np.sqrt(sm.OLS(y, sm.add_constant(x)).fit().ssr / 80)
    expected = -stats.norm(2.5 + 1.5 * x[:, 0], scale).logpdf(y).mean()
    np.testing.assert_allclose(found.nll[3, 3], expected, rtol=1e-9)


HEADS = [
    (("normal",), {"constant": ["scale"]}, lambda y: y),
    (("normal",), {"fixed": {"scale": 2.0}, "use_bias": False}, lambda y: y),
    pytest.param(
        ("negative_binomial",),
        {"constant": ["dispersion"]},
        lambda y: np.floor(np.exp(y)),
        marks=pytest.mark.slow,
    ),
    (("ordinal",), {"classes": 3}, lambda y: np.digitize(y, [-0.5, 0.7])),
]


@pytest.mark.parametrize(("args", "options", "of"), HEADS)
def test_a_path_has_the_coefficients_that_inference_has(rng, args, options, of):
    x = rng.normal(size=(60, 2)) + 1.0
    y = of(x[:, 0] - 0.5 * x[:, 1] + rng.normal(size=60))
    before = [keras.layers.Rescaling(0.5, offset=0.1)] if options.get("use_bias", True) else []
    model = neuron(2, *args, before=before, **options)
    model.compile(keras.optimizers.Adam(0.05))
    record = WeightPath()
    model.fit(x, y, epochs=3, callbacks=[record], verbose=0)
    bridge = HeadModel(model, x, y)
    assert record.names == list(bridge.full.parameter_names)
    assert record.path.shape == (4, len(record.names))
    np.testing.assert_allclose(record.path[-1], bridge.coef(), rtol=1e-6, atol=1e-7)
    assert (np.abs(np.diff(record.path, axis=0)).max(axis=1) > 1e-4).all()


@pytest.mark.parametrize("whole_epoch", [True, False])
def test_a_path_is_that_of_gradient_descent(data, whole_epoch):
    x, y = data
    model = neuron(3, "bernoulli")
    model.compile(keras.optimizers.SGD(0.5))
    record = WeightPath([*x])
    options = {"batch_size": len(y), "whole_epoch": whole_epoch, "verbose": 0}
    model.fit(x, y, epochs=5, callbacks=[record], **options)
    design, b = sm.add_constant(x).to_numpy(), np.array([logit(y.mean()), 0.0, 0.0, 0.0])
    expected = [b]
    for _ in range(5):
        b = b - 0.5 * design.T @ (expit(design @ b) - y.to_numpy()) / len(y)
        expected.append(b)
    np.testing.assert_allclose(record.path, expected, rtol=2e-5, atol=1e-6)
    assert record.names == ["const", "age", "dose", "size"]


def test_descent_on_a_parabola_is_the_closed_form(rng, ax):
    x = rng.normal(size=50)
    y = 1.5 * x + rng.normal(size=50)
    h, best = np.mean(x**2) / np.var(y), np.sum(x * y) / np.sum(x**2)
    table = descent(x, y, family="normal", start=-1.0, steps=6)
    paths = [path for _, path in table.groupby("rate", sort=False)]
    for rate, path in zip(np.array([1.0, 0.05, 2.1]) / h, paths, strict=True):
        np.testing.assert_allclose(path["rate"], rate, rtol=1e-9)
        expected = best + (1.0 - rate * h) ** np.arange(7) * (-1.0 - best)
        np.testing.assert_allclose(path["weight"], expected, rtol=1e-8)
        nll = [-stats.norm(w * x, np.std(y)).logpdf(y).mean() for w in expected]
        np.testing.assert_allclose(path["nll"], nll, rtol=1e-8)
    gradient_descent(x, y, family="normal", start=-1.0, steps=6, ax=ax)
    assert len(ax.lines) == 5
    for line, path in zip(ax.lines[1:4], paths, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), path[["weight", "nll"]])
    np.testing.assert_allclose(ax.lines[4].get_xdata(), best, rtol=1e-8)
    words = [
        f"rate {1 / h:.3g}, good",
        f"rate {0.05 / h:.3g}, too small",
        f"rate {2.1 / h:.3g}, too large",
    ]
    assert legend(ax) == ["mean NLL", *words, "optimum"]


def test_descent_of_a_logit_ends_at_the_optimum_of_statsmodels(data):
    x, y = data
    best = sm.Logit(y, x["age"]).fit(disp=0).params["age"]
    path = descent(x["age"], y, steps=60)
    good, small, large = (part.iloc[-1]["weight"] for _, part in path.groupby("rate", sort=False))
    assert abs(good - best) < 1e-6
    assert abs(small - best) > 1e-3
    assert abs(large - best) > 0.01


@pytest.mark.parametrize("start", [None, 0.0, -2.0])
def test_the_rate_that_is_too_large_never_improves_the_loss(data, start):
    x, y = data
    table = descent(x["age"], y, start=start, steps=100)
    good, _, large = (part["nll"].to_numpy() for _, part in table.groupby("rate", sort=False))
    assert large.min() == large[0] == good[0]
    assert good[-1] < good[0] - 0.01


def test_equal_rates_are_two_paths(ax):
    gradient_descent([1.0, 2.0], [1.0, 4.0], family="normal", learning_rates=[1, 1], ax=ax)
    assert legend(ax) == ["mean NLL", "rate 1", "rate 1", "optimum"]


# ---- histories ----------------------------------------------------------------------------------


def test_a_history_is_drawn_from_epoch_one_with_validation_dashed(ax):
    logs = {"loss": [3.0, 2.0, 1.5, 1.2], "val_loss": [3.1, 2.5]}
    history({"a": logs, "b": {"loss": [2.0, 1.0]}}, ax=ax)
    assert [line.get_xdata().tolist() for line in ax.lines] == [[1, 2, 3, 4], [2, 4], [1, 2]]
    assert [line.get_ydata().tolist() for line in ax.lines] == [*logs.values(), [2.0, 1.0]]
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--", "-"]
    assert ax.lines[0].get_color() == ax.lines[1].get_color() != ax.lines[2].get_color()
    assert legend(ax) == ["a", "a, validation", "b"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")


def test_histories_of_fits(data, ax):
    x, y = data
    model = neuron(3, "bernoulli")
    model.compile("sgd", metrics=["accuracy"])
    one = model.fit(x, y, epochs=2, verbose=0)
    assert history(one, metric="accuracy", log=True, ax=ax).get_yscale() == "log"
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), one.history["accuracy"])
    assert ax.get_legend() is None
    fits = pn.DeepEnsemble(model, members=2).fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    labels = [line.get_label() for line in history(fits).lines]
    assert labels == ["member 1", "member 1, validation", "member 2", "member 2, validation"]


# ---- coefficients -------------------------------------------------------------------------------


def test_coefficients_have_the_intervals_of_statsmodels(data, ax):
    x, y = data
    design, z = sm.add_constant(x), x["age"] + 0.1 * y
    logit_ = sm.Logit(y, design).fit(disp=0)
    ols = sm.OLS(z.iloc[:12], design.iloc[:12]).fit()
    polished = neuron(3, "bernoulli")
    pn.polish(polished, x, y)
    models = {
        "network": polished,
        "statsmodels": logit_,
        "probnn": pn.glm.Logit(y, design).fit(),
        "linear": pn.glm.OLS(z.iloc[:12], design.iloc[:12]).fit(),
        "theirs": ols,
    }
    frame = coefficient_table(models, level=0.9, x=x, y=y, intercept=True)
    for name, expected in zip(models, [logit_, logit_, logit_, ols, ols], strict=True):
        part = frame[frame["model"] == name]
        assert part["name"].tolist() == [*design]
        np.testing.assert_allclose(part["estimate"], expected.params, rtol=2e-4, atol=1e-9)
        ends = expected.conf_int(0.1).to_numpy()
        np.testing.assert_allclose(part[["lower", "upper"]], ends, rtol=1e-3)
    coefficients(models, x=x, y=y, names=["size", "age"], ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["size", "age"]
    assert legend(ax) == [*models]
    points, _, (bars,) = ax.containers[1]
    np.testing.assert_allclose(points.get_xdata().astype(float), logit_.params[["size", "age"]])
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, logit_.conf_int().loc[["size", "age"]], rtol=1e-5)
    heights = np.array([each[0].get_ydata() for each in ax.containers])
    assert (np.diff(heights, axis=0) > 0.05).all()
    assert np.abs(heights - [0, 1]).max() < 0.5
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0.0, 0.0])


def test_models_of_a_list_are_numbered(ax):
    models = [pn.glm.OLS(Y, X[:, :j]).fit() for j in (1, 2)]
    assert [*coefficient_table(models)["model"]] == ["model 1", "model 2", "model 2"]
    assert legend(coefficients(models, ax=ax)) == ["model 1", "model 2"]


def test_constants_are_left_out_and_estimators_have_no_intervals(data, ax):
    from sklearn.linear_model import LinearRegression

    x, y = data
    counts = np.floor(np.exp(2.0 * x["size"] + x["age"] ** 2 + y))
    design = sm.add_constant(x)
    models = {
        "nb": pn.glm.GLM(counts, design, family="negative_binomial").fit(),
        "line": LinearRegression().fit(x, counts),
    }
    frame = coefficient_table(models)
    assert frame["name"].tolist() == [*x] * 2
    assert frame.loc[frame["model"] == "line", "lower"].isna().all()
    assert "dispersion" in set(coefficient_table(models, intercept=True)["name"])
    assert len(coefficients(models, ax=ax).containers) == 2


# ---- effects ------------------------------------------------------------------------------------


def test_partial_dependence_is_that_of_scikit_learn_and_the_delta_method(data, ax):
    from sklearn.inspection import partial_dependence as reference
    from sklearn.linear_model import LogisticRegression

    x, y = data
    design, grid = sm.add_constant(x), [-2.0, 0.0, 1.5]
    results = pn.glm.Logit(y, design).fit()
    found = partial_dependence(results, design, "dose", level=0.95, grid=grid)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky").fit(x, y)
    options = {"custom_values": {"dose": np.array(grid)}, "response_method": "predict_proba"}
    expected = reference(theirs, x, ["dose"], kind="average", **options)["average"][0]
    np.testing.assert_allclose(found["mean"], expected, rtol=1e-5)

    fit, e = sm.Logit(y, design).fit(disp=0), 1e-5
    for value, (_, row) in zip(grid, found.iterrows(), strict=True):
        moved = design.assign(dose=value).to_numpy()
        b = fit.params.to_numpy()
        slope = [
            (expit(moved @ (b + e * d)) - expit(moved @ (b - e * d))).mean() / (2 * e)
            for d in np.eye(4)
        ]
        se = np.sqrt(slope @ fit.cov_params().to_numpy() @ slope)
        half = stats.norm.ppf(0.975) * se
        np.testing.assert_allclose(row[["lower", "upper"]], row["mean"] + [-half, half], rtol=1e-5)
    effect(results, design, "dose", level=0.95, grid=grid, ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), found[["value", "mean"]])
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), np.sort(x["dose"]))
    assert legend(ax) == ["mean", "95% confidence interval of the mean"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("dose", "mean of cured, averaged over rows")


def test_the_effect_in_a_gamma_model_has_the_interval_of_statsmodels(data):
    x, y = data
    design = sm.add_constant(x[["age"]])
    z = np.exp(0.3 * x["age"]) + 0.2 * y
    results = pn.glm.GLM(z, design, family="gamma", link="log").fit()
    theirs = sm.GLM(z, design, family=sm.families.Gamma(sm.families.links.Log())).fit()
    found = partial_dependence(results, design, "age", level=0.9, grid=[0.0, 1.0])
    at = theirs.get_prediction(sm.add_constant(pd.DataFrame({"age": [0.0, 1.0]}))).summary_frame()
    half = stats.norm.ppf(0.95) * at["mean_se"].to_numpy()
    np.testing.assert_allclose(found["mean"], at["mean"], rtol=1e-6)
    np.testing.assert_allclose(found["upper"] - found["mean"], half, rtol=1e-5)


def test_the_delta_method_counts_constants_that_the_mean_depends_on(data):
    x, y = data
    design = sm.add_constant(x[["age"]])
    z = np.exp(0.3 * x["age"] + 0.5 * np.sin(7.0 * x["dose"]) + y)
    results = pn.glm.GLM(z, design, family="log_normal").fit()
    const, slope, scale = results.params
    row = partial_dependence(results, design, "age", level=0.9, grid=[2.0]).loc[0]
    mean = np.exp(const + 2.0 * slope + scale**2 / 2.0)
    gradient = mean * np.array([1.0, 2.0, scale])
    se = np.sqrt(gradient @ results.cov_params().to_numpy() @ gradient)
    half = stats.norm.ppf(0.95) * se
    np.testing.assert_allclose(row, [2.0, mean, mean - half, mean + half], rtol=1e-9)


def test_effects_of_networks_say_what_their_intervals_are(data, rng, ax):
    x, _ = data
    model = neuron(3, "normal", before=[keras.layers.Dense(4, "tanh")])
    model.compile()
    ensemble = scattered(pn.DeepEnsemble(model, members=3), rng)
    found = partial_dependence(ensemble, x, "age", level=0.8, grid=[0.5])
    moved = x.assign(age=0.5)
    means = [member.predict(moved, verbose=0).mean() for member in ensemble.members]
    half = stats.norm.ppf(0.9) * np.std(means)
    expected = [[0.5, np.mean(means), np.mean(means) - half, np.mean(means) + half]]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    one = ensemble.members[0]
    params = one.predict_params(moved, verbose=0)
    ends = [stats.norm(**params).ppf(p).mean() for p in (0.1, 0.9)]
    found = partial_dependence(one, x, 0, level=0.8, grid=[0.5])
    np.testing.assert_allclose(found.loc[0, ["lower", "upper"]].astype(float), ends, rtol=1e-4)
    assert legend(effect(one, x, "age", ax=ax))[1] == "90% interval of a new y, averaged"
    assert legend(effect(ensemble, x, "age"))[1] == "90% spread of the members' means"
    binary = neuron(3, "bernoulli")
    assert legend(effect(binary, x, "size")) == ["mean"]


@pytest.mark.parametrize("of", [0, 2])
def test_the_effect_on_a_class_is_that_of_statsmodels_with_the_delta_method(data, ax, of):
    x, _ = data
    x = sm.add_constant(x[["age", "dose"]])
    y = np.digitize(x["age"] + np.random.default_rng(0).logistic(size=300), [-0.5, 1.0])
    reference = sm.MNLogit(y, x).fit(**NEWTON)
    ours = pn.glm.GLM(y, x, family=pn.families.Categorical(3)).fit()
    frame = partial_dependence(ours, x, "age", of=of, grid=[-1.0, 1.0], level=0.9)
    half = []
    for value, mean in zip((-1.0, 1.0), frame["mean"], strict=True):
        rows = x.assign(age=value)
        p = reference.predict(rows).to_numpy()
        np.testing.assert_allclose(mean, p[:, of].mean(), rtol=1e-6)
        slope = p[:, [of]] * ((np.arange(1, 3) == of) - p[:, 1:])
        jacobian = np.mean(slope[:, :, None] * rows.to_numpy()[:, None], axis=0).ravel()
        cov = np.asarray(reference.cov_params())
        half.append(stats.norm.ppf(0.95) * np.sqrt(jacobian @ cov @ jacobian))
    np.testing.assert_allclose(frame["upper"] - frame["mean"], half, rtol=1e-4)
    np.testing.assert_allclose(frame["mean"] - frame["lower"], half, rtol=1e-4)
    effect(ours, x, "age", of=of, ax=ax)
    assert ax.get_ylabel() == f"P(y = {of}), averaged over rows"
    network_of_classes = neuron(3, "categorical", classes=3)
    assert partial_dependence(network_of_classes, x, 1, of=1)["lower"].isna().all()


def test_numbers_of_columns_are_those_of_x_and_unused_columns_may_lack_values(rng):
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=["c", "a", "b"]).assign(c=np.nan)
    frame["y"] = frame["a"] + rng.normal(size=40)
    results = pn.glm.ols("y ~ a + b", frame).fit()
    by_number, by_name = (effect(results, frame, feature) for feature in (1, "a"))
    assert by_number.get_xlabel() == by_name.get_xlabel() == "a"


def test_a_penalised_model_has_an_effect_without_an_interval(data):
    x, y = data
    results = pn.glm.Logit(y, x).fit_regularized(1.0)
    frame = partial_dependence(results, x, "age", grid=[0.5])
    mean = expit(x.assign(age=0.5) @ results.params).mean()
    np.testing.assert_allclose(frame["mean"], mean)
    assert frame[["lower", "upper"]].isna().all(axis=None)


def test_few_values_are_marked(rng, ax):
    x = np.column_stack([np.ones(60), rng.choice([1.0, 2.0, 8.0], 60), rng.normal(size=60)])
    results = pn.glm.OLS(rng.normal(size=60), x).fit()
    assert effect(results, x, 1, ax=ax).lines[0].get_marker() == "o"
    assert effect(results, x, 2).lines[0].get_marker() == "None"


def test_at_most_a_thousand_rows_are_averaged_evenly():
    x = np.column_stack([np.arange(5000.0), np.tile([0.0, 1.0], 2500)])
    model = neuron(2, "normal", fixed={"scale": 1.0})
    model.heads.assign_coefficients([[1.0, 0.0], [3.0, 0.0]], [0.0, 0.0])
    frame = partial_dependence(model, x, 1)
    assert frame["value"].tolist() == [0.0, 1.0]
    np.testing.assert_allclose(frame["mean"], 2499.5 + np.array([0.0, 3.0]), atol=0.5)


# ---- diagrams -----------------------------------------------------------------------------------


def test_a_network_is_drawn_by_its_weights(ax):
    before = [
        keras.layers.Normalization(),
        keras.layers.Dense(3, "tanh"),
        keras.layers.Dropout(0.1),
    ]
    model = neuron(2, "normal", constant=["scale"], before=before)
    model.layers[1].kernel.assign([[1.0, -2.0, 0.5], [0.0, 4.0, -1.0]])
    model.heads.assign_coefficients([[1.0, 0.0], [-3.0, 0.0], [2.0, 0.0]], [0.0, 0.0])
    network(model, names=["age", "dose"], ax=ax)
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 3, 2]
    first, second = ax.collections
    assert len(first.get_segments()) == 5  # a weight of 0 is no line
    assert len(second.get_segments()) == 3  # a constant parameter has none
    widest = first.get_segments()[np.argmax(first.get_linewidths())]
    np.testing.assert_allclose(widest, [ax.lines[0].get_xydata()[1], ax.lines[1].get_xydata()[1]])
    order = np.abs([0.5, -1.0, 1.0, -2.0, 4.0])
    np.testing.assert_allclose(first.get_linewidths(), 0.3 + 2.7 * order / 4.0)
    dashed = [style[1] is not None for style in first.get_linestyles()]
    assert sum(dashed) == 2
    texts = [text.get_text() for text in ax.texts]
    assert texts == [
        "age",
        "dose",
        "inputs,\nscaled",
        "tanh",
        "loc",
        "scale (constant)",
        "normal\nhead",
    ]
    assert legend(ax) == ["positive weight", "negative weight"]


def test_wide_layers_say_how_many_units_are_left_out(ax):
    model = neuron(2, "categorical", classes=3, before=[keras.layers.Dense(20)])
    network(model, max_units=5, ax=ax)
    texts = [text.get_text() for text in ax.texts]
    assert "+ 15 more" in texts
    assert "linear" in texts
    assert {"log-odds 1", "log-odds 2"} < {*texts}
    assert len(ax.lines[1].get_xdata()) == 5


# ---- what cannot be drawn -----------------------------------------------------------------------

X = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0], [2.0, 2.0, 1.0], [0.5, 1.0, 0.0], [1.0, 3.0, 2.0]])
Y = np.array([0.0, 1.0, 1.0, 0.0, 0.0])
FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "t": list("uvuvu")})


def binary():
    return neuron(3, "bernoulli")


def deep():
    return neuron(3, "bernoulli", before=[keras.layers.Dense(2, "relu")])


def two_inputs():
    given = [keras.Input((3,)), keras.Input((2,))]
    return pn.Model(given, pn.Head("bernoulli")(keras.layers.concatenate(given)))


def exposed():
    return pn.glm.GLM(Y + 1.0, X, family="poisson", exposure=np.arange(1.0, 6.0)).fit()


def of_text():
    return pn.glm.ols("b ~ a + t", FRAME).fit()


WRONG = [
    (lambda: decision_boundary(binary(), X, Y), "`features`, the two columns"),
    (lambda: decision_boundary(binary(), X, Y, features=[0, 0]), "two different columns"),
    (lambda: decision_boundary(binary(), X, Y, features=[0, "x9"]), "x1, x2, x3.*Received: 'x9'"),
    (lambda: decision_boundary(binary(), X, Y, features=[0, 3]), "from 0 on. Received: 3"),
    (lambda: decision_boundary(binary(), X, Y, features="x1"), "to be two columns"),
    (lambda: decision_boundary(binary(), X, Y[:3], features=[0, 1]), "3 values of type float64"),
    (lambda: decision_boundary(binary(), X, ["a"] * 5, features=[0, 1]), "of type <U1"),
    (lambda: decision_boundary(binary(), X, Y + 1, features=[0, 1]), "support of the bernoulli"),
    (lambda: decision_boundary(binary(), X, features=[0, 1], level=1.0), "between 0 and 1"),
    (lambda: decision_boundary(binary(), X * np.nan, features=[0, 1]), "to be finite"),
    (lambda: decision_boundary(binary(), X[:0], features=[0, 1]), "at least one row"),
    (
        lambda: decision_boundary(neuron(3, "normal"), X, features=[0, 1]),
        "probabilities of classes",
    ),
    (lambda: decision_boundary(keras.Sequential(), X, features=[0, 1]), "predict_distribution"),
    (lambda: loss_surface(deep(), X, Y), "layers before the head are linear"),
    (lambda: loss_grid(binary(), X, Y), "separat"),
    (lambda: loss_grid(neuron(1, "normal"), X[:, :1], Y, weights=(0, "x7")), "scale: x1.*'x7'"),
    (lambda: loss_grid(neuron(1, "bernoulli"), X[:, 1:2], Y, path=X), r"shape \(steps, 2\)"),
    (lambda: loss_grid(neuron(1, "bernoulli"), X[:, 1:2], Y, span=(0, 1)), "span as"),
    (lambda: loss_grid(neuron(1, "bernoulli"), X[:, 1:2], Y, weights=(1, 1)), "two different"),
    (lambda: descent(X, Y), r"shape \(n,\)"),
    (lambda: descent(X[:, 0], Y, learning_rates=[-1.0]), "positive learning rates"),
    (lambda: descent(X[:, 0], Y, steps=0), "whole number from 1 on"),
    (lambda: descent(X[:, 0], Y, steps="a"), "whole number from 1 on"),
    (lambda: descent(np.array([-1.0, 1.0]), np.array([0.0, 1.0])), "separat"),
    (lambda: history({"loss": [1.0]}, metric="mae"), "metrics loss. Received: metric='mae'"),
    (lambda: history({"loss": []}), "at least one epoch"),
    (lambda: history({"loss": [-1.0]}, log=True), "positive values of loss"),
    (lambda: history([]), "what fit returned"),
    (lambda: coefficient_table({"a": deep()}, x=X, y=Y), "with hidden layers"),
    (lambda: coefficient_table({"a": binary()}), "x= and y=, the training data"),
    (lambda: coefficient_table(pn.glm.OLS(Y, np.ones(5)).fit()), "intercept=True"),
    (lambda: coefficient_table({}), "at least one fitted model"),
    (lambda: coefficient_table(pn.glm.OLS(Y, X).fit(), names=["z"]), "x1, x2, x3. Received: 'z'"),
    (lambda: coefficient_table(pn.glm.OLS(Y, X).fit(), level=0), "between 0 and 1"),
    (lambda: partial_dependence(binary(), X, "z"), "Received: 'z'"),
    (lambda: partial_dependence(binary(), FRAME, "t"), "columns of x to be numeric.*'t'"),
    (lambda: partial_dependence(of_text(), FRAME, "t"), "column of numbers. Received: 't'"),
    (lambda: partial_dependence(binary(), X, 0, grid=1), "grid to be a whole number from 2"),
    (lambda: partial_dependence(binary(), X, 0, grid="a"), "grid to be a whole number.*'a'"),
    (lambda: partial_dependence(binary(), X, 0, grid=[np.nan]), "finite numbers"),
    (
        lambda: partial_dependence(neuron(3, "categorical"), X, 0),
        "one of the classes, 0, 1, for .*Received: of=None",
    ),
    (lambda: partial_dependence(neuron(3, "categorical"), X, 0, of=2), "Received: of=2"),
    (lambda: partial_dependence(neuron(3, "categorical"), X, 0, of=True), "Received: of=True"),
    (lambda: partial_dependence(binary(), X, 0, of=1), "of one number, and of= for one of classes"),
    (lambda: effect(binary(), np.ones((4, 5)), 0), "x of 3 columns, as the network.*Received: 5"),
    (lambda: effect(binary(), X, True), "a column of x.*Received: True"),
    (lambda: effect(two_inputs(), {"a": X, "b": X}, 0), r"one input .*\(None, 3\), \(None, 2\)"),
    (lambda: effect(binary(), {"a": X, "b": X}, 0), r"dict of columns .*'a' of shape \(5, 3\)"),
    (lambda: effect(of_text(), FRAME.assign(c=1.0)[["c", "a", "t"]], 0), "uses: a, t.*0, which is"),
    (lambda: effect(exposed(), X, 0), "without offset= or exposure="),
    (lambda: pn.plots.report(exposed(), X, Y), "without offset= or exposure="),
    (lambda: pn.plots.predictive(exposed(), X, feature=0), "without offset= or exposure="),
    (lambda: decision_boundary(binary(), X, Y, features=[0, 1], grid=1), "from 2 on. Received: 1"),
    (lambda: decision_boundary(binary(), X, Y, features=[0, 1], grid=0), "from 2 on. Received: 0"),
    (lambda: coefficient_table([]), "at least one fitted model"),
    (lambda: network(neuron(3, "normal", before=[keras.layers.BatchNormalization()])), "BatchNorm"),
    (lambda: network(binary(), names=["a"]), "names of the 3 inputs"),
    (lambda: network(binary(), max_units=0), "max_units from 1 on"),
    (lambda: network(pn.Sequential([pn.Head("normal")])), "that is built"),
]


@pytest.mark.parametrize(("draw", "message"), WRONG)
def test_what_cannot_be_drawn_says_why_and_makes_no_figure(draw, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        draw()
    assert plt.get_fignums() == []


def test_a_path_of_a_network_with_hidden_layers_says_why():
    model = deep()
    model.compile("sgd")
    with pytest.raises(ValueError, match="layers before the head are linear"):
        model.fit(X, Y, callbacks=[WeightPath()], verbose=0)
    model = binary()
    model.compile("sgd")
    with pytest.raises(ValueError, match="names of the 3 columns"):
        model.fit(X, Y, callbacks=[WeightPath(["a"])], verbose=0)
