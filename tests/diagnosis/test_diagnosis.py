"""A diagnosis names the fault that data were made with, by a number known from elsewhere."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import logit
from sklearn.datasets import load_digits
from statsmodels.discrete.diagnostic import PoissonDiagnostic
from statsmodels.stats.diagnostic import het_breuschpagan
from statsmodels.stats.diagnostic_gen import test_chisquare_binning as chisquare_binning
from tables.families import FAMILIES, SEVERAL
from tables.peers import NEWTON

import probnn as pn
from probnn.diagnosis import CHECKS, THRESHOLDS, Diagnosis, Finding, diagnose
from probnn.diagnosis.shape import _bent_odds


def design(rng, n, p=2):
    return np.column_stack([np.ones(n), rng.normal(size=(n, p))])


def poisson_mean(x):
    return np.exp(x @ [0.7, 0.5, -0.3])


def network(p, head, *layers):
    return pn.Sequential([keras.Input((p,)), *layers, head])


def at(params, head):
    """Return a neuron at coefficients, the intercepts first."""
    params = np.asarray(params, dtype="float64")
    neuron = network(len(params) - 1, head)
    head.assign_coefficients(params[1:], params[0])
    return neuron


def binary(rng, n=1000):
    x = rng.normal(size=(n, 2))
    y = rng.binomial(1, 1 / (1 + np.exp(-(0.3 + x @ [1.0, -0.7]))))
    return x, y, sm.Logit(y, sm.add_constant(x)).fit(**NEWTON)


# ---- each fault, and the same without it --------------------------------------------------------


@pytest.mark.backend
def test_not_converged_neuron(rng):
    x, y, best = binary(rng)
    moved = best.params + np.array([0.0, 3.0 * best.bse[1], 0.0])
    found = diagnose(at(moved[:, None], pn.Head("bernoulli")), x, y)
    np.testing.assert_allclose(found["not converged"].value, 3.0, rtol=1e-3)
    assert "pn.polish" in found["not converged"].remedy
    assert not diagnose(at(best.params[:, None], pn.Head("bernoulli")), x, y)


@pytest.mark.backend
def test_not_converged_head_on_features(rng):
    x, y, _ = binary(rng)
    kernel, bias = rng.normal(size=(2, 4)).astype("float32"), np.zeros(4, "float32")
    hidden, head = keras.layers.Dense(4, "tanh"), pn.Head("bernoulli")
    model = network(2, head, hidden)
    hidden.set_weights([kernel, bias])
    best = sm.Logit(y, sm.add_constant(np.tanh(x.astype("float32") @ kernel))).fit(disp=0)
    head.assign_coefficients(best.params[1:, None] * 0.5, best.params[:1])
    features = sm.add_constant(np.tanh(x @ kernel))
    half = np.append(best.params[0], 0.5 * best.params[1:])
    gap = (best.llf - sm.Logit(y, features).loglike(half)) / len(y)
    found = diagnose(model, x, y)["not converged"]
    np.testing.assert_allclose(found.value, gap, rtol=1e-4)
    head.assign_coefficients(best.params[1:, None], best.params[:1])
    assert "not converged" not in diagnose(model, x, y)


def test_not_converged_results(rng):
    x = design(rng, 500)
    y = rng.poisson(poisson_mean(x))
    with pytest.warns(pn.glm.ConvergenceWarning):
        stopped = pn.glm.GLM(y, x, "poisson").fit(maxiter=1)
    assert "not converged" in diagnose(stopped, x, y)
    assert "not converged" not in diagnose(pn.glm.GLM(y, x, "poisson").fit(), x, y)


def test_worse_than_the_marginal_distribution(rng):
    x = design(rng, 500)
    y = 10.0 + x @ [0.0, 0.5, 0.0] + rng.normal(size=500)
    results = pn.glm.OLS(y, x[:, 1:]).fit()
    other = sm.OLS(y, x[:, 1:]).fit()
    want = stats.norm.logpdf(y, y.mean(), y.std()) - stats.norm.logpdf(
        y, other.fittedvalues, np.sqrt(other.scale)
    )
    name = "worse than the marginal distribution"
    np.testing.assert_allclose(diagnose(results, x[:, 1:], y)[name].value, want.mean(), rtol=1e-9)
    assert name not in diagnose(pn.glm.OLS(y, x).fit(), x, y)


def test_worse_than_the_marginal_distribution_on_validation_rows(rng):
    x, y, best = binary(rng)
    neuron = at(best.params[:, None], pn.Head("bernoulli"))
    p, share = best.predict(), y.mean()
    marginal = stats.bernoulli.logpmf(1 - y, share).mean()
    found = diagnose(neuron, x, y, validation_data=(x, 1 - y))
    finding = found["worse than the marginal distribution"]
    np.testing.assert_allclose(
        finding.value, marginal - stats.bernoulli.logpmf(1 - y, p).mean(), rtol=1e-4
    )
    assert "validation" in finding.message


def test_scale_collapsed(rng):
    x = np.repeat([0.0, 1.0], [490, 10])
    y = np.where(x == 1.0, 2.0, rng.normal(size=500))
    head = pn.Head("normal")
    model = at([[0.0, 0.0], [2.0, -12.0]], head)
    found = diagnose(model, x[:, None], y)["scale collapsed"]
    np.testing.assert_allclose(found.value, np.exp(-12.0) / y.std(), rtol=1e-4)
    assert "2.00% of the rows" in found.message
    assert 'constant=["scale"]' in found.remedy
    head.assign_coefficients([[2.0, -1.0]], [0.0, 0.0])
    assert "scale collapsed" not in diagnose(model, x[:, None], y)


def test_a_collapsed_component_of_a_mixture(rng):
    y = np.append(rng.normal(size=200), np.full(5, 0.5))
    for scale, expected in ((1e-6, True), (0.5, False)):
        model = Believer(
            pn.families.Mixture("normal", components=2),
            {
                "loc": np.tile([0.0, 0.5], (205, 1)),
                "scale": np.tile([1.0, scale], (205, 1)),
                "weights": np.tile([0.95, 0.05], (205, 1)),
            },
        )
        assert ("scale collapsed" in diagnose(model, y[:, None], y)) is expected


def test_overdispersed_counts(rng):
    x = design(rng, 1000)
    mean = poisson_mean(x)
    y = rng.negative_binomial(2, 2 / (2 + mean))
    found = diagnose(pn.glm.GLM(y, x, "poisson").fit(), x, y)["overdispersed counts"]
    other = sm.GLM(y, x, sm.families.Poisson()).fit()
    np.testing.assert_allclose(found.value, other.pearson_chi2 / other.df_resid, rtol=1e-6)
    dean = PoissonDiagnostic(sm.Poisson(y, x).fit(disp=0)).test_dispersion().statistic[0]
    assert f"z = {dean:.3g}" in found.message
    assert "negative_binomial" in found.remedy
    y = rng.poisson(mean)
    assert not diagnose(pn.glm.GLM(y, x, "poisson").fit(), x, y)


@pytest.mark.parametrize("columns", ["trials", "failures"])
def test_overdispersed_proportions(columns, rng):
    x = design(rng, 500)
    p, trials = 1 / (1 + np.exp(-(x @ [0.2, 0.8, -0.3]))), rng.integers(1, 20, size=500)
    for k, expected in (
        (rng.binomial(trials, rng.beta(5 * p, 5 * (1 - p))), True),
        (rng.binomial(trials, p), False),
    ):
        pairs = np.column_stack([k, trials - k])
        other = sm.GLM(pairs, x, sm.families.Binomial()).fit()
        y = np.column_stack([k, trials]) if columns == "trials" else pairs
        family = "binomial" if columns == "trials" else "bernoulli"
        found = diagnose(pn.glm.GLM(y, x, family).fit(), x, y)
        assert ("overdispersed counts" in found) is expected
        if expected:
            finding = found["overdispersed counts"]
            np.testing.assert_allclose(
                finding.value, other.pearson_chi2 / other.df_resid, rtol=1e-6
            )
            assert "beta_binomial" in finding.remedy
        else:
            assert not found


def test_the_binomial_score_is_standard_normal_without_overdispersion(rng):
    n, trials = 200, rng.integers(1, 20, size=200).astype(float)
    p = rng.uniform(0.2, 0.8, size=n)
    y = rng.binomial(trials.astype(int), p, size=(4000, n))
    terms = ((y - trials * p) ** 2 + p * (y - trials * p) - y * (1 - p)) / (p * (1 - p))
    z = terms.sum(axis=1) / np.sqrt(2 * np.sum(trials * (trials - 1)))
    assert abs(z.mean()) < 4 / np.sqrt(4000)
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * 4000)


def test_excess_zeros(rng):
    x = design(rng, 1000)
    mean = poisson_mean(x)
    counts = rng.poisson(mean)
    y = counts * (rng.random(1000) > 0.2)
    found = diagnose(pn.glm.GLM(y, x, "poisson").fit(), x, y)["excess zeros"]
    fitted = sm.GLM(y, x, sm.families.Poisson()).fit().fittedvalues
    np.testing.assert_allclose(found.value, np.mean(y == 0) - np.exp(-fitted).mean(), rtol=1e-6)
    assert "ZeroInflated" in found.remedy
    assert "excess zeros" not in diagnose(pn.glm.GLM(counts, x, "poisson").fit(), x, counts)
    y = rng.negative_binomial(2, 2 / (2 + mean))  # many zeros, and none in excess
    assert not diagnose(pn.glm.GLM(y, x, "negative_binomial").fit(), x, y)


def test_heavy_tails(rng):
    x = design(rng, 1000)
    y = x @ [1.0, 0.5, -0.3] + rng.standard_t(3, size=1000)
    found = diagnose(pn.glm.OLS(y, x).fit(), x, y)["heavy tails"]
    residuals = sm.OLS(y, x).fit().resid
    np.testing.assert_allclose(found.value, stats.kurtosis(residuals), rtol=0.02)
    y = x @ [1.0, 0.5, -0.3] + rng.normal(size=1000)
    assert "heavy tails" not in diagnose(pn.glm.OLS(y, x).fit(), x, y)


def test_residuals_keep_their_digits_in_both_tails():
    y = np.append(stats.norm.ppf((np.arange(200) + 0.5) / 200), [-30.0, -9.0, 9.0, 30.0])
    model = Believer("normal", {"loc": np.zeros(204), "scale": np.ones(204)})
    found = diagnose(model, y[:, None], y)["heavy tails"]
    assert "4 are beyond 4" in found.message
    np.testing.assert_allclose(found.value, stats.kurtosis(y), rtol=1e-9)


def test_heteroscedasticity_left(rng):
    x = design(rng, 1000)
    y = x @ [1.0, 0.5, -0.3] + np.exp(0.4 * x[:, 1]) * rng.normal(size=1000)
    found = diagnose(pn.glm.OLS(y, x).fit(), x, y)["heteroscedasticity left"]
    lm = het_breuschpagan(sm.OLS(y, x).fit().resid, x)[0]
    np.testing.assert_allclose(found.value, lm, rtol=1e-8)
    assert "scale" in found.remedy
    right = pn.glm.GLM(y, x, "normal", designs={"scale": x}).fit()
    assert not diagnose(right, None, y)


def test_separable_classes(rng):
    x, y, best = binary(rng)
    model = at(best.params[:, None], pn.Head("bernoulli"))
    name = "separable classes"
    assert name not in diagnose(model, x, y)
    y = (x[:, 0] > 0.2).astype(int)
    found = diagnose(model, x, y)[name]
    assert found.value == 1
    assert "completely (x1)" in found.message
    firth = pn.glm.Logit(y, x).fit(method="firth")
    assert "penalised" in diagnose(firth, x, y).skipped[name]


def test_separable_features_of_a_deep_network(rng):
    x = rng.normal(size=(200, 2))
    y = (np.abs(x[:, 0]) > 0.7).astype(int)
    hidden = keras.layers.Dense(2, "relu")
    model = network(2, pn.Head("bernoulli"), hidden)
    hidden.set_weights([np.array([[1.0, -1.0], [0.0, 0.0]]), np.zeros(2)])
    found = diagnose(model, x, y)["separable classes"]
    assert "2 features of the last layer separate the classes completely" in found.message
    flipped = np.where(np.arange(200) < 20, 1 - y, y)
    assert "separable classes" not in diagnose(model, x, flipped)


@pytest.mark.backend
def test_unscaled_inputs(rng):
    x, y, _ = binary(rng)
    layer = keras.layers.Normalization()
    for change, want, word in (
        ([1.0, 1e4], lambda x: x[:, 1].std(), "x2"),
        ([1e-4, 2e-4], lambda x: x[:, 0].std(), "x1"),
    ):
        changed = x * change
        model = network(2, pn.Head("bernoulli"))
        found = diagnose(model, changed, y)["unscaled inputs"]
        np.testing.assert_allclose(found.value, want(changed))
        assert word in found.message
    years = x + np.array([2000.0, 0.0])
    frame = pd.DataFrame(years, columns=["year", "dose"])
    found = diagnose(network(2, pn.Head("bernoulli")), frame, y)["unscaled inputs"]
    np.testing.assert_allclose(found.value, years[:, 0].mean() / years[:, 0].std())
    assert "1 column of x, above all year" in found.message
    layer.adapt(years.astype("float32"))
    model = network(2, pn.Head("bernoulli"), layer)
    assert "normalises x" in diagnose(model, years, y).skipped["unscaled inputs"]
    shifted = network(2, pn.Head("bernoulli"), keras.layers.Rescaling(1.0, [-2000.0, 0.0]))
    assert "unscaled inputs" not in diagnose(shifted, years, y)
    digits = load_digits()  # pixels that are nearly always 0, in the units of the others
    pixels = network(64, pn.Head("categorical", classes=10))
    found = diagnose(pixels, digits.data / 16.0, digits.target)
    assert "unscaled inputs" in found.checked
    assert "unscaled inputs" not in found


@pytest.mark.backend
@pytest.mark.parametrize(
    ("activation", "weights", "bias", "word"),
    [("relu", 1.0, -100.0, "dead"), ("tanh", 0.1, 50.0, "saturated")],
)
def test_dead_units(activation, weights, bias, word, rng):
    x, y, _ = binary(rng, 200)
    hidden = keras.layers.Dense(10, activation, name="hidden")
    model = network(2, pn.Head("bernoulli"), hidden)
    kernel = weights * rng.normal(size=(2, 10))
    hidden.set_weights([kernel, np.where(np.arange(10) < 4, bias, 0.0)])
    found = diagnose(model, x, y)["dead units"]
    assert found.value == 0.4
    assert f"4 of 10 units of hidden are {word}" in found.message
    hidden.set_weights([kernel, np.zeros(10)])
    assert "dead units" not in diagnose(model, x, y)


def test_over_fitting(rng):
    for p, expected in ((50, True), (2, False)):
        x = design(rng, 1100, p)
        y = x[:, 1] + rng.normal(size=1100)
        (x, held_x), (y, held_y) = (np.split(v, [100]) for v in (x, y))
        other = sm.OLS(y, x).fit()
        scale = np.sqrt(other.scale)
        want = (
            stats.norm.logpdf(y, other.fittedvalues, scale).mean()
            - stats.norm.logpdf(held_y, other.predict(held_x), scale).mean()
        )
        results = pn.glm.OLS(y, x).fit()
        found = diagnose(results, x, y, validation_data=(held_x, held_y))
        assert ("over-fitting" in found) is expected
        if expected:
            np.testing.assert_allclose(found["over-fitting"].value, want, rtol=1e-8)
    assert "validation_data" in diagnose(results, x, y).skipped["over-fitting"]


def test_miscalibrated_numbers(rng):
    x = design(rng, 500)
    y = x @ [1.0, 0.5, -0.3] + rng.normal(size=500)
    mean = sm.OLS(y, x).fit().fittedvalues
    found = diagnose(pn.glm.GLM(y, x, "normal", fixed={"scale": 2.0}).fit(), x, y)
    want = stats.kstest(stats.norm.cdf(y, mean, 2.0), "uniform").statistic
    np.testing.assert_allclose(found["mis-calibration"].value, want, atol=1e-9)
    assert not diagnose(pn.glm.GLM(y, x, "normal", fixed={"scale": 1.0}).fit(), x, y)


def test_miscalibrated_probabilities(rng):
    x, y, best = binary(rng)
    neuron = at(2.0 * best.params[:, None] + [[0.5], [0.0], [0.0]], pn.Head("bernoulli"))
    odds = logit(neuron.predict(x, verbose=0).astype("float64"))
    want = sm.Logit(y, sm.add_constant(odds)).fit(disp=0)
    found = diagnose(neuron, x, y)["mis-calibration"]
    np.testing.assert_allclose(found.value, want.params[1], rtol=1e-6)
    assert f"{want.params[0]:.3g} + {want.params[1]:.3g} times" in found.message
    held = diagnose(neuron, x, y, validation_data=(x[:600], y[:600]))["mis-calibration"]
    part = sm.Logit(y[:600], sm.add_constant(odds[:600])).fit(disp=0)
    np.testing.assert_allclose(held.value, part.params[1], rtol=1e-6)
    neuron = at(best.params[:, None], pn.Head("bernoulli"))
    assert "mis-calibration" not in diagnose(neuron, x, y)


def test_log_odds_that_bend(rng):
    x = rng.normal(size=2000)
    y = rng.binomial(1, 1.0 / (1.0 + np.exp(1.0 + 0.5 * x - 2.0 * x**2)))
    straight, bent = sm.add_constant(x), sm.add_constant(np.column_stack([x, x**2]))
    p = sm.Logit(y, straight).fit(disp=0).predict()
    want = chisquare_binning(np.column_stack([y, 1 - y]), np.column_stack([p, 1 - p]), p)
    found = diagnose(pn.glm.Logit(y, straight).fit(), straight, y)["mis-calibration"]
    assert f"Hosmer-Lemeshow {want.statistic:.3g}, 8 degrees of freedom" in found.message
    groups = pd.DataFrame({"y": y, "p": p}).groupby(pd.qcut(p, 10, labels=False)).sum()
    np.testing.assert_allclose(found.value, (groups["y"] - groups["p"]).abs().sum() / len(y))
    assert diagnose(pn.glm.Logit(y, bent).fit(), bent, y).findings == []


def test_equal_forecasts_are_one_group_in_any_order(rng):
    frame = sm.datasets.fair.load_pandas().data  # in the order of affairs
    y = (frame["affairs"] > 0).to_numpy(dtype=float)
    frame["affair"] = y
    saturated = pn.glm.logit("affair ~ C(rate_marriage)", frame).fit()
    assert diagnose(saturated, frame, y).findings == []
    p = np.repeat([0.2, 0.35, 0.5, 0.65, 0.8], 400)
    y = (np.tile(np.arange(400), 5) < np.repeat([60, 220, 140, 320, 260], 400)).astype(float)
    seen, expected = y.reshape(5, 400).sum(axis=1), p.reshape(5, 400).sum(axis=1)
    want = np.sum((seen - expected) ** 2 / (expected * (1 - expected / 400)))
    near = p * (1 + 1e-15 * rng.normal(size=2000))
    for forecast, at in ((p, np.argsort(y)), (p, rng.permutation(2000)), (near, np.argsort(y))):
        finding = _bent_odds(y[at], forecast[at], estimated=True)
        np.testing.assert_allclose(finding[0], np.abs(seen - expected).sum() / 2000)
        assert "in 5 groups" in finding[2]
        assert f"Hosmer-Lemeshow {want:.3g}, 3 degrees of freedom" in finding[2]
    assert "5 degrees of freedom" in _bent_odds(y, p, estimated=False)[2]
    p = np.round(rng.beta(2, 2, size=2000), 2)  # more forecasts than groups, and ties
    y = rng.binomial(1, 4 * (p - 0.5) ** 2).astype(float)
    one = _bent_odds(y, p, estimated=True)
    for at in (np.argsort(y), rng.permutation(2000)):
        other = _bent_odds(y[at], p[at], estimated=True)
        assert (other[0], other[2]) == (pytest.approx(one[0], rel=1e-12), one[2])


def test_one_neuron_on_the_banknotes_is_miscalibrated(banknotes):
    x, y = sm.add_constant(banknotes[0]), banknotes[1]
    assert "Hosmer-Lemeshow" in diagnose(pn.glm.Logit(y, x).fit(), x, y)["mis-calibration"].message


def test_miscalibrated_classes(rng):
    x = rng.normal(size=(1000, 2))
    odds = x @ [[0.0, 1.0, -0.5], [0.0, 0.5, 1.0]]
    y = np.argmax(odds + rng.gumbel(size=odds.shape), axis=1)
    best = sm.MNLogit(y, sm.add_constant(x)).fit(**NEWTON).params
    head = pn.Head("categorical", classes=3)
    full = np.column_stack([np.zeros(3), best])
    raw = full if head.family.size == 3 else best
    # At the maximum of the likelihood the slope is 1, so that of twice the log-odds is a half.
    found = diagnose(at(2.0 * raw, head), x, y)["mis-calibration"]
    np.testing.assert_allclose(found.value, 0.5, rtol=1e-4)
    assert "mis-calibration" not in diagnose(at(raw, pn.Head("categorical", classes=3)), x, y)


@pytest.mark.slow
def test_hidden_layers_are_judged_on_rows_held_out(rng):
    x, (held_x, held_y, _) = rng.normal(size=(60, 2)), binary(rng)
    y = rng.integers(0, 2, size=60)
    for head in (pn.Head("bernoulli"), pn.Head("categorical", classes=2)):
        model = network(2, head, keras.layers.Dense(32, "relu"))
        model.compile(keras.optimizers.Adam(0.05))
        model.fit(x, y, epochs=60, verbose=0)
        assert "give validation_data" in diagnose(model, x, y).skipped["mis-calibration"]
        found = diagnose(model, x, y, validation_data=(held_x, held_y))
        assert "mis-calibration" in found or "tell nothing" in found.skipped["mis-calibration"]


def test_separated_forecasts_have_no_slope():
    y, family = np.repeat([0, 1, 2], 30), pn.families.Categorical(3)
    probs = np.where(np.eye(3)[y] == 1, 0.8, 0.1)
    found = diagnose(Believer(family, {"probs": probs}), y[:, None], y)
    assert "separate the classes" in found.skipped["mis-calibration"]
    probs = np.where(np.eye(3)[y] == 1, 0.1, 0.45)
    found = diagnose(Believer(family, {"probs": probs}), y[:, None], y)
    assert "tell nothing" in found.skipped["mis-calibration"]
    assert "worse than the marginal distribution" in found


# ---- remedies that can be followed --------------------------------------------------------------


SCALED = {
    *("normal", "student_t", "laplace", "logistic", "gumbel", "log_normal", "mixture normal"),
    "spline_flow",
}
UNMAPPED = {"von_mises", "tweedie"}
NUMBERS = [c for c in FAMILIES if not c.family.classes and c.name not in ("bernoulli", "censored")]
CONTINUOUS = [c for c in NUMBERS if not c.family.discrete and c.name not in UNMAPPED]


def repeated(case, n):
    """Return parameters of n rows, those of a case again and again."""
    values = {name: np.asarray(v, dtype="float64") for name, v in case.params.items()}
    return {name: v[np.arange(n) % len(v)] for name, v in values.items()}


def named(remedy):
    return re.findall(r"pn\.calibration\.(\w+)", remedy)


@pytest.mark.parametrize("case", NUMBERS, ids=lambda c: c.name)
def test_recalibrations_of_numbers_that_are_named_run(case, rng):
    family, params = case.family, repeated(case, 600)
    y = family.frozen(**params).ppf(rng.uniform(0.4, 0.6, size=600))
    finding = diagnose(Believer(family, params), np.zeros((600, 1)), y)["mis-calibration"]
    want = ["scale_scaling"] if family.label in SCALED or case.name == "discretized" else []
    want += ["isotonic"] if case in CONTINUOUS else []
    assert named(finding.remedy) == want
    for name in want:
        getattr(pn.calibration, name)(y, pn.Predictive(family, params))


def test_recalibrations_of_classes_that_are_named_run(rng):
    p = rng.uniform(0.05, 0.95, size=1000)
    y = rng.binomial(1, p)
    for family, sure in (
        ("bernoulli", p**3 / (p**3 + (1 - p) ** 3)),
        (pn.families.Categorical(2), np.stack([1 - p, p], axis=1) ** 3),
    ):
        sure = sure / sure.sum(axis=1, keepdims=True) if sure.ndim == 2 else sure
        found = diagnose(Believer(family, {"probs": sure}), p[:, None], y)["mis-calibration"]
        np.testing.assert_allclose(found.value, 1 / 3, rtol=0.15)
        assert named(found.remedy) == ["temperature_scaling"]
        scaling = pn.calibration.temperature_scaling(y, pn.Predictive(family, {"probs": sure}))
        np.testing.assert_allclose(scaling.temperature, 3.0, rtol=0.15)
    exchanged = diagnose(Believer("bernoulli", {"probs": 1 - p}), p[:, None], y)
    assert named(exchanged["mis-calibration"].remedy) == []
    constant = np.clip(0.9 + 0.05 * rng.normal(size=1000), 0.8, 0.99)
    y = rng.binomial(1, 0.2 * constant)
    shifted = diagnose(Believer("bernoulli", {"probs": constant}), p[:, None], y)
    assert named(shifted["mis-calibration"].remedy) == []


@pytest.mark.parametrize("case", CONTINUOUS, ids=lambda c: c.name)
def test_heavier_families_have_the_same_support(case, rng):
    family, params = case.family, repeated(case, 1000)
    tails = np.clip(stats.norm.cdf(rng.standard_t(2, size=1000)), 1e-12, 1 - 1e-12)
    y = family.frozen(**params).ppf(tails)
    remedy = diagnose(Believer(family, params), np.zeros((1000, 1)), y)["heavy tails"].remedy
    others = re.findall(r'"(\w+)"', remedy)
    assert others or "Mixture of this family" in remedy or case.name == "mixture"
    for other in others:
        assert other != case.name
        assert pn.families.get(other).support == family.support


@pytest.mark.parametrize(
    ("family", "draw", "name"),
    [
        ("normal", lambda rng, mean, k: rng.normal(mean, 0.2 / k), "scale"),
        ("gamma", lambda rng, mean, k: rng.gamma(k, mean / k), "shape"),
        ("inverse_gaussian", lambda rng, mean, k: rng.wald(mean, k), "shape"),
        ("student_t", lambda rng, mean, k: mean + rng.standard_t(9, len(k)) / k, "scale"),
        ("weibull", lambda rng, mean, k: mean * rng.weibull(k), "shape"),
        ("beta", lambda rng, mean, k: rng.beta(2 * k, 2 * k), "precision"),
    ],
)
def test_the_remedy_of_heteroscedasticity_can_be_followed(family, draw, name, rng):
    x = design(rng, 1500, 1)
    y = draw(rng, np.exp(0.3 + 0.2 * x[:, 1]), np.exp(1.0 + 0.6 * x[:, 1]))
    check = "heteroscedasticity left"
    found = diagnose(pn.glm.GLM(y, x, family).fit(), x, y)[check]
    assert f'designs={{"{name}": X}}' in found.remedy
    assert check not in diagnose(pn.glm.GLM(y, x, family, designs={name: x}).fit(), None, y)
    frame = pd.DataFrame({"y": y, "x": x[:, 1]})
    found = diagnose(pn.glm.glm("y ~ x", frame, family).fit(), frame, y)[check]
    assert f'formulas={{"{name}": "~ ..."}}' in found.remedy
    right = pn.glm.glm("y ~ x", frame, family, formulas={name: "~ x"}).fit()
    assert check not in diagnose(right, frame, y)
    neuron = network(1, pn.Head(family, constant=[name]))
    pn.polish(neuron, x[:, 1:], y)
    found = diagnose(neuron, x[:, 1:], y)[check]
    assert f'leave "{name}" out of constant=' in found.remedy


@pytest.mark.parametrize(
    ("family", "name", "raw"),
    [("gamma", "shape", 15.0), ("inverse_gaussian", "shape", 15.0), ("beta", "precision", 18.0)],
)
def test_the_remedy_of_a_collapsed_scale_can_be_followed(family, name, raw, rng):
    y = np.append(rng.beta(2.0, 3.0, size=190), np.full(10, 0.4))
    x = np.repeat([[0.0], [1.0]], [190, 10], axis=0)
    raw_mean = {"beta": logit(0.4)}.get(family, np.log(0.4))
    found = diagnose(at([[raw_mean, 1.0], [0.0, raw]], pn.Head(family)), x, y)["scale collapsed"]
    assert f'constant=["{name}"]' in found.remedy
    assert pn.Head(family, constant=[name]).constant_names == (name,)


def test_penalties_that_are_named_can_be_followed(rng):
    x = design(rng, 200)
    y = np.searchsorted([-0.5, 0.5], x[:, 1])
    with pytest.raises(pn.glm.PerfectSeparationError):
        pn.glm.GLM(y, x, pn.families.Categorical(3)).fit()
    neuron = network(2, pn.Head("categorical", classes=3))
    found = diagnose(neuron, x[:, 1:], y)["separable classes"]
    assert found.value == 1
    assert "1 column of x separates the classes completely (x1)" in found.message
    assert "firth" not in found.remedy
    assert "kernel_regularizer" in found.remedy
    few = diagnose(neuron, x[:20, 1:], y[:20]).skipped
    assert "fewer than 30 rows" in few["separable classes"]
    hidden = network(2, pn.Head("bernoulli"), keras.layers.Dense(3, "relu"))
    assert "fewer than 30 rows" in diagnose(hidden, x[:20, 1:], y[:20] % 2).skipped["dead units"]


def test_a_y_of_probability_0_is_counted(rng):
    p = np.full(200, 0.5)
    x, y = np.zeros((200, 1)), rng.integers(0, 2, size=200)
    held = p.copy()
    held[:3] = 1.0 - y[:3]
    model = Replayer("bernoulli", [{"probs": p}, {"probs": held}])
    found = diagnose(model, x, y, validation_data=(x, y))
    finding = found["worse than the marginal distribution"]
    assert finding.value == np.inf
    assert "y has probability 0 in 3 of 200 validation rows" in finding.message
    held[:60] = 1.0 - y[:60]
    model = Replayer("bernoulli", [{"probs": p}, {"probs": held}])
    found = diagnose(model, x, y, validation_data=(x, y))["over-fitting"]
    assert found.value == np.inf
    assert "y has probability 0 in 60 of 200 validation rows" in found.message


# ---- right models -------------------------------------------------------------------------------


@pytest.mark.backend
def test_a_right_linear_neuron_has_no_finding(rng):
    x = rng.normal(size=(1000, 2))
    y = 1.0 + x @ [0.5, -0.3] + rng.normal(size=1000)
    neuron = network(2, pn.Head("normal", constant=["scale"]))
    pn.polish(neuron, x, y)
    found = diagnose(neuron, x, y)
    assert found.findings == []
    assert str(found).startswith("Diagnosis of a normal network, 1,000 rows: No problem found in 7")
    assert "heteroscedasticity left" in str(found)


@pytest.mark.parametrize("family", [pytest.param("normal", marks=pytest.mark.backend), "bernoulli"])
def test_a_right_network_with_a_hidden_layer_has_no_finding(family, rng):
    x = rng.uniform(-2.0, 2.0, size=(3000, 2))
    f = np.sin(2.0 * x[:, 0]) + 0.5 * x[:, 1] ** 2
    y = {"normal": rng.normal(f, 0.5), "bernoulli": rng.binomial(1, 1 / (1 + np.exp(-2.0 * f)))}
    constant = ["scale"] if family == "normal" else []
    layers = [keras.Input((2,)), keras.layers.Dense(16, "tanh"), pn.Head(family, constant=constant)]
    model = pn.Sequential(layers)
    rate = keras.optimizers.schedules.CosineDecay(0.03, 24 * 60)
    model.compile(keras.optimizers.Adam(rate))
    (x, held_x), (y, held_y) = (np.split(v, [1500]) for v in (x, y[family]))
    model.fit(x, y, epochs=60, batch_size=64, verbose=0)
    found = diagnose(model, x, y, validation_data=(held_x, held_y))
    assert [str(f) for f in found] == []
    assert {"not converged", "dead units", "over-fitting", "unscaled inputs"} <= {*found.checked}


@pytest.mark.parametrize("family", ["normal", "poisson"])
def test_false_alarms_are_rare(family):
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = design(rng, 300)
        y = rng.normal(x @ [1.0, 0.5, -0.3]) if family == "normal" else rng.poisson(poisson_mean(x))
        alarms += bool(diagnose(pn.glm.GLM(y, x, family).fit(), x, y))
    assert alarms < 0.05 * 200


# ---- all families, and other models -------------------------------------------------------------


class Believer:
    """A model that predicts given distributions, whatever x."""

    def __init__(self, family, params):
        self.d = pn.Predictive(family, params)

    def predict_distribution(self, x, verbose=0):
        return self.d


class Replayer:
    """A model that predicts one list of distributions after another."""

    def __init__(self, family, params):
        self.all = [pn.Predictive(family, each) for each in params]
        self.all.insert(0, self.all[0])  # asked for its family first

    def predict_distribution(self, x, verbose=0):
        return self.all.pop(0)


@pytest.mark.parametrize("case", FAMILIES + SEVERAL, ids=lambda c: c.name)
def test_every_family_with_its_own_draws_has_no_finding(case, rng):
    params = {
        name: np.repeat(np.asarray(v, dtype="float64")[:1], 300, axis=0)
        for name, v in case.params.items()
    }
    trials = {"trials": np.full(300, 12.0)} if case.family.given else {}
    y = case.family.frozen(**params, **trials).rvs(size=300, random_state=rng).astype("float64")
    if case.name == "censored":
        y = pn.families.Censored.bounds(np.minimum(y, 1.0), y <= 1.0)
    if trials:
        y = np.column_stack([y, trials["trials"]])
    found = diagnose(Believer(case.family, params), np.zeros((300, 1)), y)
    assert found.findings == []
    assert {*found.checked} | {*found.skipped} == {*CHECKS}
    assert "worse than the marginal distribution" in found.checked


def test_a_deep_ensemble(rng):
    x = rng.normal(size=(300, 1))
    y = rng.normal(2.0 * x[:, 0])
    model = network(1, pn.Head("normal", constant=["scale"]))
    model.compile(keras.optimizers.Adam(0.1))
    ensemble = pn.DeepEnsemble(model, members=2, seed=0)
    ensemble.fit(x, y, epochs=30, verbose=0)
    found = diagnose(ensemble, x, y)
    assert found.findings == []
    assert "members one by one" in found.skipped["not converged"]
    assert "heavy tails" in found.checked
    y = 2.0 * x[:, 0] + 3.0 * rng.standard_t(2, size=300)
    assert "mis-calibration" in diagnose(ensemble, x, y)


SHAPE = {"heavy tails", "mis-calibration", "heteroscedasticity left", "scale collapsed"}


def steps(t=12):
    """Return a network whose y at each step is normal about x, with standard deviation 1."""
    head = pn.Head("normal", constant=("scale",))
    model = pn.Sequential([keras.Input((t, 1)), head])
    head.assign_coefficients(np.array([[1.0, 0.0]]), np.zeros(2))
    return model


def test_time_steps_are_pooled(rng):
    x = rng.normal(size=(300, 12, 1))
    right = diagnose(steps(), x, x[..., 0] + rng.normal(size=(300, 12)))
    assert not right
    assert {*right.checked} >= SHAPE
    found = diagnose(steps(), x, x[..., 0] + rng.standard_t(3, size=(300, 12)))
    assert "heavy tails" in found
    spread = rng.normal(size=(300, 12)) * (1.0 + (x[..., 0] > 0))
    assert "heteroscedasticity left" in diagnose(steps(), x, x[..., 0] + spread)


def test_masked_steps_are_left_out(rng):
    """The kurtosis is that of y - x at the steps that are not padding."""
    x, padded = rng.normal(size=(300, 12, 1)), np.arange(12) >= rng.integers(1, 13, size=(300, 1))
    y = x[..., 0] + rng.standard_t(4, size=(300, 12))
    expected = stats.kurtosis((y - x[..., 0])[~padded])
    x[padded], y[padded] = -9.0, 500.0
    head = pn.Head("normal", constant=("scale",))
    model = pn.Sequential([keras.Input((12, 1)), keras.layers.Masking(-9.0), head])
    head.assign_coefficients(np.array([[1.0, 0.0]]), np.zeros(2))
    np.testing.assert_allclose(diagnose(model, x, y)["heavy tails"].value, expected, rtol=1e-5)


def test_steps_of_a_row_that_are_alike_give_no_false_alarm(rng):
    """Each step's distribution is right, but there are 60 independent rows, not 720."""
    for _ in range(10):
        x, level = rng.normal(size=(60, 12, 1)), rng.normal(size=(60, 1))
        y = x[..., 0] + np.sqrt(0.9) * level + np.sqrt(0.1) * rng.normal(size=(60, 12))
        found = diagnose(steps(), x, y)
        assert not found
        assert "one value of each" in str(found)


