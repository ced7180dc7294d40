"""scikit-learn's pipelines beside probnn: the same columns, the same folds, the same scores.

You will see a pipeline that scales numbers, codes a category and fits a logistic regression; the
same model by a formula; what the pipeline's penalty, which is there unless told otherwise, does to
the coefficients, and their standard errors, which it does not have; a network after the pipeline's
own preparation; gradient boosting as a strong peer; and the scores of all on rows that they did not
see, by one split and by ten folds that all share. The data are 6,366 women of 1974 and whether they
had an affair (Fair 1978), which ship with statsmodels.
The peers come with scikit-learn: pip install scikit-learn.

    python examples/17_scikit_learn_pipelines.py
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
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
except ImportError:
    raise SystemExit("The peers of this example: pip install scikit-learn") from None

FIGURES = Path(__file__).parent / "figures"
NUMBERS = ["rate_marriage", "age", "yrs_married", "children", "religious", "educ"]

fair = sm.datasets.fair.load_pandas().data
y = (fair["affairs"] > 0).astype(float).rename("affair")
# The 41 students join the unskilled: in a sample too few would be left for a coefficient.
fair["occupation"] = fair["occupation"].clip(lower=2)
x = fair[[*NUMBERS, "occupation"]]
rows = np.random.default_rng(0).permutation(len(y))
train, test = rows[:400], rows[400:]
x_train, y_train, x_test, y_test = x.iloc[train], y.iloc[train], x.iloc[test], y.iloc[test]
print(f"{len(train)} women to fit, {len(test)} held out; {y.mean():.0%} had an affair.\n")

# ---- a pipeline, and the same model by a formula -----------------------------------------------


def prepare():
    """Return what scales the numbers, and codes the category against its first value."""
    coded = OneHotEncoder(drop="first", sparse_output=False)
    return ColumnTransformer([("n", StandardScaler(), NUMBERS), ("c", coded, ["occupation"])])


STRENGTHS = {"C=0.01": 0.01, "C=1": 1.0, "C=inf": np.inf}
pipelines = {
    name: make_pipeline(prepare(), LogisticRegression(C=c, tol=1e-8, max_iter=1000))
    for name, c in STRENGTHS.items()
}
for pipeline in pipelines.values():
    pipeline.fit(x_train, y_train)
formula = f"affair ~ {' + '.join(NUMBERS)} + C(occupation)"
logit = pn.glm.logit(formula, fair.assign(affair=y).iloc[train]).fit()

# The pipeline's coefficients are of scaled columns: in units of the data they are divided.
divisor = np.r_[pipelines["C=1"][0].named_transformers_["n"].scale_, np.ones(4)]
names = [*NUMBERS, *(f"C(occupation)[T.{k:.1f}]" for k in range(3, 7))]
table = {name: p[1].coef_[0] / divisor for name, p in pipelines.items()}
table |= {"pn.glm.logit": logit.params[names], "se": logit.bse[names]}
table = pd.DataFrame(table, index=names)
print("Coefficients, in the units of the data")
print(table.to_string(float_format="{:.4f}".format))
moved = ((table["C=1"] - table["pn.glm.logit"]) / table["se"]).abs()
apart = (table["C=inf"] - table["pn.glm.logit"]).abs().max()
print(f"Without a penalty (C=inf) the pipeline agrees to {apart:.0e}. The default, C=1, moves")
print(f"{moved.idxmax()} by {moved.max():.2f} of its standard errors, and the others by less.\n")

# ---- a network on what the pipeline prepares, and gradient boosting ----------------------------

prepared = prepare().fit(x_train)
z_train, z_test = prepared.transform(x_train), prepared.transform(x_test)


def network():
    """Return a network with eight hidden units, compiled."""
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(8, "tanh", kernel_regularizer=keras.regularizers.L2(0.01))
    model = pn.Sequential([keras.Input((z_train.shape[1],)), hidden, pn.Head("bernoulli")])
    model.compile(keras.optimizers.Adam(0.01))
    return model


net = network()
net.fit(z_train, y_train, epochs=50, batch_size=32, verbose=0)


def boosting():
    """Return gradient boosting that takes its categories as they are."""
    options = {"max_iter": 60, "max_leaf_nodes": 8, "categorical_features": ["occupation"]}
    return HistGradientBoostingClassifier(learning_rate=0.05, random_state=0, **options)


boosted = boosting().fit(x_train, y_train)
probs = {name: pipelines[name].predict_proba(x_test)[:, 1] for name in ("C=0.01", "C=1")}
probs["pn.glm.logit"] = logit.predict(fair.iloc[test])
probs["network"] = np.ravel(net.predict(z_test, verbose=0))
probs["boosting"] = boosted.predict_proba(x_test)[:, 1]
believed = {
    name: pn.Predictive("bernoulli", {"probs": np.asarray(p, float)}) for name, p in probs.items()
}
print("Held-out women, log loss and Brier score: less is better; differences from the formula's")
scores = pn.scores.table(believed, y_test, reference="pn.glm.logit")
print(scores.drop(columns=["se", "skill"]).to_string(float_format="{:.4f}".format, na_rep=""))
more = {
    name: {
        "AUC": roc_auc_score(y_test, p),
        "miscalibration": pn.calibration.decompose(y_test, believed[name])["miscalibration"],
    }
    for name, p in probs.items()
}
print(pd.DataFrame(more).T.to_string(float_format="{:.4f}".format), "\n")

models = {"pipeline": pipelines["C=1"], "formula": logit}
print(pn.compare(models, x=x_train, y=y_train, x_test=x_test, y_test=y_test), "\n")

# ---- ten folds, the same for all ---------------------------------------------------------------

folds = list(StratifiedKFold(10, shuffle=True, random_state=0).split(x_train, y_train))
found = {
    "LogisticRegression, C=1": make_pipeline(prepare(), LogisticRegression()),
    "boosting": boosting(),
}
found = {
    name: cross_val_score(model, x_train, y_train, cv=folds, scoring="neg_log_loss")
    for name, model in found.items()
}
found["network"] = pn.training.cross_val_score(network(), z_train, y_train, cv=folds, epochs=50)
folded = pd.DataFrame(found).agg(["mean", "std"]).T
print("Mean log-likelihood of ten folds of the 400, by sklearn's cross_val_score and probnn's, and")
print("its spread over folds; greater is better")
print(folded.to_string(float_format="{:.4f}".format))
best, winner = folded["mean"].idxmax(), scores.loc["log_score", "mean"].idxmin()
print(f"Of the folds '{best}' is best, of the women held out '{winner}': folds of 40 women")
print("differ by more than the models do.")

# ---- pictures ----------------------------------------------------------------------------------

figure, axes = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained")
place = np.arange(len(names))
z = table["se"]
axes[0].errorbar(
    table["pn.glm.logit"] / z, place, xerr=1.96, fmt="o", color="black", label="probnn, 95 %"
)
for name, marker, color in (("C=1", "s", "#0072B2"), ("C=0.01", "^", "#D55E00")):
    axes[0].plot(table[name] / z, place + 0.2, marker, color=color, label=f"sklearn, {name}")
axes[0].axvline(0, color="0.6", lw=1)
axes[0].set_yticks(place, [name.replace("C(occupation)[T.", "occupation [") for name in names])
axes[0].invert_yaxis()
axes[0].set(xlabel="coefficient in standard errors", title="what a penalty does")
axes[0].legend(fontsize="small", loc="lower left")
for axis, name in zip(axes[1:], ("network", "boosting"), strict=True):
    pn.plots.reliability(y_test, believed[name], ax=axis)
    axis.set_title(f"{name}: calibration")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "17_scikit_learn_pipelines.png"
figure.savefig(path, dpi=120)
print(f"\nCoefficients and calibration: {os.path.relpath(path, Path(__file__).parents[1])}")
