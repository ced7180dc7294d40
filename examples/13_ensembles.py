"""Ensembles: what several networks know together, inside the range of the data and beyond it.

You will see a negative binomial regression, one network and an ensemble of five, trained at once on
people who are not very ill; their scores on others like them, and on people who are more ill than
any of them; the variance that an ensemble sees in the data, aleatoric, and the one of its members'
disagreement, epistemic, beside the regression's own standard errors; and members that start apart
against members that see other rows, drawn with replacement. The data are doctor visits in the RAND
health insurance experiment, which ship with statsmodels.

    python examples/13_ensembles.py
"""

import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.api as sm

import probnn as pn

FIGURES = Path(__file__).parent / "figures"
MEMBERS, EDGE = 5, 20
keras.utils.set_random_seed(0)

rand = sm.datasets.randhie.load_pandas().data.astype(float)
y, x = rand["mdvis"].rename("visits"), rand.drop(columns="mdvis")
X = sm.add_constant(x)
ill = (x["disea"] > EDGE).to_numpy()  # an index of chronic diseases, up to 59
rng = np.random.default_rng(0)
inside, beyond = rng.permutation(np.flatnonzero(~ill)), rng.permutation(np.flatnonzero(ill))
train = inside[:1000]
parts = {"inside": inside[1000:2000], "beyond": beyond[:1000]}
print(f"{len(train)} people with a disease index up to {EDGE} to learn from; to test, others:")
print(", ".join(f"{len(rows)} {name}" for name, rows in parts.items()) + " that range.\n")

# ---- a regression, a network, and ensembles of it ----------------------------------------------

glm = pn.glm.GLM(y.iloc[train], X.iloc[train], family="negative_binomial").fit(verbose=False)
standardise = keras.layers.Normalization()
standardise.adapt(x.iloc[train].to_numpy("float32"))
head = pn.Head("negative_binomial", constant=["dispersion"])  # one dispersion, as the regression
hidden = keras.layers.Dense(32, "relu")
network = pn.Sequential([keras.Input((x.shape[1],)), standardise, hidden, head])
network.compile(keras.optimizers.Adam(0.01))


def timed(model):
    """Train a model, and return the seconds that it took."""
    start = time.perf_counter()
    model.fit(x.iloc[train], y.iloc[train], epochs=30, batch_size=50, verbose=0)
    return time.perf_counter() - start


ensemble = pn.DeepEnsemble(network, members=MEMBERS, seed=0)
drawn = pn.DeepEnsemble(network, members=MEMBERS, seed=0, bootstrap=True)
alone, together = timed(network), timed(ensemble)
timed(drawn)
print(f"One network took {alone:.1f} s, {MEMBERS} at once {together:.1f} s, with compilation.\n")

# ---- inside the range, and beyond it -----------------------------------------------------------

rows, spread = {}, {}
for part, where in parts.items():
    each = [m.predict_distribution(x.iloc[where], verbose=0) for m in ensemble.members]
    believed = {
        "GLM": glm.predict_distribution(X.iloc[where]),
        "one network": each[0],
        "ensemble": ensemble.predict_distribution(x.iloc[where], verbose=0),
        "bootstrap ensemble": drawn.predict_distribution(x.iloc[where], verbose=0),
    }
    table = pn.scores.table(believed, y.iloc[where])
    rows[part] = table[["mean", "difference", "difference_se"]]
    log_scores = np.sort([-d.log_prob(y.iloc[where]).mean() for d in each])
    mixture = table.loc[("log_score", "ensemble"), "mean"]
    print(
        f"Log score {part}: members {log_scores[0]:.3f} to {log_scores[-1]:.3f}, on average "
        f"{log_scores.mean():.3f}; their mixture {mixture:.3f}."
    )
    error = glm.get_prediction(X.iloc[where]).summary_frame()["mean_se"]
    spread["GLM", part] = {
        "aleatoric": np.median(believed["GLM"].variance()),
        "epistemic": np.median(error**2),
    }
    for name in ("ensemble", "bootstrap ensemble"):
        spread[name, part] = {
            "aleatoric": np.median(believed[name].aleatoric_variance()),
            "epistemic": np.median(believed[name].epistemic_variance()),
        }
