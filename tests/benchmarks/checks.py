"""What looking at a fit costs: scores, the calibration report, and the surface of probabilities.

    python tests/benchmarks/scores.py

The CRPS of a million normals alternates with scoringrules' in one process (with numba where that is
installed, as it chooses itself). The others have no peer: seconds. Each figure is a median.
"""

import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")

import keras
import matplotlib.pyplot as plt
import numpy as np
import scoringrules as sr

import probnn as pn


def seconds(function):
    """Return how long one call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def alternate(*functions, runs=9):
    """Return the median seconds of each function, called in turn, after one call to warm up."""
    for function in functions:
        function()
    times = [[seconds(function) for function in functions] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def crps(n=1_000_000):
    """Print the time of the CRPS of normals over scoringrules'."""
    rng = np.random.default_rng(0)
    y, loc, scale = rng.normal(size=n), rng.normal(size=n), np.exp(rng.normal(size=n))
    d = pn.Predictive("normal", {"loc": loc, "scale": scale})
    ours, theirs = alternate(
        lambda: pn.scores.crps(y, d), lambda: sr.crps_normal(y, mu=loc, sigma=scale)
    )
    kind = "numba" if "numba" in sr.backend.backends.available_backends else "numpy"
    print(f"CRPS of {n:,} normals: {ours:.3f} s, {ours / theirs:.2f} of scoringrules' ({kind})")


def report(n=100_000):
    """Print the time of the calibration report of numbers and of probabilities."""
    rng = np.random.default_rng(0)
    loc, scale = rng.normal(size=n), np.exp(rng.normal(size=n))
    p = rng.beta(1.0, 2.0, size=n)
    numbers = pn.Predictive("normal", {"loc": loc, "scale": scale}), rng.normal(loc, scale)
    chances = pn.Predictive("bernoulli", {"probs": p}), rng.binomial(1, p)
    rate = np.exp(rng.normal(size=n))
    counts = pn.Predictive("poisson", {"rate": rate}), rng.poisson(rate)
    for name, (d, y) in {"normal": numbers, "bernoulli": chances, "poisson": counts}.items():
        (found,) = alternate(lambda d=d, y=y: pn.calibration.report(y, d), runs=5)
        print(f"calibration report of {n:,} rows, {name}: {found:.2f} s")


def surface(n=1372, grid=200):
    """Print the time of a decision boundary after the network is built."""
    frame = pn.datasets.make_banknotes(n)
    x, y = frame[["skewness", "entropy"]].to_numpy(), frame["class"].to_numpy()
    hidden = keras.layers.Dense(8, "sigmoid")
    model = pn.Sequential([keras.Input((2,)), hidden, pn.Head("bernoulli")])
    model.compile("adam")
    model.fit(x, y, epochs=1, verbose=0)

    def draw():
        plt.close(pn.plots.decision_boundary(model, x, y, grid=grid).figure)

    first = seconds(draw)
    (later,) = alternate(draw, runs=5)
    print(f"decision boundary, {grid} x {grid}: first {first:.2f} s, then {later:.2f} s")


if __name__ == "__main__":
    crps()
    report()
    surface()
