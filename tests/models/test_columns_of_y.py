"""Columns of y keep their identity: a frame of several responses goes by name at every door."""

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import probnn as pn
from probnn.fitted import adapt

N = 40
RNG = np.random.default_rng(3)
X = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["a", "b"])
Y = pd.DataFrame({"p": X["a"] + 0.1 * RNG.normal(size=N), "q": 100.0 + 5.0 * X["b"]})
OTHER = Y[["q", "p"]]


def polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


def fitted(family="normal", y=Y):
    model = pn.Sequential([keras.Input((2,)), pn.Head(family, units=2)])
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)  # nothing to compile
    model.fit(X, y, batch_size=N, verbose=0)
    return model


def frozen(model):
    """Return SciPy's distribution of what a model predicts, from its parameters alone."""
    params = model.predict_params(X.to_numpy(), verbose=0)
    if model.heads.family.vector:
        tril = np.zeros((N, 2, 2))
        tril[:, *np.tril_indices(2)] = params["scale_tril"]
        normal = stats.multivariate_normal
        return [normal(mean, root @ root.T) for mean, root in zip(params["loc"], tril, strict=True)]
    return stats.norm(params["loc"], params["scale"])


MODEL, VECTORS = fitted(), fitted("multivariate_normal")
NORMAL = frozen(MODEL)
LOG_PROB = NORMAL.logpdf(Y.to_numpy())
OF_VECTORS = np.array(
    [each.logpdf(row) for each, row in zip(frozen(VECTORS), Y.to_numpy(), strict=True)]
)
D, D_OF_VECTORS = (m.predict_distribution(X, verbose=0) for m in (MODEL, VECTORS))


def after(act):
    """Return the loss of Y under a fresh copy of the model, in which something was done."""
    copy = pn.Sequential.from_config(MODEL.get_config())
    copy.set_weights(MODEL.get_weights())
    copy.input_columns, copy.responses = MODEL.input_columns, MODEL.responses
    copy.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    act(copy)
    return copy.evaluate(X, Y.to_numpy(), verbose=0)


