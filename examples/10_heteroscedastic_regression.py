"""A standard deviation that depends on x: what a constant one costs, and how to model it.

You will see a forecast of the sea's temperature a month ahead, first with one standard deviation
for all months, then with one that has a formula of its own, and likelihood-ratio tests of what it
depends on; the coefficients beside statsmodels' OLS, with robust standard errors and without, and
WLS; a network whose head predicts both parameters; and forecasts of years that none of them saw:
their scores, and how many months their 90 % intervals hold where the sea is cold and where it is
warm. The data are the monthly temperatures off the coast of Peru from 1950 to 2010, which ship with
statsmodels (NOAA).

    python examples/10_heteroscedastic_regression.py
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

FIGURES = Path(__file__).parent / "figures"
FOLDS = 5
COLORS = ("black", "#56B4E9", "#0072B2", "#009E73", "#D55E00")
GROUPS = ["coldest", "cool", "warm", "warmest"]

years = sm.datasets.elnino.load_pandas().data.set_index("YEAR")
months = list(years.columns.str.title())
sea = pd.DataFrame({"celsius": years.to_numpy(float).ravel()})
sea["year"] = np.repeat(years.index.to_numpy(int), 12)
sea["month"] = np.tile(np.arange(12), len(years))
sea["before"] = sea["celsius"].shift()  # the month before: all that a forecast knows
for k in (1, 2):
    sea[f"sin{k}"] = np.sin(2 * np.pi * k * sea["month"] / 12)
    sea[f"cos{k}"] = np.cos(2 * np.pi * k * sea["month"] / 12)
sea = sea.dropna().reset_index(drop=True)
y = sea["celsius"]
print(f"{len(sea)} months, {y.min():.1f} to {y.max():.1f} degrees: each from the one before.\n")

COLUMNS = ["before", "sin1", "cos1", "sin2", "cos2"]

# ---- one standard deviation, or a formula for it -----------------------------------------------

MEAN = "celsius ~ " + " + ".join(COLUMNS)
SCALES = {
    "constant": "~ 1",
    "season": "~ sin1 + cos1",
    "warmth": "~ before",
    "season, warmth": "~ before + sin1 + cos1",
}
fits = {name: pn.glm.glm(MEAN, sea, formulas={"scale": f}).fit() for name, f in SCALES.items()}
pairs = ("constant", "season"), ("season", "season, warmth"), ("warmth", "season, warmth")
for small, large in pairs:
    statistic, p, df = fits[large].compare_lr_test(fits[small])
    print(
        f"A scale of ({large}) over ({small}): likelihood ratio {statistic:.1f} on {df:g} df, "
        f"p = {p:.2g}"
    )
print("The spread follows the season because warm water does: it is the warmth that counts.\n")
flexible = fits["warmth"]
print(flexible.summary(), "\n")
growth = np.exp(flexible.params["scale: before"]) - 1
sigma = flexible.predict_distribution(sea).stddev()
constant = fits["constant"].predict_distribution(sea).stddev()[0]
print(
    f"Sigma grows by {growth:.0%} a degree, from {sigma.min():.2f} to {sigma.max():.2f} degrees; "
    f"the constant one is {constant:.2f}.\n"
)

# ---- beside statsmodels ------------------------------------------------------------------------

exog = sm.add_constant(sea[COLUMNS]).to_numpy()
ols = sm.OLS(y.to_numpy(), exog).fit()
robust = ols.get_robustcov_results("HC3")
wls = sm.WLS(y.to_numpy(), exog, weights=1 / sigma**2).fit()  # told the scale that was found
names = [name for name in flexible.params.index if not name.startswith("scale")]
ours = flexible.params[names].to_numpy()
print("The coefficient of the month before")
rows = {
    "OLS": (ols.params[1], ols.bse[1]),
    "OLS, robust (HC3)": (robust.params[1], robust.bse[1]),
    "WLS, with sigma from probnn": (wls.params[1], wls.bse[1]),
    "probnn": (ours[1], flexible.bse["before"]),
}
table = pd.DataFrame(rows, index=["coefficient", "standard error"]).T
print(table.to_string(float_format="{:.4f}".format))
print(f"WLS and probnn differ by {np.abs(wls.params - ours).max():.0e} at most. Robust errors mend")
print("the table of OLS, but not its forecasts: those need sigma.\n")

# ---- years that were not in the fit ------------------------------------------------------------


def network(train):
    """Return a network of one hidden layer that predicts a mean and a standard deviation."""
    keras.utils.set_random_seed(0)
    standardise = keras.layers.Normalization()
    standardise.adapt(sea.loc[train, COLUMNS].to_numpy("float32"))
    hidden = keras.layers.Dense(8, "tanh", kernel_regularizer=keras.regularizers.L2(0.001))
    model = pn.Sequential([keras.Input((len(COLUMNS),)), standardise, hidden, pn.Head("normal")])
    steps = 150 * int(np.ceil(train.sum() / 32))
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, steps)))
    model.fit(sea.loc[train, COLUMNS], y[train], epochs=150, batch_size=32, verbose=0)
    return model


params = {name: pd.DataFrame(0.0, sea.index, ["loc", "scale"]) for name in (*SCALES, "network")}
for fold in range(FOLDS):
    test = sea["year"] % FOLDS == fold
    for name, formula in SCALES.items():
        fit = pn.glm.glm(MEAN, sea[~test], formulas={"scale": formula}).fit(verbose=False)
        found = fit.predict_distribution(sea[test])
        params[name].loc[test] = np.column_stack([*found.params.values()])
    found = network(~test).predict_distribution(sea.loc[test, COLUMNS], verbose=0)
    params["network"].loc[test] = np.column_stack([*found.params.values()])
believed = {name: pn.Predictive("normal", dict(each)) for name, each in params.items()}

group = pd.qcut(sea["before"], 4, labels=GROUPS)
rows, inside = {}, {}
for name, d in believed.items():
    lower, upper = d.interval(0.9)
    inside[name] = pd.Series((lower <= y) & (y <= upper))
    # The months of a year belong together: the error of a difference is that between years.
    gain = pd.Series(believed["constant"].log_prob(y) - d.log_prob(y)).groupby(sea["year"]).sum()
    rows[name] = {"log score": -d.log_prob(y).mean(), "over constant": gain.sum() / len(y)}
    rows[name]["se"] = gain.std(ddof=1) * np.sqrt(len(gain)) / len(y)
    rows[name] |= {"CRPS": d.crps(y).mean(), "width": (upper - lower).mean()}
    rows[name] |= inside[name].groupby(group, observed=True).mean().to_dict()
    rows[name]["all"] = inside[name].mean()
table = pd.DataFrame(rows).T
print(
    f"Each year forecast without it ({FOLDS} folds). Scores, smaller is better; the width of 90 %"
)
print("intervals (degrees); the share of months that they hold, by the warmth of the month before")
print(table.to_string(float_format="{:.3f}".format))
z = table["over constant"] / table["se"].where(table["se"] > 0)
print("The gains in standard errors, of differences between years:")
print("; ".join(f"{name} {-value:.1f}" for name, value in z.dropna().items()))
few, short = table.loc["constant", "warmest"], table.loc["network", "all"]
print(f"The constant one is right on average, but holds {few:.1%} of the months after the warmest.")
print(f"The intervals of the network are narrower, and hold {short:.1%}: it is too sure of itself.")

# ---- pictures ----------------------------------------------------------------------------------

figure, axes = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained")
shown = sea.assign(error=y - params["warmth"]["loc"], network=params["network"]["scale"])
shown = shown.assign(warmth=sigma, constant=constant).sort_values("before")
shown["network"] = shown["network"].rolling(61, center=True).mean()
bands = 1.645 * shown[["constant", "warmth", "network"]]
axes[0].plot(shown["before"], shown["error"], ".", color="black", alpha=0.35, markersize=4)
axes[0].fill_between(
    shown["before"], -bands["warmth"], bands["warmth"], alpha=0.25, lw=0, label="of the warmth"
)
for sign in (-1, 1):
    for name, style, color in (("constant", "--", "black"), ("network", ":", "#D55E00")):
        label = {"constant": name, "network": "network, running mean"}[name] if sign > 0 else None
        axes[0].plot(shown["before"], sign * bands[name], style, color=color, lw=1.8, label=label)
axes[0].set(xlabel="temperature of the month before (degrees)", title="90 % bands")
axes[0].set_ylabel("temperature less its forecast (degrees)")
axes[0].legend(title="standard deviation", fontsize="small", loc="lower left")

for j, (name, marker, color) in enumerate(zip(table.index, "os^vD", COLORS, strict=True)):
    place = np.arange(4) + 0.12 * (j - 2)
    axes[1].plot(place, table.loc[name, GROUPS], marker, color=color, label=name)
spread = 1.96 * np.sqrt(0.9 * 0.1 / (len(y) / 4))
axes[1].axhspan(0.9 - spread, 0.9 + spread, color="0.9", zorder=0, label="chance, 95 %")
axes[1].axhline(0.9, color="0.5", lw=1)
axes[1].set_xticks(range(4), GROUPS)
axes[1].set(xlabel="the month before", ylabel="share of months inside")
axes[1].set_title("90 % intervals of years not in the fit")
axes[1].legend(fontsize="small")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "10_heteroscedastic_regression.png"
figure.savefig(path, dpi=120)
print(f"\nThe bands: {os.path.relpath(path, Path(__file__).parents[1])}")
