"""Random features with a head by Laplace's method are a Gaussian process."""

import keras
import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern

import probnn as pn

RNG = np.random.default_rng(0)
X = RNG.uniform(-2.0, 2.0, (25, 1))
Y = np.sin(2.0 * X[:, 0]) + 0.2 * RNG.normal(size=25)
NEW = np.array([[-1.0], [0.3], [2.5], [40.0]])
AMPLITUDE = 1.5


def process(units):
    head = pn.Head("normal", fixed={"scale": 0.2}, use_bias=False)
    features = pn.layers.RandomFeatures(units, scale=0.8, seed=1)
    network = pn.Sequential([keras.Input((1,)), features, head])
    return network, pn.bayes.laplace(network, X, Y, prior=AMPLITUDE**-2)


@pytest.mark.backend
def test_a_head_on_them_is_bayesian_linear_regression_which_a_file_keeps(tmp_path):
    network, posterior = process(64)
    network.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    layer, new = loaded.layers[0], NEW[:3]  # far away, float32 cannot tell a frequency
    w = keras.ops.convert_to_numpy(layer.frequencies).astype("float64")

    def features(x):
        return np.hstack([np.cos(x @ w), np.sin(x @ w)]) / np.sqrt(32.0)

    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(network.layers[0](new)), features(new), atol=1e-6
    )
    f = features(X)
    covariance = np.linalg.inv(f.T @ f / 0.04 + np.eye(64) / AMPLITUDE**2)
    d = posterior.predict_distribution(new)
    mean = features(new) @ covariance @ f.T @ Y / 0.04
    variance = np.einsum("np,pq,nq->n", features(new), covariance, features(new))
    np.testing.assert_allclose(d.mean(), mean, rtol=1e-5)
    np.testing.assert_allclose(d.epistemic_variance(), variance, rtol=1e-5)


def test_many_are_the_gaussian_process_of_the_kernel():
    kernel = AMPLITUDE**2 * RBF(0.8)
    right = GaussianProcessRegressor(kernel, alpha=0.04, optimizer=None).fit(X, Y)
    mean, sd = right.predict(NEW, return_std=True)
    d = process(1200)[1].predict_distribution(NEW)  # whose kernel has an error of about 0.03
    np.testing.assert_allclose(d.mean(), mean, atol=0.1)
    np.testing.assert_allclose(np.sqrt(d.epistemic_variance()), sd, rtol=0.05)
    np.testing.assert_allclose(d.epistemic_variance()[-1], AMPLITUDE**2, rtol=0.02)


def test_the_inner_products_are_the_kernel_in_several_dimensions():
    x = RNG.normal(size=(40, 3)).astype("float32")
    matern = {f"matern{2 * nu:.0f}2": Matern(2.0, nu=nu) for nu in (1.5, 2.5)}
    for kernel, exact in {"gaussian": RBF(2.0), **matern}.items():
        layer = pn.layers.RandomFeatures(20000, scale=2.0, kernel=kernel, seed=0)
        f = keras.ops.convert_to_numpy(layer(x))
        np.testing.assert_allclose(f @ f.T, exact(x), atol=0.05)  # 5 standard errors


@pytest.mark.backend
def test_training_keeps_the_spectral_norm_of_kernels_below_a_bound(tmp_path):
    bound = pn.layers.MaxSpectralNorm(0.9)
    inputs = keras.Input((3,))
    layer = keras.layers.Dense(3, "relu", kernel_constraint=bound)
    block = keras.layers.add([inputs, layer(inputs)])
    outputs = pn.Head("normal")(pn.layers.RandomFeatures(16)(block))
    network = pn.Model(inputs, outputs)
    network.compile(keras.optimizers.SGD(0.3))
    x = RNG.normal(size=(64, 3))
    network.fit(x, 3.0 * np.sin(4.0 * x[:, 0]), epochs=3, verbose=0, whole_epoch=True)
    network.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    kernel = keras.ops.convert_to_numpy(loaded.layers[1].kernel)
    assert 0.85 < np.linalg.norm(kernel, 2) < 0.900001
    assert loaded.layers[1].kernel_constraint.max_value == 0.9
    for w in (RNG.normal(size=(40, 7)), RNG.normal(size=(3, 30)), np.diag([5.0, 5.0, 5.0])):
        found = keras.ops.convert_to_numpy(bound(w.astype("float32")))
        norm = np.linalg.norm(w, 2)
        assert 0.9 * len(w) ** (-1.0 / 128.0) <= np.linalg.norm(found, 2) + 1e-6 <= 0.900002
        np.testing.assert_allclose(found * norm, w * np.linalg.norm(found, 2), rtol=1e-4)
    still = np.array([[0.5, 0.0], [0.0, 0.2]], "float32")
    np.testing.assert_array_equal(bound(still), still)
    np.testing.assert_array_equal(bound(0.0 * still), 0.0 * still)


@pytest.mark.parametrize("given", [{"units": 3}, {"units": 4, "scale": 0.0}])
def test_what_makes_no_features_is_refused(given):
    with pytest.raises(ValueError, match=r"Expected (units|scale)"):
        pn.layers.RandomFeatures(**given)
    with pytest.raises(ValueError, match="Expected kernel to be one of gaussian"):
        pn.layers.RandomFeatures(4, kernel="sinc")
