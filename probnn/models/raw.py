"""Raw outputs of a model: what its heads say, of checked x, in float64."""

import contextlib
import sys

import keras
import numpy as np

from probnn import backend, data
from probnn.backend import keras_private
from probnn.data import streams
from probnn.fitting.progress import shown
from probnn.networks.entered import entered
from probnn.networks.inputs import read_inputs

_map, _flatten = keras.tree.map_structure, keras.tree.flatten

ALL, _BATCH = sys.maxsize, 32  # rows of a batch: all there are, and Keras's own number
_FEW = 64  # batches that are run in turn, without Keras's pipeline and its line of progress


class RawOutputs:
    """What Model and Sequential do with x and Keras, before heads make parameters of it."""

    def _predict_raw(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Return raw outputs; of at most a few batches of arrays, without Keras's pipeline."""
        stream, size = None, batch_size or _BATCH
        if backend.in_processes(self):
            raise ValueError(
                "Expected a model of one process, to predict. Received: one that a "
                "keras.distribution spreads over several, none of which has all answers. Save it, "
                "call keras.distribution.set_distribution(None), and load it again."
            )
        if streams.is_stream(x):
            stream = streams.Frames(self.heads, (self.input_columns, data.Responses()))
            x = stream.read(x)
        else:
            x = read_inputs(self, x)
            most = {"auto": 1, 0: _FEW}.get(verbose, 0) * size
            if not callbacks and steps is None and self._is_at_most(x, most):
                return self._predict_in_turn(x, size)
        options = {"batch_size": batch_size, "steps": steps, "callbacks": callbacks}
        with error_of(stream), backend.many_programs(), entered(self, variables=_weights):
            return _map(_host_float64, super().predict(x, verbose=shown(verbose), **options))

    def _is_at_most(self, x, most):
        """Return whether x, as `read_inputs` returns it, are arrays of the same, few rows."""
        leaves = _flatten(x)
        return (
            all(isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biuf" for leaf in leaves)
            and len({leaf.shape[:1] for leaf in leaves}) == 1
            and 0 < len(leaves[0]) <= most
            and keras_private.strategy(self) is None  # whose replicas would all have all rows
        )

    def _predict_in_turn(self, x, size):
        """Return raw outputs, batch by batch: for few, Keras's pipeline takes longer than they."""
        with backend.many_programs(), entered(self, variables=_weights):
            parts = [
                super(RawOutputs, self).predict_on_batch(_map(_in_floatx, _part(x, start, size)))
                for start in range(0, len(_flatten(x)[0]), size)
            ]
        return _map(lambda *each: np.concatenate([_host_float64(raw) for raw in each]), *parts)


def _part(x, start, size):
    return _map(lambda leaf: leaf[start : start + size], x)


def _weights(model):
    """Return the variables that Keras takes away from a model that predicts."""
    return model.variables


def _in_floatx(leaf):
    """Return an array in the floats that Keras's pipeline has, for one program to take both."""
    is_floats = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
    return leaf.astype(keras.config.floatx(), copy=False) if is_floats else leaf


def _host_float64(raw):
    return np.asarray(raw, dtype="float64")


@contextlib.contextmanager
def error_of(*sources):
    """Raise what a check of a stream raised, in place of how a backend's pipeline reports it."""
    try:
        yield
    except Exception:
        for source in sources:
            error = getattr(source, "error", None)
            if error is not None:
                raise error from None
        raise
