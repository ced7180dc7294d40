"""Model and Sequential: Keras's own interface, and distributions out of it."""

import contextlib
import inspect
import logging
import pickle

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import special, stats
from tables.families import WIRED, each

import probnn as pn
from probnn import backend

pytestmark = pytest.mark.backend


def numpy(values):
    return keras.ops.convert_to_numpy(values)


def neuron(head, p=2, optimizer="adam", **kwargs):
    model = pn.Sequential([keras.Input((p,)), head])
    model.compile(optimizer, **kwargs)
    return model


@pytest.fixture(scope="module")
def counter(rewinding):
    """Return a function that returns a neuron for counts as it was before it trained."""
    model = neuron(pn.Head("poisson"))
    rewind = rewinding(model)

    def anew():
        rewind()
        return model

    return anew


@pytest.fixture
def binary(rng):
    """Return x and y of a logistic regression."""
    x = rng.normal(size=(384, 2)).astype("float32")
    return x, (rng.random(384) < special.expit(x @ [1.0, -2.0] + 0.5)).astype("int64")


class Same(keras.utils.PyDataset):
    """One batch, again and again: many full-batch steps in one epoch."""

    def __init__(self, x, y, steps):
        super().__init__()
        self.batch, self.steps = (x, y), steps

    def __len__(self):
        return self.steps

    def __getitem__(self, i):
        return self.batch


# ---- the lecture's exercises ----------------------------------------------------------------


def test_one_neuron_by_hand():
    model = neuron(pn.Head("bernoulli"))
    model.set_weights([np.array([[0.3], [0.1]]), np.array([1.0])])
    x = np.array([[1.0, 2.2]])
    # 0.3 * 1 + 0.1 * 2.2 + 1 = 1.52
    np.testing.assert_allclose(model.predict(x, verbose=0), [0.820538], atol=5e-7)
    np.testing.assert_allclose(numpy(model(x))[0, 0], 1.52, rtol=1e-6)