# What each says of y, and the right answer, by SciPy or from arrays.
DOORS = {
    "evaluate": (lambda y: MODEL.evaluate(X, y, verbose=0), -LOG_PROB.sum(axis=1).mean()),
    "test_on_batch": (lambda y: MODEL.test_on_batch(X, y), -LOG_PROB.sum(axis=1).mean()),
    "evaluate, vectors": (lambda y: VECTORS.evaluate(X, y, verbose=0), -OF_VECTORS.mean()),
    "fit": (
        lambda y: after(lambda m: m.fit(X, y, batch_size=N, verbose=0)),
        after(lambda m: m.fit(X, Y.to_numpy(), batch_size=N, verbose=0)),
    ),
    "train_on_batch": (
        lambda y: after(lambda m: m.train_on_batch(X, y)),
        after(lambda m: m.train_on_batch(X, Y.to_numpy())),
    ),
    "log_prob": (lambda y: D.log_prob(y), LOG_PROB),
    "log_prob, vectors": (lambda y: D_OF_VECTORS.log_prob(y), OF_VECTORS),
    "FittedModel": (lambda y: adapt(MODEL).predict_distribution(X).cdf(y), NORMAL.cdf(Y)),
    "some rows": (lambda y: D[5:9].log_prob(y.iloc[5:9]), LOG_PROB[5:9]),
    "pool": (lambda y: pn.PooledPredictive([D, D]).log_prob(y), LOG_PROB),
    "log_score": (lambda y: pn.scores.log_score(y, D), -LOG_PROB),
    "scores.table": (
        lambda y: pn.scores.table({"net": D}, y, ["log_score"])["mean"].item(),
        -LOG_PROB.sum(axis=1).mean(),
    ),
    "quantile_residuals": (
        lambda y: pn.calibration.quantile_residuals(y, D),
        stats.norm.ppf(NORMAL.cdf(Y)),
    ),
    "scale_scaling": (
        lambda y: pn.calibration.scale_scaling(y, D)(D).log_prob(y),
        pn.calibration.scale_scaling(Y.to_numpy(), D)(D).log_prob(Y.to_numpy()),
    ),
    "diagnose": (
        lambda y: [each.value for each in pn.diagnose(MODEL, X, y).findings],
        [each.value for each in pn.diagnose(MODEL, X, Y.to_numpy()).findings],
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_names_decide_and_not_positions(door):
    ask, right = DOORS[door]
    for y in (Y, OTHER, OTHER.iloc[RNG.permutation(N)]):
        if door == "some rows":
            y = y.sort_index()
        np.testing.assert_allclose(ask(y), right, rtol=1e-5)


def test_what_has_names_and_no_index_goes_by_names():
    right = -LOG_PROB.sum(axis=1).mean()
    np.testing.assert_allclose(MODEL.evaluate(X, polars(OTHER), verbose=0), right, rtol=1e-5)
    np.testing.assert_allclose(D.log_prob(polars(OTHER)), LOG_PROB, rtol=1e-5)


WRONG = {
    "missing": (lambda y: y[["p"]], r"on: 'p', 'q'\. Received: no 'q'\. Choose"),
    "additional": (lambda y: y.assign(r=0.0), "Received: 'r', which it does not know"),
    "renamed": (lambda y: y.rename(columns={"p": "P"}), "no 'p'; 'P', which it does not know"),
    "twice": (lambda y: y[["p", "q", "q"]], r"different names\. Received: 'q' twice"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_other_columns_are_refused(kind):
    change, message = WRONG[kind]
    before = MODEL.get_weights()
    for ask in (
        lambda y: MODEL.evaluate(X, y, verbose=0),
        lambda y: MODEL.fit(X, y, verbose=0),
        lambda y: MODEL.fit(X, Y, validation_data=(X, y), verbose=0),
        D.log_prob,
        lambda y: pn.scores.table({"net": D}, y),
    ):
        with pytest.raises(ValueError, match=message):
            ask(change(Y))
    np.testing.assert_array_equal(MODEL.get_weights()[0], before[0])


def test_arrays_and_single_responses_of_a_prediction_go_by_position():
    np.testing.assert_allclose(D.log_prob(Y.to_numpy()), LOG_PROB, rtol=1e-5)
    np.testing.assert_allclose(D[:, 1].log_prob(Y["q"]), LOG_PROB[:, 1], rtol=1e-5)
    by_position = fitted(y=Y.to_numpy())
    assert by_position.responses.names is None
    found = by_position.evaluate(X, Y.set_axis(["q", "p"], axis=1), verbose=0)
    np.testing.assert_allclose(found, MODEL.evaluate(X, Y, verbose=0), rtol=1e-5)


@pytest.mark.backend
def test_files_copies_and_ensembles_know_them(tmp_path):
    right = -LOG_PROB.sum(axis=1).mean()
    MODEL.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    copies = [loaded, pn.collapse_linear(MODEL), pn.calibration.scale_scaling(Y, D)(MODEL)]
    for copy in copies:
        assert copy.responses.names == [["p", "q"]]
    np.testing.assert_allclose(loaded.evaluate(X, OTHER, verbose=0), right, rtol=1e-5)
    ensemble = pn.DeepEnsemble(MODEL, members=2)
    ensemble.fit(X, OTHER, validation_data=(X, Y), batch_size=N, verbose=0)
    d = ensemble.predict_distribution(X, verbose=0)
    np.testing.assert_array_equal(d.log_prob(OTHER), d.log_prob(Y.to_numpy()))
    ensemble.save(tmp_path / "ensemble.zip")
    again = pn.DeepEnsemble.load(tmp_path / "ensemble.zip").predict_distribution(X, verbose=0)
    np.testing.assert_allclose(again.log_prob(OTHER), d.log_prob(Y.to_numpy()), rtol=1e-5)


def test_models_of_other_orders_are_scored_by_name():
    turned = fitted(y=OTHER).predict_distribution(X, verbose=0)
    found = pn.scores.table({"one": D, "two": turned}, Y, ["log_score"])["mean"]
    np.testing.assert_allclose(found, -LOG_PROB.sum(axis=1).mean(), rtol=1e-5)
    with pytest.raises(ValueError, match=r"one order\. Received: \['p', 'q'\] and \['q', 'p'\]"):
        pn.scores.table({"one": D, "two": turned}, Y.to_numpy())
    with pytest.raises(ValueError, match="of the same columns of y, in one order"):
        pn.PooledPredictive([D, turned])


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_each_head_has_columns_of_its_own(kind):
    inputs = keras.Input((2,))
    heads = {"two": pn.Head("normal", units=2, name="two"), "one": pn.Head("normal", name="one")}
    outputs = {name: head(inputs) for name, head in heads.items()}
    model = pn.Model(inputs, outputs if kind == "dict" else list(outputs.values()))
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    y, other = ({"two": frame, "one": Y["p"]} for frame in (Y, OTHER))
    model.fit(X, y, batch_size=N, verbose=0)
    arrays = {name: each.to_numpy() for name, each in y.items()}
    found, right = (model.evaluate(X, each, verbose=0) for each in (other, arrays))
    np.testing.assert_allclose(found, right, rtol=1e-6)
    d = model.predict_distribution(X, verbose=0)
    d = d["two"] if kind == "dict" else d[0]
    np.testing.assert_array_equal(d.log_prob(OTHER), d.log_prob(Y.to_numpy()))


def test_bounds_and_trials_go_by_name_too():
    trials = pd.DataFrame({"k": RNG.binomial(9, 0.4, N).astype(float), "of": 9.0})
    model = pn.Sequential([keras.Input((2,)), pn.Head("binomial")])
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    model.fit(X, trials, verbose=0)
    d = model.predict_distribution(X, verbose=0)
    right = stats.binom(9, d.params["probs"]).logpmf(trials["k"])
    np.testing.assert_allclose(d.log_prob(trials[["of", "k"]]), right, rtol=1e-6)
    found = model.evaluate(X, trials[["of", "k"]], verbose=0)
    np.testing.assert_allclose(found, -right.mean(), rtol=1e-5)
    one = pn.Sequential([keras.Input((1,)), pn.Head("binomial")])
    one.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    one.fit(X[["a"]], trials, verbose=0)
    points = [
        pn.plots.predictive(one, X[["a"]], y).lines[-1].get_ydata()
        for y in (trials, trials[["of", "k"]])
    ]
    np.testing.assert_allclose(points, [trials["k"] / 9.0] * 2)
