"""Whatever ends Keras's loops, the model has its variables; threads wait for each other."""

import os
import threading
import warnings

import keras
import numpy as np
import pytest

import probnn as pn

pytestmark = [pytest.mark.backend, pytest.mark.slow]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 3)).astype("float32")
Y = (X @ [1.0, 2.0, -1.0] + RNG.normal(size=96)).astype("float32")
ERRORS = pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])


def made():
    keras.utils.set_random_seed(0)
    model = pn.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, "tanh"),
            keras.layers.Dropout(0.2),
            pn.Head("normal"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01))
    return model


@pytest.fixture(scope="module")
def trained():
    """A model after an epoch, and its means of X."""
    model = made()
    model.fit(X, Y, batch_size=16, epochs=1, verbose=0)
    return model


def raising(hook, error, at=0):
    """Return a callback that raises at the call of this number of a hook."""
    calls = []

    def raise_it(self, *args, **kwargs):
        calls.append(args)
        if len(calls) > at:
            raise error(hook)

    return type("Raising", (keras.callbacks.Callback,), {hook: raise_it})()


def state(model):
    """Return the values of all variables that a fit may assign."""
    held = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable.value).copy() for variable in held]


def assert_same(found, want, rtol=0.0):
    for one, other in zip(found, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


HOOKS = [
    (verb, f"on_{verb}_{when}")
    for verb in ("test", "predict")
    for when in ("begin", "batch_begin", "batch_end", "end")
]


@ERRORS
@pytest.mark.parametrize(("verb", "hook"), HOOKS)
def test_predictions_and_evaluations_change_nothing(trained, verb, hook, error):
    before, means = state(trained), trained.predict(X, verbose=0)
    call = (
        trained.predict if verb == "predict" else lambda x, **more: trained.evaluate(x, Y, **more)
    )
    with pytest.raises(error, match=hook):
        call(X, batch_size=32, verbose=0, callbacks=[raising(hook, error, at="batch" in hook)])
    assert_same(state(trained), before)
    np.testing.assert_array_equal(trained.predict(X, verbose=0), means)


def test_a_bad_row_of_an_evaluated_stream(trained):
    before = state(trained)

    def batches():
        yield X[:9], Y[:9]
        yield X[:9], np.full(9, np.nan)

    with pytest.raises(ValueError, match="batch 2"):
        trained.evaluate(batches(), verbose=0)
    assert_same(state(trained), before)


@pytest.mark.parametrize("verb", ["predict", "evaluate", "predict_on_batch", "train_on_batch"])
def test_an_interrupt_while_a_step_runs(trained, verb):
    """The step has run, and its results are lost: a signal comes before they are assigned."""
    function = {"evaluate": "test", "train_on_batch": "train"}.get(verb, "predict") + "_function"
    arguments = (X,) if verb.startswith("predict") else (X, Y)
    getattr(trained, verb)(*arguments)
    before, step = state(trained), getattr(trained, function)

    def interrupted(*args):
        step(*args)
        raise KeyboardInterrupt

    setattr(trained, function, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            getattr(trained, verb)(*arguments)
    finally:
        setattr(trained, function, step)
    if verb != "train_on_batch" or keras.backend.backend() == "jax":
        assert_same(state(trained), before)
    assert np.isfinite(trained.predict(X, verbose=0)).all()


@ERRORS
@pytest.mark.parametrize(("hook", "at"), [("on_train_batch_begin", 2), ("on_train_batch_end", 1)])
def test_a_fit_keeps_the_steps_before_an_error(hook, at, error):
    options = {"batch_size": 16, "shuffle": False, "verbose": 0, "epochs": 1}
    found = made()
    with pytest.raises(error, match=hook):
        found.fit(X, Y, **options, callbacks=[raising(hook, error, at)])
    want = made()  # which seeds the draws of dropout anew

    def stop(batch, logs=None):
        want.stop_training = batch == 1  # both have made two steps

    want.fit(X, Y, **options, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)])
    assert_same(state(found)[:4], state(want)[:4], rtol=1e-6)
    found.fit(X, Y, **options)


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_test_end"])
@pytest.mark.parametrize("whole_epoch", [True, False])
def test_a_fit_that_ends_in_an_error_can_go_on(trained, hook, whole_epoch):
    options = {"batch_size": 16, "verbose": 0, "epochs": 2, "validation_data": (X, Y)}
    with pytest.raises(RuntimeError, match=hook):
        trained.fit(
            X, Y, **options, whole_epoch=whole_epoch, callbacks=[raising(hook, RuntimeError)]
        )
    assert all(np.isfinite(values).all() for values in state(trained))
    trained.fit(X, Y, **options, whole_epoch=whole_epoch)


def together(count, function):
    """Call a function in threads, and return what they raised."""
    raised = []

    def call():
        try:
            function()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    return raised


def test_threads_predict_alike(trained):
    means = trained.predict(X, verbose=0)
    found = []

    def ask():
        found.extend(trained.predict(X, verbose=0) for _ in range(2))
        found.append(trained.predict_distribution_on_batch(X).mean())

    assert not together(4, ask)
    assert len(found) == 12
    assert_same(found, [means] * 12, rtol=1e-6)


@pytest.mark.parametrize("whole_epoch", [True, False])
def test_fits_of_one_model_wait_for_each_other(whole_epoch):
    """Each makes all of its steps: the optimizer counts them."""
    model = made()
    options = {"batch_size": 16, "epochs": 2, "verbose": 0, "whole_epoch": whole_epoch}
    assert not together(2, lambda: model.fit(X, Y, **options))
    assert int(model.optimizer.iterations) == 2 * 2 * 6
    assert np.isfinite(model.evaluate(X, Y, verbose=0))


def test_random_passes_are_of_one_thread_alone(trained):
    """Dropout that one thread turns on is off where another predicts."""
    means = trained.predict(X, verbose=0)
    passes = threading.Thread(
        target=lambda: trained.predict_distribution(X, passes=5, verbose=0), daemon=True
    )
    passes.start()
    found = [trained.predict(X, verbose=0) for _ in range(3)]
    passes.join(timeout=120)
    assert_same(found, [means] * 3)


@pytest.mark.filterwarnings("ignore:.*fork.*")  # of JAX, and of Python 3.12
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_says_what_it_cannot(trained):
    """It would wait forever for threads that it does not have; torch's networks need none."""
    means = trained.predict(X[:4], verbose=0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            found = np.allclose(trained.predict(X[:4], verbose=0), means)
        except RuntimeError as error:
            found = "spawn" in str(error)
        os.write(writing, str(found).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() == "True"
    os.waitpid(child, 0)


def test_terminate_on_nan_ends_a_fit_as_in_keras():
    model = made()
    before = state(model)[:4]
    model.optimizer.learning_rate = 1e30
    options = {"batch_size": 16, "epochs": 3, "verbose": 0}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        history = model.fit(X, Y, **options, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert pn.training.DivergenceWarning in {warning.category for warning in seen}
    assert history.epoch == [0]
    assert not np.isfinite(history.history["loss"][0])
    assert all(np.isfinite(values).all() for values in model.get_weights())
    assert_same(state(model)[:2], before[:2])