def test_each_response_has_its_own_marginal(rng):
    """The mean over responses of the closed form: log-likelihoods of normal samples."""
    x, y = rng.normal(size=(400, 1)), rng.normal(size=(400, 2)) * [1.0, 100.0]
    model = network(1, pn.Head("normal", units=2))
    head = model.layers[-1]
    kernel, bias = (keras.ops.convert_to_numpy(v) for v in head.coefficients())
    head.assign_coefficients(0.0 * kernel, 0.0 * bias)
    d = model.predict_distribution(x, verbose=0)
    best = stats.norm(y.mean(axis=0), y.std(axis=0)).logpdf(y)
    found = diagnose(model, x, y)["worse than the marginal distribution"]
    np.testing.assert_allclose(found.value, np.mean(best - d.log_prob(y)), rtol=1e-6)


def test_what_does_not_apply_is_skipped_with_a_reason(rng):
    x, y = rng.normal(size=(100, 1)), rng.normal(size=(100, 2))
    found = diagnose(network(1, pn.Head("normal", units=2)), x, y, validation_data=(x, y))
    assert found.findings == []
    assert "units=2" in found.skipped["not converged"]
    few = diagnose(
        network(1, pn.Head("normal")), x[:5], y[:5, 0], validation_data=(x[:1], y[:1, 0])
    )
    assert few.findings == []
    assert "fewer than 30 rows" in few.skipped["heavy tails"]
    assert "too few rows" in few.skipped["not converged"]
    images = rng.normal(size=(40, 4, 4, 1))
    layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, activation="relu")]
    model = pn.Sequential([*layers, keras.layers.Flatten(), pn.Head("bernoulli")])
    found = diagnose(model, images, np.arange(40) % 2)
    assert "dead units" in found.checked
    assert "not one table" in found.skipped["unscaled inputs"]
    penalised = network(1, pn.Head("bernoulli", kernel_regularizer="l2"))
    found = diagnose(penalised, x, (x[:, 0] > 0).astype(int))
    for name in ("not converged", "separable classes"):
        assert "kernel_regularizer" in found.skipped[name]


