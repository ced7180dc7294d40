"""Recalibration: against closed forms, statsmodels, SciPy, brute force and simulated truth."""

import itertools
import math
import pickle
import tracemalloc

import keras
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import integrate, optimize, special, stats
from tables.families import FAMILIES
from tables.peers import NEWTON
from tables.predictives import bernoulli, categorical, normal

import probnn as pn
from probnn import calibration
from probnn.fitted import adapt
from probnn.predictive import recalibrated
from probnn.predictive.pooled import PooledPredictive

CONTINUOUS = [
    case
    for case in FAMILIES
    if not (case.family.discrete or case.family.atom or case.family.circular)
    and case.family.y_columns is None
]
each_continuous = pytest.mark.parametrize("case", CONTINUOUS, ids=lambda case: case.name)


def network(head, rng, compiled=True):
    """Return a model with random weights everywhere, and rows of x."""
    model = pn.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), head])
    if compiled:
        model.compile("adam")
    for weight in model.trainable_weights:
        weight.assign(0.7 * rng.normal(size=weight.shape))
    return model, rng.normal(size=(50, 3)).astype("float32")


# ---- temperature -------------------------------------------------------------------------------


def test_temperature_of_two_classes_is_that_of_a_logistic_regression(rng):
    logits = rng.normal(scale=2.0, size=400)
    y = rng.random(400) < special.expit(0.6 * logits)
    expected = sm.Logit(y.astype(float), logits).fit(**NEWTON).params[0]
    for d in (
        bernoulli(special.expit(logits)),
        categorical(np.column_stack([special.expit(-logits), special.expit(logits)])),
    ):
        found = calibration.temperature_scaling(y, d)
        assert 1.0 / found.temperature == pytest.approx(expected, rel=1e-8)
        again = calibration.temperature_scaling(y, found(d))
        assert again.temperature == pytest.approx(1.0, rel=1e-10)


def test_temperature_of_classes_maximises_the_likelihood(rng):
    logits = rng.normal(scale=2.0, size=(500, 4))
    truth = np.cumsum(special.softmax(logits / 1.8, axis=1), axis=1)
    y = (rng.random((500, 1)) > truth[:, :-1]).sum(axis=1)
    logits[:100, 3] = -np.inf  # impossible classes
    logits[y == 3, 3] = 0.0
    found = calibration.temperature_scaling(y, categorical(special.softmax(logits, axis=1)))

    def loss(log_t):
        scaled = special.log_softmax(logits / np.exp(log_t), axis=1)
        return -scaled[np.arange(500), y].sum()

    best = optimize.minimize_scalar(loss, bracket=(0.0, 0.5), tol=1e-10)
    assert found.temperature == pytest.approx(np.exp(best.x), rel=1e-7)
    assert found.temperature == pytest.approx(1.8, rel=0.3)


def test_temperature_scales_log_odds(rng):
    p = rng.random(20)
    found = calibration.TemperatureScaling(2.5)(bernoulli(p))
    np.testing.assert_allclose(special.logit(found.mean()), special.logit(p) / 2.5, rtol=1e-10)
    extreme = calibration.TemperatureScaling(0.5)(bernoulli([0.0, 1.0])).mean()
    np.testing.assert_array_equal(extreme, [0.0, 1.0])


