"""Banknotes: from one neuron to a hidden layer, and whether to believe their probabilities.

You will see a neuron trained by stochastic gradient descent on two statistics of pictures of
banknotes, and how far it stops from the exact optimum; a hidden layer of eight sigmoid units, which
bends the boundary between real and fake; both on notes that neither saw, by their scores and by the
calibration of their probabilities; the findings of `diagnose`; and all four statistics, with which
the classes are nearly separable. The data are 1,372 notes (Lohweg 2012, doi:10.24432/C55P57), or
simulated ones where they cannot be had.

    python examples/07_banknotes.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import probnn as pn

ROOT, FIGURES = Path(__file__).parents[1], Path(__file__).parent / "figures"
keras.utils.set_random_seed(0)

try:
    notes = pn.datasets.banknotes()
    print(f"Data: {notes.attrs['source']}.")
except ConnectionError:
    notes = pn.datasets.make_banknotes()
    print("The published data are neither here nor in reach: these are SIMULATED banknotes.")
y = notes["class"].rename("fake")
x = notes[["skewness", "entropy"]]
test = np.random.default_rng(0).random(len(y)) < 0.3
train = ~test
print(f"{len(y)} notes, {y.sum()} of them fake: {train.sum()} to fit, {test.sum()} held out.\n")

# ---- one neuron --------------------------------------------------------------------------------


def trained(*layers, x=x, rate=0.01, epochs=400):
    """Return layers under a Bernoulli head, trained as in a first lesson: SGD, batches of 10."""
    model = pn.Sequential([keras.Input((x.shape[1],)), *layers, pn.Head("bernoulli")])
    model.compile(keras.optimizers.SGD(rate))
    model.fit(x[train], y[train], epochs=epochs, batch_size=10, verbose=0)
    return model


neuron = trained()
print("One neuron on skewness and entropy, 400 epochs of SGD in batches of 10:")
print(pn.inference(neuron, x[train], y[train]).certificate)
results = pn.polish(neuron, x[train], y[train])
everything = pn.glm.Logit(y, x.assign(const=1.0)[["const", *x.columns]]).fit()
print(f"pn.polish takes it to the exact optimum, mean NLL {-results.llf / results.nobs:.5f}:")
table = {
    "fitted": results.params,
    "standard error": results.bse,
    f"with all {len(y)} notes": everything.params,
}
print(pd.DataFrame(table).to_string(float_format="{:.4f}".format))
print(f"(mean NLL of all notes: {-everything.llf / len(y):.7f})\n")

# ---- eight hidden units ------------------------------------------------------------------------

hidden = trained(keras.layers.Dense(8, "sigmoid"), rate=0.1, epochs=1000)
models = {"one neuron": neuron, "8 hidden units": hidden}
print("Eight sigmoid units before it, 1,000 epochs:")
print(pn.compare(models, x=x[train], y=y[train], x_test=x[test], y_test=y[test]), "\n")

# ---- whether to believe the probabilities ------------------------------------------------------

believed = {name: model.predict_distribution(x[test], verbose=0) for name, model in models.items()}
print("Held-out notes, lower is better:")
print(pn.scores.table(believed, y[test]).to_string(float_format="{:.4f}".format))
errors = {
    name: pn.calibration.expected_calibration_error(y[test], d) for name, d in believed.items()
}
print("Expected calibration error:", ", ".join(f"{k} {v:.3f}" for k, v in errors.items()), "\n")
for name, model in models.items():
    print(f"pn.diagnose, {name}:")
    print(pn.diagnose(model, x[train], y[train], validation_data=(x[test], y[test])), "\n")

# ---- all four statistics -----------------------------------------------------------------------

four = notes.drop(columns="class")
wide = trained(x=four)
certificate = pn.inference(wide, four[train], y[train]).certificate
results = pn.polish(wide, four[train], y[train])
right = ((wide.predict(four[test], verbose=0) > 0.5) == y[test]).mean()
print("One neuron on all four statistics, the same training.", certificate)
print("At the optimum:")
table = {"coefficient": results.params, "standard error": results.bse}
print(pd.DataFrame(table).to_string(float_format="{:.2f}".format))
print(f"Mean NLL {-results.llf / results.nobs:.4f}, and {right:.1%} of the held-out notes right.")
print("The classes are nearly separable: a steep sigmoid is likely, its exact slope uncertain, and")
print("gradient descent, whose steps shrink with the errors that are left, is slow to get there.")

# ---- pictures ----------------------------------------------------------------------------------

figure, axes = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
for column, (name, model) in enumerate(models.items()):
    pn.plots.decision_boundary(model, x[test], y[test], ax=axes[0, column])
    axes[0, column].set_title(f"{name}: held-out notes")
    pn.plots.reliability(y[test], believed[name], ax=axes[1, column])
    axes[1, column].set_title(f"{name}: calibration")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "07_banknotes.png"
figure.savefig(path, dpi=120)
print(f"\nThe boundaries: {os.path.relpath(path, ROOT)}")