def test_results_of_a_formula_and_with_an_exposure(rng):
    frame = pd.DataFrame({"x": rng.normal(size=500), "t": rng.uniform(1.0, 5.0, size=500)})
    frame["y"] = rng.poisson(frame["t"] * np.exp(0.5 * frame["x"]))
    results = pn.glm.glm("y ~ x", frame, "poisson", exposure=frame["t"]).fit()
    assert not diagnose(results, None, frame["y"])
    frame["z"] = rng.normal(frame["x"])
    assert not diagnose(pn.glm.ols("z ~ x", frame).fit(), frame, frame["z"])


def test_results_whose_x_does_not_say_all_are_judged_by_the_fitted_rows(rng):
    x, t = design(rng, 300), rng.uniform(1.0, 5.0, size=300)
    y = rng.poisson(t * poisson_mean(x))
    for given in ({"exposure": t}, {"offset": np.log(t)}):
        results = pn.glm.GLM(y, x, "poisson", **given).fit()
        assert diagnose(results, None, y).findings == []
        with pytest.raises(ValueError, match=r"Expected x=None, .* an offset or exposure"):
            diagnose(results, x, y)
        with pytest.raises(ValueError, match=r"Expected validation_data=None, .* exposure"):
            diagnose(results, None, y, validation_data=(x, y))
    y = rng.normal(x[:, 1])
    results = pn.glm.GLM(y, x, "normal", designs={"scale": x}).fit()
    with pytest.raises(ValueError, match=r"Expected x=None, .* designs of scale"):
        diagnose(results, x, y)
    with pytest.raises(ValueError, match="make the model of a formula"):
        diagnose(results, None, y, validation_data=(x, y))