@pytest.mark.backend
@pytest.mark.parametrize(
    ("head", "options", "compiled"),
    [
        ("bernoulli", {}, True),
        ("bernoulli", {"use_bias": False}, False),
        ("bernoulli", {"constant": ["probs"]}, True),
        ("bernoulli", {"units": 2}, False),
        ("categorical", {"classes": 3}, True),
    ],
)
def test_model_with_a_temperature_predicts_what_its_predictions_become(
    rng, tmp_path, head, options, compiled
):
    model, x = network(pn.Head(head, **options), rng, compiled=compiled)
    before = model.predict(x, verbose=0)
    scaling = calibration.TemperatureScaling(1.7)
    copy = scaling(model)
    assert type(copy) is type(model)
    assert copy.compiled == compiled
    expected = scaling(model.predict_distribution(x, verbose=0)).mean()
    np.testing.assert_allclose(copy.predict(x, verbose=0), expected, rtol=2e-6)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)
    copy.save(tmp_path / "copy.keras")
    loaded = keras.saving.load_model(tmp_path / "copy.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), copy.predict(x, verbose=0))


def test_functional_model_with_a_temperature(rng):
    inputs = keras.Input((3,))
    model = pn.Model(inputs, pn.Head("bernoulli")(keras.layers.Dense(4, "tanh")(inputs)))
    model.layers[-1].kernel.assign([[1.0], [-0.5], [0.3], [0.8]])
    x = rng.normal(size=(100, 3))
    d = model.predict_distribution(x, verbose=0)
    found = calibration.TemperatureScaling(0.4)
    copy = found(model)
    assert type(copy) is type(model)
    np.testing.assert_allclose(copy.predict(x, verbose=0), found(d).mean(), rtol=2e-6)


# ---- scale -------------------------------------------------------------------------------------


def test_factor_of_normal_and_laplace_in_closed_form(rng):
    loc, y = rng.normal(size=(2, 80))
    scale = rng.uniform(0.5, 2.0, size=80)
    z = (y - loc) / scale
    for family, expected in (("normal", np.sqrt(np.mean(z**2))), ("laplace", np.mean(abs(z)))):
        d = pn.Predictive(family, {"loc": loc, "scale": scale})
        found = calibration.scale_scaling(y, d)
        assert found.factor == pytest.approx(expected, rel=1e-7)
        np.testing.assert_allclose(found(d).stddev(), found.factor * d.stddev(), rtol=1e-12)
        np.testing.assert_array_equal(found(d).params["loc"], loc)


@pytest.mark.parametrize(
    ("family", "reference", "fixed"),
    [
        ("logistic", stats.logistic, {}),
        ("gumbel", stats.gumbel_r, {}),
        ("student_t", stats.t, {"df": 3.0}),
    ],
)
def test_factor_is_the_scale_that_scipy_fits_to_standardised_y(rng, family, reference, fixed):
    loc, y = rng.normal(size=(2, 300))
    scale = rng.uniform(0.5, 2.0, size=300)
    found = calibration.scale_scaling(
        y, pn.Predictive(family, {"loc": loc, "scale": scale, **fixed})
    )
    expected = reference.fit(
        (y - loc) / scale, floc=0.0, **{f"f{name}": value for name, value in fixed.items()}
    )[-1]
    assert found.factor == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("factor", [1e-6, 1e-2, 1e3, 1e6])
def test_factor_far_from_one(rng, factor):
    y = factor * rng.gumbel(size=500)
    d = pn.Predictive("gumbel", {"loc": np.zeros(500), "scale": 1.0})

    def slope(ratio):  # of the log-likelihood in the scale
        z = y / (ratio * factor)
        return np.mean(z - z * np.exp(-z)) - 1.0

    expected = factor * optimize.brentq(slope, 0.5, 2.0, xtol=1e-12)
    assert calibration.scale_scaling(y, d).factor == pytest.approx(expected, rel=1e-7)


def test_factor_of_a_discretized_normal_is_the_spread_of_counts(rng):
    y = np.round(rng.normal(50.0, 12.0, size=400))
    d = pn.Predictive(pn.families.Discretized("normal"), {"loc": np.full(400, 50.0), "scale": 0.02})

    def loss(scale):
        mass = stats.norm.cdf(y + 0.5, 50.0, scale) - stats.norm.cdf(y - 0.5, 50.0, scale)
        return -np.log(mass).sum()

    best = optimize.minimize_scalar(loss, bounds=(8, 16), method="bounded")
    found = calibration.scale_scaling(y, d)
    assert 0.02 * found.factor == pytest.approx(best.x, rel=1e-4)


def test_factor_of_an_ensemble_scales_its_members(rng):
    members = [normal(rng.normal(size=5), s) for s in (0.5, 1.0)]
    pooled = PooledPredictive(members)
    found = calibration.ScaleScaling(2.0)(pooled)
    assert isinstance(found, PooledPredictive)
    np.testing.assert_allclose(found.aleatoric_variance(), 4.0 * pooled.aleatoric_variance())
    np.testing.assert_allclose(found.epistemic_variance(), pooled.epistemic_variance())
    np.testing.assert_array_equal(found.params["scale"], 2.0 * pooled.params["scale"])


def test_factor_of_log_normal_is_that_of_the_logarithm(rng):
    loc, log_y = rng.normal(size=(2, 300))
    found = calibration.scale_scaling(
        np.exp(log_y), pn.Predictive("log_normal", {"loc": loc, "scale": 0.5})
    )
    expected = calibration.scale_scaling(log_y, normal(loc, 0.5))
    assert found.factor == pytest.approx(expected.factor, rel=1e-7)


def test_factor_of_an_ensemble_and_of_censored_y_maximises_the_likelihood(rng):
    y = rng.normal(scale=2.0, size=200)
    members = [normal(rng.normal(size=200), s) for s in (0.5, 1.0)]
    found = calibration.scale_scaling(y, PooledPredictive(members))

    def of_mixture(log_f):
        parts = [
            stats.norm.pdf(y, m.params["loc"], np.exp(log_f) * m.params["scale"]) for m in members
        ]
        return -np.log(np.mean(parts, axis=0)).sum()

    best = optimize.minimize_scalar(of_mixture, bounds=(-2, 3), method="bounded")
    assert found.factor == pytest.approx(np.exp(best.x), rel=1e-4)
    seen = y < 1.0
    bounds = np.column_stack([np.minimum(y, 1.0), np.where(seen, y, np.inf)])
    d = pn.Predictive(pn.families.Censored("normal"), {"loc": np.zeros(200), "scale": 0.5})
    found = calibration.scale_scaling(bounds, d)

    def of_bounds(s):
        return -stats.norm.logpdf(y[seen], 0, s).sum() - (~seen).sum() * stats.norm.logsf(1, 0, s)

    best = optimize.minimize_scalar(of_bounds, bounds=(0.1, 9), method="bounded")
    assert 0.5 * found.factor == pytest.approx(best.x, rel=1e-4)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("normal", {}),
        ("normal", {"constant": ["scale"]}),
        ("normal", {"constant": ["loc", "scale"]}),
        ("normal", {"units": 2}),
        ("normal", {"units": 2, "constant": ["scale"]}),
        ("student_t", {"fixed": {"df": 4.0}, "constant": ["scale"]}),
        ("mixture", {"family": "normal", "components": 2}),
    ],
)
def test_model_with_a_factor_predicts_what_its_predictions_become(rng, tmp_path, family, options):
    model, x = network(pn.Head(family, **options), rng)
    scaling = calibration.ScaleScaling(1.7)
    copy = scaling(model)
    d = model.predict_distribution(x, verbose=0)
    found = copy.predict_distribution(x, verbose=0)
    for name, values in scaling(d).params.items():
        np.testing.assert_allclose(found.params[name], values, rtol=2e-6, atol=1e-6)
    copy.save(tmp_path / "copy.keras")
    loaded = keras.saving.load_model(tmp_path / "copy.keras").predict_params(x, verbose=0)
    np.testing.assert_array_equal(loaded["scale"], found.params["scale"])


