"""Streams of batches that a fit may be given in place of arrays, checked batch by batch.

A `tf.data` dataset, a torch DataLoader, a `keras.utils.PyDataset`, a generator: each batch passes
the checks of `probnn.data` before its step.
"""

import types

import keras
from keras.src.trainers import data_adapters
from keras.src.trainers.data_adapters import data_adapter

from probnn import backend, data


def is_stream(x):
    """Return whether `x` is a source of batches that holds y too."""
    return (
        isinstance(x, (types.GeneratorType, keras.utils.PyDataset, data_adapter.DataAdapter))
        or data_adapters.is_tf_dataset(x)
        or data_adapters.is_torch_dataloader(x)
        or data_adapters.is_grain_dataset(x)
    )


def kind(stream):
    """Return the name of the class that the user gave, of a stream that may be checked."""
    source = stream._source if isinstance(stream, CheckedBatches) else stream
    return "generator" if isinstance(source, types.GeneratorType) else type(source).__name__


class CheckedBatches(data_adapter.DataAdapter):
    """A stream of batches whose every batch is checked before a step sees it.

    Parameters
    ----------
    source : tf.data.Dataset, torch DataLoader, keras.utils.PyDataset or generator
        What Keras takes as `x` when it holds y too.
    heads : Head, or a list or dict of them
        The heads that y is checked for.
    prefix : str
        What messages put before x, y and sample_weight: "validation ".
    shuffle : bool
        Whether a PyDataset's batches are shuffled; the other sources shuffle themselves.
    class_weight : dict, optional
        As in `fit`.
    """

    def __init__(self, source, heads, prefix="", shuffle=False, class_weight=None):
        if isinstance(source, types.GeneratorType):
            first = next(source, None)
            if first is None:
                raise ValueError("Expected a generator with at least one batch. Received: none.")
            self._first = first
            source = _chain(first, source)
        else:
            self._first = None
        self._source = source
        shuffle = shuffle and isinstance(source, keras.utils.PyDataset)
        self._inner = data_adapters.get_data_adapter(
            source, shuffle=shuffle, class_weight=class_weight
        )
        self._heads = heads
        self._prefix = prefix
        self.error = None

    def first(self):
        """Return x and y of the first batch, which stays in the stream."""
        batch = self._first
        if isinstance(self._source, keras.utils.PyDataset):
            batch = self._source[0]
        elif batch is None:
            batch = next(iter(self._inner.get_numpy_iterator()), None)
            if batch is None:
                raise ValueError("Expected at least one batch of data. Received: none.")
        return self._split(batch)[:2]

    def _split(self, batch):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        if y is None:
            raise ValueError(
                "Expected batches of (x, y) or (x, y, sample_weight). Received: x alone."
            )
        return data.features(x, f"{self._prefix}x"), y, sample_weight

    def _check(self, number, *batch):
        try:
            data.arrays(*self._split(batch), self._heads, self._prefix)
        except ValueError as error:
            self.error = ValueError(f"In batch {number} of an epoch: {error}")
            raise self.error from None

    def _checked(self, batches):
        for number, batch in enumerate(batches, start=1):
            self._check(number, *batch)
            yield batch

    def get_numpy_iterator(self):
        """Return the batches as NumPy arrays."""
        return self._checked(self._inner.get_numpy_iterator())

    def get_jax_iterator(self):
        """Return the batches as JAX arrays."""
        return self._checked(self._inner.get_jax_iterator())

    def get_torch_dataloader(self):
        """Return the batches as torch tensors."""
        return self._checked(self._inner.get_torch_dataloader())

    def get_tf_dataset(self):
        """Return the batches as a `tf.data` dataset."""
        return backend.map_batches(self._inner.get_tf_dataset(), self._check)

    @property
    def num_batches(self):
        """The number of batches, or None where it is not known."""
        return self._inner.num_batches

    @property
    def batch_size(self):
        """The number of rows in a batch, or None where it is not known."""
        return self._inner.batch_size

    @property
    def has_partial_batch(self):
        """Whether the last batch is smaller."""
        return self._inner.has_partial_batch

    @property
    def partial_batch_size(self):
        """The number of rows in the last batch, if it is smaller."""
        return self._inner.partial_batch_size

    def on_epoch_begin(self):
        """Tell the source that an epoch begins."""
        self._inner.on_epoch_begin()

    def on_epoch_end(self):
        """Tell the source that an epoch has ended."""
        self._inner.on_epoch_end()


def _chain(first, rest):
    yield first
    yield from rest
