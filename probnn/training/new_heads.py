"""Heads that have learnt nothing yet are adapted to the rows that they are trained on."""

import functools
import itertools
import math

import keras
import numpy as np

from probnn import backend, data
from probnn.data import streams
from probnn.networks.graph import heads_of
from probnn.networks.inputs import masks_of
from probnn.networks.losses import NegativeLogLikelihood
from probnn.training.trees import map_arrays

_map, _flatten = keras.tree.map_structure, keras.tree.flatten

_BATCHES = 100  # of a stream that are looked at for one in which a row counts


def build_heads(model, heads, x):
    """Build heads that wait for the first input, since they know the shape of y."""
    if not all(head is None or head.built for head in _flatten(heads)):
        model(map_arrays(lambda leaf: leaf[:1], x))


def adapt_to_arrays(model, heads, x, y, sample_weight=None, class_weight=None):
    """Adapt the heads that are new to checked arrays: to the rows, and time steps, that count.

    Returns what `adapt` does.

    Parameters
    ----------
    model : keras.Model
    heads : Head, or a list or dict of them
        Of its outputs, built; None for an output that is no head's.
    x : arrays, shape (n or more, ...)
    y, sample_weight : arrays, shape (n, ...)
        In the structure of the heads; or one sample weight for all of them.
    class_weight : dict, optional
        As in `fit`.
    """
    return adapt(heads, y, row_weights(model, heads, x, y, sample_weight, class_weight))


def adapt_to_stream(model, heads, stream, class_weight=None):
    """Adapt the heads that are new to the first batch of a stream in which some row counts."""
    if all(head.built and not _is_to_adapt(head) for head in _flatten(heads)):
        return
    masks = functools.partial(masks_of, model)
    for x, y, sample_weight in itertools.islice(stream.ahead(), _BATCHES):
        build_heads(model, heads, x)
        x, y, sample_weight = data.arrays(x, y, sample_weight, heads, masks=masks, soft=True)
        if adapt_to_arrays(model, heads, x, y, sample_weight, class_weight):
            return


def adapt_any(model, given):
    """Adapt the new heads of any Keras model that are trained by their likelihood.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    given : SimpleNamespace
        The arguments of `fit`: a stream in them may be read ahead.
    """
    heads = heads_of(model)
    names = sorted(heads) if isinstance(heads, dict) else getattr(model, "output_names", None)
    heads = _flatten(heads)
    losses = _of_outputs(model.loss, names, len(heads)) or [None] * len(heads)
    heads = [
        head if isinstance(loss, NegativeLogLikelihood) and head is not None else None
        for head, loss in zip(heads, losses, strict=True)
    ]
    if all(head is None or (head.built and not _is_to_adapt(head)) for head in heads):
        return
    masks = functools.partial(masks_of, model)
    batches = [(given.x, given.y, given.sample_weight)]
    part = 1.0
    if streams.is_stream(given.x):
        ahead, given.x = streams.ahead(given.x)
        batches = itertools.islice(map(keras.utils.unpack_x_y_sample_weight, ahead()), _BATCHES)
    elif given.validation_data is None:
        part -= given.validation_split
    for x, y, sample_weight in batches:
        y = _of_outputs(y, names, len(heads))
        if sample_weight is not None:
            sample_weight = _of_outputs(sample_weight, names, len(heads))
        if y is None or any(each is None for each in y):
            return  # for Keras to refuse
        x = _map(data.as_array, x)
        build_heads(model, heads, x)
        x, *rest = data.arrays(x, y, sample_weight, heads, masks=masks, soft=True)
        if adapt_to_arrays(model, heads, x, *first_rows(part, *rest), given.class_weight):
            return


def first_rows(part, *arrays):
    """Return this part of the rows of structures of arrays: those that `fit` does not hold out."""
    return split_rows(part, arrays)[0]


def split_rows(part, arrays):
    """Return this part of the rows of a structure of arrays, the first ones, and the others."""
    first = map_arrays(lambda leaf: leaf[: math.floor(len(leaf) * part)], arrays)
    return first, map_arrays(lambda leaf: leaf[math.floor(len(leaf) * part) :], arrays)


def _of_outputs(values, names, n):
    """Return what is given for n outputs, by name, in a list or once, as a list; else None."""
    if isinstance(values, dict):
        values = [values.get(name) for name in names or ()]
    elif not isinstance(values, (list, tuple)):
        values = [values] * n
    return values if len(values) == n else None


def adapt(heads, y, counts):
    """Adapt the heads that are new, and are trained, to checked responses.

    Parameters
    ----------
    heads : Head, or a list or dict of them
    y : arrays, in the structure of the heads
    counts : list of numpy.ndarray or None
        What `row_weights` returns. A head none of whose rows count stays as it is.

    Returns
    -------
    bool
        Whether each of them had a row that counts.
    """
    waiting = False
    for head, values, count in zip(_flatten(heads), _flatten(y), counts, strict=True):
        if not _is_to_adapt(head):
            continue
        values, count = _of_all_processes(values), _of_all_processes(count)
        if count is None or count.any():
            head.adapt(values, count)
        else:
            waiting = True
    return not waiting


def _of_all_processes(rows):
    """Return the rows of all processes that train one network."""
    return None if rows is None else np.concatenate(backend.of_all_processes(rows))


def row_weights(model, heads, x, y, sample_weight=None, class_weight=None):
    """Return what each row, or time step, counts for each new head, in a list.

    Parameters
    ----------
    model, heads, x, y, sample_weight, class_weight
        As for `adapt_to_arrays`.

    Returns
    -------
    list of numpy.ndarray or None
        None where all count alike, and for heads that will not adapt.
    """
    flat = _flatten(heads)
    if class_weight is not None and sample_weight is None:
        sample_weight = data.class_weights(class_weight, *_flatten(y))
    given = _flatten(data.for_each(sample_weight, heads))
    # Only a head on time steps has some that are masked.
    steps = any(_is_to_adapt(head) and head.rank > 2 for head in flat)
    masks = masks_of(model, x, len(_flatten(y)[0])) if steps else [None] * len(flat)
    return [_together(*each) for each in zip(given, masks, strict=True)]


def _is_to_adapt(head):
    return head is not None and head.trainable and head.is_new


def _together(weight, mask):
    """Return weights that are 0 where time steps are masked."""
    return weight if mask is None else mask if weight is None else mask * weight
