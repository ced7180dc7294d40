"""The posterior of all weights of a network: exact where it must be, and by other routes."""

import json
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import probnn as pn
from probnn import backend
from probnn.backend import keras_private
from probnn.bayes import laplace
from probnn.bayes.weights import NetworkWeights

TORCH = json.loads((Path(__file__).parents[1] / "references/laplace_torch.json").read_text())
RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 2))
Y = X @ [2.0, -1.0] + 0.5 + 0.7 * RNG.normal(size=40)


@pytest.fixture
def float64():
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    with backend.float64(), keras_private.float64_kept():
        yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


def neuron(family, x, y, precision, **options):
    """Return a network of one neuron at the mode of its posterior, and the exact posterior."""
    network = pn.Sequential([keras.Input((x.shape[1],)), pn.Head(family, name="head", **options)])
    last = laplace(network, x, y, prior=precision)
    network.layers[-1].assign_coefficients(last.mode[1:, None], last.mode[:1])
    return network, last


@pytest.mark.backend
@pytest.mark.parametrize("structure", ["full", "kron"])
def test_a_neuron_of_known_scale_is_bayesian_linear_regression(float64, structure):
    network, last = neuron("normal", X, Y, 2.0, fixed={"scale": 0.7})
    f = np.column_stack([X, np.ones(40)])  # in the order of the weights
    covariance = np.linalg.inv(f.T @ f / 0.49 + 2.0 * np.eye(3))
    posterior = laplace(network, X, Y, scope="all", structure=structure, prior=2.0)
    if structure == "kron":  # the constant by itself, and all else exact
        kernel = np.linalg.inv(X.T @ X / 0.49 + 2.0 * np.eye(2))
        np.testing.assert_allclose(posterior.covariance()[:2, :2], kernel, rtol=1e-8)
        np.testing.assert_allclose(posterior.sd[2], (40 / 0.49 + 2.0) ** -0.5, rtol=1e-8)
        return
    np.testing.assert_allclose(posterior.mean, covariance @ f.T @ Y / 0.49, rtol=1e-8)
    np.testing.assert_allclose(posterior.covariance(), covariance, rtol=1e-8, atol=1e-15)
    evidence = stats.multivariate_normal.logpdf(Y, np.zeros(40), 0.49 * np.eye(40) + f @ f.T / 2.0)
    np.testing.assert_allclose(posterior.log_marginal_likelihood(), evidence, rtol=1e-8)
    new = 3.0 * X[:5]
    posterior.predict_distribution(X[:2])
    network.predict(new, verbose=0)  # gives away the memory of what is not trained, on JAX
    d, right = posterior.predict_distribution(new), last.predict_distribution(new)
    np.testing.assert_allclose(d.epistemic_variance(), right.epistemic_variance(), rtol=1e-8)
    np.testing.assert_allclose(d.log_prob(Y[:5]), right.log_prob(Y[:5]), rtol=1e-8)
    assert posterior.names == ["head/kernel[0,0]", "head/kernel[1,0]", "head/bias[0]"]
    assert posterior.to_frame().shape == (1000, 5)


def hidden():
    """Return a network of layers with and without biases, at weights that are no mode."""
    layers = [
        keras.layers.Dense(3, "tanh", name="first"),
        keras.layers.Dense(2, "tanh", use_bias=False, name="second"),
    ]
    network = pn.Sequential([keras.Input((2,)), *layers, pn.Head("normal", name="head")])
    rng = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(0.5 * rng.normal(size=variable.shape))
    return network


