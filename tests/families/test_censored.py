"""Times to event: likelihoods, networks and accelerated failure time models, against lifelines."""

import keras
import lifelines
import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import probnn as pn
from probnn.predictive.pooled import PooledPredictive

Censored = pn.families.Censored


@pytest.fixture(scope="module")
def rossi():
    """Return 432 convicts' features, and weeks until arrest as bounds."""
    data = lifelines.datasets.load_rossi()
    x = data[["fin", "age", "prio"]].astype(float)
    return x, Censored.bounds(data["week"], data["arrest"]), data[[*x, "week", "arrest"]]


def with_constant(x):
    return x.assign(const=1.0)


FITTERS = {
    "weibull": lifelines.WeibullAFTFitter,
    "log_normal": lifelines.LogNormalAFTFitter,
    "log_logistic": lifelines.LogLogisticAFTFitter,
}


@pytest.mark.parametrize(
    "base", [pytest.param(b, marks=[pytest.mark.slow] * (b == "log_normal")) for b in FITTERS]
)
def test_accelerated_failure_times_as_lifelines(base, rossi):
    x, y, frame = rossi
    ours = pn.glm.GLM(y, with_constant(x), Censored(base)).fit()
    theirs = FITTERS[base]().fit(frame, "week", "arrest", fit_options={"ftol": 1e-12})
    location = theirs.params_.index[0][0]
    want = theirs.params_[location].rename({"Intercept": "const"})
    errors = theirs.standard_errors_[location].rename({"Intercept": "const"})
    gap = (ours.params[want.index] - want) / errors
    assert gap.abs().max() < 1e-3  # what is left is where lifelines' optimiser stops
    np.testing.assert_allclose(ours.bse[want.index], errors, rtol=1e-4)
    np.testing.assert_allclose(ours.llf, theirs.log_likelihood_, rtol=1e-10)
    assert ours.llf >= theirs.log_likelihood_ - 1e-7


def test_left_and_interval_censoring_as_lifelines(rng):
    time = 3.0 * rng.weibull(1.7, size=500)
    edges = np.array([0.0, 0.5, 1.5, 2.5, 4.0, np.inf])
    cell = np.searchsorted(edges, time) - 1
    y = np.column_stack([edges[cell], edges[cell + 1]])
    theirs = lifelines.WeibullFitter().fit_interval_censoring(y[:, 0], y[:, 1])
    found = Censored("weibull").start(y)
    np.testing.assert_allclose(found["scale"], theirs.lambda_, rtol=1e-4)
    np.testing.assert_allclose(found["shape"], theirs.rho_, rtol=1e-4)
    ours = pn.glm.GLM(y, np.ones((500, 1)), Censored("weibull")).fit()
    assert ours.llf >= theirs.log_likelihood_ - 1e-7
    np.testing.assert_allclose(ours.llf, theirs.log_likelihood_, rtol=1e-7)


def test_exponential_has_its_closed_form(rossi):
    _, y, frame = rossi
    found = pn.glm.GLM(y, np.ones((len(y), 1)), Censored("exponential")).fit()
    events, exposure = frame["arrest"].sum(), frame["week"].sum()
    np.testing.assert_allclose(np.exp(found.params), exposure / events, rtol=1e-10)
    np.testing.assert_allclose(found.bse, events**-0.5, rtol=1e-9)  # observed information
    np.testing.assert_allclose(found.llf, -events * (np.log(exposure / events) + 1), rtol=1e-10)


@pytest.mark.slow
def test_the_tobit_model_is_the_maximum_of_its_likelihood(rng):
    x = np.column_stack([np.ones(400), rng.normal(size=400)])
    latent = x @ [0.3, 1.0] + rng.normal(size=400)
    y = np.column_stack([np.where(latent > 0, latent, -np.inf), np.maximum(latent, 0.0)])
    found = pn.glm.GLM(y, x, Censored("normal")).fit()

    def llf(beta, scale):
        z = (y[:, 1] - x @ beta) / scale
        density = stats.norm.logpdf(z) - np.log(scale)
        return np.where(latent > 0, density, stats.norm.logcdf(z)).sum()

    at = found.params
    np.testing.assert_allclose(found.llf, llf(at[:2], at[2]), rtol=1e-12)
    step = 1e-4
    for j in range(3):
        shift = step * (np.arange(3) == j)
        up, down = (llf((at + s)[:2], (at + s)[2]) for s in (shift, -shift))
        slope, curve = (up - down) / (2 * step), (up - 2 * found.llf + down) / step**2
        assert abs(slope) < 1e-4
        assert curve < 0