def test_results_alone_are_judged_by_the_fitted_rows(rng):
    x = design(rng, 400)
    y = rng.poisson(poisson_mean(x) * rng.gamma(1.0, 1.0, size=400))
    results = pn.glm.GLM(y, x, "poisson").fit()
    found, expected = diagnose(results), diagnose(results, x, y)
    assert "overdispersed counts" in found
    assert str(found) == str(expected)
    trials = rng.integers(5, 9, size=400)
    pairs = np.column_stack([rng.binomial(trials, 0.4), trials])
    pairs[:, 1] -= pairs[:, 0]
    results = pn.glm.GLM(pairs, x, "bernoulli").fit()
    assert str(diagnose(results)) == str(diagnose(results, x, pairs))
    with pytest.raises(ValueError, match="Expected y, the responses"):
        diagnose(results, x)


@pytest.mark.parametrize("kind", ["freq_weights", "var_weights"])
def test_rows_of_weight_0_are_not_judged(rng, kind):
    x, weights = design(rng, 200), np.ones(200)
    y = x.sum(axis=1) + rng.normal(size=200)
    y[:40], weights[:40] = 50.0 * rng.normal(size=40), 0.0
    found = diagnose(pn.glm.GLM(y, x, **{kind: weights}).fit())
    assert not found.findings
    assert "160 rows (40 rows of weight 0 left out)" in repr(found)