@pytest.mark.parametrize("hidden", [1, 2])
def test_hidden_layers_are_matrix_products(hidden, rng):
    x = rng.normal(size=(20, 2))
    layers = [keras.layers.Dense(8, "sigmoid") for _ in range(hidden)]
    model = pn.Sequential([keras.Input((2,)), *layers, pn.Head("bernoulli")])
    weights = [rng.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    h = x
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        h = special.expit(h @ kernel + bias)
    np.testing.assert_allclose(model.predict(x, verbose=0), h[:, 0], rtol=1e-5)


def test_banknotes_reach_the_maximum_likelihood_fit(banknotes):
    x, y = banknotes
    model = neuron(pn.Head("bernoulli"), optimizer=keras.optimizers.Adam(0.1))
    model.fit(Same(x, y, 400), verbose=0)
    # The table of the shared data: mean NLL 0.5114348, accuracy .70845, three coefficients.
    assert abs(model.evaluate(x, y, batch_size=len(y), verbose=0) - 0.5114348) < 2e-6
    assert abs(np.mean((model.predict(x, verbose=0) > 0.5) == y) - 0.70845) < 1e-5
    kernel, bias = model.get_weights()
    np.testing.assert_allclose([*bias, *kernel[:, 0]], [-0.1790, -0.3293, -0.52701], atol=1e-3)


# ---- fit, evaluate, predict -----------------------------------------------------------------


# Components of a mixture come in any order; ordinal cutpoints do not depend on x.
@each([c for c in WIRED if c.name not in ("mixture", "ordinal")], compiles=True)
def test_recovery_of_simulated_parameters(case, rng):
    n = 4000
    x = rng.uniform(-1, 1, size=(n, 2))
    head = pn.Head(case.family, constant=[])
    model = neuron(head, optimizer=keras.optimizers.Adam(0.05))
    truth = rng.uniform(-0.7, 0.7, size=(2, case.family.size))
    start = rng.uniform(-0.3, 0.3, size=case.family.size)
    params = case.family.to_params(x @ truth + start)
    y = case.family.frozen(**params).rvs(random_state=rng, size=n)
    if case.name == "beta":  # draws that round to an end
        y = np.clip(y, 1e-6, 1.0 - 1e-6)
    model.fit(Same(x, y, 250), verbose=0)
    kernel, bias = (numpy(w).astype("float64") for w in head.coefficients())
    # Standard errors from the outer product of finite-difference scores at the truth.
    design = np.column_stack([x, np.ones(n)])
    raw, step = x @ truth + start, 1e-5
    scores = []
    for column in range(case.family.size):
        shift = step * (np.arange(case.family.size) == column)
        slope = case.family.log_prob(y, raw + shift) - case.family.log_prob(y, raw - shift)
        scores.append(design * (slope / (2 * step))[:, None])
    scores = np.concatenate(scores, axis=1)
    error = np.sqrt(np.diag(np.linalg.inv(scores.T @ scores))).reshape(case.family.size, 3).T
    z = (np.vstack([kernel, bias]) - np.vstack([truth, start])) / error
    assert np.abs(z).max() < 4, z


def test_fit_is_keras_fit(binary):
    x, y = binary
    model = neuron(pn.Head("bernoulli"), metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=1, min_delta=1.0)
    history = model.fit(x, y, 32, 10, 0, [stop], validation_data=(x[:96], y[:96]))
    assert isinstance(history, keras.callbacks.History)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert len(history.epoch) == 2  # patience 1
    history = model.fit(x, y, validation_split=0.25, epochs=1, verbose=0)
    assert "val_loss" in history.history
    loss = model.evaluate(x, y, verbose=0, return_dict=True)
    nll = -model.predict_distribution(x, verbose=0).log_prob(y).mean()
    np.testing.assert_allclose(loss["loss"], nll, rtol=1e-5)
    accuracy = np.mean((model.predict(x, verbose=0) > 0.5) == y)
    np.testing.assert_allclose(loss["accuracy"], accuracy, rtol=1e-6)


def test_progress_bar_is_shown(binary, capsys):
    x, y = binary
    neuron(pn.Head("bernoulli")).fit(x, y, epochs=2, verbose=2)
    out = capsys.readouterr().out
    assert "Epoch 1/2" in out
    assert "loss:" in out


@pytest.mark.parametrize("shape", [(-1,), pytest.param((-1, 1), marks=pytest.mark.slow)])
def test_metrics_compare_means(shape, rng):
    x = rng.normal(size=(320, 2))
    y = rng.poisson(np.exp(x[:, 0])).reshape(shape)
    model = neuron(pn.Head("poisson"), metrics=["root_mean_squared_error", "mae"])
    model.fit(x, y, epochs=3, verbose=0)
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    error = y.ravel() - model.predict(x, verbose=0)
    np.testing.assert_allclose(
        found["root_mean_squared_error"], np.sqrt(np.mean(error**2)), rtol=1e-5
    )
    np.testing.assert_allclose(found["mae"], np.mean(np.abs(error)), rtol=1e-5)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_accuracy_of_classes(shape, rng):
    x = rng.normal(size=(320, 2))
    y = np.digitize(x[:, 0], [-0.5, 0.5])
    model = neuron(pn.Head(pn.families.Categorical(3)), metrics=["accuracy"])
    model.fit(x, y.reshape(shape), epochs=5, verbose=0)
    probs = model.predict(x, verbose=0)
    assert probs.shape == (320, 3)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, rtol=1e-12)
    found = model.evaluate(x, y.reshape(shape), verbose=0, return_dict=True)["accuracy"]
    np.testing.assert_allclose(found, np.mean(probs.argmax(axis=1) == y), rtol=1e-6)


