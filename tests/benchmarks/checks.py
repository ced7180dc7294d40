"""What looking at a fit costs: scores, calibration, and the surface of probabilities.

    python tests/benchmarks/checks.py [--record]

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
import pandas as pd
import scoringrules as sr
from _record import options, show

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
    """Return the time of the CRPS of normals, and over scoringrules'."""
    rng = np.random.default_rng(0)
    y, loc, scale = rng.normal(size=n), rng.normal(size=n), np.exp(rng.normal(size=n))
    d = pn.Predictive("normal", {"loc": loc, "scale": scale})
    ours, theirs = alternate(
        lambda: pn.scores.crps(y, d), lambda: sr.crps_normal(y, mu=loc, sigma=scale)
    )
    kind = "numba" if "numba" in sr.backend.backends.available_backends else "numpy"
    return {f"CRPS of {n:,} normals, scoringrules with {kind}": (ours, ours / theirs)}


def calibration(n=100_000):
    """Return the times of what looks at calibration, and of what mends it."""
    rng = np.random.default_rng(0)
    loc, p, rate = rng.normal(size=n), rng.beta(1.0, 2.0, size=n), np.exp(rng.normal(size=n))
    normal, bernoulli, poisson = (
        pn.Predictive(family, params)
        for family, params in (
            ("normal", {"loc": loc, "scale": 1.0}),
            ("bernoulli", {"probs": p}),
            ("poisson", {"rate": rate}),
        )
    )
    rows = (
        (normal, rng.normal(loc), ("report", "coverage", "scale_scaling", "isotonic", "conformal")),
        (bernoulli, rng.binomial(1, p), ("report", "reliability", "temperature_scaling")),
        (poisson, rng.poisson(rate), ("report",)),
    )
    times = {}
    for d, y, names in rows:
        for name in names:
            function = getattr(pn.calibration, name)
            (found,) = alternate(lambda y=y, d=d, function=function: function(y, d), runs=5)
            times[f"calibration.{name} of {n:,} rows, {d.family.name}"] = (found, None)
    return times


def surface(n=1372, grid=200):
    """Return the times of a decision boundary after the network is built."""
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
    title = f"decision boundary, {grid} x {grid}"
    return {f"{title}, the first": (first, None), f"{title}, later": (later, None)}


def main():
    """Print the table."""
    arguments = options(__doc__).parse_args()
    times = crps() | calibration() | surface()
    rows = {
        name: {"seconds": f"{ours:.3f}", "of the peer's": "" if ratio is None else f"{ratio:.2f}"}
        for name, (ours, ratio) in times.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    show(
        "checks", {"Scores, calibration and the surface of probabilities": frame}, arguments.record
    )


if __name__ == "__main__":
    main()
