"""Random numbers from the state of a generator that is a Keras variable."""

import contextlib

import keras


def normal_like(x, generator, is_seeded):
    """Return standard normal numbers in the shape and the type of a tensor."""
    del is_seeded
    return keras.random.normal(keras.ops.shape(x), dtype=x.dtype, seed=generator)


def seeded(seed):
    """Return a context in which the library's own random numbers begin at a seed: it has none."""
    del seed
    return contextlib.nullcontext()