@each(WIRED, compiles=True)
@pytest.mark.usefixtures("distributions")
def test_predictions_agree_with_the_backend_distribution(case, rng):
    model = neuron(pn.Head(case.family))
    model.set_weights(
        [rng.normal(scale=0.5, size=w.shape) for w in model.trainable_weights]
        + [w for w in model.get_weights()[len(model.trainable_weights) :]]
    )
    x = rng.normal(size=(6, 2)).astype("float32")
    y = np.array([case.y[i % len(case.y)] for i in range(6)])
    predictive = model.predict_distribution(x, verbose=0)
    params = model.predict_params(x, verbose=0)
    assert list(params) == list(case.family.params)
    for name, values in params.items():
        assert values.dtype == "float64"
        np.testing.assert_array_equal(values, predictive.params[name])
    np.testing.assert_array_equal(model.predict(x, verbose=0), predictive.mean())
    on_backend = model.distribution(x).log_prob(keras.ops.convert_to_tensor(y.astype("float32")))
    expected = predictive.log_prob(y)
    near = expected > -1e30  # what float32 holds
    assert near.sum() > 3
    np.testing.assert_allclose(numpy(on_backend)[near], expected[near], rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(backend.name != "tensorflow", reason="a warning of TensorFlow")
def test_several_networks_predict_without_a_warning(rng):
    import tensorflow as tf

    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    tf.get_logger().addHandler(handler)
    x = rng.normal(size=(4, 2))
    try:
        for _ in range(7):
            pn.Sequential([keras.Input((2,)), pn.Head("normal")]).predict_distribution(x, verbose=0)
        with backend.many_programs(), contextlib.ExitStack() as other:  # as of two threads
            other.enter_context(backend.many_programs())
            other.close()
            tf.get_logger().warning("5 calls triggered tf.function retracing")
        assert said == []
        tf.get_logger().warning("5 calls triggered tf.function retracing")
        assert len(said) == 1
    finally:
        tf.get_logger().removeHandler(handler)


def test_predict_on_batch_gives_means(rng):
    model = neuron(pn.Head("poisson"))
    x = rng.normal(size=(6, 2)).astype("float32")
    np.testing.assert_allclose(model.predict_on_batch(x), model.predict(x, verbose=0), rtol=1e-6)


@pytest.mark.backend
def test_one_batch_takes_no_pipeline(rng, monkeypatch):
    model = neuron(pn.Head("normal"))
    x = pd.DataFrame(rng.normal(size=(5, 2)), columns=["a", "b"], index=[7, 5, 3, 2, 1])
    want = model.heads.to_params(keras.Sequential.predict(model, x.to_numpy(), verbose=0))
    y = pd.Series(rng.normal(size=5), x.index)
    monkeypatch.setattr(keras.Sequential, "predict", None)
    for rows in (slice(None), slice(2, 3)):
        for ask in (model.predict_distribution_on_batch, model.predict_distribution):
            found = ask(x[rows])
            assert found.params.keys() == want.keys()
            for name, values in found.params.items():
                np.testing.assert_allclose(values, want[name][rows], rtol=1e-6, atol=1e-6)
            np.testing.assert_array_equal(found.log_prob(y[rows][::-1]), found.log_prob(y[rows]))


def test_frames_in_all_kinds_give_the_same_fit(rng, counter):
    x = rng.normal(size=(60, 2))
    y = rng.poisson(2.0, size=60)
    frame = pd.DataFrame(x, columns=["a", "b"], index=np.arange(60)[::-1])
    kinds = {
        "numpy": (x, y),
        "column": (x, y[:, None]),
        "pandas": (frame, pd.Series(y, index=frame.index, name="y")),
        "frames": (frame, pd.DataFrame({"y": y}, index=frame.index)),
        "polars": (pl.DataFrame({"a": x[:, 0], "b": x[:, 1]}), pl.Series("y", y)),
        "tensor": (keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)),
        "lists": (x.tolist(), y.tolist()),
    }
    losses = {}
    for kind, data in kinds.items():
        model = counter()
        keras.utils.set_random_seed(3)
        losses[kind] = model.fit(*data, epochs=3, batch_size=20, verbose=0).history["loss"]
        losses[kind].append(model.evaluate(*data, batch_size=20, verbose=0))
    for kind, found in losses.items():
        np.testing.assert_allclose(found, losses["numpy"], rtol=1e-6, err_msg=kind)


def test_distribution_keeps_small_probabilities():
    # In float32, P(Y = 1) rounds to 1 at log-odds of 17.
    model = neuron(pn.Head("bernoulli"))
    model.set_weights([np.array([[40.0], [0.0]]), np.array([0.0])])
    log_prob = model.distribution(np.array([[1.0, 0.0]], "float32")).log_prob(
        keras.ops.zeros((1,), dtype="float32")
    )
    np.testing.assert_allclose(numpy(log_prob), [-40.0], rtol=1e-6)


