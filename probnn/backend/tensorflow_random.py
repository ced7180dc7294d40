"""Random numbers inside of compiled TensorFlow programs.

The generator that TensorFlow chooses for itself takes 200 ns a number under XLA on a CPU, twenty to
sixty times as long as others, so that a Dropout layer cost more than the rest of its network. And
`tf.vectorized_map` knows none of the generators. Threefry in plain integer operations is fast under
XLA and works over members.
"""

import contextlib
import functools
import threading

import tensorflow as tf

_patching = threading.RLock()  # programs may be traced in several threads
_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
_NAMES = ("stateless_uniform", "stateless_normal", "stateless_truncated_normal")


def threefry(key, counter):
    """Return two arrays of random bits.

    Parameters
    ----------
    key : pair of tensors, uint32
        Numbers.
    counter : pair of tensors, uint32, of one shape
        A pair of numbers for each pair of results.

    Returns
    -------
    pair of tensors, uint32

    Notes
    -----
    Threefry-2x32 with 20 rounds: Salmon et al. (2011), doi:10.1145/2063384.2063405.
    """
    keys = (*key, key[0] ^ key[1] ^ tf.constant(0x1BD11BDA, tf.uint32))
    a, b = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            a = a + b
            left = tf.bitwise.left_shift(b, tf.constant(bits, tf.uint32))
            b = a ^ (left | tf.bitwise.right_shift(b, tf.constant(32 - bits, tf.uint32)))
        a = a + keys[(group + 1) % 3]
        b = b + keys[(group + 2) % 3] + tf.constant(group + 1, tf.uint32)
    return a, b


def uniform(shape, seed):
    """Return float32 numbers in [0, 1), of a static shape, from a seed of two integers."""
    count = tf.TensorShape(shape).num_elements()
    half = (count + 1) // 2
    first = tf.cast(tf.range(half), tf.uint32)
    seed = tf.cast(seed, tf.uint32)
    pairs = threefry((seed[0], seed[1]), (first, first + tf.constant(half, tf.uint32)))
    bits = tf.reshape(tf.concat(pairs, 0)[:count], shape)
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24


@contextlib.contextmanager
def fast():
    """Let the random numbers of layers that are traced here come from Threefry."""
    with _patching:
        known = tf.nn.experimental.stateless_dropout
        chosen = {name: getattr(tf.random, name) for name in _NAMES}
        tf.nn.experimental.stateless_dropout = functools.partial(_dropout, known)
        for name, function in chosen.items():
            setattr(tf.random, name, functools.partial(function, alg="threefry"))
        tf.random.stateless_normal = functools.partial(_normal, tf.random.stateless_normal)
        try:
            yield
        finally:
            tf.nn.experimental.stateless_dropout = known
            for name, function in chosen.items():
                setattr(tf.random, name, function)


def _normal(known, shape, seed, mean=0.0, stddev=1.0, dtype=tf.float32):
    """Return normal numbers as `tf.random.stateless_normal` does, which is `known`."""
    shape = tf.TensorShape(tf.get_static_value(shape) if tf.is_tensor(shape) else shape)
    if dtype != tf.float32 or not shape.is_fully_defined():
        return known(shape, seed, mean, stddev, dtype)
    centered = 2.0 * uniform(shape, seed) - (1.0 - 2.0**-24)  # symmetric, and never -1 or 1
    return mean + stddev * 2.0**0.5 * tf.math.erfinv(centered)


def _dropout(known, x, rate, seed, rng_alg=None, noise_shape=None, name=None):
    """Drop elements as `tf.nn.experimental.stateless_dropout` does, which is `known`."""
    shape = x.shape if noise_shape is None else tf.get_static_value(noise_shape)
    if shape is None or not tf.TensorShape(shape).is_fully_defined():
        return known(x, rate, seed, rng_alg, noise_shape, name)
    keep = uniform(shape, seed) >= rate
    return tf.where(keep, x / (1.0 - rate), tf.zeros([], x.dtype))
