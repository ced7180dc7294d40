"""What one does with a posterior: tables, rows, files, other models beside it."""

import keras
import numpy as np
import pandas as pd
import pytest

import probnn as pn
from probnn.bayes import Posterior, Priors, laplace, load, mc_dropout, priors, sample
from probnn.bayes.chains import arviz
from probnn.bayes.subjects import subject_of

RNG = np.random.default_rng(4)
DATA = pd.DataFrame({"x": RNG.normal(size=120), "group": np.tile(["a", "b", "c"], 40)})
MEAN = np.exp(0.5 + 0.4 * DATA["x"] + 0.3 * (DATA["group"] == "b"))
DATA["y"] = RNG.poisson(RNG.gamma(2.0, MEAN / 2.0))
FORMULA = "y ~ x + group"


@pytest.fixture(scope="module")
def draws():
    model = pn.glm.glm(FORMULA, DATA, family="negative_binomial")
    return sample(model, priors={"x": priors.StudentT(3.0)}, draws=500, tune=200, chains=2)


def test_a_summary_says_estimates_priors_and_convergence(draws):
    summary = draws.summary(0.9)
    table = summary.table
    assert table.index.tolist() == draws.names
    assert [*table] == ["mean", "sd", "5%", "95%", "r_hat", "ess_bulk", "ess_tail"]
    frame = draws.to_frame()[draws.names]
    np.testing.assert_allclose(table["mean"], frame.mean())
    np.testing.assert_allclose(table["95%"], frame.quantile(0.95))
    said = str(summary)
    assert "x: StudentT(3, 0, 1)" in said
    assert "dispersion: Exponential(1)" in said
    assert "2 chains of 500 draws" in said
    assert "StudentT" in summary._repr_html_()


def test_leave_one_out_counts_rows_as_often_as_their_frequency_weights_say():
    rng = np.random.default_rng(0)
    x, y = np.column_stack([np.ones(12), rng.normal(size=12)]), rng.poisson(2.0, 12)
    counts = rng.integers(1, 4, 12)
    posterior = laplace(pn.glm.GLM(y, x, "poisson", freq_weights=counts), prior=0.01)
    few, data = posterior.loo(), posterior.to_arviz(draws=3)
    rows = np.repeat(np.arange(12), counts)
    whole = laplace(pn.glm.GLM(y[rows], x[rows], "poisson"), prior=0.01).loo()
    for found in (few, arviz().loo(data, pointwise=True)):
        for name in ("elpd_loo", "p_loo", "se", "n_data_points"):
            np.testing.assert_allclose(found[name], whole[name], rtol=1e-8)
    np.testing.assert_array_equal(data.observed_data["y"], y[rows])
    assert data.posterior_predictive["y"].shape == (1, 3, len(rows))


def test_arviz_has_rows_of_fractional_frequency_weights_once_and_says_so():
    posterior = laplace(
        pn.glm.GLM([1, 2, 4], np.ones((3, 1)), "poisson", freq_weights=[1.5, 2.0, 0.0]), prior=1.0
    )
    with pytest.warns(UserWarning, match="each row stands there once"):
        data = posterior.to_arviz(draws=2)
    assert data.observed_data["y"].to_numpy().tolist() == [1.0, 2.0]


def test_an_interval_of_no_level_is_an_error():
    with pytest.raises(ValueError, match="level between 0 and 1"):
        laplace(pn.glm.GLM([1, 2, 4], np.ones((3, 1)), "poisson"), prior=1.0).interval("95%")


def test_arviz_takes_draws_and_leave_one_out_is_near_the_criterion_of_a_fit(draws):
    data = draws.to_arviz(draws=20)
    assert data.posterior["x"].shape == (2, 500)
    assert data.posterior_predictive["y"].shape == (2, 20, 120)
    assert data.log_likelihood["y"].shape == (2, 500, 120)
    results = pn.glm.glm(FORMULA, DATA, family="negative_binomial").fit()
    loo = draws.loo()
    assert abs(loo.elpd_loo - -0.5 * results.aic) < 5.0  # Stone (1977): the same in large samples


