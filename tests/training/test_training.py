"""`fit` by whole epochs: the same as Keras's own in everything that can be seen from outside."""

import inspect
import re

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import probnn as pn
from probnn.training import conditions, epochs, fitting

pytestmark = pytest.mark.backend

BACKEND = keras.backend.backend()
layers, optimizers, callbacks = keras.layers, keras.optimizers, keras.callbacks
stock = keras.Model.fit

_draws = np.random.default_rng(7)
X = _draws.normal(size=(53, 3)).astype("float32")
Y = np.tanh(X @ [[1.0], [-1.0], [0.5]] + 0.1 * _draws.normal(size=(53, 1))).astype("float32")
W = _draws.uniform(0.5, 2.0, 53).astype("float32")
SERIES = _draws.normal(size=(53, 6, 2)).astype("float32")
CODES = _draws.integers(0, 7, size=(53, 6))
HELD = (X[:21], Y[:21])
FULL = (X[:48], Y[:48])  # where a smaller last batch, compiled apart, would show nothing new


def whole(model, *args, **kwargs):
    return pn.fit(model, *args, whole_epoch=True, **kwargs)


def network(optimizer="sgd", *, metrics=None, **options):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=metrics, **options)
    return model


def stack(*members, optimizer="sgd", **options):
    model = keras.Sequential([member for member in members if member is not None])
    model.compile(optimizer, "mse", **options)
    return model


def settings(options):
    return {"batch_size": 16, "epochs": 5, "shuffle": False, "verbose": 0, **options}


def both(build, *data, **options):
    """Fit two equal models, by whole epochs and by Keras; return (model, History) of each."""
    found = []
    for fit in (whole, stock):
        keras.utils.set_random_seed(11)
        model = build()
        found.append((model, fit(model, *data, **settings(options))))
    return found


def agree(found, expected, tolerance=1e-5):
    """Assert that two fits left the same weights, optimizer and History."""
    (model, history), (reference, theirs) = found, expected
    assert history.history.keys() == theirs.history.keys()
    assert history.epoch == theirs.epoch
    assert history.params == theirs.params
    limits = {"rtol": tolerance, "atol": tolerance}
    for name, values in theirs.history.items():
        np.testing.assert_allclose(history.history[name], values, **limits, err_msg=name)
    for ours, other in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(ours, other, rtol=0, atol=tolerance)
    pairs = zip(model.optimizer.variables, reference.optimizer.variables, strict=True)
    for ours, other in pairs:
        values = (keras.ops.convert_to_numpy(v.value) for v in (ours, other))
        np.testing.assert_allclose(*values, **limits, err_msg=ours.path)


def flat(model):
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


# ---- the same numbers -----------------------------------------------------------------------

# Half of all combinations: every three of the four choices in all their ways.
COMBINATIONS = [
    (name, validation, weights, (name == "adam") ^ validation ^ weights)
    for name in ("momentum", "adam")
    for validation in (False, True)
    for weights in (False, True)
]


@pytest.mark.parametrize(("optimizer", "validation", "weights", "ragged"), COMBINATIONS)
def test_whole_epochs_are_those_of_keras(optimizer, validation, weights, ragged):
    rows = 53 if ragged else 48
    options = {"sample_weight": W[:rows]} if weights else {}
    if validation:
        options["validation_data"] = (*HELD, W[:21]) if weights else HELD

    def build():
        chosen = {"momentum": optimizers.SGD(0.1, momentum=0.9), "adam": optimizers.Adam(0.05)}
        return network(chosen[optimizer])

    ours, theirs = both(build, X[:rows], Y[:rows], **options)
    agree(ours, theirs)
    before = theirs[1].history["loss"][0]
    assert theirs[1].history["loss"][-1] < 0.9 * before  # there was something to agree on


class Penalty(layers.Layer):
    def call(self, x):
        self.add_loss(0.1 * keras.ops.mean(keras.ops.square(x)))
        return x


def two_heads():
    a, b = keras.Input((3,), name="a"), keras.Input((6,), name="b", dtype="int32")
    hidden = layers.Concatenate()([layers.Dense(3, "tanh")(a), layers.Embedding(7, 2)(b)[:, 0]])
    heads = {"count": pn.Head("poisson"), "size": pn.Head("normal", constant=["scale"])}
    model = pn.Model([a, b], {name: head(hidden) for name, head in heads.items()})
    model.compile(optimizers.Adam(0.05), loss_weights={"count": 0.5, "size": 2.0})
    for name, head in heads.items():
        head.adapt(TWO[1][name])
    return model