@pytest.mark.backend
def test_gauss_newton_is_that_of_differences_and_its_parts_those_of_layers(float64):
    network = hidden()
    weights = network.trainable_variables

    def differences(variable):
        """Return the Jacobian of the raw values in one array of weights, (n, k, ...)."""
        value, found = backend.host_value(variable), []
        for step in 1e-6 * np.eye(value.size).reshape(-1, *value.shape):
            ends = []
            for sign in (1.0, -1.0):
                variable.assign(value + sign * step)
                ends.append(keras.ops.convert_to_numpy(network(X)))
            found.append((ends[0] - ends[1]) / 2e-6)
        variable.assign(value)
        return np.stack(found, axis=-1)

    each = [differences(variable) for variable in weights]
    scale = network.predict_params(X, verbose=0)["scale"]
    information = np.stack([scale**-2.0, np.full(40, 2.0)], axis=1)  # of loc and of log scale
    scaled = [part * np.sqrt(information)[..., None] for part in each]
    whole = np.concatenate(scaled, axis=-1).reshape(80, -1)
    right = whole.T @ whole + 1.5 * np.eye(whole.shape[1])
    given = {"scope": "all", "prior": {"*": 1.5}}
    with pytest.warns(UserWarning, match="not about a mode"):
        full = laplace(network, X, Y, **given)
    np.testing.assert_allclose(np.linalg.inv(full.covariance()), right, rtol=1e-6, atol=1e-6)
    row = np.concatenate(each, axis=-1)[:6, 0]
    variance = np.einsum("np,pq,nq->n", row, np.linalg.inv(right), row)
    d = full.predict_distribution(X[:6])
    np.testing.assert_allclose(d.epistemic_variance(), variance, rtol=1e-6)
    diagonal = laplace(network, X, Y, structure="diag", **given)
    np.testing.assert_allclose(diagonal.sd, np.diag(right) ** -0.5, rtol=1e-6)
    kron = laplace(network, X, Y, structure="kron", **given)
    inner = [X, *pn.layer_outputs(network, X).values()]
    for j, (inputs, slopes) in {0: (inner[0], scaled[1]), 3: (inner[2], scaled[4])}.items():
        outer = np.einsum("nko,nkp->op", slopes, slopes)  # of what a kernel puts out: its bias's
        factors = np.kron(inputs.T @ inputs, outer) / 40.0 + 1.5 * np.eye(each[j].shape[-1])
        place = kron.subject.slices[j]
        found = np.linalg.inv(kron.covariance()[place, place])
        np.testing.assert_allclose(found, factors, rtol=1e-6, atol=1e-6)
    place = kron.subject.slices[1]
    found = np.linalg.inv(kron.covariance()[place, place])
    np.testing.assert_allclose(found, right[place, place], rtol=1e-6, atol=1e-6)


