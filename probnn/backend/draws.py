"""Random numbers from the state of a generator that is a Keras variable."""

import keras


def normal_like(x, generator, is_seeded):
    """Return standard normal numbers in the shape and the type of a tensor."""
    del is_seeded
    return keras.random.normal(keras.ops.shape(x), dtype=x.dtype, seed=generator)
