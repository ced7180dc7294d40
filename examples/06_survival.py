"""Survival: accelerated failure time models, of times that are partly censored.

You will see Weibull, log-normal and log-logistic models of times to an event, of which most are
known by a lower bound alone: the exact maximum-likelihood fits, the Weibull one beside lifelines'
WeibullAFTFitter; the same three under a hidden layer; how well all six predict patients whom they
did not see; and their mean survival curves beside the Kaplan-Meier estimate. The data are the 686
women of the German Breast Cancer Study Group 2: years until recurrence or death (Schumacher et al.
1994, doi:10.1200/JCO.1994.12.10.2086).
They come with lifelines: pip install lifelines.

    python examples/06_survival.py
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
    from lifelines import WeibullAFTFitter
    from lifelines.datasets import load_gbsg2
except ImportError:
    raise SystemExit("The data and the peer of this example: pip install lifelines") from None

FIGURES = Path(__file__).parent / "figures"
FAMILIES = ("weibull", "log_normal", "log_logistic")
keras.utils.set_random_seed(0)

data = load_gbsg2()
years, seen = data["time"].to_numpy() / 365.25, data["cens"].to_numpy()  # cens is 1 for an event
x = pd.DataFrame(
    {
        "hormones": (data["horTh"] == "yes").astype(float),
        "age": data["age"] / 10,
        "size": data["tsize"] / 10,
        "log_nodes": np.log(data["pnodes"]),
        "log_progesterone": np.log1p(data["progrec"]),
    }
)
X, y = sm.add_constant(x), pn.families.Censored.bounds(years, seen)
print(
    f"{len(y)} women, {int(seen.sum())} with a recurrence or death; of the others it is only known"
)
print("that they had none so far. A row of y has two bounds, equal where the time was seen:")
print(y[:3].round(3), "\n")

# ---- the exact fit, beside lifelines -----------------------------------------------------------

weibull = pn.glm.GLM(y, X, family=pn.families.Censored("weibull")).fit()
print(weibull.summary(), "\n")

aft = WeibullAFTFitter().fit(x.assign(years=years, seen=seen), "years", "seen")
names = ["Intercept" if name == "const" else name for name in X.columns]
theirs = aft.summary.loc["lambda_"].loc[names, ["coef", "se(coef)"]]
log_shape = aft.summary.loc[("rho_", "Intercept")]
shape = np.exp(log_shape["coef"])  # lifelines reports the logarithm, probnn the shape
theirs = np.vstack([theirs.to_numpy(), [shape, shape * log_shape["se(coef)"]]])
columns = {"coef": weibull.params, "lifelines": theirs[:, 0], "se": weibull.bse}
beside = pd.DataFrame({**columns, "lifelines se": theirs[:, 1]})
print(f"Beside lifelines' WeibullAFTFitter\n{beside.to_string(float_format='{:.6f}'.format)}")
apart = np.abs(beside[["coef", "se"]].to_numpy() - theirs).max(axis=0)
print(f"largest difference: {apart[0]:.1e} in coefficients, {apart[1]:.1e} in standard errors;")
print(f"log-likelihood {weibull.llf:.6f} and {aft.log_likelihood_:.6f}\n")

# ---- three families, linear and with a hidden layer, on women that they did not see ------------

test = np.arange(len(y)) % 3 == 0
train = ~test
standardise = keras.layers.Normalization()
standardise.adapt(x[train].to_numpy("float32"))


def network(family):
    """Return a network with a hidden layer, whose scale and shape both depend on the features."""
    hidden = keras.layers.Dense(8, "tanh", kernel_regularizer=keras.regularizers.L2(0.01))
    head = pn.Head("censored", family=family)
    model = pn.Sequential([keras.Input((x.shape[1],)), standardise, hidden, head])
    model.compile(keras.optimizers.Adam(0.005))
    model.fit(x[train], y[train], epochs=60, batch_size=32, verbose=0)
    return model


alone = pn.glm.GLM(y[train], X[train][["const"]], family=pn.families.Censored("weibull")).fit()
beliefs = {"weibull, no features": alone.predict_distribution(X[test][["const"]])}
for family in FAMILIES:
    model = pn.glm.GLM(y[train], X[train], family=pn.families.Censored(family))
    beliefs[f"{family}, linear"] = model.fit(verbose=False).predict_distribution(X[test])
    beliefs[f"{family}, 8 hidden"] = network(family).predict_distribution(
        x[test], batch_size=1000, verbose=0
    )

event = seen[test] == 1
first = beliefs["weibull, linear"].log_prob(y[test])
rows = {}
for name, belief in beliefs.items():
    each = belief.log_prob(y[test])  # a density where the time was seen, else P(Y > bound)
    gain = each - first
    rows[name] = {
        "all": each.mean(),
        "events": each[event].mean(),
        "censored": each[~event].mean(),
        "over weibull, linear": gain.mean(),
        "se": gain.std(ddof=1) / np.sqrt(len(gain)),
    }
print(
    f"Mean log-likelihood of {test.sum()} women who were not in the fit: all of them, the "
    f"{event.sum()} with a\nrecurrence or death, the {(~event).sum()} without\n"
    f"{pd.DataFrame(rows).T.to_string(float_format='{:.3f}'.format)}\n"
)

best = max(FAMILIES, key=lambda family: rows[f"{family}, linear"]["all"])
gain = [
    rows[f"{family}, 8 hidden"]["all"] - rows[f"{family}, linear"]["all"] for family in FAMILIES
]
print(
    f"Of the linear models {best} is best. A Weibull hazard only rises or only falls; those\n"
    "of the other two can rise and fall again. A hidden layer adds "
    f"{min(gain):+.3f} to {max(gain):+.3f} a row.\n"
)

# ---- survival curves ---------------------------------------------------------------------------

figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
grid = np.linspace(0.01, 7.2, 200)
many = x["log_nodes"][test].to_numpy() > np.log(3)


def kaplan_meier(axis, rows, color, label=None):
    """Draw the Kaplan-Meier estimate of some of the held-out women."""
    found = sm.SurvfuncRight(years[test][rows], seen[test][rows])
    times, share = np.r_[0.0, found.surv_times], np.r_[1.0, found.surv_prob]
    axis.step(times, share, color=color, where="post", label=label)


kaplan_meier(axes[0], slice(None), "black", "Kaplan-Meier")
for name, belief in beliefs.items():
    if name == "weibull, no features":
        continue
    curve = [1 - belief.cdf(t).mean() for t in grid]
    color = f"C{FAMILIES.index(name.split(',')[0])}"
    axes[0].plot(grid, curve, "--" if "hidden" in name else "-", color=color, lw=1.2, label=name)
axes[0].set(
    title="held-out women, mean survival curves", ylabel="share without recurrence or death"
)
for group, color, label in ((~many, "C0", "1 to 3 nodes"), (many, "C3", "4 nodes or more")):
    kaplan_meier(axes[1], group, color)
    for style, name in (("-", "log_normal, linear"), ("--", "log_normal, 8 hidden")):
        curve = [1 - beliefs[name][group].cdf(t).mean() for t in grid]
        axes[1].plot(grid, curve, style, color=color, lw=1.2, label=f"{name}: {label}")
axes[1].set_title("by positive lymph nodes, steps Kaplan-Meier")
for axis in axes:
    axis.set(xlabel="years", ylim=(0, 1.02), xlim=(0, 7.3))
    axis.legend(loc="lower left", fontsize="small")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "06_survival.png"
figure.savefig(path, dpi=120)
print(f"The survival curves: {os.path.relpath(path, Path(__file__).parents[1])}")
