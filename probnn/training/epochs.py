"""A whole epoch, or several, as one compiled program.

Keras's own loop returns to Python after every batch, which costs a small network more than a
hundred times its arithmetic. Here the data lie on the device, and a loop inside of one program
gathers each batch and runs Keras's training step on it.
"""

import functools

import keras
import numpy as np

from probnn import backend
from probnn.training import divergence
from probnn.training.trees import count, map_arrays

ops = keras.ops

_ORDERS = 2_000_000  # row numbers sent to the device at once
_EPOCHS = 128  # epochs in one program


class Network:
    """A compiled Keras model, as what an epoch trains."""

    def __init__(self, model):
        self.model = model
        self.train = backend.train_step(model)
        self.test = backend.test_step(model)

    lead = ()  # the axes before the rows of a batch

    def like(self, model):
        """Return what trains a model like this one."""
        return Network(model)

    @property
    def kept(self):
        """The variables that are put back after a divergence."""
        return divergence.variables(self.model)

    @property
    def variables(self):
        """The variables that a step assigns."""
        return [*self.kept, *self.model.metrics_variables]

    def reset(self):
        """Set the metrics to zero."""
        self.model.reset_metrics()

    def results(self):
        """Return name -> tensor: the loss and the metrics since the last reset."""
        return flat(self.model.get_metrics_result())

    def always_finite(self):
        """Return what `finite` returns when all is."""
        return ops.convert_to_tensor(True)

    def finite(self, loss):
        """Return whether the loss and all weights are finite."""
        values = [loss, *(v.value for v in self.model.trainable_variables)]
        return ops.all(ops.stack([ops.all(ops.isfinite(value)) for value in values]))

    def choose(self, finite, new, old):
        """Return `new` where training is finite, else `old`."""
        return ops.where(finite, new, old)


class Epochs:
    """Epochs of training on data that lie on the device.

    Parameters
    ----------
    program : Program
        What runs them.
    data : tuple of arrays
        (x, y) or (x, y, sample_weight), each an array or a structure of arrays.
    validation : tuple of arrays, optional
        As `data`.
    apart : bool
        Whether validation is not a part of epochs, but runs when `validate` is called.
    validation_rows : numpy.ndarray, shape (..., m), optional
        The rows of `validation` that count; by default all.
    patience : int, optional
        The epochs without a lower validation loss after which training stands still.

    Attributes
    ----------
    good : list of tensors
        What is put back after a divergence: the trainee's state after the last good epoch.
    """

    def __init__(
        self, program, data, validation=None, apart=False, validation_rows=None, patience=None
    ):
        trainee = program.trainee
        self._program = program
        self._apart = apart
        self._data, self._validation = _on_device(data), None
        if validation is not None:
            if validation_rows is None:
                rows = count(validation)
                validation_rows = np.broadcast_to(np.arange(rows), (*trainee.lead, rows))
            self._validation = _on_device((validation, validation_rows.astype("int32")))
        self._finite = trainee.always_finite()
        self._best = {} if patience is None else _no_best(trainee, patience)
        self.keep()

    def keep(self):
        """Take the state of now for one that is good."""
        self.good = backend.copied([v.value for v in self._program.trainee.kept])

    def run(self, orders, first, last, validate, most):
        """Run the steps `first` to `last` of each of some epochs.

        Parameters
        ----------
        orders : numpy.ndarray, shape (epochs, ..., rows)
            The order of the rows in each epoch.
        first, last : int
            The range of full batches; the epoch's end belongs to it if `last` is the last one.
        validate : sequence of bool
            Which of the epochs end with a validation.
        most : int
            The epochs that the program has room for: one program serves any number below it.

        Returns
        -------
        dict
            Name -> array (epochs, ...) of losses and metrics, those of validation under "val_...",
            `finite`: whether the loss and the weights were finite until then; and with a patience
            `stopped`: whether it is over.
        """
        epochs = len(orders)
        room = np.zeros((most, *orders.shape[1:]), "int32")
        room[:epochs] = orders
        flags = np.zeros(most, bool)
        flags[:epochs] = validate
        numbers = [np.asarray(i, "int32") for i in (epochs, first, last)]
        validation = None if self._apart else self._validation
        logs, (self.good, self._finite, self._best) = self._program.run(
            self._data, validation, room, flags, *numbers, (self.good, self._finite, self._best)
        )
        return {name: ops.convert_to_numpy(value)[:epochs] for name, value in logs.items()}

    def validate(self):
        """Return name -> array of losses and metrics on the validation data, under "val_..."."""
        logs = self._program.validate(self._validation)
        return {name: ops.convert_to_numpy(value) for name, value in logs.items()}

    def restore(self):
        """Put back the weights, and the optimizer's state, of the last epoch that was finite.

        With a patience: of the last before it was over, and the best weights.
        """
        trainee = self._program.trainee
        pairs = [*zip(trainee.kept, self.good, strict=True)]
        if self._best:
            pairs += zip(trainee.of_layers, self._best["weights"], strict=True)
        for variable, value in pairs:
            variable.assign(value)