# ---- isotonic ----------------------------------------------------------------------------------


def test_knots_are_quantiles_of_the_transform(rng):
    y = rng.normal(size=999)
    found = calibration.isotonic(y, normal(np.zeros(999), 1.5), knots=3)
    # sin^2 of pi / 8, pi / 4 and 3 pi / 8 are 0.1464, 0.5 and 0.8536.
    np.testing.assert_allclose(found.targets, [0, 0.146, 0.5, 0.854, 1], rtol=1e-12)
    values = np.sort(stats.norm.cdf(y, 0, 1.5))
    np.testing.assert_array_equal(found.levels, [0, *values[[145, 499, 853]], 1])
    assert len(calibration.isotonic(y, normal(np.zeros(999))).levels) == 22
    assert len(calibration.isotonic(y[:40], normal(np.zeros(40))).levels) == 6


def test_recalibrated_new_rows_are_uniform_and_more_probable(rng):
    loc, spread = rng.normal(size=(2, 8000))
    y = loc + stats.gamma(2.0).ppf(stats.norm.cdf(spread))
    wrong = normal(loc, 3.0)
    found = calibration.isotonic(y[:4000], wrong[:4000])
    old, new = wrong[4000:], found(wrong[4000:])
    assert calibration.uniformity_test(y[4000:], old).pvalue < 1e-10
    assert stats.kstest(new.pit(y[4000:]), "uniform").statistic < 0.04
    truth = stats.gamma(2.0).logpdf(y[4000:] - loc[4000:]).mean()
    assert old.log_prob(y[4000:]).mean() < truth - 0.5
    assert truth - 0.1 < new.log_prob(y[4000:]).mean() < truth
    assert new.crps(y[4000:]).mean() < old.crps(y[4000:]).mean()
    np.testing.assert_allclose(new.mean() - loc[4000:], 2.0, atol=0.15)


@pytest.fixture
def bent():
    """Return a map with a kink in each tail and in the middle."""
    levels = np.array([0.0, 0.02, 0.3, 0.55, 0.9, 0.999, 1.0])
    return calibration.IsotonicRecalibration(levels, np.array([0.0, 0.1, 0.2, 0.6, 0.7, 0.95, 1.0]))


