"""The same Newton on the Keras backend's device and on the CPU's cores: times and ratios.

    KERAS_BACKEND=jax python tests/benchmarks/glm_device.py

Logistic regression in float64, standard errors included; medians of alternating runs. "device" is
the GPU where there is one; compilation and the copy of the data are counted in its first run alone,
the copy in every run. Coefficients and standard errors of both are compared.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import probnn as pn

CASES = [(1_000_000, 20), (500_000, 100), (4_000_000, 5)]


def simulate(n, p):
    """Return y and X of a logistic regression."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p))
    x[:, 0] = 1.0
    y = rng.random(n) < 1.0 / (1.0 + np.exp(-x @ rng.normal(size=p) / np.sqrt(p)))
    return y.astype("float64"), x


def timed(y, x, engine):
    """Return the seconds of a fit with standard errors, and its results."""
    begin = time.perf_counter()
    results = pn.glm.GLM(y, x, "bernoulli").fit(engine=engine)
    _ = results.bse
    return time.perf_counter() - begin, results


def main():
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=int, default=1, help="divide the numbers of rows")
    arguments = parser.parse_args()
    where = "GPU" if pn.backend.has_gpu() else "CPU: no GPU here"
    print(f"backend {pn.backend.name}, device {where}; medians of {arguments.repeats}")
    header = ("rows x columns", "host s", "device s", "first", "host/device", "agree to")
    print("{:>16}{:>9}{:>10}{:>8}{:>13}{:>10}".format(*header))
    for n, p in CASES:
        y, x = simulate(n // arguments.scale, p)
        first, _ = timed(y, x, "device")
        seconds, found = {"host": [], "device": []}, {}
        for _ in range(arguments.repeats):
            for engine in seconds:
                took, found[engine] = timed(y, x, engine)
                seconds[engine].append(took)
        host, device = (statistics.median(seconds[engine]) for engine in ("host", "device"))
        gap = max(
            np.max(np.abs(getattr(found["device"], name) / getattr(found["host"], name) - 1.0))
            for name in ("params", "bse")
        )
        print(
            f"{f'{len(y):,} x {p}':>16}{host:9.3f}{device:10.3f}{first:8.2f}{host / device:13.2f}"
            f"  {gap:.0e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
