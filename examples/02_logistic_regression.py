"""Logistic regression: a network, and the statistician's answer about it.

You will see a network of one neuron on standardised inputs give the table of statsmodels' Logit in
the units of the data; its convergence certificate before and after `polish` takes it to the exact
optimum; a comparison with statsmodels and with a network that has a hidden layer, on rows that none
of them saw; and the line on which an affair is as likely as not. The data are 6,366 women's answers
to a magazine in 1974 (Fair 1978).

    python examples/02_logistic_regression.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm

import probnn as pn

FIGURES = Path(__file__).parent / "figures"
keras.utils.set_random_seed(0)

fair = sm.datasets.fair.load_pandas().data
y = (fair["affairs"] > 0).astype(float)
x = fair[["rate_marriage", "yrs_married"]]
test = np.arange(len(y)) % 5 == 0
train = ~test
print(
    f"{y.mean():.0%} of {len(y)} women had an affair: given how they rate their marriage, and its"
)
print(f"years? Fitted to {train.sum()} of them, tried on {test.sum()}.\n")

# ---- a network of one neuron, and what it lacks to the optimum --------------------------------


def network(*layers, epochs):
    """Train layers on standardised inputs, under a Bernoulli head."""
    standardise = keras.layers.Normalization()
    standardise.adapt(x[train].to_numpy("float32"))
    model = pn.Sequential([keras.Input((2,)), standardise, *layers, pn.Head("bernoulli")])
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(x[train], y[train], epochs=epochs, batch_size=64, verbose=0)
    return model


neuron = network(epochs=5)
print("After 5 epochs.", pn.inference(neuron, x[train], y[train]).certificate)
results = pn.polish(neuron, x[train], y[train])
print("After polish.  ", results.certificate, "\n")
print(results.summary(), "\n")

# ---- beside statsmodels, and beside a network with a hidden layer ------------------------------

logit = sm.Logit(y[train], sm.add_constant(x[train])).fit(disp=False)
hidden = network(keras.layers.Dense(16, "tanh"), epochs=40)
models = {"neuron": neuron, "Logit": logit, "16 hidden units": hidden}
print(pn.compare(models, x=x[train], y=y[train], x_test=x[test], y_test=y[test]), "\n")

# ---- the line on which P(affair) is 1/2 --------------------------------------------------------

line = pn.glm.decision_line(results)
print(f"P = 1/2 where yrs_married = {line.intercept:.2f} + {line.slope:.2f} rate_marriage")

figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
rating, years = np.meshgrid(np.linspace(0.6, 5.4, 80), np.linspace(0, 24, 80))
grid = np.column_stack([rating.ravel(), years.ravel()])
jitter = x + np.random.default_rng(0).uniform(-0.3, 0.3, x.shape)
for axis, model, title in zip(
    axes, (neuron, hidden), ("one neuron", "16 hidden units"), strict=True
):
    probability = model.predict(grid, verbose=0).reshape(rating.shape)
    shades = axis.contourf(
        rating, years, probability, np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.8
    )
    for value, color in ((0, "navy"), (1, "darkred")):
        seen = jitter[test & (y == value)]
        axis.plot(*seen.to_numpy().T, ".", color=color, markersize=3, label=f"affair: {value}")
    axis.set(xlabel="rating of the marriage", title=title, xlim=(0.6, 5.4), ylim=(0, 24))
ends = np.array([0.6, 5.4])
axes[0].plot(ends, line.intercept + line.slope * ends, "k", label="P = 1/2")
axes[0].set_ylabel("years married")
axes[0].legend(loc="upper right", fontsize="small")
figure.colorbar(shades, ax=axes, label="P(affair)")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "02_logistic_regression.png"
figure.savefig(path, dpi=120)
print(f"The two surfaces: {os.path.relpath(path, Path(__file__).parents[1])}")
