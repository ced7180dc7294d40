"""When training goes wrong: infinite losses, Ctrl-C, and learning rates to begin with."""

import os
import re
import signal
import threading

import keras
import numpy as np
import pytest

import probnn as pn
from probnn.training import DivergenceError, DivergenceWarning, epochs, fitting

pytestmark = pytest.mark.backend

layers, optimizers, callbacks = keras.layers, keras.optimizers, keras.callbacks

# x is 1 or -1: every batch has the same gradient, 2 (w - 3), and the same loss, (w - 3)^2.
X = np.where(np.arange(16) % 3, 1.0, -1.0).astype("float32")[:, None]
Y = 3.0 * X
RATE, MOMENTUM = 8.0, 0.5

each_path = pytest.mark.parametrize("whole_epoch", [True, False], ids=["whole", "keras"])


def line(rate=RATE, momentum=MOMENTUM, **options):
    kernel = layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), kernel])
    model.compile(optimizers.SGD(rate, momentum), "mse", **options)
    return model


def fit(model, x=X, y=Y, **options):
    return pn.fit(model, x, y, **{"batch_size": 4, "epochs": 20, "verbose": 0, **options})


def by_hand(rate=RATE, momentum=MOMENTUM, batches=4, most=20):
    """Return the loss of each epoch, the last one not finite, in float32."""
    weight, speed, losses = np.float32(0.0), np.float32(0.0), []
    with np.errstate(over="ignore", invalid="ignore"):
        while len(losses) < most and np.isfinite([*losses, weight]).all():
            steps = []
            for _ in range(batches):
                steps.append((weight - np.float32(3.0)) ** 2)
                speed = np.float32(momentum) * speed - np.float32(2 * rate) * (weight - 3)
                weight = np.float32(weight + speed)
            losses.append(np.mean(steps, dtype="float32"))
    return losses


LOSSES = by_hand()


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(v.value).copy() for v in variables]


# ---- divergence -----------------------------------------------------------------------------