# Full batches: on TensorFlow, Keras weighs the loss of each output by batches, not by rows.
TWO = ([X[:48], CODES[:48]], {"count": np.floor(3 * np.abs(Y[:48])), "size": 5.0 + Y[:48]})
SCHEDULE = optimizers.schedules.ExponentialDecay(0.05, 3, 0.9)

OPTIMIZERS = {
    "adamw, averages at the end": lambda: optimizers.AdamW(
        0.05, weight_decay=0.1, clipnorm=0.5, use_ema=True, ema_momentum=0.9
    ),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, global_clipnorm=0.5),
    "adagrad": lambda: optimizers.Adagrad(0.05, clipvalue=0.1),
    "adafactor": lambda: optimizers.Adafactor(0.05),
    "lion": lambda: optimizers.Lion(0.01),
    "nadam with a schedule": lambda: optimizers.Nadam(SCHEDULE),
    "averages that overwrite": lambda: optimizers.SGD(
        0.05, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3
    ),
    "accumulated gradients": lambda: optimizers.Adam(0.05, gradient_accumulation_steps=3),
}

_FEW = ("adamw, averages at the end", "accumulated gradients")  # the others are slow tests


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in _FEW)) for n in OPTIMIZERS]
)
def test_optimizers(name):
    agree(*both(lambda: network(OPTIMIZERS[name]()), *FULL))


FEATURES = {
    "normalisation, penalties, constraints, unbuilt": (
        lambda: stack(
            layers.Dense(4, "tanh", kernel_regularizer="l2", kernel_constraint="unit_norm"),
            layers.BatchNormalization(),
            Penalty(),
            layers.Dense(1, activity_regularizer="l1"),
        ),
        (X, Y),
        {"validation_data": HELD},
    ),
    "embedding, GRU and LSTM": (
        lambda: stack(
            keras.Input((6,), dtype="int32"),
            layers.Embedding(7, 3, mask_zero=True),
            layers.GRU(3, return_sequences=True),
            layers.LSTM(2),
            layers.Dense(1),
        ),
        (CODES[:48], Y[:48]),
        {},
    ),
    "masked sequences with weights": (
        lambda: stack(
            keras.Input((6, 2)),
            layers.Masking(),
            layers.GRU(3, return_sequences=True),
            layers.Dense(1),
            metrics=["mae"],
            weighted_metrics=["mse"],
        ),
        (SERIES * (np.arange(6) < 4)[:, None], SERIES[..., :1]),
        {"sample_weight": np.outer(W, np.arange(1.0, 7.0))},
    ),
    "convolution": (
        lambda: stack(
            keras.Input((6, 2)),
            layers.Conv1D(3, 2, activation="tanh"),
            layers.LayerNormalization(),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ),
        (SERIES[:48], Y[:48]),
        {},
    ),
    "two inputs and two heads": (two_heads, TWO, {}),
    "a head": (
        lambda: headed("bernoulli", metrics=["accuracy"]),
        (X, (Y > 0).astype("float32")),
        {"validation_split": 0.25},
    ),
    "metrics": (
        lambda: network(
            metrics=["mae", keras.metrics.R2Score(class_aggregation=None)],
            weighted_metrics=["mse"],
        ),
        (X, Y),
        {"sample_weight": W, "validation_data": (*HELD, W[:21])},
    ),
}


def headed(family, optimizer="adam", **options):
    head = pn.Head(family)
    model = pn.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), head])
    model.compile(optimizer, **options)
    head.adapt((Y > 0).astype("float32"))
    return model


_LONG = (
    "embedding, GRU and LSTM",
    "masked sequences with weights",
    "convolution",
    "two inputs and two heads",
)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in _LONG)) for n in FEATURES]
)
def test_layers_and_losses(name):
    build, data, options = FEATURES[name]
    agree(*both(build, *data, **options))


@pytest.mark.parametrize(
    ("policy", "optimizer", "digits"),
    [
        ("mixed_bfloat16", lambda: optimizers.Adam(0.05), 8),
        # Gradients overflow until the scale has come down.
        (
            "mixed_float16",
            lambda: optimizers.LossScaleOptimizer(
                optimizers.SGD(0.05), initial_scale=2.0**20, dynamic_growth_steps=4
            ),
            11,
        ),
    ],
)
def test_mixed_precision(policy, optimizer, digits):
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        ours, theirs = both(lambda: network(optimizer()), *FULL)
    finally:
        keras.config.set_dtype_policy(kept)
    agree(ours, theirs, tolerance=2.0 ** (1 - digits))
    if hasattr(theirs[0].optimizer, "dynamic_scale"):
        scales = [float(model.optimizer.dynamic_scale) for model, _ in (ours, theirs)]
        assert scales[0] == scales[1]