def test_weights_of_the_variance_are_not_left_out(rng):
    x, weights = design(rng, 300), np.exp(2.0 * rng.normal(size=300))
    y = x.sum(axis=1) + rng.normal(size=300) / np.sqrt(weights)
    results = pn.glm.OLS(y, x, weights=weights).fit()
    assert not diagnose(results).findings
    with pytest.raises(ValueError, match="it has weights of the variance, which x does not hold"):
        diagnose(results, x, y)
    with pytest.raises(ValueError, match="which these rows would need"):
        diagnose(results, validation_data=(x, y))


def test_results_that_do_not_hold_their_rows(rng):
    x = design(rng, 200)
    y = rng.poisson(poisson_mean(x)).astype(float)
    batched = pn.glm.GLM.from_batches([(y[:90], x[:90]), (y[90:], x[90:])], "poisson").fit()
    assert diagnose(batched, x, y).findings == []
    with pytest.raises(ValueError, match="Expected x, or results that hold the rows"):
        diagnose(batched, None, y)
    parts = [(y[:90], x[:90], {"offset": y[:90]}), (y[90:], x[90:], {"offset": y[90:]})]
    offset = pn.glm.GLM.from_batches(parts, "poisson").fit()
    with pytest.raises(ValueError, match="Fit the model to rows in memory"):
        diagnose(offset, x, y)


