"""Gradients: how a network learns, one step down a slope at a time.

You will see gradient descent on one weight, at a learning rate that is good, too small and too
large; its path over the loss of two weights, before and after the input is standardised, beside the
exact optimum; that the gradient stands at right angles to the contour lines; and back-propagation
through a deep network checked against finite differences. The data are 6,366 women's answers to a
magazine in 1974 (Fair 1978): whether one had an affair, given her years of marriage.

    python examples/09_gradients.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.optimize import brentq

import probnn as pn

ROOT, FIGURES = Path(__file__).parents[1], Path(__file__).parent / "figures"
keras.utils.set_random_seed(0)

fair = sm.datasets.fair.load_pandas().data
y = (fair["affairs"] > 0).astype(float).rename("affair")
years = fair["yrs_married"]
standard = ((years - years.mean()) / years.std(ddof=0)).rename("years, standardised")

# ---- one weight --------------------------------------------------------------------------------

print(
    "One weight, P(affair) = sigmoid(w x) of the standardised years, from rates that its curvature"
)
print("gives. The distance of w to its optimum after some steps:")
table = pn.plots.descent(standard, y, steps=40)
optimum = table["weight"].iloc[40]  # of the good rate, after 40 steps
table["distance"] = (table["weight"] - optimum).abs()
table = table[table["step"].isin((0, 1, 2, 5, 10, 20))]
distances = table.pivot(index="step", columns="rate", values="distance").sort_index(axis=1)
distances.columns = [
    f"{words} ({rate:.3g})"
    for words, rate in zip(("too small", "good", "too large"), distances.columns, strict=True)
]
print(distances.to_string(float_format="{:.2g}".format), "\n")

# ---- two weights, and what a standardised input does to their valley ---------------------------

START = {"const": 1.0, "slope": -0.15}  # of a neuron on years
STEPS, RATE = 60, 0.4  # the rate in units of 1 / the largest curvature at the start


def neuron(x):
    """Return a neuron on one column, which starts where the same function of years is."""
    model = pn.Sequential([keras.Input((1,)), pn.Head("bernoulli", name="neuron")])
    scale = years.std(ddof=0) / x.std(ddof=0)
    const = START["const"] + START["slope"] * (years.mean() - scale * x.mean())
    model.layers[-1].assign_coefficients([[START["slope"] * scale]], [const])
    return model


def curvatures(x):
    """Return the eigenvalues of the Hessian of the mean NLL at the start."""
    design = sm.add_constant(x.to_numpy())
    p = 1.0 / (1.0 + np.exp(-START["const"] - START["slope"] * years.to_numpy()))
    return np.linalg.eigvalsh(design.T @ (design * (p * (1.0 - p))[:, None]) / len(y))


paths, models, rows = {}, {}, {}
for name, x in (("years", years), ("standardised", standard)):
    model, record = neuron(x), pn.training.WeightPath(names=[x.name])
    low, high = curvatures(x)
    model.compile(keras.optimizers.SGD(RATE / high))
    model.fit(x.to_frame(), y, batch_size=len(y), epochs=STEPS, callbacks=[record], verbose=0)
    certificate = pn.inference(model, x.to_frame(), y).certificate
    paths[name], models[name] = record, model
    rows[name] = {
        "rate": RATE / high,
        "condition": high / low,
        "NLL above the optimum": certificate.gap,
        "standard errors away": certificate.largest,
    }
print(f"Two weights, {STEPS} steps of gradient descent with all {len(y)} rows. Both start from the")
print(f"same function of years, at {RATE} / the largest curvature there:")
print(pd.DataFrame(rows).T.to_string(float_format="{:.3g}".format))
print("The loss is a valley whose length to width goes with the root of the condition number.\n")

# ---- the gradient is the normal of the contour -------------------------------------------------

x = standard.to_numpy()


def nll(point):
    """Return the mean negative log-likelihood of a neuron, without any network."""
    raw = point[0] + point[1] * x
    return np.mean(np.logaddexp(0.0, raw) - y.to_numpy() * raw)


def contour_direction(point, radius=1e-5):
    """Return the direction between the two points on a small circle where the loss is the same."""

    def difference(angle):
        return nll(point + radius * np.array([np.cos(angle), np.sin(angle)])) - nll(point)

    angles = np.linspace(0.0, 2.0 * np.pi, 37)
    values = np.array([difference(angle) for angle in angles])
    first, second = (
        brentq(difference, angles[i], angles[i + 1])
        for i in np.flatnonzero(np.sign(values[1:]) != np.sign(values[:-1]))
    )
    return np.array([np.cos(first) - np.cos(second), np.sin(first) - np.sin(second)])


print("At points of that path: the gradient by back-propagation, and its angle to the direction in")
print("which the loss stays the same, found on a small circle without any derivative:")
walker = neuron(standard)
for step in (0, 2, 4, 8):
    point = paths["standardised"].path[step]
    walker.layers[-1].assign_coefficients([[point[1]]], [point[0]])
    backprop = pn.check_gradients(walker, standard.to_frame(), y)["backprop"].to_numpy()[::-1]
    tangent = contour_direction(point)
    cosine = backprop @ tangent / np.linalg.norm(backprop) / np.linalg.norm(tangent)
    angle = np.degrees(np.arccos(cosine))
    print(
        f"step {step}: gradient ({backprop[0]:+.4f}, {backprop[1]:+.4f}), angle {angle:.2f} degrees"
    )
print()

# ---- back-propagation through a deep network ---------------------------------------------------

columns = ["rate_marriage", "yrs_married", "religious", "educ"]
inputs = fair[columns]
standardise = keras.layers.Normalization()
standardise.adapt(inputs.to_numpy("float32"))
hidden = [keras.layers.Dense(8, activation) for activation in ("tanh", "sigmoid", "softplus")]
deep = pn.Sequential([keras.Input((4,)), standardise, *hidden, pn.Head("bernoulli")])
deep.compile(keras.optimizers.Adam(0.01))
deep.fit(inputs, y, epochs=2, batch_size=256, verbose=0)
checked = pn.check_gradients(deep, inputs, y, sample=None)
worst = checked.loc[checked["relative"].idxmax()]
print(
    f"A network of three hidden layers, {len(checked)} weights, float32. The derivative of the NLL"
)
print("in each by back-propagation, against central differences in float64. The largest difference")
print(f"is {worst['relative']:.1g} of the largest derivative of its array, the median one")
print(f"{checked['relative'].median():.1g}: float32 has no more digits.")

steps = 10.0 ** np.arange(-12, 1)
some = [pn.check_gradients(deep, inputs, y, sample=12, step=step) for step in steps]
errors = [table["relative"].max() for table in some]
print(
    f"With a step of 1 it would be {errors[-1]:.1g}, the curve is not straight; with one of 1e-12"
)
print(f"{errors[0]:.1g}, the two losses have too few digits in which they differ.")

# ---- pictures ----------------------------------------------------------------------------------

figure, axes = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
pn.plots.gradient_descent(standard, y, ax=axes[0, 0])
axes[0, 0].set_title("one weight, three learning rates")
for axis, name, x in ((axes[0, 1], "years", years), (axes[1, 0], "standardised", standard)):
    gradient = name == "standardised"
    options = {"path": paths[name], "gradient": gradient, "ax": axis}
    pn.plots.loss_surface(models[name], x.to_frame(), y, **options)
    axis.set_title(f"two weights, input: {x.name}")
axes[1, 1].loglog(steps, errors, "o-", color="#0072B2")
axes[1, 1].axvline(6e-6, color="black", linestyle=":", label="the step that is taken")
axes[1, 1].set(
    xlabel="step h of (L(w + h) - L(w - h)) / 2h",
    ylabel="largest relative difference",
    title="back-propagation (float32) against differences",
)
axes[1, 1].legend()

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "09_gradients.png"
figure.savefig(path, dpi=120)
print(f"\nThe paths: {os.path.relpath(path, ROOT)}")