class Program:
    """The compiled program of some epochs; it holds no data.

    Parameters
    ----------
    trainee : Network
        What is trained: its `train` and `test` take a batch and assign its `variables`.
    rows : int
        The rows in an epoch.
    batch_size : int
    validation_batch_size : int, optional
    """

    def __init__(self, trainee, rows, batch_size, validation_batch_size=None):
        self.key = None  # what it was compiled for, where it is kept for another fit
        self.trainee = trainee
        self.rows = rows
        self.batch_size = min(batch_size, rows)
        self.steps, self._rest = divmod(rows, self.batch_size)
        self.validation_batch_size = validation_batch_size or batch_size
        results = trainee.results()
        self.names = {name: tuple(getattr(v, "shape", ())) for name, v in results.items()}
        variables = trainee.variables
        self.run = backend.program(self._run, variables)
        self.validate = backend.program(self._validate, variables)
        part = functools.partial(backend.part, variables=variables)
        self._reset, self._results = part(trainee.reset), part(trainee.results)
        self._train = part(lambda data, index: trainee.train(_batch(data, index)))
        self._test = part(lambda data, index: trainee.test(_batch(data, index)))
        self._close, self._check = part(self._closed), part(self._checked)

    @property
    def most(self):
        """The most epochs that one call may run."""
        return max(1, min(_EPOCHS, _ORDERS // self.rows))

    def _run(self, data, validation, orders, validate, epochs, first, last, state):
        variables = self.trainee.variables
        orders, size = ops.convert_to_tensor(orders), self.batch_size

        def epoch(e, carry):
            order = ops.take(orders, e, axis=0)

            def begin(_, carry):
                self._reset()
                return carry

            def step(s, carry):
                self._train(data, backend.window(order, s * size, size))
                return carry

            def end(_, carry):
                if self._rest:
                    self._train(data, order[..., self.steps * size :])
                return self._end(e, carry, validation, validate)

            backend.loop(variables, 0, first == 0, begin, ())
            backend.loop(variables, first, last, step, ())
            return backend.loop(variables, 0, last == self.steps, end, carry)

        names = dict(self.names)
        if validation is not None:
            names |= {f"val_{name}": shape for name, shape in self.names.items()}
        logs = {name: ops.zeros((orders.shape[0], *shape)) for name, shape in names.items()}
        _, finite, best = state
        for name in ("finite", "stopped") if best else ("finite",):
            logs[name] = ops.zeros((orders.shape[0], *finite.shape), "bool")
        state, logs = backend.loop(variables, 0, epochs, epoch, (state, logs))
        return logs, state

    def _end(self, e, carry, validation, validate):
        """Record the results of an epoch, keep its weights if they are good, and validate."""
        carry = self._close(e, carry)
        if validation is not None:

            def check(_, carry):
                return self._check(e, carry, self._validate(validation))

            carry = backend.loop(self.trainee.variables, 0, validate[e], check, carry)
        return carry

    def _closed(self, e, carry):
        (good, finite, best), logs = carry
        trainee = self.trainee
        results = trainee.results()
        finite = ops.logical_and(finite, trainee.finite(results["loss"]))
        going = ops.logical_and(finite, _goes_on(best)) if best else finite
        good = _chosen(trainee, going, trainee.kept, good)
        return (good, finite, best), _record(logs, e, {**results, "finite": finite})

    def _checked(self, e, carry, results):
        (good, finite, best), logs = carry
        if best:
            best = _better(self.trainee, best, finite, results["val_loss"])
            results = {**results, "stopped": ops.logical_not(_goes_on(best))}
        return (good, finite, best), _record(logs, e, results)

    def _validate(self, validation):
        trainee, (data, index) = self.trainee, validation
        rows = index.shape[-1]
        size = min(self.validation_batch_size, rows)
        steps, rest = divmod(rows, size)

        def step(s, carry):
            self._test(data, backend.window(index, s * size, size))
            return carry

        self._reset()
        backend.loop(trainee.variables, 0, steps, step, ())
        if rest:
            self._test(data, index[..., steps * size :])
        return {f"val_{name}": value for name, value in self._results().items()}


# ---- the best weights, of the lowest validation loss ----------------------------------------


def _no_best(trainee, patience):
    """Return the state before a first epoch: the weights of now, and no loss."""
    zeros = ops.zeros_like(ops.cast(trainee.always_finite(), "int32"))
    return {
        "weights": backend.copied([v.value for v in trainee.of_layers]),
        "loss": ops.full_like(ops.cast(zeros, keras.config.floatx()), np.inf),
        "waited": zeros,
        "patience": ops.convert_to_tensor(patience, "int32"),
    }


def _goes_on(best):
    return best["waited"] < best["patience"]


def _better(trainee, best, finite, loss):
    """Return the state after an epoch with a validation loss."""
    loss = ops.cast(loss, best["loss"].dtype)
    lower = ops.logical_and(ops.logical_and(finite, _goes_on(best)), loss < best["loss"])
    return {
        "weights": _chosen(trainee, lower, trainee.of_layers, best["weights"]),
        "loss": ops.where(lower, loss, best["loss"]),
        "waited": ops.where(lower, 0, best["waited"] + 1),
        "patience": best["patience"],
    }


def _chosen(trainee, where, variables, old):
    """Return the values of variables, of members for which `where` is true, else the old ones."""
    return [
        trainee.choose(where, variable.value, value)
        for variable, value in zip(variables, old, strict=True)
    ]


def flat(logs):
    """Return logs with the entries of a metric that has several beside the others."""
    parts = (flat(v) if isinstance(v, dict) else {name: v} for name, v in logs.items())
    return {name: value for part in parts for name, value in part.items()}


def _on_device(data):
    return map_arrays(ops.convert_to_tensor, data)


def _batch(data, index):
    return map_arrays(lambda leaf: backend.gather(leaf, index), data)


def _record(logs, e, values):
    """Return the logs with values in the row of an epoch."""
    logs = dict(logs)
    for name, value in values.items():
        row = ops.cast(value, logs[name].dtype)[None]
        logs[name] = ops.scatter_update(logs[name], ops.reshape(e, (1, 1)), row)
    return logs
