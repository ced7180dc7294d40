"""Classes, and classes in an order: multinomial and ordinal regression.

You will see a network without a hidden layer under a head of seven classes, polished to the exact
optimum, and its coefficients and standard errors beside statsmodels' MNLogit; the ordinal family
beside statsmodels' OrderedModel; what each costs in parameters; both under a hidden layer; and the
scores of all on voters that they did not see. The data are 944 voters of the American National
Election Study of 1996, which ship with statsmodels: the party that they identify with, from strong
Democrat, 0, to strong Republican, 6.

    python examples/11_multinomial.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.api as sm
from statsmodels.miscmodels.ordinal_model import OrderedModel

import probnn as pn

FIGURES = Path(__file__).parent / "figures"
CLASSES, FOLDS = 7, 3
PARTY = ["strong Dem.", "weak Dem.", "ind. Dem.", "independent", "ind. Rep.", "weak Rep."]
PARTY += ["strong Rep."]
keras.utils.set_random_seed(0)

anes = sm.datasets.anes96.load_pandas()
x, y = anes.exog, anes.endog.astype(int).rename("party")
X = sm.add_constant(x)
standardise = keras.layers.Normalization()
standardise.adapt(x.to_numpy("float32"))
print(f"{len(y)} voters, {CLASSES} classes; columns: {', '.join(x.columns)}.\n")

# ---- a head of seven classes is multinomial logistic regression --------------------------------

neuron = pn.Sequential([keras.Input((5,)), standardise, pn.Head("categorical", classes=CLASSES)])
neuron.compile(keras.optimizers.Adam(0.02))
neuron.fit(x, y, epochs=20, verbose=0)
print("After 20 epochs.", pn.inference(neuron, x, y).certificate)
multinomial = pn.polish(neuron, x, y)  # a column of coefficients for each class but the first
print("After polish.   ", multinomial.certificate, "\n")

theirs = sm.MNLogit(y, X).fit(disp=False)
shown = {"coef": multinomial.params, "se": multinomial.bse}
shown |= {"MNLogit": theirs.params, "MNLogit se": theirs.bse}
left_right = {k: np.asarray(table)[list(X.columns).index("selfLR")] for k, table in shown.items()}
print("Log-odds against a strong Democrat, for each step of the voter's own place, left to right")
print(pd.DataFrame(left_right, PARTY[1:]).to_string(float_format="{:.5f}".format))


def differences(ours, theirs):
    """Return the largest differences of coefficients and standard errors, in words."""
    gaps = [
        np.abs(np.asarray(a) - np.asarray(b)).max()
        for a, b in ((ours.params, theirs.params), (ours.bse, theirs.bse))
    ]
    return f"Largest difference: {gaps[0]:.0e} in coefficients, {gaps[1]:.0e} in standard errors"


print(f"{differences(multinomial, theirs)}, of all {multinomial.params.size}.\n")

# ---- classes in an order -----------------------------------------------------------------------

categorical = pn.families.Categorical(classes=CLASSES)
family = pn.families.Ordinal(classes=CLASSES)
ordinal = pn.glm.GLM(y, x, family=family).fit()  # no constant: the cutpoints stand for it
ordered = OrderedModel(y, x, distr="logit").fit(method="newton", disp=False)
table = {"coef": ordinal.params, "se": ordinal.bse}
table |= {"OrderedModel": ordered.params.to_numpy(), "OrderedModel se": ordered.bse.to_numpy()}
print("The ordinal family: one slope for all classes, and cutpoints")
print(pd.DataFrame(table).to_string(float_format="{:.5f}".format))
print(f"{differences(ordinal, ordered)}.\n")
print("                 multinomial   ordinal")
print(f"parameters      {multinomial.params.size:12d}  {ordinal.params.size:8d}")
for name in ("llf", "aic", "bic"):
    print(f"{name:16}{getattr(multinomial, name):12.1f}  {getattr(ordinal, name):8.1f}")

# ---- voters that were not in the fit -----------------------------------------------------------


def network(head, train, epochs=60):
    """Return a hidden layer of eight units under a head, trained."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(8, "tanh", kernel_regularizer=keras.regularizers.L2(0.01))
    model = pn.Sequential([keras.Input((x.shape[1],)), standardise, hidden, head])
    steps = epochs * int(np.ceil(train.sum() / 32))
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, steps)))
    model.fit(x[train], y[train], epochs=epochs, batch_size=32, verbose=0)
    return model


