"""Results and a network of version 0.1.0, saved: later versions must be able to read them.

Run with that version to write the files anew: `python tests/data/first_edition/make.py`.
"""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

import probnn as pn

FOLDER = Path(__file__).parent


def frame():
    """Return 80 rows: an input, a category, and responses of several kinds."""
    rng = np.random.default_rng(3)
    x, group = rng.normal(size=80), np.repeat(list("abcd"), 20)
    eta = 0.4 + 0.6 * x + 0.3 * (group == "b")
    return pd.DataFrame(
        {
            "x": x,
            "group": group,
            "count": rng.poisson(np.exp(eta)).astype("float64"),
            "many": rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta + 1.0))).astype("float64"),
            "level": eta + rng.normal(size=80),
            "coin": (rng.random(80) < 1.0 / (1.0 + np.exp(-eta))).astype("float64"),
        }
    )


def network():
    """Return a network with a hidden layer, its weights drawn by NumPy."""
    layers = [keras.Input((1,)), keras.layers.Dense(3, "tanh"), pn.Head("normal", name="head")]
    model = pn.Sequential(layers)
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    return model


def neuron():
    """Return a network of one neuron, at weights that are not the optimum."""
    model = pn.Sequential([keras.Input((1,)), pn.Head("bernoulli", name="neuron")])
    model.set_weights([np.array([[0.5]], "float32"), np.array([0.4], "float32")])
    return model


def results():
    """Return name -> a function that fits."""
    data = frame()
    x = data[["x"]].assign(const=1.0)
    halves = [(data["count"][:50], x[:50]), (data["count"][50:], x[50:])]
    glm = pn.glm
    return {
        "poisson": lambda: glm.GLM(data["count"], x, "poisson").fit(),
        "robust": lambda: glm.GLM(data["count"], x, "poisson").fit(cov_type="HC1"),
        "arrays": lambda: glm.GLM(data["count"].to_numpy(), x.to_numpy(), "poisson").fit(),
        "ols": lambda: glm.OLS(data["level"], x).fit(),
        "logit": lambda: glm.Logit(data["coin"], x).fit(),
        "formula": lambda: glm.glm("count ~ x + C(group)", data, "poisson").fit(),
        "classes": lambda: glm.glm("group ~ x", data, "categorical").fit(),
        "negative_binomial": lambda: glm.GLM(data["many"], x, "negative_binomial").fit(),
        "gamma": lambda: glm.GLM(np.exp(data["level"]), x, "gamma", "log").fit(),
        "firth": lambda: glm.Logit(data["coin"], x).fit(method="firth"),
        "regularised": lambda: glm.Logit(data["coin"], x).fit_regularized(0.02, 0.5),
        "batches": lambda: glm.GLM.from_batches(halves, "poisson").fit(verbose=False),
        "inference": lambda: pn.inference(neuron(), data[["x"]], data["coin"]),
    }


if __name__ == "__main__":
    for name, fit in results().items():
        fit().save(FOLDER / f"{name}.pickle")
    network().save(FOLDER / "network.keras")