def _with_logs(method):
    def step(self, *args):
        found = method(self, *args)
        logs = found[0] if BACKEND == "jax" else found
        logs = {"twice": 2.0 * logs["loss"]}
        return (logs, found[1]) if BACKEND == "jax" else logs

    return step


class OwnLogs(keras.Sequential):
    train_step = _with_logs(keras.Sequential.train_step)


class OwnStep(keras.Sequential):
    def train_step(self, *args):
        return super().train_step(*args)


class Extremes(keras.metrics.Metric):
    """A metric of two numbers, each with its name."""

    def __init__(self):
        super().__init__()
        self.low = self.add_variable((), "zeros")
        self.high = self.add_variable((), "zeros")

    def update_state(self, y, pred, sample_weight=None):
        self.low.assign(keras.ops.minimum(self.low, keras.ops.min(pred)))
        self.high.assign(keras.ops.maximum(self.high, keras.ops.max(pred)))

    def result(self):
        return {"low": self.low + 0.0, "high": self.high + 0.0}


@pytest.mark.parametrize(
    ("cls", "metrics"), [(OwnStep, None), (OwnLogs, None), (keras.Sequential, Extremes)]
)
def test_auto_is_keras_for_steps_and_metrics_of_all_kinds(cls, metrics):
    found = []
    for fit in (pn.fit, stock):
        keras.utils.set_random_seed(11)
        model = cls([keras.Input((3,)), layers.Dense(2, "tanh"), layers.Dense(1)])
        model.compile("sgd", "mse", metrics=metrics and [metrics()])
        found.append((model, fit(model, *FULL, **settings({"epochs": 2}))))
    agree(*found)


