"""Variational layers: their divergence, its part in each row, draws and estimators."""

import keras
import numpy as np
import pytest
from scipy import integrate, linalg, stats

import probnn as pn
from probnn import backend
from probnn.bayes import priors
from probnn.fitted import adapt

ops = keras.ops
Dense = pn.layers.DenseVariational
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = X @ [1.5, -0.7] + 0.5 * RNG.normal(size=60)


def host(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), dtype="float64")


def built(layer, shape, size=0.4):
    """Return a layer with a posterior that is not the first one."""
    layer.build((None, *shape))
    rng = np.random.default_rng(7)
    for variable in layer.trainable_variables:
        variable.assign(variable + size * rng.normal(size=variable.shape))
    return layer


def moments(layer):
    """Return the mean of all weights, and the Cholesky factor of their covariance."""
    mean = np.concatenate([host(v).ravel() for v in (layer.kernel, layer.bias)])
    raw = [host(v) for v in layer.trainable_variables if "raw" in v.name]
    if layer.posterior_kind == "full":
        return mean, np.tril(*raw, -1) + np.diag(np.log1p(np.exp(np.diag(*raw))))
    return mean, np.diag(np.log1p(np.exp(np.concatenate([each.ravel() for each in raw]))))


def network(*layers, **kwargs):
    model = pn.Sequential([keras.Input((2,)), *layers, pn.Head("normal")])
    model.compile(keras.optimizers.Adam(0.01), **kwargs)
    return model


# ---- the divergence and the draws ---------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize("posterior", ["mean_field", "full"])
def test_divergence_and_draws_are_those_of_the_normal_distribution(posterior):
    layer = Dense(2, prior=priors.Normal(0.3, 1.5), posterior=posterior, initial_scale=0.5)
    built(layer, (3,), 0.2)
    mean, tril = moments(layer)
    k, cov = len(mean), tril @ tril.T
    off = mean - 0.3
    kl = 0.5 * (np.trace(cov) / 2.25 + off @ off / 2.25 - k + k * np.log(2.25))
    kl -= np.log(np.diag(tril)).sum()
    np.testing.assert_allclose(float(host(layer.kl())), kl, rtol=2e-6)
    scales = np.concatenate([host(s).ravel() for s in layer.posterior.scales()])
    np.testing.assert_allclose(scales, np.sqrt(np.diag(cov)), rtol=1e-5)

    draws = []
    for _ in range(300):
        with layer.drawn():
            draws.append(np.concatenate([host(v).ravel() for v in (layer.kernel, layer.bias)]))
    np.testing.assert_array_equal(moments(layer)[0], mean)
    z = linalg.solve_triangular(tril, (np.array(draws) - mean).T, lower=True)
    assert abs(z.mean()) < 4.0 / np.sqrt(z.size)
    np.testing.assert_allclose(z @ z.T / z.shape[1], np.eye(k), atol=4.5 * np.sqrt(2.0 / 300))


def test_divergence_from_other_priors():
    layer = built(Dense(1, prior=priors.Laplace(0.7), use_bias=False), (3,))
    means, (scales,) = host(layer.kernel).ravel(), layer.posterior.scales()
    kl = 0.0
    for mean, sd in zip(means, host(scales).ravel(), strict=True):
        q, p = stats.norm(mean, sd), stats.laplace(scale=0.7)
        ends = mean - 12.0 * sd, mean + 12.0 * sd
        kl += integrate.quad(
            lambda w, q=q, p=p: q.pdf(w) * (q.logpdf(w) - p.logpdf(w)), *ends, points=[0.0]
        )[0]
    np.testing.assert_allclose(float(host(layer.kl())), kl, rtol=2e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["DenseReparameterization", "DenseFlipout"])
def test_divergence_is_that_of_tensorflow_probability(name):
    tfp = pytest.importorskip("tensorflow_probability")
    other = getattr(tfp.layers, name)(3)
    other(np.zeros((1, 4), "float32"))
    layer = Dense(3, use_bias=False)  # whose bias has no posterior there
    layer.build((None, 4))
    raw = next(v for v in layer.weights if "raw_scale" in v.name)
    where = other.kernel_posterior.distribution
    layer.kernel.assign(where.loc.numpy())
    raw.assign(np.log(np.expm1(where.scale.numpy())))
    np.testing.assert_allclose(float(host(layer.kl())), float(other.losses[0]), rtol=1e-5)


# ---- estimators ---------------------------------------------------------------------------------