def test_a_file_has_all_but_the_rows(draws, tmp_path):
    new = DATA.iloc[:7]
    for posterior in (draws, laplace(pn.glm.glm(FORMULA, DATA, family="poisson"))):
        posterior.save(tmp_path / "a.posterior")
        loaded = load(tmp_path / "a.posterior")
        pd.testing.assert_frame_equal(loaded.to_frame(), posterior.to_frame())
        assert str(loaded.summary()).split("\n")[3:] == str(posterior.summary()).split("\n")[3:]
        for d in (loaded.predict_distribution(new), posterior.predict_distribution(new)):
            np.testing.assert_array_equal(d.mean(), posterior.predict_distribution(new).mean())
        with pytest.raises(AttributeError, match="rows of the training data"):
            loaded.log_likelihood()


def test_models_stand_beside_each_other():
    x, y = DATA[["x"]].to_numpy(), DATA["y"].to_numpy()
    design = np.column_stack([np.ones(120), x])
    model = pn.glm.GLM(y[:80], design[:80], "poisson")
    mle, posterior = model.fit(), laplace(model)
    table = pn.compare(
        {"mle": mle, "laplace": posterior}, x_test=design[80:], y_test=y[80:]
    ).to_frame()
    assert table.loc["x1", ("laplace", "value")] == posterior.mean[1]
    assert table.loc["x1", ("laplace", "se")] == posterior.sd[1]
    right = -posterior.predict_distribution(design[80:]).log_prob(y[80:]).mean()
    np.testing.assert_allclose(table.loc["held-out NLL", ("laplace", "value")], right)
    assert np.isnan(table.loc["AIC", ("laplace", "value")])


def test_posteriors_of_a_neuron_and_of_its_columns_are_compared_by_the_names_of_a_frame():
    x = pd.DataFrame({"a": DATA["x"], "b": RNG.normal(size=120)})
    y, kinds = DATA["y"], np.where(DATA["y"] > 1, "many", "few")
    network = pn.Sequential([keras.Input((2,)), pn.Head("poisson")])
    glm = pn.glm.GLM(y[:80], x[:80].assign(const=1.0), "poisson")
    models = {"glm": laplace(glm), "neuron": laplace(network, x[:80], y[:80])}
    for test in (x[80:], x.iloc[80:, ::-1]):
        table = pn.compare(models, x_test=test, y_test=y[80:]).to_frame()
        for what in ("const", "a", "b", "held-out NLL"):
            np.testing.assert_allclose(*table.loc[what].unstack()["value"], rtol=1e-6)
    classes = pn.Sequential([keras.Input((2,)), pn.Head("categorical", classes=2)])
    classes.responses, _ = classes.responses.learnt(kinds, classes.heads), None
    found = laplace(classes, x, kinds)
    table = pn.compare({"p": found}, x_test=x[:9], y_test=kinds[:9]).to_frame()["p", "value"]
    assert table["a [many]"] == found.mean[1]
    right = -found.predict_distribution(x[:9]).log_prob(kinds[:9]).mean()
    np.testing.assert_allclose(table["held-out NLL"], right, rtol=1e-12)


def test_what_x_does_not_tell_of_a_model_its_posterior_does_not_either():
    y, x = DATA["y"].to_numpy(), np.column_stack([np.ones(120), DATA["x"]])
    posterior = laplace(pn.glm.GLM(y, x, "poisson", exposure=np.linspace(1.0, 3.0, 120)))
    assert pn.diagnose(posterior).findings is not None
    with pytest.raises(ValueError, match="it has an offset or exposure, which x"):
        pn.diagnose(posterior, x, y)
    found = pn.compare({"p": posterior}, x_test=x, y_test=y)
    assert "'p' has an offset (mean 0.6" in found.notes[0]
    assert "held-out NLL" not in found.to_frame().index