@pytest.mark.backend
@pytest.mark.filterwarnings("ignore:The weights are")
@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_it_agrees_with_laplace_torch(float64, kind):
    told, known = TORCH[kind], TORCH["data"]
    options = {"regression": {"fixed": {"scale": known["noise"]}}, "classification": {"classes": 3}}
    family = {"regression": "normal", "classification": "categorical"}[kind]
    head = pn.Head(family, **options[kind])
    network = pn.Sequential([keras.Input((2,)), keras.layers.Dense(3, "tanh"), head])
    for variable, value in zip(network.trainable_variables, told["weights"], strict=True):
        variable.assign(value)
    prior = {"*": known["precision"]}
    for structure in ("diag", "kron", "full"):
        given = {"scope": "all", "structure": structure, "prior": prior}
        posterior = laplace(network, np.array(known["x"]), np.array(told["y"]), **given)
        right = told[structure]
        found = posterior.log_marginal_likelihood()
        np.testing.assert_allclose(found, right["log_marginal_likelihood"], rtol=1e-7)
        d = posterior.predict_distribution(np.array(known["new"]))
        if kind == "regression":
            raw = np.stack([member.params["loc"][:, None] for member in d.members])
        else:
            probs = np.log([member.params["probs"] for member in d.members])
            raw = probs[..., 1:] - probs[..., :1]
        raw = raw - np.average(raw, axis=0, weights=d.weights)
        covariance = np.einsum("m,mni,mnj->nij", d.weights, raw, raw)
        variance = np.array(right["raw_variance"])[:, -raw.shape[-1] :, -raw.shape[-1] :]
        np.testing.assert_allclose(covariance, variance, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:The weights are")
def test_precisions_of_layers_have_the_largest_marginal_likelihood():
    network = hidden()
    best = laplace(network, X, Y, scope="all", prior="layers")
    found = {group.name: group.precision for group in best.priors.groups if group.found}
    assert [*found] == ["first", "second", "head"]
    assert f"log marginal likelihood {best.log_marginal_likelihood():.6g}" in str(best.summary())
    names = ["first/*", "second/*", "head/kernel"]  # its bias keeps the prior about that of y
    ends = []
    for factor in (0.98, 1.02):
        each = zip(names, found.values(), (1, 2, 3), strict=True)
        near = {name: precision * factor**j for name, precision, j in each}
        ends.append(laplace(network, X, Y, scope="all", prior=near).log_marginal_likelihood())
    assert max(ends) < best.log_marginal_likelihood()
    np.testing.assert_allclose(*ends, atol=1e-4)
    with pytest.raises(ValueError, match="fits none"):
        laplace(network, X, Y, scope="all", prior={"third*": 1.0})


@pytest.mark.parametrize("scope", ["last", "all"])
def test_sample_weights_multiply_the_likelihood_of_rows(scope):
    y, counts = np.round(np.exp(X[:, 0])), np.arange(40) % 3
    network, _ = neuron("poisson", X, y, 1.0)
    frame, rows = pd.DataFrame(X, columns=["a", "b"]), np.repeat(np.arange(40), counts)
    options = {"prior": 1.0, "scope": scope}
    with warnings.catch_warnings(action="ignore"):  # the mode is that of equal weights
        few = laplace(network, frame, y, sample_weight=counts, **options)
        whole = laplace(network, frame.iloc[rows], y[rows], **options)
    np.testing.assert_allclose(few.mean, whole.mean, rtol=1e-6)
    np.testing.assert_allclose(few.covariance(), whole.covariance(), rtol=1e-5, atol=1e-9)
    evidence = whole.log_marginal_likelihood()
    np.testing.assert_allclose(few.log_marginal_likelihood(), evidence, rtol=1e-6)
    used = few.predict_distribution()
    right = few.predict_distribution(frame[counts > 0])
    kept = pd.Series(y, frame.index)[counts > 0]
    np.testing.assert_allclose(used.log_prob(kept), right.log_prob(kept), rtol=1e-6)
    with pytest.raises(ValueError, match="a GLM has its rows and their weights"):
        laplace(pn.glm.GLM(y, X, "poisson"), sample_weight=counts)


@pytest.mark.backend
@pytest.mark.slow
def test_jacobians_of_recurrent_layers_are_those_of_differences():
    x = RNG.normal(size=(5, 3, 2)).astype("float32")
    network = pn.Sequential([keras.Input((3, 2)), keras.layers.LSTM(2), pn.Head("normal")])
    network.layers[-1].assign_coefficients(RNG.normal(size=(2, 2)), np.zeros(2))
    weights = NetworkWeights(network, x, x.sum(axis=(1, 2)))
    ((_, _, jacobian),) = weights.parts(weights.x)
    variable, place = weights.variables[1], weights.slices[1]
    value, ends = backend.host_value(variable), []
    for step in (0.01, -0.01):
        moved = value.copy()
        moved[0, 1] += step
        variable.assign(moved)
        ends.append(keras.ops.convert_to_numpy(network(x)))
    right = (ends[0] - ends[1]) / 0.02
    np.testing.assert_allclose(jacobian[:, :, place.start + 1], right, rtol=2e-3, atol=2e-5)


def test_a_network_that_was_trained_on_is_no_longer_that_of_its_posterior():
    network, last = neuron("poisson", X, np.round(np.exp(X[:, 0])), 1.0)
    posterior = laplace(network, X, np.round(np.exp(X[:, 0])), scope="all", structure="diag")
    shape = posterior.predict_distribution(X).shape
    network.layers[-1].bias.assign([0.3])
    with pytest.raises(ValueError, match="weights have changed since"):
        posterior.predict_distribution(X)
    assert last.predict_distribution(X).shape == shape  # which has the head's own coefficients


@pytest.mark.filterwarnings("ignore:The weights are")
def test_the_order_of_rows_does_not_matter():
    y, order = (Y > 0.5) * 1.0, RNG.permutation(40)
    network, _ = neuron("bernoulli", X, y, 1.0)
    one, other = (laplace(network, X[i], y[i], scope="all") for i in (np.arange(40), order))
    np.testing.assert_allclose(other.sd, one.sd, rtol=1e-6)
    evidence = one.log_marginal_likelihood()
    np.testing.assert_allclose(other.log_marginal_likelihood(), evidence, rtol=1e-7)