def loss_of(layer, raw, x):
    """Return a function of a layer's variables and a seed: the mean square output, and gradient."""

    def both(z, seed):
        def loss(z):
            parts = [ops.reshape(z[:3], (3, 1)), ops.reshape(z[3:6], (3, 1)), z[6:]]
            pairs = [*zip((layer.kernel, *raw), parts, strict=True)]
            with keras.StatelessScope([*pairs, (layer.seed_generator.state, seed)]):
                return ops.mean(ops.square(layer(x, training=True)))

        return backend.value_and_grad(loss)(z)

    return both


def test_estimators_are_unbiased_and_two_of_them_vary_less():
    x = np.asarray(RNG.normal(size=(40, 3)), "float32")
    found = {}
    for estimator in ("flipout", "local", "reparameterised"):
        layer = built(Dense(1, estimator=estimator, initial_scale=0.5), (3,))
        raw = [v for v in layer.trainable_variables if "raw_scale" in v.name]
        values = np.concatenate([host(v).ravel() for v in (layer.kernel, *raw)]).astype("float32")

        step, state = backend.compiled(loss_of(layer, raw, x)), layer.seed_generator.state
        seeds = np.arange(600).reshape(300, 2).astype(state.dtype)
        each = [[float(host(v)), *host(g)] for v, g in (step(values, seed) for seed in seeds)]
        found[estimator] = np.array(each)
        # E[(m + s z)^2] = m^2 + s^2 for each row, with its derivatives.
        mean, tril = moments(layer)
        design, sd = np.column_stack([x, np.ones(40)]), np.diag(tril)
        slope = 1.0 - np.exp(-sd)  # of softplus
        exact = [
            np.mean((design @ mean) ** 2 + design**2 @ sd**2),
            *(2.0 * x.T @ (design @ mean) / 40),
            *(2.0 * np.mean(design**2, axis=0) * sd * slope),
        ]
        error = found[estimator].std(axis=0) / np.sqrt(300)
        assert (np.abs(found[estimator].mean(axis=0) - exact) < 4.5 * error + 1e-5).all()
    variances = {name: each.var(axis=0).sum() for name, each in found.items()}
    assert variances["local"] < variances["reparameterised"] / 4.0
    assert variances["flipout"] < variances["reparameterised"] / 2.0


@pytest.mark.parametrize("estimator", ["flipout", "reparameterised"])
def test_convolutions_are_those_of_keras_with_other_weights(estimator):
    options = {"strides": 2, "padding": "same"}
    layer = built(pn.layers.Conv2DVariational(3, 2, estimator=estimator, **options), (5, 6, 2))
    plain = keras.layers.Conv2D(3, 2, **options)
    plain.build((None, 5, 6, 2))
    x = RNG.normal(size=(4000, 5, 6, 2)).astype("float32")
    x[:] = x[0]

    def of_weights(x, kernel, bias):
        plain.set_weights([kernel, bias])
        return host(plain(x))

    means = of_weights(x[:3], host(layer.kernel), host(layer.bias))
    np.testing.assert_allclose(host(layer(x[:3])), means, rtol=1e-5, atol=1e-6)
    assert layer.compute_output_shape((None, 5, 6, 2)) == (None, 3, 3, 3)
    scales = [host(s) ** 2 for s in layer.posterior.scales()]
    variance = of_weights(x[:1] ** 2, *scales)[0]
    draws = np.stack([host(layer(x[:20], training=True)) for _ in range(200)])
    if estimator == "reparameterised":
        assert (np.ptp(draws, axis=1) < 1e-5).all()  # one draw for all rows
    else:
        assert (draws.std(axis=1).max(axis=0) > 0).all()
    rows = draws[:, 0]
    np.testing.assert_allclose(
        rows.mean(axis=0), means[0], atol=4.5 * np.sqrt(variance.max() / 200)
    )
    np.testing.assert_allclose(rows.var(axis=0) / variance, 1.0, atol=4.5 * np.sqrt(2.0 / 200))


# ---- how fit spreads the divergence -------------------------------------------------------------


class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, i):
        return X[25 * i : 25 * (i + 1)], Y[25 * i : 25 * (i + 1)]


def known(layer):
    """Return the number of rows that a layer divides by, which takes part in a row's divergence."""
    return float(host(layer.kl())) / float(host(layer.kl_of_row()))