def models(train):
    """Return what to predict with: name -> fitted to the rows of train."""
    glm, part = pn.glm.GLM, y[train]
    return {
        "shares alone": (
            glm(part, X[train][["const"]], family=categorical).fit(verbose=False),
            X[["const"]],
        ),
        "multinomial": (glm(part, X[train], family=categorical).fit(verbose=False), X),
        "ordinal": (glm(part, x[train], family=family).fit(verbose=False), x),
        "multinomial, 8 hidden": (network(pn.Head(categorical), train), x),
        "ordinal, 8 hidden": (network(pn.Head(family), train), x),
    }


fold = np.random.default_rng(0).permutation(len(y)) % FOLDS
probs = {}
for k in range(FOLDS):
    for name, (model, columns) in models(fold != k).items():
        quiet = {"verbose": 0} if isinstance(model, keras.Model) else {}
        rows = probs.setdefault(name, np.zeros((len(y), CLASSES)))
        rows[fold == k] = model.predict_distribution(columns[fold == k], **quiet).mean()
believed = {name: pn.Predictive(categorical, {"probs": p}) for name, p in probs.items()}
scores = pn.scores.table(believed, y, ["log_score", "ranked_probability"], reference="multinomial")
print(
    f"\nEach voter predicted by models that did not see him or her ({FOLDS} folds); less is better;"
)
print("differences from the multinomial model")
print(scores.drop(columns="se").to_string(float_format="{:.4f}".format, na_rep=""))
print("The ranked probability score knows the order: to take a weak Democrat for a strong one is a")
print("smaller error than to take a Republican for one.")
gain = -scores.loc[("log_score", "multinomial, 8 hidden"), "difference"]
print(f"A hidden layer, with its penalty on large weights, gains {gain:.3f} nats a voter.")

# ---- picture -----------------------------------------------------------------------------------

figure, axes = plt.subplots(1, 4, figsize=(14, 4.2), sharey=True, layout="constrained")
colors = plt.get_cmap("RdBu_r")(np.linspace(0.08, 0.92, CLASSES))
step = x["selfLR"].to_numpy()
shares = np.stack([[(y[step == s] == c).mean() for s in range(1, 8)] for c in range(CLASSES)])
bottom = np.vstack([np.zeros(7), shares.cumsum(axis=0)])
for c in range(CLASSES):
    axes[0].bar(range(1, 8), shares[c], 0.9, bottom[c], color=colors[c], edgecolor="black", lw=0.4)
axes[0].set(title="observed shares", ylabel="probability")
grid = pd.DataFrame([x.median()] * 61).assign(selfLR=np.linspace(1, 7, 61))
drawn = {
    "multinomial": neuron.predict(grid, verbose=0),
    "ordinal": ordinal.predict_distribution(grid).mean(),
    "multinomial, 8 hidden": network(pn.Head(categorical), y >= 0).predict(grid, verbose=0),
}
for axis, (name, rows) in zip(axes[1:], drawn.items(), strict=True):
    axis.stackplot(grid["selfLR"], rows.T, colors=colors, labels=PARTY, edgecolor="black", lw=0.4)
    axis.set(title=name)
for axis in axes:
    axis.set(xlabel="own place, 1 left to 7 right", xlim=(0.5, 7.5), ylim=(0, 1))
handles, labels = axes[1].get_legend_handles_labels()
figure.legend(handles[::-1], labels[::-1], loc="outside right center", fontsize="small")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "11_multinomial.png"
figure.savefig(path, dpi=120)
print(f"\nThe probabilities: {os.path.relpath(path, Path(__file__).parents[1])}")
