"""Draws of all weights of a network: of densities that are written out, and of exact posteriors."""

import keras
import numpy as np
import pytest
from scipy import stats

import probnn as pn
from probnn.bayes import priors, sample
from probnn.bayes.network_posterior import NetworkPosterior, OfWeights, weight_priors
from probnn.bayes.weights import NetworkWeights

RNG = np.random.default_rng(3)
X = RNG.normal(size=(30, 2))
Y = RNG.poisson(np.exp(0.5 * X[:, 0]))


def network(*hidden):
    return pn.Sequential([keras.Input((2,)), *hidden, pn.Head("poisson", name="head")])


@pytest.mark.backend
def test_the_density_of_weights_is_the_likelihood_times_the_prior():
    model = network(keras.layers.Dense(3, "tanh", name="hidden"))
    weight = 1.0 + (np.arange(30) % 3 == 0)
    subject = NetworkWeights(model, X, Y, weight)
    given = weight_priors(subject, {"hidden/kernel": priors.Normal(0.0, 0.5), "head/kernel": 4.0})
    moved = OfWeights(subject, given)
    scale = np.repeat([0.5, 1.0, 0.5, 2.5], [6, 3, 3, 1])
    center = np.append(np.zeros(12), np.log(np.average(Y, weights=weight)))

    def density(z):
        w = center + scale * z
        np.testing.assert_allclose(moved.coef(z), w, atol=1e-6)
        raw = np.tanh(X @ w[:6].reshape(2, 3) + w[6:9]) @ w[9:12] + w[12]
        likelihood = weight @ stats.poisson.logpmf(Y, np.exp(raw))
        return likelihood + stats.norm.logpdf(w, center, scale).sum()

    points = RNG.normal(size=(3, 13))
    with moved.running():
        found = [moved.log_density(z) for z in points]
    gaps = [value - density(z) for (value, _), z in zip(found, points, strict=True)]
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-4)  # up to a constant; in float32
    step = 1e-4 * np.eye(13)
    slope = [(density(points[0] + h) - density(points[0] - h)) / 2e-4 for h in step]
    np.testing.assert_allclose(found[0][1], slope, rtol=1e-4, atol=1e-4)


@pytest.mark.backend
@pytest.mark.slow
def test_the_weights_of_a_neuron_have_the_posterior_of_its_coefficients():
    model = network()
    posterior = sample(model, X, Y, scope="all", priors={"head/*": 1.0}, seed=1)
    assert posterior.problems() == []
    columns = np.column_stack([np.ones(30), X])
    glm = pn.glm.GLM(Y, columns, "poisson")
    peer = sample(glm, priors=pn.bayes.Priors.of_precision(glm, 1.0), seed=2)
    assert posterior.names == ["head/kernel[0,0]", "head/kernel[1,0]", "head/bias[0]"]
    order = [1, 2, 0]
    assert (np.abs(posterior.mean - peer.mean[order]) < 0.1 * peer.sd[order]).all()
    np.testing.assert_allclose(posterior.sd, peer.sd[order], rtol=0.08)
    d, other = posterior.predict_distribution(X[:4]), peer.predict_distribution(columns[:4])
    np.testing.assert_allclose(d.mean(), other.mean(), rtol=0.05)
    each = posterior.log_likelihood()
    assert each.shape == (4, 1000, 30)
    w = posterior.coef[1, 7]
    right = stats.poisson.logpmf(Y, np.exp(X @ w[:2] + w[2]))
    np.testing.assert_allclose(each[1, 7], right, rtol=1e-5)
    assert posterior.to_arviz(draws=4).posterior_predictive["y"].shape == (4, 4, 30)
    told = posterior.summary()
    size = np.sqrt(np.mean(posterior.mean[:2] ** 2))
    np.testing.assert_allclose(told.table.loc["head/kernel", "size"], size, rtol=1e-12)
    assert "all weights, 4 chains of 1000 draws" in str(told)


def test_draws_of_a_network_of_classes_are_compared_in_the_probability_of_each():
    model = pn.Sequential([keras.Input((2,)), pn.Head("categorical", classes=3, name="head")])
    subject, rng = NetworkWeights(model, X, np.minimum(Y, 2)), np.random.default_rng(0)
    draws, stats = 0.1 * rng.normal(size=(2, 300, 6)), {"energy": rng.normal(size=(2, 300))}
    given = weight_priors(subject)
    posterior = NetworkPosterior(subject, draws, given, method="nuts", stats=stats)
    names, watched = posterior._watched
    assert (names[4], len(names)) == ("mean of training row 1 [1]", 90)
    raw = np.append(0.0, X[1] @ draws[1, 7, :4].reshape(2, 2) + draws[1, 7, 4:])
    np.testing.assert_allclose(watched[1, 7, 3:6], np.exp(raw) / np.exp(raw).sum(), rtol=1e-5)
    each = posterior.log_likelihood()
    np.testing.assert_allclose(each[1, 7, 1], np.log(watched[1, 7, 3 + min(Y[1], 2)]), rtol=1e-5)
    low, high = np.quantile(draws, [0.4, 0.6], axis=(0, 1))
    away = (low > 0) | (high < 0)
    told = posterior.summary(0.2).table["not 0 at 20%"]
    assert told.tolist() == [away[:4].sum(), away[4:].sum()]
    loo = posterior.loo()
    assert loo.elpd_loo < np.log(np.exp(each).mean(axis=(0, 1))).sum()


def test_a_large_network_is_refused():
    model = network(keras.layers.Dense(2_000))
    with pytest.raises(ValueError, match="up to 5,000 weights"):
        sample(model, X, Y, scope="all")
    with pytest.raises(ValueError, match="scope 'last' or 'all'"):
        sample(model, X, Y, scope="head")