def test_a_network_that_cannot_be_asked(rng):
    x, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    model = network(3, pn.Head("normal"))
    with pytest.raises(
        ValueError, match=r"Expected x of shape \(n, 3\).*Received: shape \(40, 2\)"
    ):
        diagnose(model, x[:, :2], y)
    with pytest.raises(ValueError, match=r"Expected validation x of shape \(n, 3\)"):
        diagnose(model, x, y, validation_data=(x[:, :1], y))
    for weight in (1e30, np.nan):
        model.set_weights([np.full(w.shape, weight) for w in model.get_weights()])
        with pytest.raises(ValueError, match="its weights diverged in training"):
            diagnose(model, np.abs(x), y)


# ---- the report ---------------------------------------------------------------------------------


def test_report():
    findings = [Finding("heavy tails", 4.2, 0.5, "Kurtosis 4.2 <5>.", "use student_t.")]
    found = Diagnosis("a model", findings, ["heavy tails", "excess zeros"], {"dead units": "glm"})
    assert bool(found)
    assert len(found) == 1
    assert list(found) == findings
    assert found["heavy tails"] is findings[0]
    assert "excess zeros" not in found
    assert str(found) == (
        "Diagnosis of a model: 1 finding in 2 checks.\n"
        "- heavy tails: Kurtosis 4.2 <5>. Remedy: use student_t."
    )
    assert "Kurtosis 4.2 &lt;5&gt;." in found._repr_html_()
    frame = found.to_frame()
    assert frame.columns.tolist() == ["name", "value", "threshold", "message", "remedy"]
    assert frame["value"].tolist() == [4.2]
    with pytest.raises(KeyError, match="'dead units', skipped: glm"):
        found["dead units"]
    with pytest.raises(KeyError, match="'excess zeros', nothing found"):
        found["excess zeros"]
    with pytest.raises(ValueError, match="Expected the name of a check: heavy tails"):
        assert "heavy" in found
    clean = Diagnosis("a model", [], ["heavy tails"], {})
    assert not clean
    assert clean.to_frame().empty
    assert clean._repr_html_() == (
        "<p>Diagnosis of a model: No problem found in 1 check: heavy tails.</p>"
    )


