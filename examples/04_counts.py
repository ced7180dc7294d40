"""Counts: which family, and what a hidden layer adds to it.

You will see six models of the same counts, each linear and with a hidden layer, on rows that none
of them saw: Normal, Poisson and negative binomial, the zero-inflated forms of these two, and a
hurdle. One of the linear models stands beside statsmodels. The figure shows which shares of 0, 1,
2, ... visits each model expects, and which there were. The data are 20,190 person-years of the RAND
health insurance experiment (1974 to 1982): visits to a doctor, given the insurance and health.

    python examples/04_counts.py
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

FAMILIES = {
    "normal": pn.families.get("normal"),
    "Poisson": pn.families.get("poisson"),
    "zero-inflated Poisson": pn.families.ZeroInflated("poisson"),
    "negative binomial": pn.families.get("negative_binomial"),
    "zero-inflated neg. binomial": pn.families.ZeroInflated("negative_binomial"),
    "hurdle neg. binomial": pn.families.Hurdle("negative_binomial"),
}

x = sm.datasets.randhie.load_pandas().data
y = x.pop("mdvis")
# The years of a person follow each other: blocks of rows keep nearly all of a person on one side.
test = np.arange(len(y)) // 100 % 5 == 0
train = ~test
X = sm.add_constant(x)
print(
    f"{len(y)} person-years: {y.mean():.2f} visits on average, variance {y.var():.1f}, "
    f"{(y == 0).mean():.0%} without any.\nFitted to {train.sum()} of them, tried on {test.sum()}.\n"
)

# ---- each family, linear and with a hidden layer -----------------------------------------------


def zeros_of(family, rows):
    """Return the design of the probability of a zero, where the family has one."""
    return {name: X[rows] for name in ("inflation", "zero_probs") if name in family.params} or None


def linear(family):
    """Return the exact fit: the mean and P(zero) are linear, any other parameter constant."""
    model = pn.glm.GLM(y[train], X[train], family=family, designs=zeros_of(family, train))
    return model.fit(verbose=False)


standardise = keras.layers.Normalization()
standardise.adapt(x[train].to_numpy("float32"))


def network(family, epochs=12, batch=256):
    """Return a network with a hidden layer, in which every parameter depends on the features."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(32, "relu")
    model = pn.Sequential([keras.Input((x.shape[1],)), standardise, hidden, pn.Head(family)])
    steps = epochs * -(-train.sum() // batch)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.005, steps)))
    model.fit(x[train], y[train], epochs=epochs, batch_size=batch, verbose=0)
    return model


fits, beliefs, nll, table = {}, {}, {}, []
for name, family in FAMILIES.items():
    fits[name] = linear(family)
    beliefs[name] = {
        "linear": fits[name].predict_distribution(X[test], designs=zeros_of(family, test)),
        "hidden": network(family).predict_distribution(x[test], batch_size=10_000, verbose=0),
    }
    for kind, belief in beliefs[name].items():
        nll[name, kind] = -belief.log_prob(y[test])
        table.append((name, kind, nll[name, kind].mean(), belief.crps(y[test]).mean()))

table = pd.DataFrame(table, columns=["", "kind", "NLL", "CRPS"]).pivot(index="", columns="kind")
order = [(score, kind) for score in ("NLL", "CRPS") for kind in ("linear", "hidden")]
table = table.loc[[*FAMILIES], order].rename_axis(None).rename_axis([None, None], axis=1)
print("Held-out mean negative log-likelihood and CRPS (visits), linear and with 32 hidden units")
print(table.to_string(float_format="{:.4f}".format), "\n")
print(
    "The normal's is the NLL of a density: for whole numbers, about that of a bin of width one.\n"
)


def against(first, second):
    """Print by how much the first model is better, with the standard error over rows."""
    gain = nll[second] - nll[first]
    se = gain.std(ddof=1) / np.sqrt(len(gain))
    print(f"{' '.join(first)} over {' '.join(second)}: {gain.mean():+.4f} a row (se {se:.4f})")


best = min(nll, key=lambda model: nll[model].mean())
print(f"The best of {len(nll)} is {' '.join(best)}. What was gained, in log-likelihood:")
against(("negative binomial", "linear"), ("Poisson", "linear"))
against(("zero-inflated Poisson", "linear"), ("Poisson", "linear"))
against(("zero-inflated neg. binomial", "linear"), ("negative binomial", "linear"))
against(("hurdle neg. binomial", "linear"), ("negative binomial", "linear"))
against(("hurdle neg. binomial", "hidden"), ("hurdle neg. binomial", "linear"))
print(
    "Differences between networks of two seeds are as large as the smaller of these. A negative\n"
    "binomial expects many zeros already; a Poisson with zeros of its own still lacks the tail.\n"
)

# ---- beside statsmodels ------------------------------------------------------------------------

ours = fits["zero-inflated Poisson"]
theirs = sm.ZeroInflatedPoisson(y[train], X[train], exog_infl=X[train])
theirs = theirs.fit(method="bfgs", maxiter=500, disp=False)
p = len(X.columns)  # statsmodels has the coefficients of the inflation first
apart = np.abs(np.r_[ours.params[p:], ours.params[:p]] - theirs.params.to_numpy()).max()
print("Zero-inflated Poisson on the training rows, beside statsmodels' ZeroInflatedPoisson:")
print(f"log-likelihood {ours.llf:.6f} and {theirs.llf:.6f}; coefficients at most {apart:.1e} apart")

# ---- the shares of the counts ------------------------------------------------------------------

counts = np.arange(16)
observed = np.array([(y[test] == k).mean() for k in counts])
figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
for axis, kind in zip(axes, ("linear", "hidden"), strict=True):
    axis.bar(counts, observed, color="0.85", label="observed")
    for name, belief in beliefs.items():
        if name == "normal":  # the probability of the bin of width one, the first from -infinity
            edges = np.array([belief[kind].cdf(k + 0.5).mean() for k in counts])
            share = np.diff(edges, prepend=0.0)
        else:
            share = np.array([np.exp(belief[kind].log_prob(k)).mean() for k in counts])
        style = "--" if "neg" in name else "-"
        axis.plot(counts, share, style, marker=".", label=name, lw=1.2)
    axis.set(xlabel="visits in a year", title="linear" if kind == "linear" else "32 hidden units")
axes[0].set_ylabel("share of the held-out rows")
axes[1].legend(fontsize="small")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "04_counts.png"
figure.savefig(path, dpi=120)
print(f"\nThe shares: {os.path.relpath(path, Path(__file__).parents[1])}")
