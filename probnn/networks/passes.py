"""Random passes: predictions of a network whose dropout stays on, and whose weights are drawn."""

import contextlib
import functools

import keras
import numpy as np

from probnn import backend
from probnn.backend.keras_private import inner_layers
from probnn.fitting.progress import Progress
from probnn.networks.kinds import adds_noise, is_variational


def check_passes(passes):
    """Raise ValueError for a number of passes that is no whole number from 2 on."""
    if isinstance(passes, bool) or not isinstance(passes, (int, np.integer)) or passes < 2:
        raise ValueError(
            f"Expected passes to be a whole number from 2 on, as 50. Received: {passes!r}."
        )


def random_passes(model, passes, predict, verbose="auto", seed=None):
    """Return what each of some passes predicts, in each of which random layers are so, in a list.

    Parameters
    ----------
    model : keras.Model
    passes : int
    predict : callable
        Predicts, by the model's own `predict`.
    verbose : int or "auto"
        Whether one line says how many passes are done.
    seed : int, optional
        That of passes which are always the same.

    Raises
    ------
    ValueError
        If `passes` is no whole number from 2 on, or no layer is random.
    """
    check_passes(passes)
    layers = inner_layers(model)
    variational = [layer for layer in layers if is_variational(layer)]
    noisy = [layer for layer in layers if _is_random(layer)]
    if not (variational or noisy):
        raise ValueError(
            "Expected a model with layers that are random in training, as keras.layers.Dropout or "
            f"probnn.layers.DenseVariational, for passes=. Received: {model.name!r}, whose passes "
            "are all alike."
        )
    found, progress = [], Progress(verbose, "pass", passes)
    with _noise_on(model, noisy), _seeded(model, seed):
        for done in range(1, passes + 1):
            with contextlib.ExitStack() as stack:
                for layer in variational:
                    stack.enter_context(layer.drawn())
                found.append(predict())
            progress(done)
    return found


@contextlib.contextmanager
def _noise_on(model, layers):
    """Let layers that are random in training be so where the model predicts, and no others."""
    if not layers:
        yield
        return
    compiled, model.predict_function = model.predict_function, None
    try:
        for layer in layers:
            vars(layer)["call"] = _in_training(layer.call)
        yield
    finally:
        model.predict_function = compiled
        for layer in layers:
            vars(layer).pop("call", None)


@contextlib.contextmanager
def _seeded(model, seed):
    """Let the generators of a model begin at a seed, and go on afterwards as if they had not."""
    if seed is None:
        yield
        return
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    kept = backend.copied([state.value for state in states])
    try:
        for state, of_it in zip(
            states, np.random.SeedSequence(seed).spawn(len(states)), strict=True
        ):
            state.assign(of_it.generate_state(2))
        with backend.seeded(seed):
            yield
    finally:
        for state, value in zip(states, kept, strict=True):
            state.assign(value)


def _is_random(layer):
    recurrent = isinstance(layer, keras.layers.RNN)
    drops = [getattr(layer, name, 0.0) for name in ("dropout", "recurrent_dropout")]
    return adds_noise(layer) or (recurrent and any(drops))


def _in_training(call):
    @functools.wraps(call)
    def always(*args, **kwargs):
        return call(*args, **{**kwargs, "training": True})

    return always
