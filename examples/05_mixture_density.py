"""Mixture density networks: where a mean and a standard deviation are not enough.

You will see Normal heads, with one standard deviation and with one that depends on x, against a
mixture of two normals, each linear and with a hidden layer, on flowers that none of them saw; the
mixture of rounded normals, for a y in whole millimetres; the coverage of their 90 % intervals; and
the densities that they predict. The data are the lengths of the petals of 150 irises, given the
width of the sepals alone: a wide sepal may be that of either of two kinds of flower.

    python examples/05_mixture_density.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

import probnn as pn

FIGURES = Path(__file__).parent / "figures"

iris = load_iris(as_frame=True).frame
x = iris[["sepal width (cm)"]].to_numpy()
y = np.round(10 * iris["petal length (cm)"].to_numpy())  # whole millimetres
test = np.arange(len(y)) % 2 == 0  # the rows are in order of species: half of each
train = ~test
gap = ((y > 19) & (y < 30)).sum()
print(f"{len(y)} petals of {y.min():.0f} to {y.max():.0f} mm, {gap} between 19 and 30 mm.")
print(f"Fitted to {train.sum()} of them, tried on {test.sum()}.\n")

# ---- heads, linear and with a hidden layer -----------------------------------------------------

standardise = keras.layers.Normalization()
standardise.adapt(x[train].astype("float32"))
rounded = pn.families.Discretized("normal", low=0, high=100)
HEADS = {
    "normal, one sigma": lambda: pn.Head("normal", constant=["scale"]),
    "normal": lambda: pn.Head("normal"),
    "mixture of 2 normals": lambda: pn.Head("mixture", family="normal", components=2),
    "mixture of 2 rounded": lambda: pn.Head("mixture", family=rounded, components=2),
}


def network(head, *layers, epochs=300):
    """Return layers under a head, trained."""
    model = pn.Sequential([keras.Input((1,)), standardise, *layers, head])
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, 3 * epochs)))
    model.fit(x[train], y[train], batch_size=25, epochs=epochs, verbose=0)
    return model


models, nll, rows = {}, {}, {}
for name, head in HEADS.items():
    for kind, layers in (("linear", 0), ("8 hidden", 1)):
        keras.utils.set_random_seed(0)
        model = network(head(), *[keras.layers.Dense(8, "tanh") for _ in range(layers)])
        belief = model.predict_distribution(x[test], batch_size=100, verbose=0)
        lower, upper = belief.interval(0.9)
        models[name, kind], nll[name, kind] = model, -belief.log_prob(y[test])
        rows[name, kind] = {
            "NLL": nll[name, kind].mean(),
            "CRPS": belief.crps(y[test]).mean(),
            "90 % covers": ((lower <= y[test]) & (y[test] <= upper)).mean(),
            "width": (upper - lower).mean(),
        }
print("Held-out mean negative log-likelihood, CRPS (mm), coverage and mean width (mm)")
print(pd.DataFrame(rows).T.to_string(float_format="{:.3f}".format), "\n")
print("That of the rounded mixture is of probabilities; of whole millimetres the densities of the")
print("others are comparable with it.\n")


def against(first, second):
    """Print by how much the first model is better, with the standard error over rows."""
    gain = nll[second] - nll[first]
    se = gain.std(ddof=1) / np.sqrt(len(gain))
    print(f"{', '.join(first)}, over {', '.join(second)}: {gain.mean():+.3f} a row (se {se:.3f})")


linear, hidden = (("mixture of 2 normals", kind) for kind in ("linear", "8 hidden"))
normals = [key for key in nll if key[0].startswith("normal")]
print("What was gained, in log-likelihood, by the mixture over the best of the normal heads:")
against(linear, min(normals, key=lambda key: nll[key].mean()))
print(f"and by a hidden layer under it, which {train.sum()} flowers are few for:")
against(hidden, linear)
print("A central interval still spans the gap between the modes; the density shows it.")

# ---- the densities -----------------------------------------------------------------------------

SHOWN = (("normal", "8 hidden"), ("mixture of 2 normals", "linear"))
figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
widths, lengths = np.linspace(2.0, 4.4, 121), np.linspace(0, 80, 241)
for axis, key in zip(axes, SHOWN, strict=False):
    belief = models[key].predict_distribution(widths[:, None], batch_size=200, verbose=0)
    density = np.exp([belief.log_prob(length) for length in lengths])
    shades = axis.pcolormesh(
        widths, lengths, density, cmap="Blues", norm="log", vmin=1e-4, vmax=0.3, rasterized=True
    )
    axis.plot(x[test], y[test], ".", color="black", markersize=4, label="held-out flowers")
    axis.set(xlabel="sepal width (cm)", title=", ".join(key), ylim=(0, 80))
axes[0].set_ylabel("petal length (mm)")
axes[0].legend(loc="upper right", fontsize="small")
figure.colorbar(shades, ax=axes[:2], label="density")

for color, width in zip(("C0", "C1", "C2"), (2.4, 3.0, 3.6), strict=True):
    for style, key in zip(("--", "-"), SHOWN, strict=True):
        belief = models[key].predict_distribution(np.array([[width]]), verbose=0)
        density = np.exp([belief.log_prob(length)[0] for length in lengths])
        label = f"sepal of {width} cm" if style == "-" else None
        axes[2].plot(lengths, density, style, color=color, label=label)
axes[2].plot([], [], "--", color="black", label="normal, 8 hidden")
axes[2].set(xlabel="petal length (mm)", ylabel="density", title="three flowers", ylim=0)
axes[2].legend(fontsize="small")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "05_mixture_density.png"
figure.savefig(path, dpi=120)
print(f"\nThe densities: {os.path.relpath(path, Path(__file__).parents[1])}")
