"""Structures of arrays, some of which may be None: (x, y, sample_weight) as Keras packs them."""

import keras


def map_arrays(function, data):
    """Return the structure with `function` of each array; what is None stays None."""
    return keras.tree.map_structure(lambda leaf: None if leaf is None else function(leaf), data)


def count(data):
    """Return the number of rows."""
    return next(leaf.shape[0] for leaf in keras.tree.flatten(data) if leaf is not None)


def take(data, rows):
    """Return these rows of all arrays."""
    return map_arrays(lambda leaf: leaf[rows], data)