def test_distribution_lets_gradients_through(rng):
    model = neuron(pn.Head("normal"))
    kernel = rng.normal(size=(2, 2)).astype("float32")
    model.layers[-1].kernel.assign(kernel)

    def loc(x):
        mean = model.distribution(x).mean
        return keras.ops.sum(mean() if callable(mean) else mean)

    _, gradient = pn.backend.value_and_grad(loc)(rng.normal(size=(3, 2)).astype("float32"))
    np.testing.assert_allclose(numpy(gradient), np.tile(kernel[:, 0], (3, 1)), rtol=1e-6)


def test_a_new_head_adapts_in_train_on_batch(rng):
    x, y = rng.normal(size=(60, 2)), 1e6 + rng.normal(size=60)
    assert neuron(pn.Head("normal")).train_on_batch(x, y) < 2.0


def test_a_head_does_not_adapt_to_rows_held_out():
    y = np.concatenate([np.linspace(-1, 1, 48), np.full(16, 1e6)])
    model = neuron(pn.Head("normal"), optimizer=keras.optimizers.SGD(0.0))
    history = model.fit(np.zeros((64, 2)), y, validation_split=0.25, verbose=0).history
    expected = -stats.norm.logpdf(y[:48], 0, y[:48].std()).mean()
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-4)


def test_sample_weight_is_that_of_keras(rng, counter):
    x, y = rng.normal(size=(64, 2)), rng.poisson(2.0, size=64)
    w = rng.uniform(size=64)
    model = counter()
    model.heads.adapt(y)
    nll = -model.predict_distribution(x, verbose=0).log_prob(y)
    for weight in (w, w[:, None], pd.Series(w)):
        found = model.evaluate(x, y, sample_weight=weight, verbose=0)
        np.testing.assert_allclose(found, np.mean(w * nll), rtol=1e-5)
    model = two_heads()
    model.compile("adam")
    both = {"size": x[:, 0], "count": y}
    model.fit(x, both, sample_weight={"size": w, "count": w}, epochs=1, verbose=0)


