"""Streams of batches that a fit may be given in place of arrays, checked batch by batch.

A `tf.data` dataset, a torch DataLoader, a `keras.utils.PyDataset`, a generator: each batch passes
the checks of `probnn.data` before its step.
"""

import types

import keras

from probnn import data
from probnn.backend import keras_private
from probnn.data.alignment import align_all


def is_stream(x):
    """Return whether `x` is a source of batches that holds y too."""
    return isinstance(x, (types.GeneratorType, keras.utils.PyDataset)) or keras_private.is_dataset(
        x
    )


def kind(stream):
    """Return the name of the class that the user gave, of a stream that may be checked."""
    source = stream.source if isinstance(stream, CheckedBatches) else stream
    return "generator" if isinstance(source, types.GeneratorType) else type(source).__name__


class CheckedBatches(keras_private.Batches):
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
            source = _aligned(source, prefix)
            first = next(source, None)
            if first is None:
                raise ValueError("Expected a generator with at least one batch. Received: none.")
            self._first = first
            source = _chain(first, source)
        else:
            self._first = None
        self.source = source
        shuffle = shuffle and isinstance(source, keras.utils.PyDataset)
        super().__init__(source, shuffle=shuffle, class_weight=class_weight)
        self._heads = heads
        self._prefix = prefix
        self.error = None

    def first(self):
        """Return x and y of the first batch, which stays in the stream."""
        batch = self._first
        if isinstance(self.source, keras.utils.PyDataset):
            batch = self.source[0]
        elif batch is None:
            batch = next(iter(self.unchecked()), None)
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

    def check(self, number, *batch):
        """Raise, and keep, what is wrong with the batch of this number."""
        try:
            data.arrays(*self._split(batch), self._heads, self._prefix)
        except ValueError as error:
            self.error = ValueError(f"In batch {number} of an epoch: {error}")
            raise self.error from None


def _aligned(batches, prefix):
    """Yield batches whose y and sample weights are in the order of x, by their labels."""
    for batch in batches:
        parts = keras.utils.unpack_x_y_sample_weight(batch)
        yield align_all(*parts, prefix)[: len(batch)] if isinstance(batch, tuple) else batch


def _chain(first, rest):
    yield first
    yield from rest
