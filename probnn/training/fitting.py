"""`fit`: Keras's, with each epoch as one compiled program where that is possible."""

from __future__ import annotations

import contextlib
import inspect
import math
import time
import types
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import keras
import numpy as np

from probnn import data
from probnn.backend import keras_private
from probnn.data import streams
from probnn.fitting.progress import shown
from probnn.networks.entered import entered
from probnn.training import divergence
from probnn.training.conditions import check_compiled, does_not_compile, obstacle, say_once
from probnn.training.devices import check_processes
from probnn.training.epochs import Epochs, Network
from probnn.training.interrupt import interruptible
from probnn.training.new_heads import adapt_any, split_rows
from probnn.training.rows import tell_rows
from probnn.training.shared import program_of
from probnn.training.trees import count, map_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from probnn._types import Rows

_P = ParamSpec("_P")
_R = TypeVar("_R")

_SECONDS = 0.2  # between two returns to Python: for Ctrl-C and the progress bar

# Callbacks that look at the logs of an epoch alone, so that many epochs may pass at once.
_LOGS_ONLY = (
    keras.callbacks.History,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.CSVLogger,
)


def fit(
    model: keras.Model,
    x: Rows = None,
    y: Rows = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: int | str = "auto",
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    validation_split: float = 0.0,
    validation_data: Rows = None,
    shuffle: bool = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Rows = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int = 1,
    whole_epoch: bool | Literal["auto"] = "auto",
    on_divergence: Literal["raise", "warn"] = "raise",
) -> keras.callbacks.History:
    """Fit any compiled Keras model, each epoch as one compiled program where that is possible.

    `probnn.Model.fit` and `probnn.Sequential.fit` do the same for their own models. In other models
    too, a new `Head` whose loss is its `NegativeLogLikelihood` first adapts to y.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    x, y, batch_size, ..., validation_freq
        As in `keras.Model.fit`.
    whole_epoch : {"auto", True, False}
        "auto" runs epochs as compiled programs where the data are arrays that fit on the device
        and no callback wants every batch, and Keras's own loop elsewhere, saying once what stands
        in the way; True raises in place of that; False always takes Keras's loop.
    on_divergence : {"raise", "warn"}
        What a loss that is no longer finite does, after the weights of the last good epoch are
        put back. With Keras's `TerminateOnNaN` among the callbacks it is "warn".

    Returns
    -------
    keras.callbacks.History

    Raises
    ------
    ValueError
        If `whole_epoch=True` and something stands in the way.
    DivergenceError
        If the loss is no longer finite.

    Warns
    -----
    DivergenceWarning
        If the loss stays finite, but ends more than 10 above its lowest, and 10 times its size:
        the weights from before it rose are put back.

    Notes
    -----
    Ctrl-C stops a fit at the end of the current chunk of batches (about 0.2 s), keeps the weights
    and returns the History so far; a second Ctrl-C raises KeyboardInterrupt.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x = np.linspace(-1.0, 1.0, 200)[:, None]
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.1), "mse")
    >>> history = pn.fit(model, x, 2.0 * x + 1.0, epochs=50, verbose=0)
    >>> [w.round(2).ravel().tolist() for w in model.get_weights()]
    [[2.0], [1.0]]
    """
    given = types.SimpleNamespace(**locals())
    del given.model
    if type(model).fit is not keras.Model.fit:  # its own fit: probnn's, or a user's
        if not hasattr(type(model), "predict_distribution"):
            if whole_epoch is True:
                raise ValueError(
                    f"Expected a model that trains as keras.Model does, for whole_epoch=True. "
                    f"Received: {type(model).__name__}, which has a fit of its own."
                )
            del given.whole_epoch, given.on_divergence
        return model.fit(**vars(given))
    check_compiled(model)
    together = data.align_all(given.x, given.y, given.sample_weight)
    given.x, given.y, given.sample_weight = together
    check_some_count(given)
    if streams.is_stream(given.x):
        frames = streams.Frames(None, streams.UNKNOWN, learn=True)
        given.x = frames.read(given.x)
    check_processes(given)
    with entered(model):
        adapt_any(model, given)
        return train(model, keras.Model.fit.__get__(model), given)