print("\nScores, less is better, and differences from the GLM")
print(pd.concat(rows, axis=1).to_string(float_format="{:.3f}".format), "\n")
print("Median variances of the people (visits squared); of the GLM the noise, and the squared")
print("standard error of the mean")
spread = pd.DataFrame(spread).T.sort_index(level=0, sort_remaining=False)
spread["epistemic share"] = spread["epistemic"] / spread.sum(axis=1)
print(spread.to_string(float_format="{:.3f}".format), "\n")
epistemic, share = spread["epistemic"].unstack(), spread["epistemic share"].unstack()["beyond"]
times = (epistemic["beyond"] / epistemic["inside"])["ensemble"]
print(
    f"Beyond the range the variance of the members' means is {times:.0f} times that inside. But it"
)
seeds, rows_drawn = share["ensemble"], share["bootstrap ensemble"]
print(f"is {seeds:.0%} of the whole; with the bootstrap, {rows_drawn:.0%}.")
print("How far behind the GLM, inside and beyond:")
for name in ("one network", "ensemble", "bootstrap ensemble"):
    score = [rows[part]["difference"]["log_score"][name] for part in parts]
    crps = [rows[part]["difference"]["crps"][name] for part in parts]
    print(
        f"  {name}: {score[0]:.3f} and {score[1]:.3f} nats, {crps[0]:.2f} and {crps[1]:.2f} visits"
    )
print("All members rise too steeply there, on the log scale of the mean, and where all are wrong")
print("together an ensemble does not see it. The straight line of the regression goes on best.")

# ---- pictures ----------------------------------------------------------------------------------

figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
grid = pd.DataFrame([x.median()] * 80).assign(disea=np.linspace(0, x["disea"].max(), 80))
for k, member in enumerate(ensemble.members):
    label = "members" if k == 0 else None
    axes[0].plot(grid["disea"], member.predict(grid, verbose=0), color="0.6", lw=1, label=label)
mean = glm.get_prediction(sm.add_constant(grid, has_constant="add")).summary_frame(alpha=0.1)
axes[0].plot(
    grid["disea"], ensemble.predict(grid, verbose=0), "--", color="#D55E00", lw=2, label="ensemble"
)
axes[0].plot(grid["disea"], mean["mean"], color="#0072B2", lw=2, label="GLM")
axes[0].fill_between(
    grid["disea"], mean["mean_ci_lower"], mean["mean_ci_upper"], color="#0072B2", alpha=0.2, lw=0
)
axes[0].set(ylabel="mean visits", title="means, other columns at their medians", yscale="log")
for model, style, color in ((ensemble, "--", "#D55E00"), (drawn, ":", "black")):
    d = model.predict_distribution(grid, verbose=0)
    name = "bootstrap" if model is drawn else "ensemble"
    share = d.epistemic_variance() / d.variance()
    axes[1].plot(grid["disea"], share, style, color=color, lw=2, label=name)
axes[1].set(ylabel="share of the variance", title="disagreement of the members", ylim=(0, 1))
for axis in axes[:2]:
    axis.axvspan(0, EDGE, color="0.92", zorder=0, label="range of the data")
    axis.set(xlabel="disease index", xlim=(0, grid["disea"].max()))
    axis.legend(fontsize="small")
where = parts["beyond"]
shown = {
    "GLM": glm.predict_distribution(X.iloc[where]),
    "one network": ensemble.members[0].predict_distribution(x.iloc[where], verbose=0),
    "ensemble": ensemble.predict_distribution(x.iloc[where], verbose=0),
}
pn.plots.coverage(y.iloc[where], shown, levels=[0.2, 0.4, 0.6, 0.8, 0.9], ax=axes[2])
axes[2].set_title("coverage beyond the range")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "13_ensembles.png"
figure.savefig(path, dpi=120)
print(f"\nThe members: {os.path.relpath(path, Path(__file__).parents[1])}")
