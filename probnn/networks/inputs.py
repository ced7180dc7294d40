"""What a network takes: columns of x and y by name, and arrays of the shape of its inputs."""

import contextlib
import warnings

import keras
import numpy as np

from probnn import data
from probnn.backend import keras_private

_map, _flatten = keras.tree.map_structure, keras.tree.flatten

_LOST = 1e-4  # standard deviations of a column that float32 may round away without a word
_ROWS = 1024  # that are passed through a network at once, to ask which of their steps are masked


def columns_of(model):
    """Return the `Columns` that a network was fitted on: unknown ones of a plain Keras model."""
    return getattr(model, "input_columns", data.Columns())


def responses_of(model):
    """Return the `Responses` that a network was fitted on, as `columns_of` does columns."""
    return getattr(model, "responses", data.Responses())


def learnt_columns(model, x, y):
    """Return the `Columns` and `Responses` that a model knows, or else those of x and y."""
    y = data.by_head(y, model.heads)
    return columns_of(model).learnt(x), responses_of(model).learnt(y, model.heads)


def know_columns(model, x, y):
    """Let a network of this package know the `Columns` of x and the `Responses`."""
    if hasattr(model, "responses"):
        model.input_columns, model.responses = x, y


def read_inputs(model, x, what="x", columns=None):
    """Return x as the arrays that a network takes: columns in its order, finite, of its shape.

    Parameters
    ----------
    model : keras.Model
    x : array_like, or a list, tuple or dict of them
        Frames go by the names of columns where the network knows them, else by position. Text and
        what is not dense goes to Keras as it is.
    what : str
        What messages call it.
    columns : Columns, optional
        Those that the network takes, by default `columns_of(model)`.

    Raises
    ------
    ValueError
        For columns or a shape that the network does not take, zero rows, or a value that is not
        finite in the floats that Keras computes in.

    Warns
    -----
    UserWarning
        If those floats round a column by more than 1e-4 of its standard deviation.
    """
    columns = columns_of(model) if columns is None else columns
    x = columns.aligned(x, what)
    columns.check_widths(x, what)
    x = data.features(x, what)
    leaves = _flatten(x)
    for leaf, known in zip(leaves, columns.of_each(len(leaves)), strict=True):
        _check_floats(leaf, known.names[0] if known.names else None, what)
    pairs = zip(leaves, _symbolic(model, x) or [None] * len(leaves), strict=True)
    return keras.tree.pack_sequence_as(x, [_in_rank(*pair, what) for pair in pairs])


def _symbolic(model, x):
    """Return the symbolic input that each array is for, None where it is for none, or unknown."""
    tensors = getattr(model, "inputs", None) or []
    if isinstance(x, dict):
        named = getattr(model, "input", None)  # none of a Sequential that was not called
        named = named if tensors and isinstance(named, dict) else None
        named = named or {tensor.name: tensor for tensor in tensors}
        return [named.get(key) for key in sorted(x)] if len(_flatten(x)) == len(x) else None
    return tensors if len(_flatten(x)) == len(tensors) else None


def _in_rank(leaf, tensor, what):
    """Return an array in the rank that the network takes, or raise if its shape is another.

    Keras adds a last axis of 1 too, but not in a program that has seen both.
    """
    if tensor is None or leaf is None:  # Keras says which inputs may be left out
        return leaf
    shape, wanted = tuple(leaf.shape), tuple(tensor.shape)
    if len(shape) == len(wanted) + 1 and shape[-1] == 1:
        leaf, shape = leaf[..., 0], shape[:-1]
    elif len(shape) == len(wanted) - 1 and wanted[-1] == 1:
        leaf, shape = leaf[..., None], (*shape, 1)
    if len(shape) != len(wanted) or any(
        None not in sizes and sizes[0] != sizes[1]
        for sizes in zip(shape[1:], wanted[1:], strict=True)
    ):
        raise ValueError(
            f"Expected {what} of shape {data.shape_text(wanted)}, as the network takes. Received: "
            f"shape {shape}."
        )
    return leaf


def _check_floats(leaf, names, what):
    """Raise if numbers are infinite in the floats that Keras computes in; warn of what they lose.

    What is lost is looked at in some rows of tables.
    """
    floats = keras.config.floatx().replace("bfloat", "float")
    numbers = isinstance(leaf, np.ndarray) and leaf.dtype.kind in "iuf"
    if not numbers or leaf.dtype == floats or not leaf.size:
        return
    most = max(leaf.max(), -leaf.min())
    if most > np.finfo(floats).max:
        raise ValueError(
            f"Expected every value of {what} to be finite in {keras.config.floatx()}, which Keras "
            f"computes in. Received: {most:.3g}. Divide by a unit of that size, or standardise."
        )
    if leaf.ndim != 2:
        return
    some = leaf[:: len(leaf) // _ROWS + 1].astype("float64")
    lost, spread = np.abs(some.astype(floats) - some).max(axis=0), some.std(axis=0)
    for j in np.flatnonzero((lost > _LOST * spread) & (spread > 0.0)):
        warnings.warn(
            f"{keras.config.floatx()}, which Keras computes in, rounds the column "
            f"{names[j] if names else int(j)!r} of {what} by up to {lost[j]:.3g}, where its "
            f"standard deviation is {spread[j]:.3g}. Standardise it first, in float64: "
            "(x - x.mean()) / x.std().",
            stacklevel=2,
        )


def masks_of(model, x, n):
    """Return which time steps of the first n rows count, for each output; None for all of them.

    Parameters
    ----------
    model : keras.Model
    x : arrays, shape (n or more, ...)
        As `read_inputs` returns them.
    n : int
    """
    found = []
    for first in range(0, n, _ROWS):
        rows = slice(first, min(first + _ROWS, n))
        part = _map(lambda leaf, rows=rows: None if leaf is None else leaf[rows], x)
        with _with_variables(model):
            outputs = model(part, training=False)
        masks = [keras_private.mask_of(output) for output in _flatten(outputs)]
        if all(mask is None for mask in masks):
            return masks
        found.append([None if m is None else keras.ops.convert_to_numpy(m) for m in masks])
    return [None if each[0] is None else np.concatenate(each) for each in zip(*found, strict=True)]


def _with_variables(model):
    """Return a context in which a model can be called in the middle of a fit on JAX.

    Keras then holds its variables apart; masks come from x, whatever stands in for them.
    """
    if not any(map(keras_private.is_lost, model.variables)):
        return contextlib.nullcontext()
    zeros = [(v, keras.ops.zeros(v.shape, v.dtype)) for v in model.variables]
    return keras.StatelessScope(state_mapping=zeros)
