"""The weights of stochastic gradient descent: their moments, and where theory has them."""

import keras
import numpy as np
import pytest

import probnn as pn

RNG = np.random.default_rng(5)
X = RNG.normal(size=(400, 4))
X = (X - X.mean(axis=0)) / X.std(axis=0)
Y = X @ [0.4, -0.2, 0.1, 0.0] + RNG.normal(size=400)
Y = (Y - Y.mean()) / Y.std()  # standard units, in which a head trains, are the units of y


def neuron():
    network = pn.Sequential([keras.Input((4,)), pn.Head("normal", fixed={"scale": 1.0})])
    network.layers[-1].assign_coefficients(np.array([[0.3], [0.1], [-0.2], [0.2]]), [0.5])
    return network


@pytest.mark.backend
def test_moments_are_those_of_the_weights_of_descent():
    network = neuron()
    before = network.get_weights()
    options = {"epochs": 6, "batch_size": 400, "learning_rate": 0.3}
    posterior = pn.bayes.swag(network, X, Y, rank=4, **options)
    design, path = np.column_stack([X, np.ones(400)]), []
    weights = np.concatenate([before[0][:, 0], before[1]])
    for _ in range(6):  # batches of all rows: gradient descent
        weights = weights - 0.3 * design.T @ (design @ weights - Y) / 400.0
        path.append(weights)
    np.testing.assert_allclose(posterior.mean, np.mean(path, axis=0), atol=1e-6)
    half = np.diag(np.var(path, axis=0, ddof=1)) + np.cov(path[-4:], rowvar=False)
    np.testing.assert_allclose(posterior.covariance(), half / 2.0, rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose(posterior.sd, np.sqrt(np.diag(half) / 2.0), rtol=1e-3, atol=1e-8)
    many = posterior.draw(40000)
    np.testing.assert_allclose(np.cov(many, rowvar=False), half / 2.0, atol=0.02 * half.max())
    d = posterior.predict_distribution(X[:5], draws=7, verbose=0)
    lines = posterior.draw(7) @ design[:5].T
    np.testing.assert_allclose(d.mean(), lines.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(d.epistemic_variance(), lines.var(axis=0), rtol=1e-3)
    for old, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


@pytest.mark.slow
def test_descent_is_distributed_about_the_optimum_as_theory_says():
    rate, batch = 0.1, 10
    posterior = pn.bayes.swag(
        neuron(), X, Y, epochs=120, rank=120, learning_rate=rate, batch_size=batch
    )
    best = np.append(np.linalg.lstsq(X, Y, rcond=None)[0], 0.0)
    noise = np.var(Y - X @ best[:4], ddof=1) * (1.0 / batch - 1.0 / 400.0)
    # Columns are nearly uncorrelated: weights forget a share `rate` a step. The 40 batches of an
    # epoch are drawn without replacement, so that two of them have the correlation -1 / 39.
    kept = (1.0 - rate) ** np.arange(40)
    of_epoch = np.sum(kept**2) - (np.sum(kept) ** 2 - np.sum(kept**2)) / 39.0
    variance = rate**2 * noise * of_epoch / (1.0 - (1.0 - rate) ** 80)
    np.testing.assert_allclose(posterior.mean, best, atol=4.0 * np.sqrt(variance / 120.0))
    np.testing.assert_allclose(np.mean(posterior.sd**2), variance, rtol=0.2)


def test_what_it_is_not_of_is_refused():
    layers = [keras.Input((4,)), keras.layers.BatchNormalization(name="norm")]
    network = pn.Sequential([*layers, pn.Head("normal")])
    with pytest.raises(ValueError, match=r"keep no statistics of batches.*norm"):
        pn.bayes.swag(network, X, Y)
    with pytest.raises(ValueError, match="Expected rank to be at most epochs"):
        pn.bayes.swag(network, X, Y, epochs=3, rank=4)
    for rate in (-0.1, "0.1", [0.1]):
        with pytest.raises(ValueError, match="learning_rate to be a number above 0"):
            pn.bayes.swag(network, X, Y, learning_rate=rate)
    with pytest.raises(ValueError, match="batch_size to be a whole number from 1 on"):
        pn.bayes.swag(network, X, Y, batch_size=0)
    with pytest.raises(ValueError, match="with one head"):
        pn.bayes.swag(keras.Sequential(layers), X, Y)