@pytest.mark.backend
def test_a_network_of_one_neuron_is_polished_to_the_model(rossi):
    x, y, _ = rossi
    exact = pn.glm.GLM(y, with_constant(x), Censored("weibull")).fit()
    standardise = keras.layers.Normalization()
    standardise.adapt(x.to_numpy("float32"))
    head = pn.Head("censored", family="weibull", constant=["shape"])
    model = pn.Sequential([keras.Input((3,)), standardise, head])
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(x, y, epochs=5, batch_size=64, verbose=0)
    found = pn.polish(model, x, y)
    np.testing.assert_allclose(found.params[exact.params.index], exact.params, rtol=1e-4)
    loss = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(loss, -exact.llf / len(y), rtol=1e-5)
    np.testing.assert_allclose(
        model.predict_distribution(x, verbose=0).log_prob(y).sum(), exact.llf, rtol=1e-5
    )


class TestPredictive:
    @pytest.fixture
    def d(self):
        return pn.Predictive(
            Censored("weibull"), {"scale": [2.0, 3.0, 1.0], "shape": [1.5, 0.8, 2]}
        )

    def test_it_is_that_of_the_time_itself(self, d):
        plain = pn.Predictive("weibull", d.params)
        for name in ("mean", "variance", "entropy"):
            np.testing.assert_array_equal(getattr(d, name)(), getattr(plain, name)())
        np.testing.assert_array_equal(d.quantile(0.3), plain.quantile(0.3))
        y = np.array([0.5, 2.0, 3.0])
        for name in ("cdf", "crps", "log_prob", "pit"):
            want = getattr(plain, name)(y)
            np.testing.assert_array_equal(getattr(d, name)(y), want)
            np.testing.assert_array_equal(getattr(d, name)(np.column_stack([y, y])), want)
        np.testing.assert_array_equal(d.sample(5, seed=1), plain.sample(5, seed=1))

    def test_log_prob_of_bounds(self, d):
        y = np.array([[1.0, np.inf], [0.0, 2.0], [0.5, 0.7]])
        found = np.exp(d.log_prob(y))
        for i, (low, high) in enumerate(y):
            want, _ = integrate.quad(
                lambda t, i=i: np.exp(d[i].log_prob(t)[0]), low, high, epsrel=1e-11
            )
            np.testing.assert_allclose(found[i], want, rtol=1e-7)
        frozen = d.family.log_prob(y, d.family.to_raw(d.params))
        np.testing.assert_allclose(d.log_prob(y), frozen, rtol=1e-12)

    def test_improbable_intervals_in_either_tail(self):
        d = pn.Predictive(Censored("normal"), {"loc": [0.0, 0.0], "scale": [1.0, 1.0]})
        # log(Phi(-8.5) - Phi(-9)), by mpmath with 50 digits.
        with mpmath.workdps(50):
            want = float(mpmath.log(mpmath.ncdf(-8.5) - mpmath.ncdf(-9)))
        found = d.log_prob([[-9.0, -8.5], [8.5, 9.0]])
        np.testing.assert_allclose(found, want, rtol=1e-12)

    def test_pit_of_censored_y_is_uniform(self, rng):
        n = 4000
        d = pn.Predictive(Censored("weibull"), {"scale": np.full(n, 2.0), "shape": 1.5})
        time, limit = d.sample(seed=rng)[0], rng.exponential(2.0, size=n)
        y = Censored.bounds(np.minimum(time, limit), time <= limit)
        assert stats.kstest(d.pit(y, seed=0), "uniform").pvalue > 1e-3

    def test_scores_that_need_exact_times_say_so(self, d):
        y = np.array([[1.0, np.inf], [1.0, 1.0], [1.0, 1.0]])
        for score in (d.crps, d.cdf):
            with pytest.raises(ValueError, match="log_prob and pit take censored y"):
                score(y)

    def test_rows_and_frame(self, d):
        assert len(d[1:]) == 2
        assert list(d.to_frame().columns)[:3] == ["scale", "shape", "mean"]


