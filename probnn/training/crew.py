"""The loop over epochs of networks that are trained at once."""

import copy
import os
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from probnn import backend
from probnn.backend import keras_private
from probnn.networks.entered import check_process
from probnn.training import conditions, devices, divergence, members
from probnn.training.epochs import Epochs
from probnn.training.interrupt import interruptible
from probnn.training.shared import program_of
from probnn.training.trees import map_arrays

_SECONDS = 0.2  # between two returns to Python
_SMALL = 5_000_000  # rows times weights below which another program costs more than it saves
_CHECKED = 1024  # rows at once in a validation
_FLAGS = ("finite", "stopped")


def obstacle(model, arrays, callbacks):
    """Return why networks like this one cannot be trained at once, or None if they can."""
    reason = conditions.obstacle(model, arrays, callbacks, spreads_members=True)
    reason = reason or members.obstacle(model)
    if reason is None and any(type(c) is not keras.callbacks.EarlyStopping for c in callbacks):
        names = ", ".join(type(callback).__name__ for callback in callbacks)
        return f"callbacks other than EarlyStopping ({names})"
    return reason


class Crew:
    """Networks of one shape that are trained at once, each on its own rows.

    Parameters
    ----------
    models : list of keras.Model
        Compiled and built.
    data : tuple of arrays
        (x, y) or (x, y, sample_weight).
    rows : numpy.ndarray, shape (members, n)
        The rows of the data that each trains on.
    batch_size : int
    validation : tuple, optional
        Arrays, and the rows of them (members, m) that each member is validated on.
    callbacks : list of keras.callbacks.EarlyStopping
        Each member has its own copies.
    stopping : int, optional
        The epochs without a lower validation loss after which a member stands still; it ends with
        its best weights.
    seed : int or sequence of int
        For the shuffles.
    """

    def __init__(
        self, models, data, rows, batch_size, validation, callbacks, stopping, shuffle, seed
    ):
        self.models = models
        self.rows = rows
        self._shuffle = shuffle
        self._generators = [np.random.default_rng([*np.ravel(seed), i]) for i in range(len(models))]
        self._callbacks = callbacks
        self._validation, self._stopping = validation, stopping
        held_out, held_rows = validation or (None, None)
        batch = map_arrays(lambda leaf: leaf[:batch_size], data)
        for model in models:
            keras_private.build(model, batch)
        self._devices = devices.of_data()[: len(models)] or [None]
        parts = np.array_split(np.arange(len(models)), self._groups())
        self._slices = [slice(part[0], part[-1] + 1) for part in parts]
        self._devices = [self._devices[i % len(self._devices)] for i in range(len(parts))]
        self.parts, self._programs, self._epochs = [], [], []
        for i, (part, device) in enumerate(zip(parts, self._devices, strict=True)):
            with devices.no_distribution(), backend.on_device(device):
                self.parts.append(members.Members([models[j] for j in part]))
                sizes = rows.shape[1], batch_size, max(batch_size, _CHECKED)
                apart = i, device and str(device)
                program = program_of(self.parts[-1], batch, *sizes, apart=apart)
                self._programs.append(program)
                own = None if validation is None else held_rows[part]
                options = {"validation_rows": own, "patience": stopping}
                self._epochs.append(Epochs(program, data, held_out, **options))
        most = max(1, self._programs[0].most // len(models))
        self._most = 1 if callbacks else most

    def _groups(self):
        """Return into how many programs to divide: a program on a CPU keeps one core busy."""
        if len(self._devices) > 1:
            return len(self._devices)
        small = self.rows.size * self.models[0].count_params() < _SMALL
        if backend.name == "torch" or backend.has_gpu() or small:
            return 1
        return max(1, min(len(os.sched_getaffinity(0)), len(self.models) // 2, 4))

    def compile(self):
        """Compile, and run no step."""
        check_process()
        with ThreadPoolExecutor(len(self.parts)) as pool:
            self._run(pool, 0)

    def fit(self, epochs, verbose, on_divergence):
        """Train, write the weights into the models, and return a History for each."""
        for model in self.models:
            model.stop_training = False
        histories = [keras.callbacks.History() for _ in self.models]
        stops = [[copy.deepcopy(each) for each in self._callbacks] for _ in self.models]
        running = [_Running(self, i) for i in range(len(self.models))]
        for member, history, own in zip(running, histories, stops, strict=True):
            for callback in (history, *own):
                callback.set_model(member)
                callback.on_train_begin()
        bar = keras.utils.Progbar(
            epochs, verbose=verbose, unit_name="epoch", stateful_metrics=["loss"]
        )
        done, pace = 0, None
        with interruptible() as interrupt, ThreadPoolExecutor(len(self.parts)) as pool:
            stopped = False
            while done < epochs and not stopped:
                count = 1 if pace is None else int(min(max(1, _SECONDS / pace), self._most))
                count = min(count, epochs - done)
                began = time.perf_counter()
                found = self._run(pool, count)
                pace = (time.perf_counter() - began) / count
                for i in range(count):
                    self._end(done + i, i, found, running, histories, stops)
                done += count
                stopped = interrupt.asked or all(member.stop_training for member in running)
                mean = float(np.mean(found["loss"][-1]))
                bar.update(done, [("loss", mean)], finalize=stopped or done == epochs)
        self._finish(running, histories, stops, on_divergence)
        return histories

    def _run(self, pool, count):
        """Run epochs of all members, each program in a thread of its own."""
        orders = np.empty((count, *self.rows.shape), "int32")
        for each in orders:
            each[:] = self._order()
        flags = [self._validation is not None] * count

        def run(part, epochs, program, device):
            with backend.on_device(device):
                return epochs.run(orders[:, part], 0, program.steps, flags, self._most)

        each = self._slices, self._epochs, self._programs, self._devices
        found = list(pool.map(run, *each))
        return {name: np.concatenate([each[name] for each in found], axis=1) for name in found[0]}

    def _order(self):
        """Return the rows of each member in the order of an epoch."""
        if not self._shuffle:
            return self.rows.astype("int32")
        pairs = zip(self._generators, self.rows, strict=True)
        return np.stack([rng.permutation(rows) for rng, rows in pairs]).astype("int32")

    def _end(self, epoch, i, found, running, histories, stops):
        for j, member in enumerate(running):
            if member.stop_training:
                continue
            logs = {name: float(v[i, j]) for name, v in found.items() if name not in _FLAGS}
            member.finite = bool(found["finite"][i, j])
            if not member.finite:
                member.stop_training = True
            for callback in (histories[j], *stops[j]):
                callback.on_epoch_end(epoch, logs)
            if self._stopping is not None:
                member.stop_training |= bool(found["stopped"][i, j])
            elif member.stop_training and member.finite and member.chosen is None:
                member.chosen = member.get_weights()

    def _finish(self, running, histories, stops, on_divergence):
        for callback in keras.tree.flatten(stops):
            callback.on_train_end()
        diverged = [j for j, member in enumerate(running) if not member.finite]
        rate = divergence.learning_rate(self.parts[0])
        if diverged or self._stopping is not None:
            for epochs in self._epochs:
                epochs.restore()
        for part in self.parts:
            part.finish()
        for member, model in zip(running, self.models, strict=True):
            if member.chosen is not None:
                model.set_weights(member.chosen)
        for history, model in zip(histories, self.models, strict=True):
            history.set_model(model)
        errors = {}
        for j in diverged:
            losses = histories[j].history["loss"]
            errors[j] = divergence.error_of(self.models[j], losses, len(losses), rate)
        divergence.report_members(errors, len(running), on_divergence, self._stopping)


class _Running:
    """A member in training, as its EarlyStopping sees it: a model with weights to read and set."""

    def __init__(self, crew, i):
        self._crew, self._i = crew, i
        self.stop_training = False
        self.finite = True
        self.chosen = None
        self.optimizer = crew.models[i].optimizer
        self.metrics = crew.models[i].metrics

    def get_weights(self):
        """Return the weights of now."""
        i = self._i
        for part in self._crew.parts:
            if i < len(part):
                return part.weights(i)
            i -= len(part)
        raise AssertionError

    def set_weights(self, weights):
        """Choose the weights that the model is to have in the end."""
        self.chosen = weights