@each_path
@pytest.mark.parametrize("on_divergence", ["raise", "warn"])
@pytest.mark.parametrize("first", [0, 7])
def test_last_good_epoch_is_restored(whole_epoch, on_divergence, first):
    good = len(LOSSES) - 1
    assert good >= 3  # it diverges late, and not in the first epoch
    options = {"whole_epoch": whole_epoch, "initial_epoch": first}
    model = line()
    if on_divergence == "raise":
        with pytest.raises(DivergenceError) as caught:
            fit(model, **options)
        message = str(caught.value)
        history = model.history
    else:
        with pytest.warns(DivergenceWarning) as record:
            history = fit(model, on_divergence="warn", **options)
        (message,) = {str(w.message) for w in record if w.category is DivergenceWarning}
        assert isinstance(history, callbacks.History)
    reference = line()  # whose losses rise: by Keras, which lets them
    options = {"batch_size": 4, "epochs": first + good, "initial_epoch": first, "verbose": 0}
    reference.fit(X, Y, **options)
    for ours, theirs in zip(state(model), state(reference), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert history.epoch == [*range(first, first + good + 1)]
    np.testing.assert_allclose(history.history["loss"][:-1], LOSSES[:-1], rtol=1e-5)
    assert not np.isfinite(history.history["loss"][-1])
    assert f"in epoch {first + good + 1}," in message
    assert f"learning rate of {RATE:.3g}." in message
    assert re.search(f"last finite loss was .* in epoch {first + good},", message)
    last = float(re.search(r"last finite loss was (\S+),", message)[1])
    np.testing.assert_allclose(last, LOSSES[-2], rtol=1e-5)
    assert "lower the learning rate: try 0.8" in message
    assert "suggest_learning_rate" in message
    assert "link" not in message


class FasterFromEpoch4(callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.1 if epoch < 3 else 1.2


@each_path
def test_a_loss_that_rises_and_stays_finite_is_undone(whole_epoch):
    model = line(momentum=0.0)
    with pytest.warns(
        DivergenceWarning, match=r"rate of 1\.2\. The weights after epoch 3 are rest"
    ):
        losses = fit(model, epochs=7, callbacks=[FasterFromEpoch4()], whole_epoch=whole_epoch)
    assert losses.history["loss"][-1] > 100.0
    # Each step is an error of w - 3 times 1 - 2 rate.
    np.testing.assert_allclose(model.get_weights()[0], [[3.0 - 3.0 * 0.8**12]], rtol=1e-5)


@each_path
def test_a_restored_model_trains_on(whole_epoch):
    model = line(rate=1.0, momentum=0.0)
    fit(model, epochs=2, whole_epoch=whole_epoch)
    model.optimizer.learning_rate = 1e30
    with pytest.raises(DivergenceError, match=r"in epoch 1, .*rate of 1e\+30.* first epoch"):
        fit(model, whole_epoch=whole_epoch)
    model.optimizer.learning_rate = 0.1
    for _ in range(2):  # the second on what the first has left
        history = fit(model, whole_epoch=whole_epoch)
    assert history.history["loss"][-1] < 1e-10
    np.testing.assert_allclose(model.get_weights()[0], [[3.0]], rtol=1e-5)


@each_path
def test_nan_in_the_data_leaves_the_weights_alone(whole_epoch):
    model = line(rate=0.1)
    fit(model, epochs=1, whole_epoch=whole_epoch)
    before = state(model)
    with pytest.raises(DivergenceError, match=r"Received: nan in epoch 1.*first epoch of this fit"):
        fit(model, X, np.where(X > 0, Y, np.nan), whole_epoch=whole_epoch)
    for ours, theirs in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@each_path
def test_infinite_weights_count_as_divergence(whole_epoch):
    """The loss of the one batch comes before the step that loses the weights."""
    model = line(rate=1e38)
    with pytest.raises(DivergenceError, match="in epoch 1"):
        fit(model, batch_size=16, whole_epoch=whole_epoch)
    np.testing.assert_array_equal(model.get_weights()[0], [[0.0]])


@each_path
def test_message_has_the_rate_that_diverged(whole_epoch):
    schedule = callbacks.LearningRateScheduler(lambda epoch: 0.01 if epoch < 2 else 1e25)
    model = line(rate=0.5)
    with pytest.raises(DivergenceError) as caught:
        fit(model, callbacks=[schedule], whole_epoch=whole_epoch)
    assert "in epoch 3," in str(caught.value)
    assert "learning rate of 1e+25." in str(caught.value)
    assert "try 1e+24" in str(caught.value)


class SetWeights(callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.model.set_weights([np.full((1, 1), 2.5)])


@each_path
def test_weights_from_a_callback_are_good_ones(whole_epoch):
    model = line()
    with pytest.raises(DivergenceError, match="first epoch"):
        fit(model, y=np.nan * Y, callbacks=[SetWeights()], whole_epoch=whole_epoch)
    np.testing.assert_array_equal(model.get_weights()[0], [[2.5]])


@each_path
def test_backup_is_not_lost_to_divergence(whole_epoch, tmp_path):
    def fail(epoch, logs):
        if epoch == 2:
            raise RuntimeError("the power is gone")

    model = line(rate=0.05)
    crash = callbacks.LambdaCallback(on_epoch_begin=fail)
    backup = callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(RuntimeError, match="power"):
        fit(model, callbacks=[backup, crash], whole_epoch=whole_epoch)
    resumed = line(rate=0.05)
    backup = callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(DivergenceError, match="in epoch 3,"):
        fit(resumed, y=np.nan * Y, callbacks=[backup], whole_epoch=whole_epoch)
    np.testing.assert_array_equal(resumed.get_weights()[0], model.get_weights()[0])


@each_path
def test_a_list_of_callbacks_is_given_back_as_it_was(whole_epoch):
    model = line(rate=0.1)
    given = callbacks.CallbackList([], add_history=True, model=model, epochs=2, verbose=0)
    before = list(given.callbacks)
    for _ in range(2):
        fit(model, epochs=2, callbacks=given, whole_epoch=whole_epoch)
    assert given.callbacks == before


@each_path
@pytest.mark.parametrize(
    ("head", "words"),
    [
        (lambda: pn.Head("poisson", link="identity"), "identity of rate"),
        (lambda: pn.Head("bernoulli", link="identity"), "identity of probs"),
        (lambda: pn.Head("poisson"), None),
    ],
)
def test_message_names_a_link_that_leaves_the_domain(whole_epoch, head, words, rng):
    x = rng.normal(size=(32, 2))
    model = pn.Sequential([keras.Input((2,)), head()])
    model.compile(optimizers.SGD(50.0 if words else 1e38))
    with pytest.raises(DivergenceError) as caught:
        model.fit(x, rng.integers(0, 2, 32), epochs=9, verbose=0, whole_epoch=whole_epoch)
    assert ("link" in str(caught.value)) == (words is not None)
    assert words is None or words in str(caught.value)


def test_an_unknown_choice_is_refused():
    with pytest.raises(ValueError, match="on_divergence to be 'raise' or 'warn'"):
        fit(line(), on_divergence="ignore")


# ---- Ctrl-C ---------------------------------------------------------------------------------


def sane(model, history, most):
    """Assert that an interrupted fit left all in order."""
    assert isinstance(history, callbacks.History)
    assert len(history.epoch) < most
    assert len(history.history["loss"]) == len(history.epoch)
    assert np.isfinite(model.get_weights()[0]).all()
    np.testing.assert_allclose(
        model.predict(X, verbose=0), X * model.get_weights()[0], rtol=1e-6, atol=1e-6
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    before = len(fit(model, epochs=2).epoch)
    assert before == 2  # and it trains on


def strike():
    os.kill(os.getpid(), signal.SIGINT)


@each_path
def test_ctrl_c_from_outside_returns_the_history(whole_epoch):
    begun = threading.Event()
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: begun.set())
    thread = threading.Thread(target=lambda: begun.wait(120) and strike())
    thread.start()
    model = line(rate=0.01)
    history = fit(model, epochs=20_000, callbacks=[note], whole_epoch=whole_epoch)
    thread.join()
    assert len(history.epoch) >= 1
    sane(model, history, 20_000)


def test_ctrl_c_stops_a_program_of_many_epochs(monkeypatch):
    struck, original = [], epochs.Epochs.run

    def run(self, orders, *args):
        if len(orders) > 1 and not struck:
            struck.append(len(orders))
            strike()
        return original(self, orders, *args)

    monkeypatch.setattr(epochs.Epochs, "run", run)
    model = line(rate=0.01)
    history = fit(model, epochs=20_000, whole_epoch=True)
    assert len(history.epoch) == struck[0]
    sane(model, history, 20_000)


def test_ctrl_c_stops_in_the_middle_of_an_epoch(monkeypatch):
    model, original = line(rate=1e-4), epochs.Epochs.run

    def run(self, orders, first, *args):
        if first == 256:
            strike()
        return original(self, orders, first, *args)

    monkeypatch.setattr(fitting, "_SECONDS", 0.0)  # chunks of one step, after the first
    monkeypatch.setattr(epochs.Epochs, "run", run)
    x = np.resize(X, (600, 1))
    history = fit(model, x, 3.0 * x, batch_size=2, epochs=3, whole_epoch=True)
    assert history.epoch == []
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations.value)) == 257
    losses = by_hand(rate=1e-4, batches=1, most=258)
    np.testing.assert_allclose((model.get_weights()[0] - 3.0) ** 2, losses[257], rtol=1e-4)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Strikes(callbacks.Callback):
    def __init__(self, times):
        super().__init__()
        self.times = times

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            for _ in range(self.times):
                strike()


@each_path
def test_ctrl_c_says_what_it_did(whole_epoch, capsys):
    history = fit(
        line(rate=0.01), callbacks=[Strikes(1)], verbose=2, epochs=5, whole_epoch=whole_epoch
    )
    assert history.epoch == [0, 1]
    assert "Interrupted after 2 epochs" in capsys.readouterr().out


@each_path
def test_second_ctrl_c_raises(whole_epoch):
    with pytest.raises(KeyboardInterrupt):
        fit(line(rate=0.01), callbacks=[Strikes(2)], whole_epoch=whole_epoch)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@each_path
def test_handlers_of_the_program_are_left_alone(whole_epoch):
    calls = []

    def handler(number, frame):
        calls.append(number)

    kept = signal.signal(signal.SIGINT, handler)
    try:
        history = fit(line(rate=0.01), callbacks=[Strikes(2)], epochs=4, whole_epoch=whole_epoch)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, kept)
    assert history.epoch == [0, 1, 2, 3]
    assert calls == [signal.SIGINT] * 2