def test_pooled_members_are_a_mixture_of_what_is_censored():
    members = [
        pn.Predictive(Censored("weibull"), {"scale": [scale], "shape": [1.5]}) for scale in (1, 4)
    ]
    pooled = PooledPredictive(members)
    y = np.array([[0.7, np.inf]])
    want = np.mean([np.exp(each.log_prob(y)) for each in members])
    np.testing.assert_allclose(np.exp(pooled.log_prob(y)), want, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Censored("poisson"), "tails can be computed.*Received: <family poisson"),
        (lambda: Censored.bounds([1.0, 2.0], [1]), r"shapes \(2,\) and \(1,\)"),
        (lambda: Censored.bounds([1.0], [2]), "to be 0 or 1"),
        (lambda: Censored("weibull").start([[1.0, np.inf]]), "not right-censored"),
        (lambda: Censored("weibull").start([[2.0, 1.0]]), "lower <= upper"),
        (lambda: pn.Head("censored", family="weibull", units=2), "Expected units=1"),
        (lambda: pn.families.Mixture(Censored("weibull")), "a family of numbers"),
        (lambda: pn.glm.GLM([1.0, 2.0], np.ones((2, 1)), Censored("weibull")), r"shape \(n, 2\)"),
    ],
)
def test_bad_arguments_get_a_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_results_say_what_is_not_defined(rossi):
    x, y, _ = rossi
    found = pn.glm.GLM(y, with_constant(x), Censored("weibull")).fit()
    with pytest.raises(AttributeError, match="compare llf, aic"):
        _ = found.deviance
    with pytest.raises(ValueError, match="the lower and the upper bound"):
        _ = found.resid_response
    text = str(found.summary())
    assert "censored weibull" in text
    assert "Deviance" not in text
    assert isinstance(found.params, pd.Series)


def test_metrics_of_bounds_are_refused():
    model = pn.Sequential([keras.Input((2,)), pn.Head("censored", family="weibull")])
    with pytest.raises(ValueError, match="no metrics of a censored y"):
        model.compile("adam", metrics=["mean_absolute_error"])
    model.compile("adam")


def test_frequency_weights_repeat_rows(rossi, rng):
    x, y, _ = rossi
    x = with_constant(x)
    counts = rng.integers(1, 4, size=len(y))
    again = np.repeat(np.arange(len(y)), counts)
    ours = pn.glm.GLM(y, x, Censored("weibull"), freq_weights=counts).fit()
    long = pn.glm.GLM(y[again], x.iloc[again], Censored("weibull")).fit()
    np.testing.assert_allclose(ours.params, long.params, rtol=1e-8)
    np.testing.assert_allclose(ours.bse, long.bse, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.backend
def test_time_steps_and_ensembles(rng):
    x = rng.normal(size=(60, 4, 2))
    time, limit = rng.weibull(1.5, size=(2, 60, 4))
    y = np.stack([np.minimum(time, limit), np.where(time <= limit, time, np.inf)], axis=-1)
    model = pn.Sequential([keras.Input((4, 2)), pn.Head("censored", family="weibull")])
    model.compile("adam")
    model.fit(x, y, verbose=0)
    assert model.predict_distribution(x, verbose=0).log_prob(y).shape == (60, 4)
    flat = pn.Sequential([keras.Input((2,)), pn.Head("censored", family="weibull")])
    flat.compile("adam")
    ensemble = pn.DeepEnsemble(flat, members=2, seed=0)
    ensemble.fit(x[:, 0], y[:, 0], verbose=0)
    d = ensemble.predict_distribution(x[:, 0])
    each = [
        np.exp(m.predict_distribution(x[:, 0], verbose=0).log_prob(y[:, 0]))
        for m in ensemble.members
    ]
    np.testing.assert_allclose(np.exp(d.log_prob(y[:, 0])), np.mean(each, axis=0), rtol=1e-5)