def test_report_names_what_could_not_be_looked_at():
    why = {"dead units": "glm", "over-fitting": "no rows", "heavy tails": "no rows."}
    found = Diagnosis("a model", [], ["unscaled inputs"], why, ["over-fitting", "heavy tails"])
    assert str(found) == (
        "Diagnosis of a model: No problem found in 1 check: unscaled inputs.\n"
        "Not looked at: over-fitting, heavy tails (no rows)."
    )
    assert found._repr_html_().endswith(
        "<p>Not looked at: over-fitting, heavy tails (no rows).</p>"
    )
    nothing = Diagnosis("a model", [], [], why, ["heavy tails"])
    assert "No check could be made." in str(nothing)


def test_causes_come_before_what_follows_from_them():
    place = {name: i for i, name in enumerate(CHECKS)}
    for cause, effect in (
        ("not converged", "heavy tails"),
        ("over-fitting", "mis-calibration"),
        ("unscaled inputs", "heavy tails"),
        ("overdispersed counts", "mis-calibration"),
        ("heteroscedasticity left", "heavy tails"),
        ("heavy tails", "mis-calibration"),
    ):
        assert place[cause] < place[effect]


def test_thresholds_have_reasons():
    for name, threshold in THRESHOLDS.items():
        assert threshold.value > 0, name
        assert threshold.reason, name