# ---- the arguments of fit -------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(rewinding):
    """Return a function that fits one of two equal models from their first weights."""
    keras.utils.set_random_seed(11)
    models = [network(optimizers.SGD(0.1, momentum=0.9), metrics=["mae"]) for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    rewinds = [rewinding(model) for model in models]

    def run(fit, *data, **options):
        model = models[fit is stock]
        rewinds[fit is stock]()
        model._initial_epoch = 0  # which BackupAndRestore has moved
        options = {name: getattr(v, "make", lambda v=v: v)() for name, v in options.items()}
        data = () if "x" in options else data or (X, Y)
        return model, fit(model, *data, **settings(options))

    return run


OPTIONS = {
    "validation split": {"validation_split": 0.3, "sample_weight": W, "validation_freq": 2},
    "validation in listed epochs": {
        "validation_data": [*HELD],
        "validation_freq": [1, 4],
        "validation_batch_size": 5,
    },
    "initial epoch": {"initial_epoch": 3},
    "no epochs": {"epochs": 0},
    "default batch size": {"batch_size": None},
    "one batch": {"batch_size": 1000},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_arguments(name, pair):
    agree(pair(whole, **OPTIONS[name]), pair(stock, **OPTIONS[name]))


DATA = {
    "float64": (X.astype("float64"), Y.astype("float64")),
    "integers and booleans": (np.rint(X).astype("int64"), Y > 0),
    "frames": (pd.DataFrame(X), pd.Series(Y[:, 0])),
    "tensors": tuple(keras.ops.convert_to_tensor(a) for a in (X, Y)),
}


@pytest.mark.parametrize("kind", DATA)
def test_kinds_of_data(kind, pair):
    agree(pair(whole, *DATA[kind]), pair(stock, *DATA[kind]))


def test_class_weight(pair):
    data, options = (X, (Y > 0).astype("int32")), {"class_weight": {0: 0.5, 1: 3.0}}
    agree(pair(whole, *data, **options), pair(stock, *data, **options))


def test_signature_is_that_of_keras():
    ours, theirs = (inspect.signature(f).parameters for f in (pn.fit, keras.Model.fit))
    names = [name for name in ours if name not in ("model", "whole_epoch", "on_divergence")]
    assert names == [name for name in theirs if name != "self"]
    assert all(ours[name].default == theirs[name].default for name in names)


def test_max_epochs_warns_as_keras_does(pair, monkeypatch):
    monkeypatch.setattr(keras.config, "max_epochs", lambda: 2)
    with pytest.warns(UserWarning, match="Limiting epochs to 2"):
        _, history = pair(whole)
    assert history.epoch == [0, 1]


# ---- shuffling and repeating ----------------------------------------------------------------


def test_every_epoch_takes_every_row_once():
    model = stack(keras.Input((1,)), layers.Dense(1, kernel_initializer="zeros"))
    model.compile(optimizers.SGD(0.0), "mae")
    y = 2.0 ** np.arange(21)  # a sum tells which of them are in it, and how often
    for shuffle in (True, "batch"):
        history = whole(model, np.ones((21, 1)), y, 4, 3, verbose=0, shuffle=shuffle)
        total = np.rint(np.multiply(history.history["loss"], 21))
        np.testing.assert_array_equal(total, [2**21 - 1] * 3)


def test_shuffling_within_batches_keeps_the_batches(pair):
    """The mean over a batch knows no order: only rounding may differ."""
    expected = flat(pair(whole)[0])
    np.testing.assert_allclose(flat(pair(whole, shuffle="batch")[0]), expected, rtol=0, atol=1e-5)
    assert np.abs(flat(pair(whole, shuffle=True)[0]) - expected).max() > 1e-4


@pytest.mark.skipif(BACKEND != "jax", reason="only there Keras shuffles with NumPy's generator")
@pytest.mark.parametrize("shuffle", [True, "batch"])
def test_shuffles_are_those_of_keras(shuffle):
    found = []
    for fit in (whole, stock):
        keras.utils.set_random_seed(11)
        model = network(metrics=["mae"])
        stock(model, X, Y, epochs=0, verbose=0)  # builds it, for which Keras draws once more
        keras.utils.set_random_seed(12)
        fit(model, X, Y, batch_size=16, epochs=3, shuffle=shuffle, verbose=0)
        found.append(flat(model))
    np.testing.assert_allclose(*found, rtol=0, atol=1e-5)  # another order moves them by 1e-3


def test_seed_makes_a_fit_repeatable():
    def fitted(seed):
        keras.utils.set_random_seed(seed)
        model = stack(keras.Input((3,)), layers.Dropout(0.5), layers.Dense(1))
        history = whole(model, *FULL, batch_size=16, epochs=3, verbose=0)
        return [*flat(model), *history.history["loss"]]

    first = fitted(3)
    assert fitted(3) == first
    assert fitted(4) != first


# ---- random layers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "variance"),
    [
        (lambda: layers.Dropout(0.3), 0.3 / 0.7),
        (lambda: layers.SpatialDropout1D(0.3, seed=5), 0.3 / 0.7),
        (lambda: layers.GaussianNoise(0.5, seed=5), 0.25),
    ],
)
def test_moments_of_random_layers(layer, variance):
    """The mean over 400 rows of sums of 8 numbers near 1, fresh in each of 80 steps."""
    sums = layers.Dense(1, kernel_initializer="ones", use_bias=False)
    model = stack(keras.Input((1, 8)), layer(), layers.Flatten(), sums)
    model.compile(optimizers.SGD(0.0), "mae")
    keras.utils.set_random_seed(2)
    history = whole(model, np.ones((400, 1, 8)), np.zeros(400), 400, 80, verbose=0)
    drawn = np.array(history.history["loss"])
    variance *= 8 / 400
    assert abs(drawn.mean() - 8.0) < 4 * np.sqrt(variance / 80)
    low, high = stats.chi2.ppf([1e-4, 1 - 1e-4], 79)
    assert low < 79 * drawn.var(ddof=1) / variance < high
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 4 / np.sqrt(80)


@pytest.mark.slow
def test_dropout_trains_as_in_keras():
    """Weights and loss over 30 seeds: means within 4 standard errors, and equal spreads."""
    found = []
    for fit in (whole, stock):
        keras.utils.set_random_seed(11)
        dropout = layers.Dropout(0.4)
        model = stack(
            keras.Input((3,)), layers.Dense(5, "tanh"), dropout, layers.Dense(1), optimizer="sgd"
        )
        start, drawn = model.get_weights(), []
        for seed in range(30):
            model.set_weights(start)
            keras.utils.set_random_seed(100 + seed)
            dropout.seed_generator.state.assign([1000 + seed, 0])
            history = fit(model, *FULL, batch_size=8, epochs=2, shuffle=False, verbose=0)
            drawn.append([*flat(model), *history.history["loss"]])
        found.append(np.array(drawn))
    ours, theirs = found
    error = np.sqrt((ours.var(axis=0, ddof=1) + theirs.var(axis=0, ddof=1)) / 30)
    z = (ours.mean(axis=0) - theirs.mean(axis=0)) / error
    assert np.abs(z).max() < 4, z
    ratio = ours.var(axis=0) / theirs.var(axis=0)
    low, high = stats.f.ppf([1e-4, 1 - 1e-4], 29, 29)
    assert low < ratio.min() <= ratio.max() < high, ratio


class Noise(layers.Layer):
    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


@pytest.mark.skipif(BACKEND != "torch", reason="about steps that torch cannot trace")
@pytest.mark.parametrize(
    ("layer", "exact"), [(lambda: layers.Dropout(0.5, seed=3), True), (Noise, False)]
)
def test_steps_that_cannot_be_traced_draw_anew(layer, exact):
    def build(rate):
        return stack(keras.Input((3,)), layer(), layers.Dense(1), optimizer=optimizers.SGD(rate))

    keras.utils.set_random_seed(11)
    still = whole(build(0.0), X, Y, batch_size=53, epochs=5, verbose=0)
    assert len(set(still.history["loss"])) == 5
    ours, theirs = both(lambda: build(0.05), X, Y)
    assert ours[1].history["loss"][-1] < ours[1].history["loss"][0]
    if exact:
        agree(ours, theirs)


@pytest.mark.skipif(BACKEND != "torch", reason="torch modules know whether they train")
@pytest.mark.parametrize("options", [{}, {"validation_data": HELD}])
def test_modules_are_left_as_keras_leaves_them(options, pair):
    states = [pair(fit, **options)[0].training for fit in (whole, stock)]
    assert states[0] == states[1]


threefry_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's generator")


@threefry_only
@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [  # threefry2x32, 20 rounds, in the known answers of Random123
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_known_answers(key, counter, expected):
    import tensorflow as tf

    from probnn.backend import tensorflow_random

    numbers = [[tf.constant(i, tf.uint32) for i in pair] for pair in (key, counter)]
    assert tuple(int(bits) for bits in tensorflow_random.threefry(*numbers)) == expected


@threefry_only
def test_masks_are_uniform_and_independent():
    from probnn.backend import tensorflow_random

    drawn = np.array([tensorflow_random.uniform((201, 5), [9, step]) for step in range(20)])
    drawn = np.concatenate([drawn, [tensorflow_random.uniform((201, 5), [10, 0])]])
    assert drawn.shape == (21, 201, 5)
    assert 0.0 <= drawn.min() <= drawn.max() < 1.0
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-3
    rows = drawn.reshape(21, -1)
    between = np.corrcoef(rows)[np.triu_indices(21, 1)]  # steps, and two keys
    assert np.abs(between).max() < 5 / np.sqrt(rows.shape[1])
    for lag in (1, 5, 502, 503):  # neighbours in a row, in a column, and the halves of a pair
        ahead = np.corrcoef(rows[:, lag:].ravel(), rows[:, :-lag].ravel())[0, 1]
        assert abs(ahead) < 5 / np.sqrt(rows[:, lag:].size)


# ---- callbacks ------------------------------------------------------------------------------


class Made:
    """An argument that is made anew for each fit."""

    def __init__(self, make):
        self.make = make


class Recorder(callbacks.Callback):
    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def _note(self, hook, *epoch, logs):
        iterations = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations.value))
        self.calls.append(((hook, *epoch, tuple(logs), iterations), [*logs.values()]))

    def on_train_begin(self, logs=None):
        self._note("train_begin", logs=logs)

    def on_train_end(self, logs=None):
        self._note("train_end", logs=logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._note("epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch, logs=None):
        self._note("epoch_end", epoch, logs=logs)

    def on_test_begin(self, logs=None):
        self._note("test_begin", logs=logs)

    def on_test_end(self, logs=None):
        self._note("test_end", logs=logs)


def test_callbacks_are_called_as_by_keras(pair):
    found = []
    for fit in (whole, stock):
        found.append([])
        pair(fit, validation_data=HELD, validation_freq=2, callbacks=[Recorder(found[-1])])
    ours, theirs = found
    assert [call for call, _ in ours] == [call for call, _ in theirs]
    for (call, values), (_, expected) in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-5, err_msg=str(call))


class Shrink(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([0.5 * weight for weight in self.model.get_weights()])


class Stop(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 2


CALLBACKS = {
    "stops early": lambda: callbacks.EarlyStopping("val_loss", min_delta=0.5, patience=2),
    "stops early, best weights": lambda: callbacks.EarlyStopping(
        "val_loss", min_delta=0.5, patience=2, restore_best_weights=True
    ),
    "lowers the rate": lambda: callbacks.ReduceLROnPlateau(
        "loss", factor=0.3, patience=1, min_delta=0.5
    ),
    "schedules the rate": lambda: callbacks.LearningRateScheduler(
        lambda epoch, rate: rate * 0.5 if epoch else 0.2
    ),
    "changes weights": Shrink,
    "stops by hand": Stop,
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_that_steer(name, pair):
    options = {"validation_data": HELD, "epochs": 6}
    results = [pair(fit, **options, callbacks=Made(CALLBACKS[name])) for fit in (whole, stock)]
    agree(*results)


def test_averages_are_validated_where_a_callback_swaps_them_in():
    def build():
        return network(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9))

    found = []
    for fit in (pn.fit, stock):
        keras.utils.set_random_seed(11)
        model = build()
        held = tuple(a[:16] for a in HELD)
        options = {"validation_data": held, "callbacks": [callbacks.SwapEMAWeights()]}
        found.append((model, fit(model, *FULL, **settings(options))))
    agree(*found)


def test_callbacks_that_write_files(pair, tmp_path):
    found = []
    for fit in (whole, stock):
        folder = tmp_path / fit.__name__
        folder.mkdir()
        writers = [
            callbacks.CSVLogger(folder / "log.csv"),
            callbacks.ModelCheckpoint(folder / "{epoch:02d}-{val_loss:.3f}.weights.h5", "val_loss"),
        ]
        writers[1].save_weights_only = True
        model, _ = pair(fit, validation_data=HELD, callbacks=writers)
        files = sorted(path.name for path in folder.iterdir())
        model.load_weights(folder / files[1])
        found.append((files, pd.read_csv(folder / "log.csv"), flat(model)))
    (ours, ours_log, ours_weights), (theirs, log, weights) = found
    assert ours == theirs
    assert len(theirs) == 6
    pd.testing.assert_frame_equal(ours_log, log, rtol=1e-5)
    np.testing.assert_allclose(ours_weights, weights, rtol=0, atol=1e-5)


def test_csv_of_many_epochs_in_one_program(pair, tmp_path):
    tables = []
    for fit in (whole, stock):
        path = tmp_path / f"{fit.__name__}.csv"
        pair(fit, callbacks=[callbacks.CSVLogger(path)])
        tables.append(pd.read_csv(path))
    pd.testing.assert_frame_equal(*tables, rtol=1e-5)


def test_tensorboard_writes(pair, tmp_path):
    pytest.importorskip("tensorboard")
    tf = pytest.importorskip("tensorflow")
    found = []
    for fit in (whole, stock):
        folder = tmp_path / fit.__name__
        pair(fit, validation_data=HELD, callbacks=[callbacks.TensorBoard(folder)])
        found.append(
            {
                (path.parent.name, value.tag, event.step)
                for path in folder.rglob("events*")
                for event in tf.compat.v1.train.summary_iterator(str(path))
                for value in event.summary.value
                if value.tag.startswith(("epoch", "evaluation"))
            }
        )
    assert found[0] == found[1]
    assert ("validation", "epoch_loss", 4) in found[0]


def test_backup_and_restore_resume(pair, tmp_path):
    def fail(epoch, logs):
        if epoch == 3:
            raise RuntimeError("the power is gone")

    results = []
    for fit in (whole, stock):
        backup = callbacks.BackupAndRestore(tmp_path / fit.__name__)
        crash = callbacks.LambdaCallback(on_epoch_begin=fail)
        with pytest.raises(RuntimeError, match="power"):
            pair(fit, callbacks=[backup, crash])
        results.append(pair(fit, callbacks=[callbacks.BackupAndRestore(tmp_path / fit.__name__)]))
    assert results[1][1].epoch == [3, 4]
    agree(*results)


def test_a_callback_list_of_the_caller(pair):
    found = []
    for fit in (whole, stock):
        model, _ = pair(fit, epochs=0)
        given = callbacks.CallbackList([], add_history=True, model=model, epochs=5, steps=4)
        found.append(pair(fit, callbacks=given))
    agree(*found)


PRINTED = [
    (r"\x08|\r|\x1b\[[0-9;]*m", ""),
    (r"\d+(s|ms|us)\b", "TIME"),  # how long it took is no part of it
    (r"\d+(s|ms|us)/step", "TIME"),
]


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_progress_is_printed_as_by_keras(verbose, pair, capsys):
    shown = []
    for fit in (whole, stock):
        pair(fit, validation_data=HELD, epochs=3, verbose=verbose)
        text = capsys.readouterr().out
        for pattern, replacement in PRINTED:
            text = re.sub(pattern, replacement, text)
        # Keras redraws the bar after every batch: the last bar of an epoch counts.
        lines = [line for line in text.splitlines() if line.strip()]
        shown.append([re.sub(r".*(4/4 .*)", r"\1", line) for line in lines])
    assert shown[0] == shown[1]
    assert len(shown[1]) == (6 if verbose else 0)


# ---- when Keras's own loop must run ---------------------------------------------------------


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, i):
        return X[16 * i : 16 * i + 16], Y[16 * i : 16 * i + 16]


class PerBatch(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


def sparse(array):
    from scipy import sparse

    return sparse.csr_matrix(array)


def checkpoint(tmp_path):
    path = tmp_path / "model.weights.h5"
    return callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=3)


OBSTACLES = {
    "generator": (
        lambda _: {"x": (Batches()[i % 3] for i in range(12)), "y": None, "steps_per_epoch": 3},
        "stream of batches .generator",
    ),
    "dataset": (lambda _: {"x": Batches(), "y": None}, "stream of batches .Batches"),
    "validation dataset": (lambda _: {"validation_data": Batches()}, "stream of batches"),
    "sparse": (lambda _: {"x": sparse(X)}, "csr_matrix, which is no dense array"),
    "steps": (lambda _: {"steps_per_epoch": 2}, "steps_per_epoch=2"),
    "validation steps": (
        lambda _: {"validation_data": HELD, "validation_steps": 1, "validation_batch_size": 5},
        "validation_steps=1",
    ),
    "batch hooks": (lambda _: {"callbacks": PerBatch()}, "PerBatch .*on_train_batch_end"),
    "checkpoints": (
        lambda tmp_path: {"callbacks": [checkpoint(tmp_path)]},
        "ModelCheckpoint with save_freq=3",
    ),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_obstacles_in_the_call(name, pair, tmp_path):
    make, words = OBSTACLES[name]

    def options():
        given = {"epochs": 2, **make(tmp_path)}
        return {"x": X, "y": Y, **given} if "x" in given else given

    with pytest.raises(ValueError, match=f"whole_epoch=True.*{words}"):
        pair(whole, **options())
    if name in ("generator", "dataset"):  # a model with a head checks them, and names the user's
        model = pn.Sequential([keras.Input((X.shape[1],)), pn.Head("normal")])
        model.compile("sgd")
        with pytest.raises(ValueError, match=f"whole_epoch=True.*{words}"):
            model.fit(**options(), whole_epoch=True)
    agree(pair(pn.fit, **options()), pair(stock, **options()))


class OfEachBatch(PerBatch):
    """As its base, by another name."""


def test_what_stands_in_the_way_is_said_once(pair, capsys):
    for verbose in (0, 2, 2):
        pair(pn.fit, epochs=1, callbacks=[OfEachBatch()], verbose=verbose)
    assert (
        capsys.readouterr().out.count("would compile but for a OfEachBatch callback with on_") == 1
    )


def auto_is_keras(build, words):
    """Assert the words of whole_epoch=True, and that "auto" trains as Keras does."""
    found = []
    for fit in (pn.fit, stock):
        keras.utils.set_random_seed(11)
        model = build()
        options = settings({"epochs": 2})
        if fit is pn.fit:
            model.build((None, 3))
            before = flat(model)
            with pytest.raises(ValueError, match=f"whole_epoch=True.*{words}"):
                whole(model, *FULL, **options)
            np.testing.assert_array_equal(flat(model), before)
        found.append((model, fit(model, *FULL, **options)))
    agree(*found)


class NoJit(layers.Layer):
    def __init__(self):
        super().__init__()
        self.supports_jit = False

    def call(self, x):
        return 2.0 * x


def on_host(y, pred):
    import tensorflow as tf

    error = tf.numpy_function(lambda a, b: np.abs(a - b).mean(-1), [y, pred], tf.float32)
    return tf.ensure_shape(error, pred.shape[:1])


MODELS = {
    "eager": (lambda: network(run_eagerly=True), "run_eagerly=True", ()),
    "no jit": (lambda: network(jit_compile=False), "jit_compile=False", ("tensorflow", "torch")),
    "layer without jit": (
        lambda: stack(keras.Input((3,)), NoJit(), layers.Dense(1)),
        "supports_jit",
        ("torch",),
    ),
    "metric on the host": (
        lambda: network(metrics=[on_host]),
        "does not compile",
        ("jax", "torch"),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_obstacles_in_the_model(name):
    build, words, no_obstacle_on = MODELS[name]
    if BACKEND in no_obstacle_on:
        pytest.skip("no obstacle on this backend")
    auto_is_keras(build, words)


def test_obstacle_of_memory(monkeypatch):
    monkeypatch.setattr(conditions.backend, "free_memory", lambda: 100)
    auto_is_keras(network, "GiB of data, where .* GiB fit")


def test_obstacle_of_an_own_fit():
    class Own(keras.Sequential):
        def fit(self, x, y, **options):
            return "mine"

    model = Own([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Own, which has a fit of its own"):
        whole(model, X, Y)


def test_false_takes_the_loop_of_keras(pair, monkeypatch):
    monkeypatch.setattr(fitting.WholeEpochFit, "__init__", None)
    agree(pair(lambda *a, **k: pn.fit(*a, whole_epoch=False, **k)), pair(stock))


@pytest.mark.parametrize("value", ["yes", None, 2])
def test_other_choices_are_refused(value):
    with pytest.raises(ValueError, match="whole_epoch to be 'auto', True or False"):
        pn.fit(network(), X, Y, whole_epoch=value)


# ---- programs -------------------------------------------------------------------------------


@pytest.fixture
def traces(monkeypatch):
    """Return a list that grows when a program is traced."""
    if BACKEND == "torch":
        from probnn.backend import torch_steps

        cls, name = torch_steps.Traced, "_trace"
    else:
        cls, name = epochs.Program, "_run"
    original, seen = getattr(cls, name), []

    def traced(self, *args):
        seen.append(self)
        return original(self, *args)

    monkeypatch.setattr(cls, name, traced)
    return seen


def test_programs_are_reused_until_the_model_changes(traces):
    model = network(optimizers.SGD(0.1))
    counts = []

    def fit(*data, **options):
        whole(model, *(data or (X, Y)), **settings({"epochs": 2, **options}))
        counts.append(len(traces))

    fit()
    fit()  # the same
    fit(X[::-1].copy(), Y + 1.0, epochs=7)  # other numbers, and more epochs of them
    assert counts[0] > 0
    assert counts == counts[:1] * 3
    model.compile(optimizers.SGD(0.1), "mae")
    fit()
    assert counts[3] > counts[2]
    model.layers[0].trainable = False
    model.compile(optimizers.SGD(0.1), "mae")
    frozen, free = model.layers[0].get_weights(), model.layers[1].get_weights()
    fit()
    assert counts[4] > counts[3]
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], frozen[0])
    assert np.abs(model.layers[1].get_weights()[0] - free[0]).max() > 1e-3
    fit(X[:40], Y[:40])  # other batches
    assert counts[5] > counts[4]


def test_long_epochs_run_in_chunks(monkeypatch):
    chunks, original = [], epochs.Epochs.run

    def run(self, orders, first, last, *args):
        chunks.append((len(orders), int(first), int(last)))
        return original(self, orders, first, last, *args)

    monkeypatch.setattr(fitting, "_SECONDS", 0.0)
    monkeypatch.setattr(epochs.Epochs, "run", run)
    rows = np.arange(523) % 53
    agree(
        *both(
            lambda: network(optimizers.SGD(0.01, momentum=0.5), metrics=["mae"]),
            X[rows],
            Y[rows],
            batch_size=2,  # 261 steps, and one of a single row
            epochs=2,
            validation_data=HELD,
        )
    )
    expected = [(0, 256), *((i, i + 1) for i in range(256, 261)), *((i, i + 1) for i in range(261))]
    assert [chunk[1:] for chunk in chunks if chunk[0]] == expected


def test_the_progress_of_a_long_epoch_is_told_in_numbers(monkeypatch):
    told = []
    monkeypatch.setattr(fitting, "_SECONDS", 0.0)
    bar = keras.callbacks.ProgbarLogger
    monkeypatch.setattr(bar, "on_train_batch_end", lambda self, batch, logs: told.append(logs))
    rows = np.arange(523) % 53
    pn.fit(network(optimizers.SGD(0.01)), X[rows], Y[rows], batch_size=2, verbose=1)
    assert len(told) == 5  # after 256 of 261 whole steps, and each but the last
    assert all(type(value) is float for logs in told for value in logs.values())


@pytest.mark.skipif(pn.backend.has_gpu(), reason="about a compiler for CPUs")
def test_convolutions_stay_out_of_the_loops_that_slow_them(traces):
    held = SERIES[:21], Y[:21]

    def build():
        hidden = layers.Conv1D(3, 2, activation="tanh"), layers.Flatten()
        return stack(keras.Input((6, 2)), *hidden, layers.Dense(1))

    ours, theirs = both(build, SERIES, Y, epochs=2, validation_data=held)
    agree(ours, theirs)
    # TensorFlow reads it twice, with XLA and without; on JAX, once read, its loops run in Python,
    # for no epoch and for two; torch reads steps, of full and smaller batches.
    assert len(traces) == {"tensorflow": 2, "jax": 3, "torch": 4}[BACKEND]
    model, before = ours[0], flat(ours[0])
    model.optimizer.learning_rate = 1e30
    with pytest.raises(pn.training.DivergenceError):
        whole(model, SERIES, Y, **settings({"epochs": 3, "validation_data": held}))
    np.testing.assert_array_equal(flat(model), before)