def test_fit_outside_of_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(fit(line(rate=0.01), epochs=3)))
    thread.start()
    thread.join()
    assert found[0].epoch == [0, 1, 2]


# ---- suggest_learning_rate ------------------------------------------------------------------


def untouched(model):
    """Return what must not change about a model."""
    return [
        *state(model),
        *sorted(name for name in vars(model) if name != "_probnn_program"),
        *(id(model.optimizer), id(getattr(model, "history", None)), model.stop_training),
    ]


def regression(rng, optimizer="sgd"):
    """Return data with curvatures 16, 1 and 1/4, a model far along all axes, and its error."""
    rows = np.linalg.qr(rng.normal(size=(64, 3)))[0] * 8.0  # x'x / n is the identity
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    x = rows @ np.diag([4.0, 1.0, 0.5]) @ turn
    truth = turn.T @ [1.0, -1.0, 2.0]
    kernel = layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((3,)), kernel])
    model.compile(optimizer, "mse")
    return x, x @ truth, model, truth


def test_sweep_of_full_batches(rng):
    """One step of gradient descent on a quadratic, for which NumPy knows the result."""
    x, y, model, truth = regression(rng)
    before = untouched(model)
    rates = np.geomspace(1e-3, 10.0, 25)
    curve, value = pn.training.suggest_learning_rate(model, x, y, batch_size=64, rates=rates)
    for ours, theirs in zip(untouched(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    hessian = 2.0 * x.T @ x / 64  # of Keras's mean squared error
    ends = []
    for rate in rates:
        error = truth - rate * (hessian @ truth)
        ends.append(error @ hessian @ error / 2.0)
    np.testing.assert_array_equal(curve["learning_rate"], rates)
    np.testing.assert_allclose(curve["loss"], ends, rtol=1e-4)
    assert value == rates[np.argmin(ends)]


def test_rates_above_the_stable_one_end_worse():
    """Descent is stable up to 2 / lambda_max of the Hessian, which is 2 x'x / n: here up to 1."""
    x = np.resize(X, (160, 1))
    model = line(rate=0.3, momentum=0.0)
    fit(model, epochs=1, batch_size=16)
    start = float(model.evaluate(x, 3.0 * x, verbose=0))
    before = untouched(model)
    rates = np.array([0.003, 0.01, 0.1, 0.4, 0.6, 0.9, 0.99, 1.01, 1.1, 2.0, 10.0, 1e3])
    curve, value = pn.training.suggest_learning_rate(model, x, 3.0 * x, batch_size=4, rates=rates)
    for ours, theirs in zip(untouched(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    losses = curve["loss"].to_numpy()
    with np.errstate(over="ignore"):
        ends = start * (1.0 - 2.0 * rates) ** (2 * 40)  # 40 steps, each with the same gradient
    assert (losses[rates < 1.0] < start).all()
    assert (losses[rates > 1.0] > start).all()
    assert np.isinf(losses[-1])
    moderate = (ends > 1e-5 * start) & (ends < 1e30)
    assert moderate.sum() >= 5
    np.testing.assert_allclose(losses[moderate], ends[moderate], rtol=1e-3)
    assert value < 1.0
    assert ends[list(rates).index(value)] < 1e-12 * start  # it solves the problem


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: "adam",
        lambda: optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 10), 0.9),
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.01)),
    ],
    ids=["adam", "a schedule", "loss scaling"],
)
def test_sweep_of_any_optimizer_leaves_the_model_alone(optimizer, rng):
    x, y, model, _ = regression(rng, optimizer())
    weights = rng.uniform(0.5, 1.5, 64)
    fit(model, x, y, epochs=2, sample_weight=weights)
    before = untouched(model)
    random = np.random.get_state()[1].copy()  # noqa: NPY002
    curve, value = pn.training.suggest_learning_rate(
        model, x, y, weights, batch_size=8, rates=[1e-9, 1e-2, 1e12]
    )
    for ours, theirs in zip(untouched(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.random.get_state()[1], random)  # noqa: NPY002
    assert value == 1e-2
    start = model.evaluate(x, y, sample_weight=weights, batch_size=64, verbose=0)
    np.testing.assert_allclose(curve["loss"][0], start, rtol=1e-5)
    assert curve["loss"][1] < curve["loss"][0] < curve["loss"][2]


def test_sweep_of_a_model_that_waits_for_data(rng):
    model = pn.Sequential([pn.Head("poisson")])
    model.compile("adam")
    x = rng.normal(size=(96, 2))
    sweep = pn.training.suggest_learning_rate(model, x, rng.poisson(3.0, 96), rates=[0.001, 0.01])
    assert np.isfinite(sweep.curve["loss"]).all()
    assert sweep.value in (0.001, 0.01)
    assert not model.built


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ([], "learning rates above 0"),
        ([0.1, -1.0], "learning rates above 0"),
        (0.1, "learning rates above 0"),
        ([1e30, 1e35], "which all diverge"),
    ],
)
def test_sweeps_that_cannot_be(rates, words):
    with pytest.raises(ValueError, match=words):
        pn.training.suggest_learning_rate(line(), X, Y, rates=rates, batch_size=4)
