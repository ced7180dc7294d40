"""What a Head and its loss cost: one compiled training step against the hand-written equivalent.

    python tests/benchmarks/step_overhead.py [--backend NAME ...] [--record]

Without --backend it runs on every backend that is installed, each in a process of its own. Both
models run Keras's own `train_step` (forward, backward, Adam), compiled as Keras compiles it on
that backend, on the same batch in one process. The two alternate; each figure is a median.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

import keras
import numpy as np
import pandas as pd
from _record import options, show

import probnn as pn

FEATURES, HIDDEN = 20, 64
BACKENDS = ("tensorflow", "jax", "torch")


def normal_nll(y, out):
    """Write the normal NLL as Keras users do: column 0 is the mean, column 1 is log(sigma)."""
    mean, log_sigma = out[:, 0:1], out[:, 1:2]
    z = (y - mean) * keras.ops.exp(-log_sigma)
    return 0.5 * keras.ops.square(z) + log_sigma + 0.9189385332046727


def stack(last, sequential):
    """Return a network with one hidden layer and this last layer."""
    return sequential([keras.Input((FEATURES,)), keras.layers.Dense(HIDDEN, "relu"), last])


def by_hand(last, loss):
    """Return the hand-written Keras model."""
    model = stack(last, keras.Sequential)
    model.compile("adam", loss)
    return model


def by_probnn(head):
    """Return the same model with a head."""
    model = stack(head, pn.Sequential)
    model.compile("adam")
    return model


def compiled_step(model, x, y):
    """Return a function that runs one training step and waits for it."""
    model.train_on_batch(x, y)  # build the optimizer and the metrics
    backend = keras.backend.backend()
    x, y = (keras.ops.convert_to_tensor(v, dtype="float32") for v in (x, y))
    if backend == "tensorflow":
        import tensorflow as tf

        step = tf.function(lambda: model.train_step((x, y)), jit_compile=True)
        return lambda: step()["loss"].numpy()
    if backend == "jax":
        import jax

        train_step = jax.jit(model.train_step)
        state = model._get_jax_state(
            trainable_variables=True,
            non_trainable_variables=True,
            optimizer_variables=True,
            metrics_variables=True,
        )
        holder = [state]

        def run():
            logs, holder[0] = train_step(holder[0], (x, y))
            logs["loss"].block_until_ready()

        return run
    return lambda: float(model.train_step((x, y))["loss"])


def measure(one, other, rounds=15, steps=100):
    """Return the median seconds a step of each, over alternating rounds."""
    times = ([], [])
    for step in (one, other):
        for _ in range(20):
            step()
    for _ in range(rounds):
        for step, found in zip((one, other), times, strict=True):
            start = time.perf_counter()
            for _ in range(steps):
                step()
            found.append((time.perf_counter() - start) / steps)
    return [statistics.median(found) for found in times]


def ratios():
    """Return the microseconds of a step by hand, and ours over it, by head and batch."""
    rng = np.random.default_rng(0)
    cases = {
        "bernoulli": (
            lambda: by_hand(keras.layers.Dense(1, "sigmoid"), "binary_crossentropy"),
            lambda: by_probnn(pn.Head("bernoulli")),
            lambda n: rng.integers(0, 2, size=(n, 1)),
        ),
        "normal": (
            lambda: by_hand(keras.layers.Dense(2), normal_nll),
            lambda: by_probnn(pn.Head("normal")),
            lambda n: rng.normal(size=(n, 1)),
        ),
    }
    found = {}
    for name, (hand, ours, response) in cases.items():
        for n in (32, 1024):
            x, y = rng.normal(size=(n, FEATURES)), response(n)
            theirs, mine = measure(compiled_step(hand(), x, y), compiled_step(ours(), x, y))
            found[f"{name}, batches of {n:,}"] = f"{1e6 * theirs:.1f} us, {mine / theirs:.2f}"
    return found


def main():
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--backend", nargs="+", choices=BACKENDS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        return print(json.dumps(ratios()))
    columns = {}
    for name in arguments.backend or filter(find_spec, BACKENDS):
        command = [sys.executable, __file__, "--here"]
        env = os.environ | {"KERAS_BACKEND": name}
        done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE)
        columns[name] = json.loads(done.stdout.splitlines()[-1])
    frame = pd.DataFrame(columns)
    caption = "A step written by hand, and a head's over it"
    show("step_overhead", {caption: frame}, arguments.record)


if __name__ == "__main__":
    main()