def test_recalibrated_distribution_by_brute_force(bent):
    base = normal([1.0, -3.0], np.array([0.5, 2.0]))
    d = bent(base)
    for row in range(2):
        one, loc, scale = d[row], base.params["loc"][row], base.params["scale"][row]
        cuts = stats.norm.ppf(bent.levels[1:-1], loc, scale)
        ends = [loc - 12 * scale, *cuts, loc + 12 * scale]
        truth = stats.norm(loc, scale)

        def density(v, truth=truth):
            piece = np.searchsorted(bent.levels, truth.cdf(v)) - 1
            return (np.diff(bent.targets) / np.diff(bent.levels))[piece] * truth.pdf(v)

        def integral(term, ends=ends):
            return sum(
                integrate.quad(term, a, b, epsabs=1e-13)[0] for a, b in itertools.pairwise(ends)
            )

        mean = integral(lambda v: v * density(v))
        assert one.mean()[0] == pytest.approx(mean, rel=1e-9)
        variance = integral(lambda v, mean=mean: (v - mean) ** 2 * density(v))
        assert one.variance()[0] == pytest.approx(variance, rel=1e-9)
        assert one.stddev()[0] == pytest.approx(np.sqrt(variance), rel=1e-9)
        entropy = integral(lambda v: special.entr(density(v)))
        assert one.entropy()[0] == pytest.approx(entropy, rel=1e-9)
        for y in (loc - 3 * scale, loc + 0.1 * scale, loc + 5 * scale):
            assert one.log_prob(y)[0] == pytest.approx(np.log(density(y)), rel=1e-10)
            below, above = ([v for v in ends if v < y], [v for v in ends if v > y])
            cdf = integral(density, [*below, y])
            assert one.cdf(y)[0] == pytest.approx(cdf, rel=1e-9)
            assert one.pit(y)[0] == one.cdf(y)[0]
            score = integral(lambda v, one=one: one.cdf(v)[0] ** 2, [*below, y])
            score += integral(lambda v, one=one: one.frozen.sf(v)[0] ** 2, [y, *above])
            assert one.crps(y)[0] == pytest.approx(score, rel=1e-9)