@pytest.mark.parametrize("weights", ["freq_weights", "var_weights"])
def test_training_rows_of_weight_0_are_predicted_too(weights):
    frame = DATA.assign(w=1.0 * (np.arange(120) % 4 > 0), z=np.log(MEAN))
    posterior = laplace(pn.glm.glm("z ~ x", frame, family="normal", **{weights: "w"}))
    d, right = posterior.predict_distribution(), posterior.predict_distribution(frame)
    np.testing.assert_allclose(d.log_prob(frame["z"]), right.log_prob(frame["z"]), rtol=1e-12)
    assert posterior.log_likelihood().shape == (1, 1000, 90)


def test_arviz_has_shares_of_trials_and_responses_of_several_columns():
    x, rng = np.column_stack([np.ones(120), DATA["x"]]), np.random.default_rng(0)
    pairs = np.column_stack([rng.binomial(5, 0.3, 120), np.full(120, 5)]) * [1, 2]
    posterior = laplace(pn.glm.GLM(pairs, x, "binomial"))
    data = posterior.to_arviz(draws=200)
    np.testing.assert_array_equal(data.observed_data["y"], pairs[:, 0] / 10.0)
    made = data.posterior_predictive["y"].to_numpy()[0]
    np.testing.assert_allclose(10.0 * made, np.round(10.0 * made), atol=1e-12)
    share = posterior.predict_distribution().mean()
    np.testing.assert_allclose(made.var(axis=0), share * (1.0 - share) / 10.0, rtol=0.5)
    both = np.column_stack([x[:, 1], 5.0 - x[:, 1]]) + rng.normal(size=(120, 2))
    data = laplace(pn.glm.GLM(both, x, "multivariate_normal")).to_arviz(draws=40)
    assert data.posterior_predictive["y"].shape == (1, 40, 120, 2)
    made = data.posterior_predictive["y"].to_numpy()[0]
    np.testing.assert_allclose(made.mean(axis=(0, 1)), both.mean(axis=0), atol=0.2)


def test_intervals_of_means_agree_with_those_of_a_fit(draws):
    low, high = draws.mean_interval(DATA, 0.95)
    results = pn.glm.glm(FORMULA, DATA, family="negative_binomial").fit()
    frame = results.get_prediction(DATA).summary_frame()
    width = (frame["mean_ci_upper"] - frame["mean_ci_lower"]).to_numpy()
    np.testing.assert_allclose((high - low) / width, 1.0, atol=0.35)


def test_dropout_stays_on():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((1,)), keras.layers.Dense(16, "relu"), keras.layers.Dropout(0.5)]
    model = pn.Sequential([*layers, pn.Head("normal")])
    model.layers[-1].assign_coefficients(np.ones((16, 2)), np.zeros(2))
    x = np.linspace(-1.0, 1.0, 20)[:, None]
    posterior, before = mc_dropout(model, 8), [v.numpy().tolist() for v in model.variables]
    d = posterior.predict_distribution(x, verbose=0)
    np.testing.assert_array_equal(posterior.predict_distribution(x).mean(), d.mean())
    assert np.abs(mc_dropout(model, 8, seed=1).predict_distribution(x).mean() - d.mean()).max() > 0
    assert [v.numpy().tolist() for v in model.variables] == before
    assert len({member.mean().tobytes() for member in d.members}) == 8
    assert len(d.members) == 8
    total = d.aleatoric_variance() + d.epistemic_variance()
    assert (d.epistemic_variance() > 0).all()
    np.testing.assert_allclose(d.variance(), total, rtol=1e-9)
    for passes in (1, 2.0, True):
        with pytest.raises(ValueError, match="passes"):
            mc_dropout(model, passes)
    with pytest.raises(ValueError, match="seed to be a whole number"):
        mc_dropout(model, seed=-1)