@pytest.mark.parametrize("shape", [(59,), (60, 2), (1, 60), (1,)])
@pytest.mark.parametrize("units", [1, 2])
def test_sample_weight_never_broadcasts(shape, units, rng):
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(60, units))
    model = neuron(pn.Head("normal", units=units))
    with pytest.raises(ValueError, match=r"sample_weight of shape .*would broadcast|rows"):
        model.fit(x, y, sample_weight=np.ones(shape), verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train_on_batch"])
def test_signatures_are_those_of_keras(method):
    ours, theirs = (
        inspect.signature(getattr(cls, method)).parameters for cls in (pn.Model, keras.Model)
    )
    own = ("kwargs", "whole_epoch", "on_divergence")
    assert [n for n in ours if n not in own] == [n for n in theirs if n not in own]
    for name in theirs:
        assert ours[name].default == theirs[name].default


# ---- streams of batches ---------------------------------------------------------------------


class Batches(keras.utils.PyDataset):
    """Arrays in batches of 20."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x) // 20

    def __getitem__(self, i):
        rows = slice(20 * i, 20 * (i + 1))
        return self.x[rows], self.y[rows]


def stream(kind, x, y):
    if kind == "tf.data":
        tf = pytest.importorskip("tensorflow")
        return tf.data.Dataset.from_tensor_slices((x, y)).batch(20)
    if kind == "DataLoader":
        torch = pytest.importorskip("torch")
        data = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
        return torch.utils.data.DataLoader(data, batch_size=20)
    if kind == "PyDataset":
        return Batches(x, y)
    return (batch for _ in range(10) for batch in (Batches(x, y)[i] for i in range(3)))


STREAMS = ["tf.data", "DataLoader", "PyDataset", "generator"]


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_stream_gives_the_fit_of_the_arrays(kind, shape, rng, counter):
    x = rng.normal(size=(60, 2)).astype("float32")
    y = rng.poisson(2.0, size=60).astype("float32").reshape(shape)
    losses = []
    for source in ("arrays", kind):
        model = counter()
        model.heads.adapt(y)
        steps = {"steps_per_epoch": 3} if source == "generator" else {}
        data = (x, y) if source == "arrays" else (stream(kind, x, y),)
        options = {"batch_size": 20} if source == "arrays" else {}
        history = model.fit(*data, epochs=2, shuffle=False, verbose=0, **options, **steps)
        losses.append(history.history["loss"])
        data = (x, y) if source == "arrays" else (stream(kind, x, y),)
        steps = {"steps": 3} if source == "generator" else {}
        losses[-1].append(model.evaluate(*data, verbose=0, **options, **steps))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)


@pytest.mark.parametrize("kind", STREAMS)
def test_a_new_head_adapts_to_the_first_batch_of_a_stream(kind, rng):
    x = rng.normal(size=(60, 2)).astype("float32")
    y = (1e6 + rng.normal(size=60)).astype("float32")
    model = pn.Sequential([pn.Head("normal")])  # built by the first batch
    model.compile("adam")
    history = model.fit(stream(kind, x, y), epochs=1, steps_per_epoch=3, verbose=0)
    assert history.history["loss"][0] < 3.0


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_with_a_wrong_y_raises_our_error(kind, rng):
    x = rng.normal(size=(60, 2)).astype("float32")
    y = rng.poisson(2.0, size=60).astype("float32")
    y[33] = -1.0
    model = neuron(pn.Head("poisson"))
    with pytest.raises(ValueError, match=r"In batch \d of an epoch: .*-1\.0 in row 13"):
        model.fit(stream(kind, x, y), epochs=1, steps_per_epoch=3, verbose=0)
    with pytest.raises(ValueError, match=r"-1\.0 in row 13"):
        model.evaluate(stream(kind, x, y), steps=3, verbose=0)


def test_validation_stream_is_named(rng):
    x = rng.normal(size=(60, 2)).astype("float32")
    y = rng.poisson(2.0, size=60).astype("float32")
    model = neuron(pn.Head("poisson"))
    with pytest.raises(ValueError, match=r"In batch 1 .*validation y = -1\.0 in row 7"):
        model.fit(x, y, validation_data=Batches(x, _wrong(y, -1)), verbose=0)


def test_a_stream_is_not_read_before_it_is_needed(rng):
    x = rng.normal(size=(60, 2)).astype("float32")
    y = rng.poisson(2.0, size=60).astype("float32")
    read = []

    class Counted(Batches):
        def __getitem__(self, i):
            read.append(i)
            return super().__getitem__(i)

    counts = []
    for cls in (pn.Sequential, keras.Sequential):
        model = cls([keras.Input((2,)), pn.Head("poisson")])
        model.layers[-1].adapt(y)
        model.compile("adam", pn.NegativeLogLikelihood("poisson"))
        read.clear()
        model.fit(Counted(x, y), epochs=1, verbose=0)
        counts.append(len(read))
    assert counts[0] == counts[1]


# ---- several heads, functional and subclassed models ----------------------------------------


def two_heads(outputs=dict):
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(4, "tanh")(inputs)
    size = pn.Head("normal", name="size")(hidden)
    count = pn.Head("poisson", name="count")(hidden)
    return pn.Model(inputs, outputs(size=size, count=count) if outputs is dict else [size, count])


class TwoHeads(pn.Model):
    """The same model, subclassed."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(4, "tanh")
        self.size_head = pn.Head("normal", name="size")
        self.count_head = pn.Head("poisson", name="count")

    def call(self, x):
        h = self.hidden(x)
        return {"size": self.size_head(h), "count": self.count_head(h)}


@pytest.mark.parametrize("make", [two_heads, pytest.param(TwoHeads, marks=pytest.mark.slow)])
def test_two_heads_each_have_their_loss(make, rng):
    x = rng.normal(size=(32, 2))
    y = {"size": 100.0 + rng.normal(size=32), "count": rng.poisson(3.0, size=32)}
    model = make()
    model.compile("adam", metrics={"size": ["mae"], "count": ["mae"]})
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y)).history
    assert {"loss", "size_loss", "count_loss", "size_mae", "count_mae", "val_loss"} <= set(history)
    predictive = model.predict_distribution(x, verbose=0)
    nll = {key: -predictive[key].log_prob(y[key]).mean() for key in y}
    # In one batch: Keras averages the losses of outputs over batches of whatever size.
    found = model.evaluate(x, y, batch_size=32, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], sum(nll.values()), rtol=1e-5)
    np.testing.assert_allclose(found["size_loss"], nll["size"], rtol=1e-4)
    np.testing.assert_allclose(
        found["size_mae"], np.abs(y["size"] - model.predict(x, verbose=0)["size"]).mean(), rtol=1e-4
    )
    assert set(model.predict_params(x, verbose=0)["count"]) == {"rate"}
    assert set(model.distribution(x)) == {"size", "count"}