def arguments(*args, **kwargs):
    """Return the arguments of `fit` but the model, by name, as attributes."""
    bound = inspect.signature(fit).bind(*args, **kwargs)
    bound.apply_defaults()
    del bound.arguments["model"]
    bound.arguments["verbose"] = shown(bound.arguments["verbose"])
    return types.SimpleNamespace(**bound.arguments)


def with_arguments_of(
    function: Callable[Concatenate[Any, _P], _R],
) -> Callable[[Callable[..., Any]], Callable[Concatenate[Any, _P], _R]]:
    """Show the arguments of a function of a model as those of a method."""
    _, *rest = inspect.signature(function).parameters.values()
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)

    def show(method):
        method.__signature__ = inspect.Signature([own, *rest])
        return method

    return show


def check_some_count(given):
    """Raise if all rows that `fit` trains on, or all that it holds out, have weight 0."""
    weight, what = given.sample_weight, "sample_weight"
    if weight is None and given.class_weight is not None and len(np.shape(given.y)) == 1:
        y, what = data.to_numpy(given.y), "class_weight of y"
        weight = data.class_weights(given.class_weight, y)
    if given.validation_data is not None or not given.validation_split or weight is None:
        data.check_some_count(weight, what)
        return
    kept, held_out = split_rows(1.0 - given.validation_split, weight)
    data.check_some_count(kept, f"{what} of the rows that are trained on")
    data.check_some_count(held_out, f"{what} of the rows that validation_split holds out")


def train(model, keras_fit, given):
    """Fit by compiled epochs or by `keras_fit`, with the arguments of `fit`."""
    divergence.check_option(given.on_divergence)
    check_choice("whole_epoch", given.whole_epoch)
    check_compiled(model)
    held_out = given.validation_split if given.validation_data is None else 0.0
    tell_rows(model, given.x, given.y, held_out)
    if given.whole_epoch:
        run = WholeEpochFit(model, given)
        reason = run.obstacle()
        if reason is None:
            return run()
        if given.whole_epoch is True:
            raise ValueError(
                "Expected a fit whose epochs can run as compiled programs, for whole_epoch=True. "
                f"Received: {reason}. With whole_epoch='auto' Keras's own loop would run."
            )
        if given.verbose != 0:
            say_once(reason)
    return _guarded(model, keras_fit, given)


def check_choice(name, value):
    """Raise ValueError for a choice of how to train that is none of the three."""
    if value not in ("auto", True, False):
        raise ValueError(f"Expected {name} to be 'auto', True or False. Received: {value!r}.")


def _guarded(model, keras_fit, given):
    """Run Keras's own loop, and keep the last good weights if it diverges."""
    guard = divergence.Guard()
    options = vars(given).copy()
    del options["whole_epoch"], options["on_divergence"]
    own = options.pop("callbacks")
    is_list = isinstance(own, keras.callbacks.CallbackList)
    callbacks = [guard, *_flat(own), guard.keeper]

    def stop():
        model.stop_training = True

    with contextlib.ExitStack() as stack:
        if is_list:
            for callback in (guard, guard.keeper):
                callback.set_model(model)
            stack.callback(setattr, own, "callbacks", own.callbacks)
            own.callbacks = callbacks
        interrupt = stack.enter_context(interruptible(stop))
        stack.enter_context(entered(model, lambda: guard.good))
        history = keras_fit(callbacks=own if is_list else callbacks, **options)
    if interrupt.asked:
        _say_interrupted(given.verbose, history)
    if guard.diverged:
        # TerminateOnNaN asks for an end of the fit, and gets it without an error, as in Keras.
        ended = any(isinstance(each, keras.callbacks.TerminateOnNaN) for each in callbacks)
        wanted = "warn" if ended else given.on_divergence
        error = divergence.error_of(model, guard.losses, guard.epoch, guard.rate)
        divergence.report(error, wanted)
    elif guard.rise:
        guard.rise.report()
    return history


