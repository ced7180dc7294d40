"""Memory of a process in which many models are made and fitted, one after the other.

    KERAS_BACKEND=jax python tests/benchmarks/memory.py [--fits 200]

"equal" networks are of one kind, "different" ones have another width each; "Keras" are equal ones
that Keras itself fits, compiled; "GLM" are gamma regressions with their summaries.
"""

import argparse
import gc
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import probnn as pn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(256, 4)).astype("float32")
Y = X.sum(axis=1) + RNG.normal(size=256)


def network(width):
    hidden = [keras.Input((4,)), keras.layers.Dense(width, "tanh")]
    model = pn.Sequential([*hidden, pn.Head("normal")])
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(X, Y, epochs=2, batch_size=32, verbose=0)


def plain(_):
    model = keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(k) for k in (8, 1))])
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=True)
    model.fit(X, Y, epochs=2, batch_size=32, verbose=0)


def gamma(_):
    design = np.column_stack([np.ones(len(X)), X])
    pn.glm.GLM(np.abs(Y) + 0.1, design, "gamma", "log").fit().summary()


KINDS = {
    "equal": lambda i: network(8),
    "different": lambda i: network(4 + i),
    "Keras": plain,
    "GLM": gamma,
}


def resident():
    """Return the memory of this process in MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main():
    """Print a line for each kind, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--kind", choices=KINDS)
    args = parser.parse_args()
    if args.kind is None:
        print(f"{keras.backend.backend()}: MB after each twentieth of {args.fits} fits")
        for kind in KINDS:
            subprocess.run([sys.executable, *sys.argv, "--kind", kind], check=True)
        return
    begun, found = time.perf_counter(), []
    for i in range(1, args.fits + 1):
        KINDS[args.kind](i)
        if i % max(args.fits // 20, 1) == 0:
            found.append(f"{resident():.0f}")
    print(f"{args.kind:>9}: {' '.join(found)}; {time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
