"""What a fit may be given, and the checks it passes before anything changes.

Arrays are checked whole before the first step; a stream of batches (a `tf.data` dataset, a torch
DataLoader, a PyDataset, a generator) is checked batch by batch, each before its step.
"""

import contextlib
import types

import keras
import numpy as np
from keras.src.trainers import data_adapters
from keras.src.trainers.data_adapters import data_adapter

from probnn import backend


def to_numpy(values):
    """Return a NumPy array of an array, a pandas or polars object, a tensor, or a list."""
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "to_numpy"):  # pandas and polars
        array = values.to_numpy()
        if array.dtype == object and not any(isinstance(value, str) for value in array.flat):
            with contextlib.suppress(TypeError, ValueError):
                array = values.to_numpy(dtype="float64", na_value=np.nan)  # pandas' nullable types
        return array
    if keras.ops.is_tensor(values):
        return keras.ops.convert_to_numpy(values)
    return np.asarray(values)


def shape_text(shape):
    """Write a shape for a message: n where the size is not known."""
    sizes = ["n" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def response(y, head, what="y"):
    """Return y as a float array of shape (n,), or (n, units), that the head's family supports.

    Parameters
    ----------
    y : array_like, shape (n,), (n, 1) or (n, units)
        NumPy, pandas or polars, a tensor, or a list. Time steps may stand between: (n, t).
    head : probnn.Head
        The head that y is the response of.
    what : str
        What messages call it.

    Raises
    ------
    ValueError
        If it has zero rows, is not numeric, has another shape, or a value outside the support.
    """
    if isinstance(y, (list, tuple)) and len(y) == 1 and np.ndim(y[0]) > 0:
        (y,) = y  # Keras's list of the only output's response
    if isinstance(y, dict):
        raise ValueError(
            f"Expected {what} to be one array, for the one head of this model. Received: a dict "
            f"with the keys {sorted(y)}."
        )
    y = to_numpy(y)
    if y.dtype.kind not in "biuf":
        first = f", the first {y.flat[0]!r:.40}" if y.size else ""
        raise ValueError(
            f"Expected {what} to be numeric. Received: values of type {y.dtype}{first}. Encode "
            "them first, as 0, 1, ... for classes."
        )
    if y.ndim == 0 or y.shape[0] == 0:
        raise ValueError(f"Expected {what} with at least one row. Received: shape {y.shape}.")
    rank = head.input_spec.ndim or 2  # of the features, which y has but for their last axis
    if head.units == 1:
        if y.ndim == rank and y.shape[-1] == 1:
            y = y[..., 0]
        fits = y.ndim == rank - 1
    else:
        fits = y.ndim == rank and y.shape[-1] == head.units
    if not fits:
        rows = (None, *(f"t{i}" for i in range(1, rank - 1)))
        shown = shape_text((*rows, head.units) if head.units > 1 else rows)
        if head.units == 1:
            shown += f" or {shape_text((*rows, 1))}"
        raise ValueError(
            f"Expected {what} of shape {shown}, for a head with units={head.units}. Received: "
            f"shape {y.shape}. Give each row one value, a class as its code (indicator columns "
            "become codes by argmax(axis=1)); several responses need Head(..., units=d)."
        )
    y = y.astype(np.result_type(y.dtype, np.float32), copy=False)
    head.family.check(y, what)
    return y


def features(x, what="x"):
    """Return x, pandas and polars frames as arrays, checked for rows and for finite numbers.

    Parameters
    ----------
    x : array_like, or a list, tuple or dict of them
        What the model takes as input.
    what : str
        What messages call it.

    Raises
    ------
    ValueError
        If there are zero rows, a column is not numeric, or a value is NaN or infinite.
    """
    if isinstance(x, (list, tuple)) and all(np.isscalar(leaf) for leaf in keras.tree.flatten(x)):
        x = np.asarray(x)  # rows written out; a list of arrays is several inputs
    return keras.tree.map_structure(lambda leaf: _check_features(leaf, what), x)


def _check_features(x, what):
    if hasattr(x, "toarray") or type(x).__name__ in ("SparseTensor", "RaggedTensor"):
        return x  # not dense, for Keras to take or to refuse
    names = getattr(x, "columns", None)
    x = to_numpy(x)
    if x.shape[:1] == (0,):
        raise ValueError(f"Expected {what} with at least one row. Received: shape {x.shape}.")
    if x.dtype == object and names is not None:
        wrong = [
            str(name)
            for name, column in zip(names, x.T, strict=True)
            if not all(isinstance(v, (int, float, np.number, np.bool_)) for v in column)
        ]
        raise ValueError(
            f"Expected the columns of {what} to be numeric. Received text or other objects in "
            f"{', '.join(map(repr, wrong))}. Encode them first, as indicator columns say."
        )
    if x.dtype.kind in "mM":
        raise ValueError(
            f"Expected {what} to be numeric. Received: dates or durations ({x.dtype}). Turn them "
            "into numbers first, as days since a date."
        )
    if x.dtype.kind == "f":
        finite = np.isfinite(x)
        if not finite.all():
            first = tuple(int(i[0]) for i in np.nonzero(~finite))
            column = f", column {names[first[1]] if names is not None else first[1]!r}" * (
                len(first) > 1
            )
            raise ValueError(
                f"Expected every value of {what} to be finite. Received: {x[first]} in row "
                f"{first[0]}{column}, and {int((~finite).sum())} such value(s) in all. Drop those "
                "rows, or fill in the values."
            )
    return x


def responses(y, heads, what="y"):
    """Return `response` of each head, in the structure of the heads."""
    if isinstance(heads, dict):
        if not isinstance(y, dict) or set(y) != set(heads):
            got = f"keys {sorted(y)}" if isinstance(y, dict) else f"a {type(y).__name__}"
            raise ValueError(
                f"Expected {what} to be a dict with one response for each head, by its name or "
                f"its key in the outputs: {sorted(heads)}. Received: {got}. A head's name is "
                "given as Head(..., name=...)."
            )
        return {key: response(y[key], head, f"{what}[{key!r}]") for key, head in heads.items()}
    if isinstance(heads, (list, tuple)):
        if not isinstance(y, (list, tuple)) or len(y) != len(heads):
            raise ValueError(
                f"Expected {what} to be a list with one response for each of the {len(heads)} "
                f"outputs. Received: a {type(y).__name__}."
            )
        return [
            response(value, head, f"{what}[{i}]")
            for i, (value, head) in enumerate(zip(y, heads, strict=True))
        ]
    return response(y, heads, what)


def weights(sample_weight, y, heads, what="sample_weight"):
    """Return sample weights as arrays, one for each row (or time step) of y: they never broadcast.

    Raises
    ------
    ValueError
        For another shape, or a value that is not finite.
    """
    heads, y = keras.tree.flatten(heads), keras.tree.flatten(y)
    several = isinstance(sample_weight, (list, tuple, dict)) and len(heads) > 1

    def check(values, head, y):
        if values is None:
            return None
        values = _check_features(values, what)
        expected = y.shape if head.units == 1 else y.shape[:-1]
        allowed = {expected, (*expected[: max(1, len(expected) - 1)], 1)}
        if values.shape not in allowed:
            raise ValueError(
                f"Expected {what} of shape {' or '.join(map(str, sorted(allowed)))}, for y of "
                f"shape {y.shape}. Received: shape {values.shape}. They would broadcast."
            )
        return values[:, 0] if values.shape == (*expected, 1) else values

    if sample_weight is None:
        return None
    if not several:
        checked = [check(sample_weight, head, each) for head, each in zip(heads, y, strict=True)]
        return checked[0]
    keys = sorted(sample_weight) if isinstance(sample_weight, dict) else range(len(sample_weight))
    flat = [
        check(sample_weight[key], head, each)
        for key, head, each in zip(keys, heads, y, strict=True)
    ]
    return dict(zip(keys, flat, strict=True)) if isinstance(sample_weight, dict) else flat


def arrays(x, y, sample_weight, heads, prefix=""):
    """Return checked (x, y, sample_weight), for x that `features` returned; rows must agree."""
    y = responses(y, heads, f"{prefix}y")
    sample_weight = weights(sample_weight, y, heads, f"{prefix}sample_weight")
    rows = {
        name: {leaf.shape[0] for leaf in keras.tree.flatten(value) if leaf is not None}
        for name, value in (("x", x), ("y", y), ("sample_weight", sample_weight))
        if value is not None
    }
    if len(set().union(*rows.values())) > 1:
        found = ", ".join(f"{prefix}{name}: {sorted(n)}" for name, n in rows.items())
        raise ValueError(f"Expected the same number of rows everywhere. Received: {found}.")
    return x, y, sample_weight


def is_stream(x):
    """Return whether `x` is a source of batches that holds y too."""
    return (
        isinstance(x, (types.GeneratorType, keras.utils.PyDataset, data_adapter.DataAdapter))
        or data_adapters.is_tf_dataset(x)
        or data_adapters.is_torch_dataloader(x)
        or data_adapters.is_grain_dataset(x)
    )


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
        return features(x, f"{self._prefix}x"), y, sample_weight

    def _check(self, number, *batch):
        try:
            arrays(*self._split(batch), self._heads, self._prefix)
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