def _flat(callbacks):
    """Return the callbacks of what Keras takes for them: one, a list, a CallbackList, or None."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks.callbacks
    return keras.tree.flatten(callbacks or [])


class WholeEpochFit:
    """A fit by compiled epochs: the arguments of `fit`, checked, and the loop over them."""

    def __init__(self, model, given):
        self.model, self.given = model, given

    def obstacle(self):
        """Return why Keras's own loop must run, or None; then all is compiled."""
        given = self.given
        arrays = (given.x, given.y, given.sample_weight), given.validation_data
        steps = given.steps_per_epoch, given.validation_steps
        reason = obstacle(self.model, arrays, _flat(given.callbacks), *steps)
        if reason is not None:
            return reason
        self._prepare()
        try:
            self._run_nothing()
        except Exception as error:  # whatever the compiler of a backend raises
            return does_not_compile(error)
        return None

    def _prepare(self):
        """Put the data on the device, and build what a first batch builds."""
        given = self.given
        data, validation = (given.x, given.y, given.sample_weight), given.validation_data
        if validation is None and given.validation_split:
            data, validation = keras_private.without_last(data, given.validation_split)
        arrays, size = keras_private.as_fit_reads(data, given.batch_size, given.class_weight)
        held_out = None
        if validation is not None:
            parts = keras.utils.unpack_x_y_sample_weight(validation)
            held_out, _ = keras_private.as_fit_reads(parts)
        batch = map_arrays(lambda leaf: leaf[:size], arrays)
        keras_private.build(self.model, batch)
        self._rows, self._size = count(arrays), size
        self._program = self._program_of(batch, given.validation_batch_size or size)
        together = self._many_at_once()
        self._most = self._program.most if together else 1
        self._apart = not together and self._acts_before_validation()
        self._epochs = Epochs(self._program, arrays, held_out, self._apart)
        self._has_validation = held_out is not None

    def _program_of(self, batch, validation_batch_size):
        """Return the program of an earlier fit, if it would be the same one."""
        model = self.model
        # `compile` makes a new tracker of the loss: it stands for everything that was compiled.
        key = (
            keras_private.loss_tracker(model),
            *map(id, model.trainable_variables),
            *(self._rows, self._size, validation_batch_size),
        )
        program = model.__dict__.get("_probnn_program")
        if program is None or program.key != key:
            sizes = self._rows, self._size, validation_batch_size
            program = program_of(Network(model), batch, *sizes)
            program.key = key
            model.__dict__["_probnn_program"] = program  # unseen by what Keras tracks and saves
        return program

    def _run_nothing(self):
        """Compile, and run no step."""
        nothing = np.empty((0, self._rows), "int32")
        self._epochs.run(nothing, 0, self._program.steps, [], self._most)
        if self._apart and self._has_validation:
            self._epochs.validate()  # of which a first epoch forgets the metrics

    def _many_at_once(self):
        return all(type(callback) in _LOGS_ONLY for callback in _flat(self.given.callbacks))

    def _acts_before_validation(self):
        """Return whether a callback may act between an epoch and its validation."""
        callbacks = _flat(self.given.callbacks)
        return any(keras_private.is_overridden(each, "on_test_begin") for each in callbacks)

    # ---- the loop ---------------------------------------------------------------------------

    def __call__(self):
        """Train, and return the History."""
        model, given = self.model, self.given
        limit = keras.config.max_epochs()
        if limit and limit < given.epochs:
            warnings.warn(f"Limiting epochs to {limit}", stacklevel=4)
            given.epochs = limit
        callbacks = given.callbacks
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = keras.callbacks.CallbackList(
                callbacks,
                add_history=True,
                add_progbar=given.verbose != 0,
                verbose=given.verbose,
                epochs=given.epochs,
                steps=math.ceil(self._rows / self._size),
                model=model,
            )
        model.stop_training = False
        callbacks.on_train_begin()
        first = keras_private.first_epoch(model, given.initial_epoch)
        with interruptible() as interrupt:
            losses, logs, rate, rise = self._loop(callbacks, first, interrupt)
        if rise and rate is None:
            rise.rate, self._epochs.good = divergence.learning_rate(model), rise.state
            self._epochs.restore()
        if given.epochs > 0:
            model.optimizer.finalize_variable_values(model.trainable_weights)
        callbacks.on_train_end(logs)
        if interrupt.asked:
            _say_interrupted(given.verbose, model.history)
        if rate is not None:
            error = divergence.error_of(model, losses, first + len(losses), rate)
            divergence.report(error, given.on_divergence)
        elif rise:
            rise.report()
        return model.history

    def _loop(self, callbacks, epoch, interrupt):
        """Run chunks of epochs, or of an epoch, until the end.

        Returns the losses, the last logs, the learning rate of an epoch that diverged, and whether
        the loss has risen.
        """
        program, model = self._program, self.model
        losses, logs, rate, rise = [], None, None, divergence.Rise(self._epochs.good)
        step, pace = 0, None  # where in an epoch; seconds for a step
        while epoch < self.given.epochs and not (model.stop_training or interrupt.asked):
            if step == 0:
                callbacks.on_epoch_begin(epoch)
                if self._most == 1 or not losses:
                    self._epochs.keep()  # what callbacks have made of the model
                orders = [self._order()]
            budget = 256 if pace is None else max(1, int(_SECONDS / pace))
            last = min(program.steps, step + budget)
            if step == 0 and last == program.steps:
                most = min(self._most, self.given.epochs - epoch, budget // max(1, program.steps))
                orders += [self._order() for _ in range(most - 1)]
            flags = [self._validates(epoch + i) for i in range(len(orders))]
            began = time.perf_counter()
            found = self._epochs.run(np.stack(orders), step, last, flags, self._most)
            found = {name: np.asarray(values) for name, values in found.items()}
            taken = (time.perf_counter() - began) / max(1, (last - step) * len(orders))
            pace = taken if pace is None else max(taken, 0.25 * pace)
            if last < program.steps:
                step = last
                self._show(callbacks, last)
                continue
            step = 0
            for i, flag in enumerate(flags):
                if i:
                    callbacks.on_epoch_begin(epoch)
                if not found["finite"][i]:
                    rate = divergence.learning_rate(model)
                    self._epochs.restore()
                    model.stop_training = True
                logs = _numbers({name: values[i] for name, values in found.items()})
                losses.append(logs["loss"])
                rise.see(losses[-1])
                if flag:
                    callbacks.on_test_begin()
                    if "val_loss" not in found:
                        logs |= _numbers(self._epochs.validate())
                    callbacks.on_test_end({k[4:]: v for k, v in logs.items() if k[:4] == "val_"})
                else:
                    logs = {k: v for k, v in logs.items() if not k.startswith("val_")}
                callbacks.on_epoch_end(epoch, logs)
                epoch += 1
                if model.stop_training:
                    break
            rise.see(losses[-1], epoch, self._epochs.good)
        return losses, logs, rate, rise

    def _order(self):
        """Return the numbers of the rows in the order of an epoch, as Keras draws them."""
        order = np.arange(self._rows, dtype="int32")
        if self.given.shuffle == "batch":
            for start in range(0, self._rows, self._size):
                np.random.shuffle(order[start : start + self._size])  # noqa: NPY002
        elif self.given.shuffle:
            # The generator that keras.utils.set_random_seed seeds.
            order = np.random.permutation(self._rows).astype("int32")  # noqa: NPY002
        return order

    def _validates(self, epoch):
        if not self._has_validation:
            return False
        return keras_private.validates(self.model, epoch, self.given.validation_freq)

    def _show(self, callbacks, step):
        """Move the progress bar inside of an epoch."""
        logs = self.model.get_metrics_result()
        logs = _numbers(keras.tree.map_structure(keras.ops.convert_to_numpy, logs))
        for callback in callbacks.callbacks:
            if isinstance(callback, keras.callbacks.ProgbarLogger):
                callback.on_train_batch_end(step - 1, logs)


def _numbers(logs):
    """Return the logs of an epoch as Python numbers where they are numbers."""
    return {
        name: float(value) if np.ndim(value) == 0 else value
        for name, value in logs.items()
        if name != "finite"
    }


def _say_interrupted(verbose, history):
    if verbose != 0:
        print(f"Interrupted after {len(history.epoch)} epochs; the weights of now are kept.")