@pytest.mark.parametrize(
    ("y", "validation", "message"),
    [
        (np.zeros((5, 2)), None, "Expected y of shape"),
        (np.full(5, np.nan), None, "Expected every y to lie in the support"),
        (np.zeros(4), None, "Expected as many rows of y as of x. Received: 4 and 5"),
        (np.zeros(0), None, "at least one row"),
        (np.zeros(5), np.zeros(5), "Expected validation_data to be"),
        (np.zeros(5), (np.zeros((3, 1)), np.zeros(2)), "as many rows of validation y as of x"),
    ],
)
def test_bad_data(y, validation, message):
    model = network(1, pn.Head("normal"))
    with pytest.raises(ValueError, match=message):
        diagnose(model, np.zeros((5, 1)), y, validation_data=validation)


def test_bad_models():
    with pytest.raises(ValueError, match=r"Expected x, the training rows\. Received: None"):
        diagnose(network(1, pn.Head("normal")), None, np.zeros(5))
    with pytest.raises(ValueError, match="Expected a model with predict_distribution"):
        diagnose(keras.Sequential([keras.Input((1,))]), np.zeros((5, 1)), np.zeros(5))
    x = keras.Input((1,))
    two = pn.Model(x, [pn.Head("normal")(x), pn.Head("poisson")(x)])
    with pytest.raises(ValueError, match="Expected a model with one head"):
        diagnose(two, np.zeros((5, 1)), np.zeros(5))


def test_trials_of_other_rows(rng):
    x = design(rng, 50)
    y = np.column_stack([rng.binomial(9, 0.5, size=50), np.full(50, 9)])
    results = pn.glm.GLM(y, x, "binomial").fit()
    with pytest.raises(ValueError, match="Expected the y that the model was fitted to"):
        diagnose(results, x[:10], y[:10])
    with pytest.raises(ValueError, match="successes and trials"):
        diagnose(results, x, y[:, :1])
    found = diagnose(results, x, y, validation_data=(x[:40], y[:40]))
    assert found.findings == []