def test_a_list_of_heads(rng):
    x = rng.normal(size=(32, 2))
    y = [100.0 + rng.normal(size=32), rng.poisson(3.0, size=32)]
    model = two_heads(list)
    model.compile("adam")
    model.fit(x, y, epochs=1, verbose=0)
    size, count = model.predict_distribution(x, verbose=0)
    assert (size.family.name, count.family.name) == ("normal", "poisson")


def test_two_heads_in_plain_keras(rng):
    x = rng.normal(size=(32, 2))
    y = {"size": rng.normal(size=32), "count": rng.poisson(3.0, size=32)}
    inputs = keras.Input((2,))
    outputs = {
        "size": pn.Head("normal", name="size")(inputs),
        "count": pn.Head("poisson", name="count")(inputs),
    }
    model = keras.Model(inputs, outputs)
    nll = pn.NegativeLogLikelihood
    model.compile("adam", {"size": nll("normal"), "count": nll("poisson")})
    assert np.isfinite(model.fit(x, y, epochs=1, verbose=0).history["loss"]).all()


class Net(pn.Model):
    """A subclassed model with one head."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(4, "tanh")
        self.head = pn.Head("gamma")

    def call(self, x):
        return self.head(self.hidden(x))


@keras.saving.register_keras_serializable(package="tests")
class Counting(pn.models.FunctionalModel):
    """A functional model with a training step of its own."""

    steps = 0

    def train_step(self, *args, **kwargs):
        self.steps += 1
        return super().train_step(*args, **kwargs)


def test_subclass_of_a_functional_model(rng, tmp_path):
    x, y = rng.normal(size=(30, 2)), rng.gamma(2.0, size=30)
    inputs = keras.Input((2,))
    model = Counting(inputs, pn.Head("gamma")(keras.layers.Dense(3, "relu")(inputs)))
    model.compile("adam")
    model.fit(x, y, epochs=1, verbose=0)
    assert model.steps > 0
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert type(loaded) is Counting
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert type(keras.models.clone_model(model)) is Counting


def test_subclass_of_model_refuses_inputs_and_outputs():
    class FromGraph(pn.Model):
        def __init__(self):
            inputs = keras.Input((2,))
            super().__init__(inputs, pn.Head("gamma")(inputs))

    with pytest.raises(ValueError, match=r"Subclass probnn\.models\.FunctionalModel"):
        FromGraph()
    Net()  # other subclasses are as before


def test_subclassed_model(rng):
    x = rng.normal(size=(96, 2))
    y = rng.gamma(2.0, 1e6, size=96)
    model = Net()
    model.compile("adam")
    history = model.fit(x, y, epochs=2, verbose=0)
    expected = -stats.gamma.logpdf(y, *stats.gamma.fit(y, floc=0)).mean()
    assert abs(history.history["loss"][0] - expected) < 0.1
    assert model.predict(x, verbose=0).shape == (96,)


@pytest.mark.parametrize("units", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_functional_model_is_saved(units, rng, tmp_path):
    inputs = keras.Input((2,))
    outputs = pn.Head("normal", units=units)(keras.layers.Dense(3, "relu")(inputs))
    model = pn.Model(inputs, outputs)
    assert isinstance(model, pn.Model)
    model.compile("adam", metrics=["mae"])
    x, y = rng.normal(size=(32, 2)), rng.normal(size=(32, units))
    model.fit(x, y, epochs=1, verbose=0)
    assert model.predict(x, verbose=0).shape == ((32,) if units == 1 else (32, 2))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert isinstance(loaded, pn.Model)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    before = loaded.get_weights()
    loaded.fit(x, y, epochs=0, verbose=0)  # a trained head does not adapt again
    for old, new in zip(before, loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_nested_model_with_a_head(rng):
    body = keras.Sequential([keras.Input((2,)), pn.Head("poisson")])
    inputs = keras.Input((2,))
    model = pn.Model(inputs, body(inputs))
    model.compile("adam")
    x = rng.normal(size=(30, 2))
    model.fit(x, rng.poisson(2.0, size=30), epochs=1, verbose=0)
    assert model.predict_distribution(x, verbose=0).family.name == "poisson"


def test_cloned_models_train(rng):
    x, y = rng.normal(size=(30, 2)), rng.poisson(2.0, size=30)
    model = two_heads()
    clone = keras.models.clone_model(model)
    assert isinstance(clone, pn.Model)
    clone.compile("adam")
    clone.fit(x, {"size": x[:, 0], "count": y}, epochs=1, verbose=0)


def test_pickle(rng):
    x, y = rng.normal(size=(30, 2)), rng.poisson(2.0, size=30)
    model = neuron(pn.Head("poisson"))
    model.fit(x, y, epochs=1, verbose=0)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(x, verbose=0), model.predict(x, verbose=0))


# ---- bad input ------------------------------------------------------------------------------


def float64_neuron():
    with pn.backend.float64():
        return neuron(pn.Head("normal", dtype="float64"))


def _wrong(y, value):
    y = y.astype("float64")
    y[7] = value
    return y


BAD_DATA = {
    "nan in x": (
        lambda x, y: (np.where(np.arange(60)[:, None] == 5, np.nan, x), y),
        "nan in row 5",
    ),
    "inf in x": (
        lambda x, y: (np.where(np.arange(60)[:, None] == 5, np.inf, x), y),
        "inf in row 5",
    ),
    "nan in y": (lambda x, y: (x, _wrong(y, np.nan)), "nan in row 7"),
    "negative": (lambda x, y: (x, _wrong(y, -1)), "the counts 0, 1, 2.*-1.0 in row 7"),
    "not whole": (lambda x, y: (x, _wrong(y, 1.5)), "1.5 in row 7"),
    "zero rows": (lambda x, y: (x[:0], y[:0]), r"at least one row.*\(0, 2\)"),
    "fewer y": (lambda x, y: (x, y[:-1]), r"x: \[60\], y: \[59\]"),
    "wide y": (lambda x, y: (x, np.column_stack([y, y])), r"\(n,\) or \(n, 1\).*\(60, 2\)"),
    "row y": (lambda x, y: (x, y[None, :]), r"\(n,\) or \(n, 1\).*\(1, 60\)"),
    "text in y": (lambda x, y: (x, y.astype(str)), "numeric.*Encode"),
    "text in x": (
        lambda x, y: (pd.DataFrame({"a": x[:, 0], "b": ["u"] * 60}), y),
        "columns of x to be numeric.*'b'",
    ),
    "nan in frame": (
        lambda x, y: (pd.DataFrame({"a": x[:, 0], "b": np.nan}), y),
        "row 0, column 'b'",
    ),
    "no y": (lambda x, y: (x, None), "Expected y, or x as a stream"),
}


@pytest.mark.parametrize("name", BAD_DATA)
@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch"])
def test_bad_data_raises_before_anything_changes(name, method, rng):
    change, message = BAD_DATA[name]
    x, y = rng.normal(size=(60, 2)), rng.poisson(2.0, size=60)
    model = neuron(pn.Head("poisson"))
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(*change(x, y))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.optimizer.iterations == 0


def test_bad_validation_data_raises_before_anything_changes(rng):
    x, y = rng.normal(size=(60, 2)), rng.poisson(2.0, size=60)
    model = neuron(pn.Head("poisson"))
    with pytest.raises(ValueError, match=r"validation y = -1\.0 in row 7"):
        model.fit(x, y, validation_data=(x, _wrong(y, -1)), verbose=0)
    assert model.heads.is_new


def test_bernoulli_names_the_value_2(binary):
    x, y = binary
    with pytest.raises(ValueError, match=r"bernoulli family, \{0, 1\}.*y = 2.0 in row 7.*Recode"):
        neuron(pn.Head("bernoulli")).fit(x, _wrong(y, 2))


def test_nan_in_x_is_refused_by_predict(rng):
    with pytest.raises(ValueError, match="nan in row 0"):
        neuron(pn.Head("poisson")).predict(np.full((3, 2), np.nan))


def test_a_layer_called_before_any_input_gets_kerass_error():
    with pytest.raises(Exception, match=r"'?x'?"):
        x = keras.layers.Dense(3)(x)  # noqa: F821, F841  the lecture's mistake


MISTAKES = {
    "head in the middle": (
        lambda: pn.Sequential([keras.Input((2,)), pn.Head("normal"), keras.layers.Dense(1)]),
        "last layer of a Sequential.*Dense on top of the head",
    ),
    "two heads": (
        lambda: pn.Sequential([keras.Input((2,)), pn.Head("normal"), pn.Head("poisson")]),
        "only head.*units=d.*probnn.Model",
    ),
    "no head": (
        lambda: pn.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).compile("sgd"),
        "end in a probnn.Head. Received: Dense",
    ),
    "no layers": (lambda: pn.Sequential().compile("sgd"), "Received: no layers"),
    "no head in a functional model": (
        lambda: (lambda i: pn.Model(i, keras.layers.Dense(1)(i)))(keras.Input((2,))),
        r"every output.*\(Dense\).*End that branch in a Head",
    ),
    "head in the middle of a functional model": (
        lambda: (lambda i: pn.Model(i, pn.Head("normal")(pn.Head("normal", name="inner")(i))))(
            keras.Input((2,))
        ),
        "'inner' in the middle",
    ),
    "other loss": (
        lambda: neuron(pn.Head("normal"), loss="mse"),
        "Expected no `loss`.*normal.*'mse'.*keras.Model",
    ),
    "loss of another family": (
        lambda: neuron(pn.Head("normal"), loss=pn.NegativeLogLikelihood("poisson")),
        "negative log-likelihood of <family normal",
    ),
    "head in a nested model": (
        lambda: pn.Sequential(
            [
                keras.Input((2,)),
                keras.Sequential([keras.Input((2,)), pn.Head("normal")]),
                pn.Head("poisson"),
            ]
        ).compile("sgd"),
        "in the middle",
    ),
    "wrong number of losses": (
        lambda: two_heads(list).compile("sgd", [pn.NegativeLogLikelihood("normal")] * 3),
        "one for each of the 2 heads. Received: 3",
    ),
    "float64 head with float32 data": (
        lambda: float64_neuron().fit(np.zeros((9, 2)), np.arange(9.0)),
        r"floatx\(\) to be 'float64'.*set_floatx",
    ),
    "unknown metric": (lambda: neuron(pn.Head("normal"), metrics="accuracy"), "metrics"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_get_a_clear_error(name):
    make, message = MISTAKES[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_subclass_without_a_head():
    class Headless(pn.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"Headless to have a probnn\.Head"):
        Headless().compile("sgd")


def test_fit_before_compile():
    model = pn.Sequential([keras.Input((2,)), pn.Head("normal")])
    with pytest.raises(ValueError, match="compile"):
        model.fit(np.zeros((3, 2)), np.zeros(3))


def test_pandas_nullable_and_sparse_input(rng, counter):
    x, y = rng.normal(size=(60, 2)), rng.poisson(2.0, size=60)
    model = counter()
    frame = pd.DataFrame(x, columns=["a", "b"]).convert_dtypes()
    model.fit(frame, pd.Series(y, dtype="Int64"), epochs=1, verbose=0)
    with pytest.raises(ValueError, match="nan in row 3"):
        model.fit(frame, pd.Series(y, dtype="Int64").where(np.arange(60) != 3), verbose=0)
    frame.loc[5, "b"] = pd.NA
    with pytest.raises(ValueError, match="row 5, column 'b'"):
        model.predict(frame)
