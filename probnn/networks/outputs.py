"""What a network says: the distributions that its raw outputs stand for."""

from dataclasses import replace

import keras

from probnn import data
from probnn.networks.inputs import responses_of

_flatten = keras.tree.flatten


def predictives(model, heads, raw, x=None):
    """Return the `Predictive` of each head, which knows the labels of x's rows and those of y.

    Parameters
    ----------
    model : keras.Model
    heads : Head, or a list or dict of them
    raw : numpy.ndarray (n, ...), in the structure of the heads
    x : array_like, or a list, tuple or dict of them, optional
        What the network was asked about; left out, rows have no labels.
    """
    from probnn.predictive import Predictive

    labels, known, flat = data.ResponseLabels.of(x), responses_of(model), _flatten(heads)
    each = zip(
        flat,
        _flatten(raw),
        known.of_each(len(flat)),
        known.classes_of_each(len(flat)),
        strict=True,
    )
    found = [
        Predictive(head.family, head.to_params(values), classes).labelled(
            replace(labels, columns=columns)
        )
        for head, values, columns, classes in each
    ]
    return keras.tree.pack_sequence_as(heads, found)
