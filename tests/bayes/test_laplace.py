"""Laplace's method: exact where it must be, and the networks whose heads it takes."""

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import probnn as pn
from probnn.bayes import Priors, laplace, load, priors

RNG = np.random.default_rng(1)
X = np.column_stack([np.ones(60), RNG.normal(size=(60, 3))])
Y = X @ [1.0, 2.0, 0.0, -1.0] + 0.7 * RNG.normal(size=60)


def linear():
    return pn.glm.GLM(Y, X, "normal", fixed={"scale": 0.7})


def test_a_linear_model_of_known_scale_is_exact():
    posterior = laplace(linear(), prior=2.0)
    covariance = np.linalg.inv(X.T @ X / 0.49 + 2.0 * np.eye(4))
    mean = covariance @ X.T @ Y / 0.49
    np.testing.assert_allclose(posterior.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(posterior.covariance(), covariance, rtol=1e-12)
    evidence = stats.multivariate_normal.logpdf(Y, np.zeros(60), 0.49 * np.eye(60) + X @ X.T / 2.0)
    np.testing.assert_allclose(posterior.log_marginal_likelihood(), evidence, rtol=1e-12)
    new = X[:5] * 3.0
    d, epistemic = posterior.predict_distribution(new), ((new @ covariance) * new).sum(axis=1)
    np.testing.assert_allclose(d.epistemic_variance(), epistemic, rtol=1e-9)
    right = stats.norm(new @ mean, np.sqrt(0.49 + epistemic))
    np.testing.assert_allclose(d.log_prob(Y[:5]), right.logpdf(Y[:5]), rtol=1e-9)
    np.testing.assert_allclose(d.quantile(0.9), right.ppf(0.9), rtol=1e-6)


def test_the_automatic_prior_has_the_largest_evidence():
    found = laplace(linear())

    def negative(log_scale):
        width = np.exp(log_scale) / np.maximum(X.std(axis=0), 1e-9)
        given = {f"x{j}": priors.Normal(0.0, width[j]) for j in (1, 2, 3)}
        return -laplace(linear(), prior=given).log_marginal_likelihood()

    best = optimize.minimize_scalar(negative, bounds=(-3.0, 3.0), method="bounded")
    np.testing.assert_allclose(found.log_marginal_likelihood(), -best.fun, atol=1e-6)


@pytest.mark.parametrize("family", ["normal", "gamma", "negative_binomial", "logistic", "beta"])
def test_as_the_prior_vanishes_it_is_the_covariance_of_results(family):
    mean = np.exp(0.5 * X[:, 1])
    y = {"beta": RNG.beta(2.0, 3.0, 60), "normal": Y, "logistic": Y}.get(
        family, RNG.negative_binomial(3, 1.0 / (1.0 + mean / 3.0)) + (family == "gamma")
    )
    options = {"link": "log"} if family == "gamma" else {}
    model = pn.glm.GLM(y, X, family, **options).with_free_dispersion()
    posterior = laplace(model, prior={"*": priors.Flat()})
    results = model.fit()
    flat = posterior.priors(posterior.mode)[2]  # what the natural scale of a constant adds
    hessian = np.linalg.inv(posterior.covariance_raw) - flat
    np.testing.assert_allclose(hessian, model.likelihood()(posterior.mode)[2], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(posterior.mode[:4], results.coef[:4], rtol=0.3, atol=0.05)


def test_a_prior_heals_separation_which_is_an_error_without():
    y = (X[:, 1] > 0) * 1.0
    with pytest.raises(pn.glm.PerfectSeparationError):
        laplace(pn.glm.GLM(y, X, "bernoulli"), prior={"*": priors.Flat()})
    posterior = laplace(pn.glm.GLM(y, X, "bernoulli"), prior={"*": priors.Normal(0.0, 2.5)})
    assert 2.0 < posterior.mean[1] < 12.0


@pytest.mark.backend
def test_a_networks_head_has_the_posterior_of_its_features_in_a_file_too(tmp_path):
    keras.utils.set_random_seed(0)
    x = np.linspace(-2.0, 2.0, 80)[:, None].astype("float32")
    y = np.sin(2.0 * x[:, 0]) + 0.3 * RNG.normal(size=80)
    layers = [keras.layers.Dense(6, "tanh", kernel_initializer="glorot_normal")]
    head = pn.Head("normal", fixed={"scale": 0.3})
    net = pn.Sequential([keras.Input((1,)), *layers, head])
    posterior = laplace(net, x, y, prior=1.0)
    grid = np.array([[-6.0], [0.0], [1.0], [7.0]], dtype="float32")
    f, g = (
        np.column_stack([np.ones(len(a)), keras.ops.convert_to_numpy(layers[0](a))]).astype(float)
        for a in (x, grid)
    )
    covariance = np.linalg.inv(f.T @ f / 0.09 + np.eye(7))
    d = posterior.predict_distribution(grid)
    np.testing.assert_allclose(d.mean(), g @ covariance @ f.T @ y / 0.09, rtol=1e-4)
    right = np.einsum("ni,ij,nj->n", g, covariance, g)
    np.testing.assert_allclose(d.epistemic_variance(), right, rtol=1e-4)
    assert (right[[0, 3]] > 5.0 * right[[1, 2]].max()).all()  # it grows outside of the data
    posterior.save(tmp_path / "a.posterior")
    loaded = load(tmp_path / "a.posterior", model=net)
    again = loaded.predict_distribution(grid)
    np.testing.assert_array_equal(again.mean(), d.mean())
    assert loaded.log_marginal_likelihood() == posterior.log_marginal_likelihood()
    with pytest.raises(ValueError, match="model=network"):
        load(tmp_path / "a.posterior")
    layers[0].bias.assign(np.ones(6))
    for changed in (
        lambda: load(tmp_path / "a.posterior", model=net),
        lambda: loaded.mean_interval(grid),
    ):
        with pytest.raises(ValueError, match="changed since"):
            changed()


def test_columns_that_say_nothing_have_a_narrow_prior_of_a_bounded_width():
    y = np.random.default_rng(0).poisson(3.0, 60)
    posterior = laplace(pn.glm.GLM(y, X[:, [0, 2]], "poisson"))
    assert posterior.priors.each[1].scale == pytest.approx(2.5e-3 / X[:, 2].std())


@pytest.mark.parametrize("prior", [None, True, "wide", [1.0], priors.Normal()], ids=str)
def test_a_prior_that_is_none_says_what_may_be_one(prior):
    with pytest.raises(ValueError, match="Expected prior 'auto', a precision, a dict or Priors"):
        laplace(linear(), prior=prior)


def test_a_family_with_a_kink_is_refused():
    with pytest.raises(ValueError, match="second derivatives"):
        laplace(pn.glm.GLM(Y, X, "laplace"))


def test_proportions_have_the_prior_of_their_share():
    pairs = np.column_stack([np.full(60, 3.0), np.full(60, 7.0)])
    model = pn.glm.GLM(pairs, X, "bernoulli")
    assert Priors(model).each[0].loc == pytest.approx(np.log(3.0 / 7.0))


FRAME = pd.DataFrame(X[:, 1:], columns=["a", "b", "c"]).assign(
    y=np.where(Y > 1.0, "yes", "no"), w=1, t=np.round(np.exp(X[:, 1]))
)
SAME = {
    "rows shuffled": lambda frame: frame.sample(frac=1.0, random_state=0),
    "columns reordered": lambda frame: frame[frame.columns[::-1]],
    "rows of weight 0": lambda frame: pd.concat([frame, frame[:9].assign(w=0, a=50.0)]),
    "classes renamed": lambda frame: frame.assign(y=frame["y"].map({"no": "A", "yes": "B"})),
}


@pytest.mark.parametrize("what", SAME)
@pytest.mark.parametrize(("response", "family"), [("y", "categorical"), ("t", "negative_binomial")])
def test_what_says_the_same_has_the_same_posterior(what, response, family):
    found = []
    for frame in (FRAME, SAME[what](FRAME)):
        formula = f"{response} ~ a + b + c"
        weights = {"freq_weights": frame["w"]}
        found.append(laplace(pn.glm.glm(formula, frame, family=family, **weights)))
    one, other = found
    assert len(one.names) == len(other.names)
    np.testing.assert_allclose(other.mean, one.mean, rtol=1e-6)
    np.testing.assert_allclose(other.covariance(), one.covariance(), rtol=1e-6, atol=1e-10)
    evidence = one.log_marginal_likelihood()
    np.testing.assert_allclose(other.log_marginal_likelihood(), evidence, rtol=1e-9)


def test_features_of_units_that_no_row_wakes_keep_their_prior():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 1))
    y = np.maximum(x[:, 0], 0.0) + 0.1 * rng.normal(size=40)
    hidden = keras.layers.Dense(2, "relu")
    network = pn.Sequential([keras.Input((1,)), hidden, pn.Head("normal", constant=["scale"])])
    hidden.set_weights([np.array([[1.0, 1.0]]), np.array([0.0, -9.0])])  # the second from x = 9 on
    found = laplace(network, x, y)
    j = found.names.index("feature 2")
    prior = found.priors.each[j]
    np.testing.assert_allclose([found.mean[j], found.sd[j]], [prior.loc, prior.scale], atol=1e-9)
    one = keras.layers.Dense(1, "relu")
    alone = pn.Sequential([keras.Input((1,)), one, pn.Head("normal", constant=["scale"])])
    one.set_weights([np.array([[1.0]]), np.array([0.0])])
    given = {name: found.priors.each[i] for i, name in enumerate(found.names) if i != j}
    same = laplace(alone, x, y, prior=given)
    np.testing.assert_allclose(np.delete(found.mean, j), same.mean, rtol=1e-6)
    np.testing.assert_allclose(np.delete(found.sd, j), same.sd, rtol=1e-6)
    away = found.epistemic_variance(np.array([[5.0], [15.0]]))
    assert away[1] > prior.scale**2 * 36.0  # of a unit that is 6 there
