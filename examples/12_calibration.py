"""Is it honest? A network that is too sure of itself, and four ways to mend what it says.

You will see a network that knows its training rows by heart, next to least squares and to the same
network stopped early; what `diagnose` finds; one factor for the standard deviation, an isotonic
map of the probabilities and conformal intervals, all found on a validation part; and what each is
worth on a test part that entered no decision: by scores, by coverage, and by the width at which it
is had. The data are 569 tumours, in scikit-learn: how large the largest nuclei of their cells are,
given the means of ten measurements (Street et al. 1993, doi:10.1117/12.148698).

    python examples/12_calibration.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.api as sm

import probnn as pn

try:
    from sklearn.datasets import load_breast_cancer
except ImportError:
    raise SystemExit("The data of this example: pip install scikit-learn") from None

FIGURES = Path(__file__).parent / "figures"

frame = load_breast_cancer(as_frame=True).frame
x, y = frame.iloc[:, :10], np.log(frame["worst area"]).rename("log area")
rows = np.random.default_rng(0).permutation(len(y))
train, valid, test = rows[:150], rows[150:350], rows[350:]
X = sm.add_constant(x)
print(f"{len(train)} tumours to fit, {len(valid)} to validate and mend, {len(test)} to test.\n")

# ---- least squares, and a network with and without an end --------------------------------------

ols = pn.glm.OLS(y.iloc[train], X.iloc[train]).fit()
standardise = keras.layers.Normalization()
standardise.adapt(x.iloc[train].to_numpy("float32"))
unseen = x.iloc[valid], y.iloc[valid]


def network(*callbacks):
    """Return two hidden layers of 32 units under a normal head, trained for up to 300 epochs."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(32, "relu") for _ in range(2)]
    model = pn.Sequential([keras.Input((x.shape[1],)), standardise, *hidden, pn.Head("normal")])
    model.compile(keras.optimizers.Adam(0.005))
    learn = x.iloc[train], y.iloc[train]
    options = {"validation_data": unseen, "callbacks": callbacks} if callbacks else {}
    model.fit(*learn, epochs=300, verbose=0, **options)
    return model


sure = network()
stopped = network(keras.callbacks.EarlyStopping(patience=20, restore_best_weights=True))
for name, model, columns in (("network", sure, x), ("least squares", ols, X)):
    print(f"pn.diagnose, {name}:")
    learn, others = ((columns.iloc[part], y.iloc[part]) for part in (train, valid))
    print(pn.diagnose(model, *learn, validation_data=others), "\n")

# ---- mending, on the validation part -----------------------------------------------------------


def believe(part):
    """Return name -> what each model believes about some rows, before any mending."""
    found = {"least squares": ols.predict_distribution(X.iloc[part])}
    for name, model in (("stopped early", stopped), ("network", sure)):
        found[name] = model.predict_distribution(x.iloc[part], verbose=0)
    return found


before, believed, y_valid, y_test = believe(valid), believe(test), y.iloc[valid], y.iloc[test]
scale = pn.calibration.scale_scaling(y_valid, before["network"])
believed["network, scaled"] = scale(believed["network"])
bent = pn.calibration.isotonic(y_valid, scale(before["network"]))
believed["network, isotonic"] = bent(believed["network, scaled"])
for name in ("least squares", "stopped early"):
    bent = pn.calibration.isotonic(y_valid, before[name])
    believed[f"{name}, isotonic"] = bent(believed[name])
print(f"The validation part wants the network's sigma to be {scale.factor:.1f} times as large.\n")

scores = pn.scores.table(believed, y_test)
print("Test part, less is better; differences from least squares")
print(scores.drop(columns=["pvalue", "skill"]).to_string(float_format="{:.3f}".format), "\n")

lines = {"pit_uniformity": "PIT off by", "coverage_50": "50 %", "coverage_90": "90 %"}
honest = {}
for name, d in believed.items():
    report = pn.calibration.report(y_test, d)
    honest[name] = report.loc[list(lines), "value"].rename(lines)
    honest[name]["p of PIT"] = report.loc["pit_uniformity", "pvalue"]
    honest[name]["width of 90 %"] = report.loc["width_90", "value"]
for name in ("least squares", "stopped early", "network"):
    conformal = pn.calibration.conformal(y_valid, before[name], level=0.9)
    lower, upper = conformal.interval(believed[name])
    inside = ((lower <= y_test) & (y_test <= upper)).mean()
    found = {"90 %": inside, "width of 90 %": (upper - lower).mean()}
    honest[f"{name}, conformal"] = pd.Series(found)
honest = pd.DataFrame(honest).T[[*lines.values(), "p of PIT", "width of 90 %"]]
low, high = (0.9 + sign * 1.96 * np.sqrt(0.9 * 0.1 / len(test)) for sign in (-1, 1))
print(
    "What intervals of 50 % and of 90 % hold, the mean width of the latter (in log area), and the"
)
print(f"largest error of a probability. Of an honest 90 % chance makes {low:.2f} to {high:.2f}:")
print(honest.to_string(float_format="{:.3f}".format, na_rep=""), "\n")

width, crps = honest["width of 90 %"], scores.loc["crps", "mean"]
wide, narrow = width["network, conformal"], width["least squares, conformal"]
print("Least squares is not quite honest either: its errors are not spread as a bell, which the")
print(f"isotonic map mends. The smallest CRPS is that of '{crps.idxmin()}'.")
print(
    f"Conformal intervals are {wide:.2f} wide for the network and {narrow:.2f} for least squares:"
)
print("honesty can be added, knowledge cannot.")

# ---- pictures ----------------------------------------------------------------------------------

figure, axes = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
pn.plots.pit(y_test, believed["network"], bins=10, ax=axes[0, 0])
axes[0, 0].set_title("the network's PIT: its bells are too narrow")
shown = ("least squares", "network", "network, scaled", "network, isotonic")
pn.plots.coverage(y_test, {name: believed[name] for name in shown}, ax=axes[0, 1])
axes[0, 1].set_title("coverage of all levels")
limit = y.iloc[train].median()
chance = 1 - believed["network"].cdf(np.full(len(test), limit))
above = pn.Predictive("bernoulli", {"probs": chance})
pn.plots.reliability((y_test > limit).astype(float), above, ax=axes[1, 0])
axes[1, 0].set_title("the network: is it larger than the median?")
for name, row in honest.iterrows():
    model, _, how = name.partition(", ")
    color = {"least squares": "black", "stopped early": "#0072B2", "network": "#D55E00"}[model]
    marker = {"": "o", "scaled": "s", "isotonic": "^", "conformal": "D"}[how]
    axes[1, 1].plot(row["width of 90 %"], row["90 %"], marker, color=color, ms=8, label=name)
axes[1, 1].axhspan(low, high, color="0.9", zorder=0)
axes[1, 1].axhline(0.9, color="0.5", lw=1)
axes[1, 1].set(xlabel="mean width of 90 % intervals", ylabel="share of tumours inside")
axes[1, 1].set_title("honest is in the band, sharp is to the left")
axes[1, 1].legend(fontsize="small")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "12_calibration.png"
figure.savefig(path, dpi=120)
print(f"\nThe checks: {os.path.relpath(path, Path(__file__).parents[1])}")
