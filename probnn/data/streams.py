"""Streams of batches that a fit may be given in place of arrays, checked batch by batch.

A `tf.data` dataset, a torch DataLoader, a `keras.utils.PyDataset`, a generator: each batch passes
the checks of `probnn.data` before its step.
"""

import itertools
import types
from collections import deque

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


def ahead(source):
    """Return a function that yields the batches of a stream, and the stream, which keeps them."""
    if isinstance(source, types.GeneratorType):
        seen = _ReadAhead(source)
        if next(seen.batches(), None) is None:
            raise ValueError("Expected a generator with at least one batch. Received: none.")
        return seen.batches, seen.rest()
    if isinstance(source, keras.utils.PyDataset):
        n = source.num_batches
        numbers = itertools.count() if n is None else range(n)
        return (lambda: map(source.__getitem__, numbers)), source
    return source.__iter__, source


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
        self.source = source
        self._batches, source = ahead(source)
        shuffle = shuffle and isinstance(source, keras.utils.PyDataset)
        super().__init__(source, shuffle=shuffle, class_weight=class_weight)
        self._heads = heads
        self._prefix = prefix
        self.error = None

    def ahead(self):
        """Yield x, y and sample_weight of the batches to come, which stay in the stream."""
        batch = None
        for batch in self._batches():
            yield self._split(batch)
        if batch is None:
            raise ValueError("Expected at least one batch of data. Received: none.")

    def _split(self, batch):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        if y is None:
            raise ValueError(
                "Expected batches of (x, y) or (x, y, sample_weight). Received: x alone."
            )
        return data.features(x, f"{self._prefix}x"), y, sample_weight

    def arranged(self, batch):
        """Return a batch with y and sample weights in the order of heads in a list."""
        if not isinstance(self._heads, (list, tuple)):
            return batch
        return (batch[0], *(tuple(data.by_head(each, self._heads)) for each in batch[1:]))

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


class _ReadAhead:
    """The batches of a generator, some of which are looked at before they are taken."""

    def __init__(self, source):
        self._source, self._seen = source, deque()

    def batches(self):
        """Yield the batches to come, which stay where they are."""
        for i in itertools.count():
            if i == len(self._seen):
                batch = next(self._source, None)
                if batch is None:
                    return
                self._seen.append(batch)
            yield self._seen[i]

    def rest(self):
        """Yield the batches, each of which is then gone."""
        while self._seen:
            yield self._seen.popleft()
        yield from self._source