def test_a_pool_has_weights():
    each = [pn.Predictive("normal", {"loc": [m], "scale": [1.0]}) for m in (0.0, 2.0)]
    d = pn.PooledPredictive(each, [0.25, 0.75])
    np.testing.assert_allclose([*d.mean(), *d.epistemic_variance()], [1.5, 0.75])
    np.testing.assert_allclose(d.cdf(1.0), 0.25 * each[0].cdf(1.0) + 0.75 * each[1].cdf(1.0))
    np.testing.assert_array_equal(d[:1].weights, [0.25, 0.75])
    with pytest.raises(ValueError, match="2 weights"):
        pn.PooledPredictive(each, [0.5, 0.6])


@pytest.mark.parametrize("family", ["normal", "gamma", "inverse_gaussian"])
def test_a_free_dispersion_has_the_maximum_of_the_likelihood(family):
    x = np.column_stack([np.ones(120), DATA["x"]])
    y, weights = np.exp(0.3 * RNG.normal(size=120)), RNG.uniform(0.5, 2.0, 120)
    model = pn.glm.GLM(y, x, family, link="log", var_weights=weights)
    fitted, free = model.fit(), model.with_free_dispersion().fit()
    np.testing.assert_allclose(free.llf, fitted.llf, rtol=1e-12)
    right = model.family.with_dispersion(fitted.scale_ml)[model.dispersion]
    np.testing.assert_allclose(free.params[-1], right, rtol=1e-6)


def test_a_prior_predicts_before_the_data():
    x = np.column_stack([np.ones(40), np.linspace(-2.0, 2.0, 40)])
    model = pn.glm.GLM(np.zeros(40), x, "normal", fixed={"scale": 1.0})
    d = pn.bayes.prior_predictive(model, priors={"*": priors.Normal(0.0, 2.0)}, draws=4_000)
    np.testing.assert_allclose(d.variance(), 1.0 + 4.0 + 4.0 * x[:, 1] ** 2, rtol=0.1)
    with pytest.raises(ValueError, match="proper prior"):
        pn.bayes.prior_predictive(model, priors={"*": priors.Flat()})


def posterior_of(coef, **stats):
    """Return a posterior of draws (chains, draws) of a constant."""
    model = pn.glm.GLM([0.0, 1.0, 3.0], np.ones((3, 1)), "normal", fixed={"scale": 1.0})
    rng = np.random.default_rng(1)
    stats = {"diverging": np.zeros(coef.shape, bool), "energy": rng.normal(size=coef.shape)} | stats
    subject = subject_of(model)
    return Posterior(subject, coef[..., None], Priors(model), method="nuts", stats=stats)


def test_what_is_wrong_with_draws_is_said_with_a_remedy():
    rng = np.random.default_rng(0)
    good = rng.normal(size=(4, 500))
    assert posterior_of(good).problems() == []
    some = np.zeros(good.shape, bool)
    some[0, :20] = True  # 1 %, and no more
    assert posterior_of(good, diverging=some).problems() == []
    some[1, 3] = True
    (said,) = posterior_of(good, diverging=some).problems()
    assert said.startswith("21 of 2000 draws diverged")
    assert "target_accept" in said
    apart = good + 0.5 * np.arange(4)[:, None]
    assert "Chains disagree on 'const': R-hat" in posterior_of(apart).problems()[0]
    (said,) = posterior_of(good[:, :80]).problems()
    assert "below 100 a chain. Raise draws" in said
    slow = np.cumsum(rng.normal(size=good.shape), axis=1)  # a random walk
    (said,) = posterior_of(good, energy=slow).problems()
    assert "E-BFMI 0.0" in said
    with pytest.warns(pn.bayes.SamplingWarning, match="E-BFMI"):
        posterior_of(good, energy=slow).warn()