@each_continuous
def test_the_identity_changes_no_distribution(case):
    levels = np.array([0.0, 0.01, 0.3, 0.6, 0.99, 1.0])
    d = pn.Predictive(case.family, case.arrays())
    same = calibration.IsotonicRecalibration(levels, levels)(d)
    y = d.sample(1, seed=3)[0]
    np.testing.assert_allclose(same.mean(), d.mean(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(same.variance(), d.variance(), rtol=1e-8)
    np.testing.assert_allclose(same.crps(y), d.crps(y), rtol=1e-8)
    np.testing.assert_allclose(same.entropy(), d.entropy(), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(same.log_prob(y), d.log_prob(y), rtol=1e-12)
    p = [1e-12, 0.3, 1 - 1e-6]
    np.testing.assert_allclose(same.quantile(p), d.quantile(p), rtol=1e-9)


def test_recalibrated_predictive_is_a_predictive(rng, bent):
    d = bent(normal(rng.normal(size=30), rng.uniform(0.5, 2.0, size=30)))
    p = np.array([1e-9, 0.1, 0.5, 0.65, 0.97])
    np.testing.assert_allclose(
        np.stack([d.cdf(q) for q in d.quantile(p).T], axis=1), np.tile(p, (30, 1)), rtol=1e-9
    )
    np.testing.assert_allclose(d.frozen.sf(d.frozen.isf(1e-12)), 1e-12, rtol=1e-9)
    np.testing.assert_array_equal(np.stack(d.interval(0.8)), d.quantile([0.1, 0.9]).T)
    draws = d.sample(400, seed=1)
    assert draws.shape == (400, 30)
    assert stats.kstest(d.cdf(draws[0]), "uniform").pvalue > 1e-3
    np.testing.assert_allclose(draws.mean(axis=0), d.mean(), atol=5 * d.stddev().max() / 20)
    assert len(d) == 30
    assert len(d[3:7]) == 4
    np.testing.assert_allclose(d[3:7].mean(), d.mean()[3:7], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(d[[2]].quantile(0.3), d.quantile(0.3)[[2]], rtol=1e-12)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(d)).crps(0.3), d.crps(0.3))
    frame = d.to_frame(0.8)
    np.testing.assert_array_equal(frame[["lower", "upper"]], np.stack(d.interval(0.8), axis=1))
    assert repr(d) == "<Predictive recalibrated normal: n=30>"
    assert np.isfinite(calibration.report(draws[0], d).value).all()


def test_one_map_after_another(rng, bent):
    base = normal(rng.normal(size=20))
    y = rng.normal(size=20)
    up = calibration.IsotonicRecalibration(np.array([0, 0.35, 1.0]), np.array([0, 0.8, 1.0]))
    twice = bent(up(base))
    expected = np.interp(
        np.interp(stats.norm.cdf(y, base.params["loc"]), up.levels, up.targets),
        bent.levels,
        bent.targets,
    )
    np.testing.assert_allclose(twice.cdf(y), expected, rtol=1e-12)
    np.testing.assert_allclose(twice.cdf(twice.quantile(0.77)), 0.77, rtol=1e-12)


def test_what_is_calibrated_stays_as_it_is(rng):
    y, base = rng.normal(size=500), normal(np.zeros(500), 2.0)
    once = calibration.isotonic(y, base)(base)
    twice = calibration.isotonic(y, once)(once)
    new = rng.normal(size=500)  # at a knot, rounding would choose between two densities
    np.testing.assert_allclose(twice.cdf(y), once.cdf(y), rtol=1e-12)
    np.testing.assert_allclose(twice.log_prob(new), once.log_prob(new), rtol=1e-9)
    np.testing.assert_allclose(twice.variance()[:3], once.variance()[:3], rtol=1e-9)


def test_ties_and_rounded_levels_are_merged():
    y = np.repeat([0.0, 50.0, -50.0], [60, 20, 20])
    found = calibration.isotonic(y, normal(np.zeros(100)), knots=9)
    assert len(found.levels) == 3  # five knots lie at 0.5, four at 0 or 1
    assert (np.diff(found.levels) > 0).all()
    assert (np.diff(found.targets) > 0).all()
    assert np.isfinite(found(normal(np.zeros(2))).log_prob(1.0)).all()


def test_recalibrated_model(rng, bent):
    model, x = network(pn.Head("normal"), rng)
    fixed = bent(model)
    expected = bent(model.predict_distribution(x, verbose=0))
    np.testing.assert_array_equal(fixed.predict_distribution(x).mean(), expected.mean())
    np.testing.assert_array_equal(fixed.predict(x), expected.mean())
    assert isinstance(adapt(fixed).predict_distribution(x), calibration.RecalibratedPredictive)


def ensemble(head):
    model = pn.Sequential([keras.Input((3,)), pn.Head(head)])
    model.compile("adam")
    return pn.DeepEnsemble(model, members=2)


def test_factors_of_models_without_a_head_of_their_own(rng, bent):
    x = rng.normal(size=(30, 3))
    y = x @ [1.0, -2.0, 0.5] + rng.normal(size=30)
    results = pn.glm.OLS(y, x).fit()
    factor, temperature = calibration.ScaleScaling(2.0), calibration.TemperatureScaling(2.0)
    d = factor(results).predict_distribution(x)
    np.testing.assert_array_equal(
        d.params["scale"], 2.0 * results.predict_distribution(x).params["scale"]
    )
    several = ensemble("normal")
    fixed = factor(several)
    assert isinstance(fixed, calibration.RecalibratedModel)
    pooled = several.predict_distribution(x, verbose=0)
    np.testing.assert_array_equal(
        fixed.predict_distribution(x).aleatoric_variance(),
        factor(pooled).aleatoric_variance(),
    )
    twice = bent(factor(fixed))  # a factor of 4, then the map
    np.testing.assert_allclose(
        twice.predict(x), bent(calibration.ScaleScaling(4.0)(pooled)).mean(), rtol=1e-12
    )
    classes = ensemble("bernoulli")
    np.testing.assert_array_equal(
        temperature(classes).predict(x),
        temperature(classes.predict_distribution(x, verbose=0)).mean(),
    )


def test_recalibrated_model_passes_options_on(rng, bent, capsys):
    model, x = network(pn.Head("normal"), rng)
    sizes = []
    model.predict_distribution = lambda x, **options: (
        sizes.append(options) or type(model).predict_distribution(model, x, **options)
    )
    fixed = bent(model)
    # Sums of three and four terms of size 1 in float32, in the order of another batch.
    one, other = fixed.predict(x, batch_size=7), fixed.predict(x)
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    fixed.predict_distribution(x, verbose=2)
    assert sizes == [{"batch_size": 7, "verbose": 0}, {"verbose": 0}, {"verbose": 2}]
    assert "Iso" in repr(fixed)
    assert "Sequential" in repr(fixed)


def test_integrals_of_many_rows_are_of_a_part_at_a_time(rng, bent, monkeypatch):
    n = 6000
    d = bent(normal(rng.normal(size=n), rng.uniform(0.5, 2.0, size=n)))
    y = rng.normal(size=n)

    def integrals():
        return np.stack([d.mean(), d.variance(), d.entropy(), d.crps(y)])

    edges = len(bent.levels) + 21
    monkeypatch.setattr(recalibrated, "_CHUNK", edges * n)
    expected = integrals()  # all at once
    monkeypatch.setattr(recalibrated, "_CHUNK", edges * n // 20)
    d = d[:]
    tracemalloc.start()
    found = integrals()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)  # means near 0
    assert peak < 2 * 8 * edges * n  # bytes of two arrays of all edges


def test_recalibrated_ensemble_is_of_its_mixture(rng, bent):
    members = [normal(rng.normal(size=4), s) for s in (0.2, 1.0, 3.0)]
    d = bent(PooledPredictive(members))
    draws = d.sample(50_000, seed=2)
    error = draws.std(axis=0) / np.sqrt(50_000)
    assert (abs(draws.mean(axis=0) - d.mean()) < 5 * error).all()
    np.testing.assert_allclose(draws.var(axis=0), d.variance(), rtol=0.05)
    half = 0.5 * abs(draws[:25_000] - draws[25_000:]).mean(axis=0)
    np.testing.assert_allclose(abs(draws - 0.7).mean(axis=0) - half, d.crps(0.7), rtol=0.05)


# ---- conformal ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["cqr", "absolute", "normalised"])
@pytest.mark.parametrize("model", ["right", "wrong"])
@pytest.mark.parametrize(("n", "level"), [(44, 0.9), (30, 0.5)])
def test_conformal_intervals_cover_as_often_as_they_say(rng, method, model, n, level):
    # y is normal with a deviation that x decides; the wrong model is biased and too narrow.
    def believed(x):
        right = np.exp(0.5 * x)
        return normal(0.0 * x, right) if model == "right" else normal(0.3 + 0.1 * x, 0.4)

    x_new = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    covered = []
    for _ in range(500):
        x = rng.normal(size=n)
        y = np.exp(0.5 * x) * rng.normal(size=n)
        found = calibration.conformal(y, believed(x), level=level, method=method)
        lower, upper = found.interval(believed(x_new))
        truth = stats.norm(0.0, np.exp(0.5 * x_new))
        covered.append(np.mean(truth.cdf(upper) - truth.cdf(lower)))
    k = math.ceil((n + 1) * level)
    law = stats.beta(k, n + 1 - k)
    # Given the held-out rows, the coverage has this law: its mean is k / (n + 1).
    assert abs(np.mean(covered) - law.mean()) < 5 * law.std() / np.sqrt(500)
    assert level < np.mean(covered) < level + 1 / (n + 1)
    assert stats.kstest(covered, law.cdf).pvalue > 1e-4


@pytest.mark.parametrize("kind", ["bernoulli", "categorical"])
def test_conformal_sets_cover_as_often_as_they_say(rng, kind):
    n, level = 44, 0.8

    def rows(size):
        truth = rng.dirichlet([0.7] * (2 if kind == "bernoulli" else 4), size=size)
        wrong = truth**2 / (truth**2).sum(axis=1, keepdims=True)
        return truth, bernoulli(wrong[:, 1]) if kind == "bernoulli" else categorical(wrong)

    covered = []
    for _ in range(500):
        truth, d = rows(n)
        y = (rng.random((n, 1)) > np.cumsum(truth, axis=1)[:, :-1]).sum(axis=1)
        found = calibration.conformal(y, d, level=level)
        truth, d = rows(400)
        sets = found.set(d)
        assert sets.dtype == bool
        covered.append((truth * sets).sum(axis=1).mean())
    k = math.ceil((n + 1) * level)
    assert abs(np.mean(covered) - k / (n + 1)) < 5 * np.std(covered) / np.sqrt(500)


def test_conformal_margin_is_an_order_statistic():
    y = np.arange(1.0, 10.0)
    found = calibration.conformal(y, normal(np.zeros(9)), level=0.9, method="absolute")
    assert found.margin == 9.0  # (n + 1) level is 9, a whole number
    assert calibration.conformal(y, normal(np.zeros(9)), level=0.5, method="absolute").margin == 5.0
    y = np.arange(1.0, 100.0)
    found = calibration.conformal(y, normal(np.zeros(99)), level=0.55, method="absolute")
    assert found.margin == 55.0  # 100 * 0.55 is 55.00000000000001
    half = calibration.conformal(y[:9], normal(np.zeros(9), 2.0), level=0.5, method="normalised")
    assert half.margin == 2.5
    lower, upper = half.interval(normal([1.0], 4.0))
    assert (lower[0], upper[0]) == (-9.0, 11.0)


def test_conformal_intervals_stay_in_the_support_and_never_turn_round(rng):
    wide = normal(np.zeros(50), 10.0)
    found = calibration.conformal(0.01 * rng.normal(size=50), wide, level=0.5)
    lower, upper = found.interval(normal([3.0], 0.1))
    assert found.margin < 0
    np.testing.assert_allclose([lower[0], upper[0]], 3.0, atol=1e-12)
    positive = pn.Predictive("gamma", {"mean": np.ones(50), "shape": 100.0})
    found = calibration.conformal(rng.gamma(1.0, size=50), positive, method="absolute")
    lower, upper = found.interval(positive)
    assert (lower == 0.0).all()
    assert (upper > 1.0).all()


# ---- errors ------------------------------------------------------------------------------------

Y, D, B = np.array([0.0, 1.0, 3.0]), normal(np.zeros(3)), bernoulli([0.1, 0.5, 0.9])
POISSON = pn.Predictive("poisson", {"rate": np.ones(3)})
TWEEDIE = pn.Predictive("tweedie", {"mean": np.ones(3), "dispersion": np.ones(3)})
CENSORED = pn.Predictive(pn.families.Censored("normal"), {"loc": np.zeros(3), "scale": 1.0})
TURN = pn.Predictive("von_mises", {"loc": np.zeros(3), "concentration": 1.0})
BOUNDS = np.array([[1.0, np.inf]] * 3)
BENT = calibration.IsotonicRecalibration(np.array([0, 0.5, 1]), np.array([0, 0.2, 1]))


def head_model(*args, **kwargs):
    return pn.Sequential([keras.Input((2,)), pn.Head(*args, **kwargs)])


def two_heads():
    inputs = keras.Input((2,))
    return pn.Model(inputs, [pn.Head("normal")(inputs), pn.Head("normal")(inputs)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.temperature_scaling(Y, D), "bernoulli or the categorical family"),
        (lambda: calibration.temperature_scaling([0, 0, 1], B), "lower the temperature"),
        (lambda: calibration.temperature_scaling([1, 1, 0], B), "no better at any temperature"),
        (lambda: calibration.temperature_scaling([0, 1], bernoulli([0.1, 0.0])), "is possible"),
        (lambda: calibration.temperature_scaling([0, 1], B), r"y of shape \(3,\)"),
        (lambda: calibration.TemperatureScaling(2.0)(D), "bernoulli or the categorical family"),
        (lambda: calibration.TemperatureScaling(2.0)(3), "one head. Received: int"),
        (lambda: calibration.TemperatureScaling(-1.0), "finite temperature above 0. Received: -1"),
        (lambda: calibration.TemperatureScaling(0.0), "finite temperature above 0. Received: 0"),
        (lambda: calibration.TemperatureScaling("a"), "finite temperature above 0. Received: 'a'"),
        (lambda: calibration.ScaleScaling(-1), "finite factor above 0. Received: -1"),
        (lambda: calibration.ScaleScaling(np.inf), "finite factor above 0. Received: inf"),
        (lambda: calibration.Conformal(0.9, 1.0, "foo"), "cqr, absolute, normalised, classes"),
        (lambda: calibration.Conformal(1.0, 1.0, "cqr"), "level between 0 and 1"),
        (lambda: calibration.Conformal(0.9, np.nan, "cqr"), "finite margin. Received: nan"),
        (lambda: calibration.IsotonicRecalibration([0, 0.5, 0.9], [0, 0.2, 0.1]), "from 0 to 1"),
        (lambda: calibration.IsotonicRecalibration([0, 1], [0, 0.2, 1]), "of one shape"),
        (lambda: calibration.IsotonicRecalibration([0, 0.5, 0.5, 1], [0, 0.2, 0.3, 1]), "incre"),
        (lambda: calibration.IsotonicRecalibration([], []), "from 0 to 1"),
        (lambda: calibration.ScaleScaling(2.0)(ensemble("poisson")), "a scale"),
        (
            lambda: calibration.TemperatureScaling(2.0)(ensemble("normal")),
            "bernoulli or the categorical family",
        ),
        (lambda: BENT(head_model("poisson")), "continuous distribution.*<family poisson"),
        (lambda: BENT(ensemble("bernoulli")), "temperature_scaling"),
        (lambda: BENT(pn.glm.GLM(Y, np.ones(3), family="poisson").fit()), "continuous"),
        (lambda: BENT(two_heads()), "one head"),
        (lambda: calibration.isotonic(Y, normal(np.full(3, 1e3))), "in 3 of 3 rows. Use scale"),
        (
            lambda: calibration.isotonic(np.linspace(-3, 3, 200), normal(np.zeros(200), 0.001)),
            "strictly between 0 and 1.*scale_scaling first",
        ),
        (
            lambda: calibration.scale_scaling(
                np.zeros(20),
                pn.Predictive(
                    pn.families.Discretized("normal"), {"loc": np.zeros(20), "scale": 1.0}
                ),
            ),
            "no factor of the scale is best",
        ),
        (lambda: calibration.scale_scaling(BOUNDS - 2.0, CENSORED), "no factor of the scale"),
        (lambda: calibration.scale_scaling(BOUNDS, CENSORED), "no factor of the scale is best"),
        (lambda: calibration.scale_scaling(Y, normal(np.zeros(3), 0.0)), "a scale above 0"),
        (lambda: calibration.TemperatureScaling(2.0)(two_heads()), "one head.*the heads"),
        (
            lambda: calibration.TemperatureScaling(2.0)(head_model("bernoulli", link="probit")),
            r"logit link.*probit.*predict_distribution\(x\)",
        ),
        (
            lambda: calibration.TemperatureScaling(2.0)(
                head_model("bernoulli", fixed={"probs": 0.5})
            ),
            "trainable probabilities",
        ),
        (lambda: calibration.TemperatureScaling(2.0)(head_model("normal")), "bernoulli family"),
        (
            lambda: calibration.TemperatureScaling(2.0)(pn.Sequential([pn.Head("bernoulli")])),
            "not built",
        ),
        (lambda: calibration.scale_scaling(Y, POISSON), "family with a scale: normal, student_t"),
        (lambda: calibration.scale_scaling(np.zeros(3), D), "differs from the location"),
        (
            lambda: calibration.scale_scaling(
                np.zeros(3), pn.Predictive("laplace", {"loc": np.zeros(3), "scale": 1.0})
            ),
            "differs from the location",
        ),
        (lambda: calibration.scale_scaling(Y, BENT(D)), "as a model makes it.*Scale first"),
        (lambda: calibration.ScaleScaling(2.0)(POISSON), "family with a scale"),
        (lambda: calibration.ScaleScaling(2.0)(head_model("poisson")), "family with a scale"),
        (
            lambda: calibration.ScaleScaling(2.0)(
                head_model(pn.families.Normal(links={"scale": "softplus"}))
            ),
            r"log link.*softplus.*predict_distribution\(x\)",
        ),
        (
            lambda: calibration.ScaleScaling(2.0)(head_model("normal", fixed={"scale": 1.0})),
            r"predicted or constant.*constant=\['scale'\]",
        ),
        (
            lambda: calibration.ScaleScaling(2.0)(head_model("normal", use_bias=False)),
            "with an intercept",
        ),
        (lambda: calibration.isotonic(Y, POISSON), "continuous distribution.*make intervals"),
        (lambda: calibration.isotonic(Y, TWEEDIE), "continuous distribution"),
        (lambda: calibration.isotonic(Y, TURN), "on a line"),
        (lambda: calibration.isotonic(BOUNDS, CENSORED), "continuous distribution"),
        (lambda: calibration.isotonic([0, 1, 1], B), "temperature_scaling"),
        (lambda: calibration.isotonic(Y, D, knots=4), "as many knots as rows, 3. Received: 4"),
        (lambda: calibration.isotonic(Y, D, knots=0), "`knots` to be a whole number"),
        (lambda: calibration.isotonic([0.0, np.inf, 1.0], D), "real numbers"),
        (lambda: BENT(POISSON), "continuous distribution"),
        (lambda: BENT(Y), "Expected a Predictive.*ndarray"),
        (lambda: calibration.conformal(Y, D), "at least 9 rows, for the level 0.9. Received: 3"),
        (lambda: calibration.conformal(Y, D, level=90), "level between 0 and 1"),
        (lambda: calibration.conformal(Y, D, method="jackknife"), "cqr, absolute, normalised"),
        (lambda: calibration.conformal(BOUNDS, CENSORED), "seen in every row"),
        (lambda: calibration.conformal(Y, TURN), "on a line"),
        (
            lambda: calibration.conformal(
                Y,
                pn.Predictive("student_t", {"loc": Y, "scale": 1.0, "df": 1.0}),
                level=0.5,
                method="absolute",
            ),
            "finite scores.*cqr",
        ),
        (lambda: calibration.Conformal(0.9, 1.0, "cqr").set(D), "ask for the interval"),
        (lambda: calibration.Conformal(0.9, 1.0, "classes").interval(B), "ask for the set"),
        (lambda: calibration.Conformal(0.9, 1.0, "cqr").interval(B), "ask for the set"),
        (lambda: calibration.Conformal(0.9, 1.0, "cqr").interval(Y), "Expected a Predictive"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