def test_the_divergence_is_divided_by_the_rows_that_fit_trains_on():
    model = network(layer := Dense(3))
    options = {"epochs": 0, "verbose": 0, "whole_epoch": False}
    for rows, arguments in (
        (60, (X, Y)),
        (120, (np.tile(X, (2, 1)), np.tile(Y, 2))),
        (60, (Rows(),)),
    ):
        model.fit(*arguments, **options)
        np.testing.assert_allclose(known(layer), rows, rtol=1e-6)
    weight = np.arange(60) % 2  # which the mean of a loss is not over
    model.fit(X, Y, validation_split=0.25, sample_weight=weight, **options)
    np.testing.assert_allclose(known(layer), 45, rtol=1e-6)
    model.fit(X, Y, validation_split=0.25, validation_data=(X, Y), **options)
    np.testing.assert_allclose(known(layer), 60, rtol=1e-6)
    said = Dense(3, kl_rows=1000)
    network(said).fit(X, Y, **options)
    np.testing.assert_allclose(known(said), 1000, rtol=1e-6)


def test_time_steps_that_are_not_masked_are_rows():
    x = np.ones((6, 5, 1))
    x[0, 2:] = 0.0
    layers = [keras.layers.Masking(), layer := Dense(2), pn.Head("normal")]
    model = pn.Sequential([keras.Input((5, 1)), *layers])
    model.compile("adam")
    model.fit(x, np.ones((6, 5)), epochs=0, verbose=0, whole_epoch=False)
    np.testing.assert_allclose(known(layer), 27, rtol=1e-6)


def test_nobody_trains_without_the_number_of_rows():
    plain = keras.Sequential([keras.Input((2,)), layer := Dense(1)])
    plain.compile("adam", "mse")
    with pytest.raises(ValueError, match=r"probnn.fit, which count them; or say it: kl_rows="):
        plain.fit(X, Y, verbose=0)
    pn.fit(plain, X, Y, epochs=0, verbose=0, whole_epoch=False)
    np.testing.assert_allclose(known(layer), 60, rtol=1e-6)
    with pytest.raises(ValueError, match="to know the number of rows"):
        network(Dense(1)).train_on_batch(X, Y)
    with pytest.raises(ValueError, match=r"unknown length \(generator\). Say how many"):
        network(Dense(1)).fit(((X, Y) for _ in range(3)), verbose=0)
    summed = pn.NegativeLogLikelihood("normal", check=False, reduction="sum")
    with pytest.raises(ValueError, match="Expected a loss that is the mean over rows"):
        network(Dense(1), loss=summed).fit(X, Y, verbose=0)


@pytest.mark.backend
def test_a_network_trains_in_whole_epochs_and_is_a_fitted_model(tmp_path):
    keras.utils.set_random_seed(2)
    model = network(layer := Dense(3, "tanh", posterior="full"))
    history = model.fit(X, Y, epochs=2, verbose=0, validation_split=0.5, whole_epoch=True).history
    for prefix in ("", "val_"):
        nll, kl, loss = (np.array(history[prefix + name]) for name in ("nll", "kl", "loss"))
        np.testing.assert_allclose(nll + kl, loss, rtol=1e-5)
    now = float(host(layer.kl())) / 30.0
    np.testing.assert_allclose(history["val_kl"][-1], now, rtol=1e-5)
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["kl"], now, rtol=1e-5)
    nll = -model.predict_distribution(X, verbose=0).log_prob(Y).mean()
    np.testing.assert_allclose(found["nll"], nll, rtol=1e-5)

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    np.testing.assert_allclose(known(again.layers[0]), 30, rtol=1e-6)
    assert again.layers[0].get_config() == layer.get_config()

    model.layers[-1].assign_coefficients(np.ones((3, 2)), np.zeros(2))
    passes = pn.bayes.variational(model, np.int64(3))
    same = np.ones((70, 2))  # several batches
    d = passes.predict_distribution(same, verbose=0)
    assert {np.ptp(member.mean()) < 1e-5 for member in d.members} == {True}
    assert (d.epistemic_variance() > 0).all()
    np.testing.assert_array_equal(passes.predict_distribution(same).mean(), d.mean())
    other = pn.bayes.variational(model, 3, seed=1).predict_distribution(same).mean()
    assert np.abs(other - d.mean()).max() > 1e-3
    assert len(adapt(passes).predict_distribution(X).members) == 3
    assert adapt(model).penalised == f"the weights of {layer.name} have priors"
    with pytest.raises(ValueError, match="Expected a network whose weights are numbers"):
        pn.polish(model, X, Y)


@pytest.mark.backend
@pytest.mark.slow
def test_members_of_an_ensemble_train_at_once():
    ensemble = pn.DeepEnsemble(network(Dense(2)), members=2)
    histories = ensemble.fit(X, Y, epochs=2, verbose=0, at_once=True)
    for member, history in zip(ensemble.members, histories, strict=True):
        np.testing.assert_allclose(known(member.layers[0]), 60, rtol=1e-6)
        assert history.history["kl"][0] > history.history["kl"][1]


