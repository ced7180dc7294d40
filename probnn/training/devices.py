"""The devices that keras.distribution spreads data over, and the processes that hold them."""

import contextlib

import keras
import numpy as np

from probnn import backend
from probnn.backend import keras_private
from probnn.data import streams
from probnn.training.trees import count


def of_data():
    """Return the devices of this process over which keras.distribution spreads data alone."""
    current = keras.distribution.distribution()
    if not isinstance(current, keras.distribution.DataParallel):
        return []
    devices = [*current.device_mesh.backend_mesh.devices.flat]
    return devices if len({device.process_index for device in devices}) == 1 else []


@contextlib.contextmanager
def no_distribution():
    """Let variables be made, and data be put, on one device whatever keras.distribution says."""
    current = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(current)


def check_processes(given):
    """Raise where processes that train one network would wait for each other forever.

    Parameters
    ----------
    given : SimpleNamespace
        The arguments of `fit`.
    """
    current = keras.distribution.distribution()
    parts = given.x, given.validation_data
    if current is None or any(map(streams.is_stream, parts)):
        return
    size = given.batch_size or 32
    rows = [0 if part is None else count(part) for part in parts]
    each = backend.of_all_processes(np.array([*rows, size, given.validation_batch_size or size]))
    if len(each) == 1:
        return
    if any((other != each[0]).any() for other in each):
        raise ValueError(
            "Expected as many rows, in batches of one size, in each process of a "
            "keras.distribution, whose steps wait for each other. Received: (rows of x, of "
            f"validation_data, batch_size, validation_batch_size) {[o.tolist() for o in each]}."
        )
    mesh = current.device_mesh
    devices = max(1, mesh.shape[mesh.axis_names.index(current.batch_dim_name)] // len(each))
    wrong = [n for n in (min(size, rows[0]), *(n % size for n in rows)) if n % devices]
    if wrong:
        raise ValueError(
            f"Expected batches whose rows the {devices} devices of each process share evenly. "
            f"Received: a batch of {wrong[0]} rows, of {rows[0]} in batches of {size}. Choose "
            "another batch_size, or leave rows out."
        )


def check_replicas(model, given):
    """Raise where a replica of a tf.distribute strategy would get no row that it needs.

    Batch normalization is NaN where its mean is one of no rows; all else adds nothing there.

    Parameters
    ----------
    model : keras.Model
    given : SimpleNamespace
        The arguments of `fit`.
    """
    own = keras_private.strategy(model)
    n_replicas = 1 if own is None else own.num_replicas_in_sync
    if n_replicas == 1 or streams.is_stream(given.x):
        return
    needy = [
        layer.name
        for layer in keras_private.inner_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.trainable
        and not layer.synchronized
    ]
    size, rows = given.batch_size or 32, count(given.x)
    if given.validation_data is None:
        rows = int(rows * (1.0 - given.validation_split))
    for n in {min(size, rows), rows % size} - {0}:
        if needy and -(-n // n_replicas) * (n_replicas - 1) >= n:  # as TensorFlow deals rows out
            raise ValueError(
                f"Expected batches of which each of the {n_replicas} replicas of a tf.distribute "
                f"strategy gets rows, of which {needy[0]} takes means. Received: a batch "
                f"of {n} rows, of {rows} in batches of {size}. Choose another batch_size, leave "
                "rows out, or make it BatchNormalization(synchronized=True)."
            )
