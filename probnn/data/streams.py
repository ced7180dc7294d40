"""Streams of batches that a fit may be given in place of arrays, checked batch by batch.

A `tf.data` dataset, a torch DataLoader, a `keras.utils.PyDataset`, a generator: each batch passes
the checks of `probnn.data` before its step. The last two may have frames in their batches.
"""

import itertools
import types
from collections import deque

import keras

from probnn import data
from probnn.backend import keras_private
from probnn.data.alignment import align_all
from probnn.data.columns import Columns
from probnn.data.frames import frame_of, to_numpy
from probnn.data.responses import Responses

UNKNOWN = (Columns(), Responses())  # of x and of y


def is_stream(x):
    """Return whether `x` is a source of batches that holds y too."""
    return isinstance(x, (types.GeneratorType, keras.utils.PyDataset)) or keras_private.is_dataset(
        x
    )


def kind(stream):
    """Return the name of the class that the user gave, of a stream that may be checked."""
    source = stream
    while isinstance(source, (CheckedBatches, _Dataset)):
        source = source.source
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
    columns : tuple of Columns and Responses
        Those of x and of y that frames are aligned with.
    masks : callable, optional
        As for `probnn.data.arrays`.
    learn : bool
        Whether columns that are not known are those of the first batch.
    shuffle : bool
        Whether a PyDataset's batches are shuffled; the other sources shuffle themselves.
    class_weight : dict, optional
        As in `fit`.
    """

    def __init__(
        self,
        source,
        heads,
        prefix="",
        columns=UNKNOWN,
        masks=None,
        learn=False,
        shuffle=False,
        class_weight=None,
    ):
        self.source = source
        self._frames = Frames(heads, columns, prefix, learn)
        self._batches, source = ahead(self._frames.read(source))
        shuffle = shuffle and isinstance(source, keras.utils.PyDataset)
        class_weight = self.columns[1].class_weight(class_weight)
        super().__init__(source, shuffle=shuffle, class_weight=class_weight)
        self._heads, self._prefix, self._masks = heads, prefix, masks
        self._error = None

    @property
    def columns(self):
        """The `Columns` of x and the `Responses` that frames are aligned with."""
        return self._frames.columns

    @property
    def error(self):
        """What was wrong with a batch; None so far."""
        return self._error or self._frames.error

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
            data.arrays(*self._split(batch), self._heads, self._prefix, self._masks, soft=True)
        except ValueError as error:
            self._error = in_batch(number, error)
            raise self._error from None


def in_batch(number, error):
    """Return an error that says in which batch it is, from 1 on."""
    return ValueError(f"In batch {number} of an epoch: {error}")


class Frames:
    """What makes arrays of the frames in batches: columns by name, rows by the labels of x.

    Parameters
    ----------
    heads : Head, or a list or dict of them
        What y is the response of.
    columns, prefix, learn
        As for `CheckedBatches`.

    Attributes
    ----------
    columns : tuple of Columns
        Those that are known.
    error : ValueError or None
        What was wrong with a batch, which Keras may tell in other words.
    """

    def __init__(self, heads, columns, prefix="", learn=False):
        self._heads, self.columns, self._prefix, self._learn = heads, columns, prefix, learn
        self.error = None

    def read(self, source):
        """Return a stream of arrays: a generator or PyDataset of the batches of another."""
        if isinstance(source, types.GeneratorType):
            return (self(*each) for each in enumerate(source, start=1))
        if isinstance(source, keras.utils.PyDataset):
            found = _Dataset(source, self)
            if self._learn and source.num_batches != 0:
                found.read_first()
            return found
        if self.columns[1].classes is not None:
            raise ValueError(
                "Expected arrays, or a generator or PyDataset, of a model that knows the labels of "
                f"its classes. Received: a {type(source).__name__}, whose y is not read as labels. "
                "Give generator = (batch for batch in dataset) in place of it."
            )
        return source

    def __call__(self, number, batch):
        """Return the batch of this number, from 1 on, with arrays in place of frames."""
        is_tuple = isinstance(batch, (tuple, list))
        try:
            parts = self._arranged(*keras.utils.unpack_x_y_sample_weight(batch))
        except ValueError as error:
            self.error = in_batch(number, error)
            raise self.error from None
        parts = [keras.tree.map_structure(_as_array, each) for each in parts]
        return tuple(parts[: len(batch)]) if is_tuple else parts[0]

    def _arranged(self, x, y=None, sample_weight=None):
        prefix = self._prefix
        x, y, sample_weight = align_all(x, y, sample_weight, prefix)
        if self._learn:
            of_x, of_y = self.columns
            by_head = data.by_head(y, self._heads)
            of_y = of_y.learnt(by_head, self._heads, f"{prefix}y")
            self.columns = of_x.learnt(x, f"{prefix}x"), of_y
            self._learn = False
        of_x, of_y = self.columns
        x = of_x.aligned(x, f"{prefix}x")
        y = data.coded_by_head(of_y, y, self._heads, f"{prefix}y")
        of_x.check_widths(x, f"{prefix}x")
        return x, y, sample_weight


def _as_array(leaf):
    return leaf if frame_of(leaf) is None else to_numpy(leaf)


class _Dataset(keras.utils.PyDataset):
    """The batches of a PyDataset, frames in them as arrays."""

    def __init__(self, source, frames):
        super().__init__(source.workers, source.use_multiprocessing, source.max_queue_size)
        self.source, self._frames, self._first = source, frames, None

    def read_first(self):
        """Read the first batch, which is given again when it is asked for in this process."""
        first = self[0]
        self._first = None if self.workers > 1 or self.use_multiprocessing else first

    @property
    def num_batches(self):
        """The number of batches, or None where there is no end."""
        return self.source.num_batches

    def __getitem__(self, i):
        if i == 0 and self._first is not None:
            first, self._first = self._first, None
            return first
        return self._frames(i + 1, self.source[i])

    def on_epoch_begin(self):
        """Tell the source that an epoch begins."""
        self.source.on_epoch_begin()

    def on_epoch_end(self):
        """Tell the source that an epoch has ended."""
        self._first = None
        self.source.on_epoch_end()


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
