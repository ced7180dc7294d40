"""Nests of arrays: lists, tuples and dicts, in the order of Keras, which no one array needs."""

import numpy as np


def arrays_in(values):
    """Return the arrays in a nest; of numbers written out, none."""
    if isinstance(values, dict):
        values = [values[key] for key in sorted(values, key=str)]
    elif not isinstance(values, (list, tuple)):
        return [values]
    return [leaf for each in values if not np.isscalar(each) for leaf in arrays_in(each)]


def flatten(values):
    """Return all that is in a nest, as `keras.tree.flatten` does."""
    import keras

    return keras.tree.flatten(values)


def map_structure(function, values):
    """Return the nest of what a function makes of each, as `keras.tree.map_structure` does."""
    import keras

    return keras.tree.map_structure(function, values)


def pack_sequence_as(values, leaves):
    """Return leaves in the structure of a nest, as `keras.tree.pack_sequence_as` does."""
    import keras

    return keras.tree.pack_sequence_as(values, leaves)
