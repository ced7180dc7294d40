"""`fit`: Keras's, with each epoch as one compiled program where that is possible."""

import contextlib
import math
import time
import warnings

import keras
import numpy as np

from probnn.backend import keras_private
from probnn.training import divergence
from probnn.training.conditions import check_compiled, does_not_compile, obstacle
from probnn.training.epochs import Epochs, Network, Program
from probnn.training.interrupt import interruptible
from probnn.training.trees import count, map_arrays

_SECONDS = 0.2  # between two returns to Python: for Ctrl-C and the progress bar

# Callbacks that look at the logs of an epoch alone, so that many epochs may pass at once.
_LOGS_ONLY = (
    keras.callbacks.History,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.CSVLogger,
)


def fit(
    model,
    x=None,
    y=None,
    batch_size=None,
    epochs=1,
    verbose="auto",
    callbacks=None,
    validation_split=0.0,
    validation_data=None,
    shuffle=True,
    class_weight=None,
    sample_weight=None,
    initial_epoch=0,
    steps_per_epoch=None,
    validation_steps=None,
    validation_batch_size=None,
    validation_freq=1,
    whole_epoch="auto",
    on_divergence="raise",
):
    """Fit any compiled Keras model, each epoch as one compiled program where that is possible.

    `probnn.Model.fit` and `probnn.Sequential.fit` do the same for their own models.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    x, y, batch_size, ..., validation_freq
        As in `keras.Model.fit`.
    whole_epoch : {"auto", True, False}
        "auto" runs epochs as compiled programs where the data are arrays that fit on the device
        and no callback wants every batch, and Keras's own loop elsewhere; True raises in place of
        that, and says what stands in the way; False always takes Keras's loop.
    on_divergence : {"raise", "warn"}
        What a loss that is no longer finite does, after the weights of the last good epoch are
        put back.

    Returns
    -------
    keras.callbacks.History

    Raises
    ------
    ValueError
        If `whole_epoch=True` and something stands in the way.
    DivergenceError
        If the loss is no longer finite.

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
    arguments = dict(locals())
    del arguments["model"]
    if type(model).fit is not keras.Model.fit:  # its own fit: probnn's, or a user's
        from probnn._probabilistic import Probabilistic

        if not isinstance(model, Probabilistic):
            if whole_epoch is True:
                raise ValueError(
                    f"Expected a model that trains as keras.Model does, for whole_epoch=True. "
                    f"Received: {type(model).__name__}, which has a fit of its own."
                )
            del arguments["whole_epoch"], arguments["on_divergence"]
        return model.fit(**arguments)
    return train(model, keras.Model.fit.__get__(model), **arguments)


def train(model, keras_fit, whole_epoch="auto", on_divergence="raise", **arguments):
    """Fit by compiled epochs or by `keras_fit`, with the arguments of `fit`."""
    divergence.check_option(on_divergence)
    check_choice("whole_epoch", whole_epoch)
    check_compiled(model)
    if whole_epoch:
        run = WholeEpochFit(model, **arguments)
        reason = run.obstacle()
        if reason is None:
            return run(on_divergence)
        if whole_epoch is True:
            raise ValueError(
                "Expected a fit whose epochs can run as compiled programs, for whole_epoch=True. "
                f"Received: {reason}. With whole_epoch='auto' Keras's own loop would run."
            )
    return _guarded(model, keras_fit, on_divergence, arguments)


def check_choice(name, value):
    """Raise ValueError for a choice of how to train that is none of the three."""
    if value not in ("auto", True, False):
        raise ValueError(f"Expected {name} to be 'auto', True or False. Received: {value!r}.")


def _guarded(model, keras_fit, on_divergence, arguments):
    """Run Keras's own loop, and keep the last good weights if it diverges."""
    guard = divergence.Guard()
    given = arguments.pop("callbacks")
    is_list = isinstance(given, keras.callbacks.CallbackList)
    callbacks = [guard, *_flat(given), guard.keeper]

    def stop():
        model.stop_training = True

    with contextlib.ExitStack() as stack:
        if is_list:
            for callback in (guard, guard.keeper):
                callback.set_model(model)
            stack.callback(setattr, given, "callbacks", given.callbacks)
            given.callbacks = callbacks
        interrupt = stack.enter_context(interruptible(stop))
        history = keras_fit(callbacks=given if is_list else callbacks, **arguments)
    if interrupt.asked:
        _say_interrupted(arguments["verbose"], history)
    if guard.diverged:
        divergence.report(model, guard.losses, guard.epoch, guard.rate, on_divergence)
    return history