# ---- what there is not --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Dense(1, posterior="low_rank"), "one of mean_field, full"),
        (
            lambda: Dense(1, posterior="full", estimator="flipout"),
            "one of reparameterised, for a D",
        ),
        (
            lambda: Dense(1, posterior="full", estimator="local"),
            "'local' of those of a dense layer",
        ),
        (lambda: pn.layers.Conv1DVariational(1, 2, estimator="local"), "flipout, reparameterised"),
        (lambda: pn.layers.Conv1DVariational(1, 2, padding="causal"), "'valid' or 'same'"),
        (lambda: Dense(1, prior=priors.StudentT()), "Normal or Laplace. Received: StudentT"),
        (lambda: Dense(1, prior="wide"), "Expected prior to be a standard deviation"),
        (lambda: Dense(1, prior=priors.Normal(0.0, np.ones(2))), "one prior of all weights"),
        (lambda: Dense(1, prior=-1.0), "scale of Normal to be finite and above 0"),
        (lambda: Dense(1, kl_rows=0), "Expected kl_rows above 0"),
        (lambda: pn.bayes.variational(network(keras.layers.Dense(1))), "variational layers, as"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()


# ---- the truth ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("posterior", "estimator"), [("full", None), ("mean_field", "local")])
def test_a_linear_network_has_the_conjugate_posterior(posterior, estimator):
    rng, n, noise, width = np.random.default_rng(0), 200, 0.5, 2.0
    x = rng.normal(size=(n, 2)) @ [[1.0, 0.8], [0.0, 0.6]] + [0.5, 0.0]
    y = 1.0 + x @ [1.5, -0.7] + noise * rng.normal(size=n)
    design = np.column_stack([x, np.ones(n)])
    precision = design.T @ design / noise**2 + np.eye(3) / width**2
    cov = np.linalg.inv(precision)
    mean = cov @ design.T @ y / noise**2

    keras.utils.set_random_seed(1)
    layer = Dense(1, prior=width, posterior=posterior, estimator=estimator)
    head = pn.Head("normal", fixed={"scale": noise}, use_bias=False, trainable=False)
    model = pn.Sequential([keras.Input((2,)), layer, head])
    head.kernel.assign([[1.0]])
    epochs = 20_000
    rate = keras.optimizers.schedules.CosineDecay(0.02, epochs)
    average = {"use_ema": True, "ema_momentum": 1.0 - 10.0 / epochs}
    model.compile(keras.optimizers.Adam(rate, **average))
    model.fit(x, y, batch_size=n, epochs=epochs, verbose=0, whole_epoch=True)

    found, tril = moments(layer)
    spread = tril @ tril.T
    np.testing.assert_allclose((found - mean) / np.sqrt(np.diag(cov)), 0.0, atol=0.02)
    exact = np.diag(cov) if posterior == "full" else 1.0 / np.diag(precision)
    np.testing.assert_allclose(np.sqrt(np.diag(spread) / exact), 1.0, atol=0.03)
    if posterior == "full":  # minus the evidence lower bound is minus the log evidence
        evidence = stats.multivariate_normal(
            np.zeros(n), noise**2 * np.eye(n) + width**2 * design @ design.T
        ).logpdf(y)
        expected = -stats.norm(design @ mean, noise).logpdf(y).sum()
        expected += 0.5 * np.trace(design @ cov @ design.T) / noise**2
        np.testing.assert_allclose(float(host(layer.kl())), -evidence - expected, rtol=5e-3)


@pytest.mark.slow
def test_what_is_not_known_grows_where_there_are_no_data():
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.uniform(-1.0, -0.3, 60), rng.uniform(0.3, 1.0, 60)])[:, None]
    y = np.sin(4.0 * x[:, 0]) + 0.1 * rng.normal(size=120)
    keras.utils.set_random_seed(0)
    layers = [Dense(20, "relu", estimator="local") for _ in range(2)]
    model = pn.Sequential([keras.Input((1,)), *layers, pn.Head("normal", constant=["scale"])])
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(x, y, epochs=2000, verbose=0)
    d = model.predict_distribution(np.array([[-0.6], [0.6], [3.0], [-3.0]]), passes=200, verbose=0)
    sd = np.sqrt(d.epistemic_variance())
    assert sd[2:].min() > 2.0 * sd[:2].max()
    np.testing.assert_allclose(d.mean()[:2], np.sin([-2.4, 2.4]), atol=0.15)
