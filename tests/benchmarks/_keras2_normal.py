"""The peer of training.py that needs Keras 2: one repetition for each line read.

Run by training.py, with the arguments rows, batch size, epochs, under TF_USE_LEGACY_KERAS=1. It
prints, as JSON, the seconds of an epoch and those that a fit takes beside its epochs.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras


def model():
    """Return the course's network, in the words of TFP's own tutorial."""
    tf_keras.utils.set_random_seed(0)
    network = tf_keras.Sequential(
        [
            tf_keras.layers.Dense(20, "relu", input_shape=(1,)),
            tf_keras.layers.Dense(2),
            tfp.layers.DistributionLambda(
                lambda t: tfp.distributions.Normal(
                    loc=t[..., :1], scale=1e-3 + tf.math.softplus(t[..., 1:])
                )
            ),
        ]
    )
    network.compile("adam", loss=lambda y, distribution: -distribution.log_prob(y))
    return network


def repetition(x, y, batch_size, epochs):
    """Return the seconds of an epoch, by the clock and on all cores, and of the rest of a fit."""
    network, ends = model(), []
    note = tf_keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append((time.perf_counter(), time.process_time()))
    )
    start = time.perf_counter()
    network.fit(x, y, batch_size=batch_size, epochs=1 + epochs, verbose=0, callbacks=[note])
    total = time.perf_counter() - start
    epoch = [(last - first) / epochs for first, last in zip(ends[0], ends[-1], strict=True)]
    return {"epoch": epoch, "once": max(0.0, total - (1 + epochs) * epoch[0])}


def main():
    """Answer every line."""
    rows, batch_size, epochs = map(int, sys.argv[1:])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 1)).astype("float32")
    y = (np.sin(2 * x) + 0.3 * rng.normal(size=x.shape)).astype("float32")
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(repetition(x, y, batch_size, epochs)), flush=True)


if __name__ == "__main__":
    main()