def _flat(callbacks):
    """Return the callbacks of what Keras takes for them: one, a list, a CallbackList, or None."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks.callbacks
    return keras.tree.flatten(callbacks or [])


class WholeEpochFit:
    """A fit by compiled epochs: the arguments of `fit`, checked, and the loop over them."""

    def __init__(
        self,
        model,
        x,
        y,
        batch_size,
        epochs,
        verbose,
        callbacks,
        validation_split,
        validation_data,
        shuffle,
        class_weight,
        sample_weight,
        initial_epoch,
        steps_per_epoch,
        validation_steps,
        validation_batch_size,
        validation_freq,
    ):
        self.model = model
        self.epochs = epochs
        self.initial_epoch = initial_epoch
        self.verbose = verbose
        self.callbacks = callbacks
        self.shuffle = shuffle
        self.validation_freq = validation_freq
        self._data = (x, y, sample_weight)
        self._class_weight = class_weight
        self._batch_size, self._validation_batch_size = batch_size, validation_batch_size
        self._validation = validation_data
        self._split = validation_split if validation_data is None else 0.0
        self._steps = steps_per_epoch, validation_steps

    def obstacle(self):
        """Return why Keras's own loop must run, or None; then all is compiled."""
        arrays = (self._data, self._validation)
        reason = obstacle(self.model, arrays, _flat(self.callbacks), *self._steps)
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
        data, validation = self._data, self._validation
        if self._split:
            data, validation = keras_private.without_last(data, self._split)
        arrays, size = keras_private.as_fit_reads(data, self._batch_size, self._class_weight)
        held_out = None
        if validation is not None:
            given = keras.utils.unpack_x_y_sample_weight(validation)
            held_out, _ = keras_private.as_fit_reads(given)
        keras_private.build(self.model, map_arrays(lambda leaf: leaf[:size], arrays))
        self._rows, self._size = count(arrays), size
        self._program = self._program_of(self._validation_batch_size or size)
        # A callback may want to act before a validation: it runs apart, from one epoch to the next.
        together = self._many_at_once()
        self._most = self._program.most if together else 1
        self._epochs = Epochs(self._program, arrays, held_out, apart=not together)
        self._has_validation = held_out is not None

    def _program_of(self, validation_batch_size):
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
            program = Program(Network(model), self._rows, self._size, validation_batch_size)
            program.key = key
            model.__dict__["_probnn_program"] = program  # unseen by what Keras tracks and saves
        return program

    def _run_nothing(self):
        """Compile, and run no step."""
        nothing = np.empty((0, self._rows), "int32")
        self._epochs.run(nothing, 0, self._program.steps, [], self._most)
        if self._most == 1 and self._has_validation:
            self._epochs.validate()  # of which a first epoch forgets the metrics

    def _many_at_once(self):
        return all(type(callback) in _LOGS_ONLY for callback in _flat(self.callbacks))

    # ---- the loop ---------------------------------------------------------------------------

    def __call__(self, on_divergence):
        """Train, and return the History."""
        model = self.model
        limit = keras.config.max_epochs()
        if limit and limit < self.epochs:
            warnings.warn(f"Limiting epochs to {limit}", stacklevel=4)
            self.epochs = limit
        callbacks = self.callbacks
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = keras.callbacks.CallbackList(
                callbacks,
                add_history=True,
                add_progbar=self.verbose != 0,
                verbose=self.verbose,
                epochs=self.epochs,
                steps=math.ceil(self._rows / self._size),
                model=model,
            )
        model.stop_training = False
        callbacks.on_train_begin()
        first = keras_private.first_epoch(model, self.initial_epoch)
        with interruptible() as interrupt:
            losses, logs, rate = self._loop(callbacks, first, interrupt)
        if self.epochs > 0:
            model.optimizer.finalize_variable_values(model.trainable_weights)
        callbacks.on_train_end(logs)
        if interrupt.asked:
            _say_interrupted(self.verbose, model.history)
        if rate is not None:
            divergence.report(model, losses, first + len(losses), rate, on_divergence)
        return model.history

    def _loop(self, callbacks, epoch, interrupt):
        """Run chunks of epochs, or of an epoch, until the end.

        Returns the losses, the last logs, and the learning rate of an epoch that diverged.
        """
        program, model = self._program, self.model
        losses, logs, rate = [], None, None
        step, pace = 0, None  # where in an epoch; seconds for a step
        while epoch < self.epochs and not (model.stop_training or interrupt.asked):
            if step == 0:
                callbacks.on_epoch_begin(epoch)
                if self._most == 1 or not losses:
                    self._epochs.keep()  # what callbacks have made of the model
                orders = [self._order()]
            budget = 256 if pace is None else max(1, int(_SECONDS / pace))
            last = min(program.steps, step + budget)
            if step == 0 and last == program.steps:
                most = min(self._most, self.epochs - epoch, budget // max(1, program.steps))
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
        return losses, logs, rate

    def _order(self):
        """Return the numbers of the rows in the order of an epoch, as Keras draws them."""
        order = np.arange(self._rows, dtype="int32")
        if self.shuffle == "batch":
            for start in range(0, self._rows, self._size):
                np.random.shuffle(order[start : start + self._size])  # noqa: NPY002
        elif self.shuffle:
            # The generator that keras.utils.set_random_seed seeds.
            order = np.random.permutation(self._rows).astype("int32")  # noqa: NPY002
        return order

    def _validates(self, epoch):
        if not self._has_validation:
            return False
        return keras_private.validates(self.model, epoch, self.validation_freq)

    def _show(self, callbacks, step):
        """Move the progress bar inside of an epoch."""
        for callback in callbacks.callbacks:
            if isinstance(callback, keras.callbacks.ProgbarLogger):
                callback.on_train_batch_end(step - 1, self.model.get_metrics_result())


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
