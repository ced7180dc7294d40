"""Linear regression: least squares, a network, and a scale that grows with income.

You will see least squares by `ols`, exact to the last digits; a network of one neuron that Adam
leaves short of it, its certificate, and `polish`; the two beside statsmodels; prediction intervals;
and a model whose scale has a formula of its own, which the data prefer. The data are 235 Belgian
households of 1857 (Engel).

    python examples/03_linear_regression.py
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
keras.utils.set_random_seed(0)

engel = sm.datasets.engel.load_pandas().data

# ---- least squares, and a network of one neuron ------------------------------------------------

ols = pn.glm.ols("foodexp ~ income", engel).fit()
print(ols.summary(), "\n")

neuron = pn.Sequential([keras.Input((1,)), pn.Head("normal", constant=["scale"])])
neuron.compile(keras.optimizers.Adam(0.01))
x, y = engel[["income"]] / 1000, engel["foodexp"]  # a network likes numbers about 1
neuron.fit(x, y, epochs=30, verbose=0)
print("After 30 epochs.", pn.inference(neuron, x, y).certificate)
print("After polish.   ", pn.polish(neuron, x, y).certificate, "\n")

# Income in thousands: the coefficient and its standard error are a thousand times as large.
thousands = pn.glm.ols("foodexp ~ income", pd.concat([x, y], axis=1)).fit()
statsmodels = sm.OLS(y, sm.add_constant(x)).fit()
models = {"neuron": neuron, "ols": thousands, "statsmodels": statsmodels}
print(pn.compare(models, x=x, y=y), "\n")

# ---- a scale with a formula of its own ---------------------------------------------------------

constant = pn.glm.glm("foodexp ~ income", engel, formulas={"scale": "~ 1"}).fit()
growing = pn.glm.glm("foodexp ~ income", engel, formulas={"scale": "~ np.log(income)"}).fit()
print(growing.summary(), "\n")
statistic, p, df = growing.compare_lr_test(constant)
print(
    f"Does the scale depend on income? Likelihood ratio {statistic:.1f} on {df:g} df, p = {p:.1e}"
)

figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
grid = pd.DataFrame({"income": np.linspace(engel.income.min(), engel.income.max(), 200)})
for axis, results, title in zip(
    axes, (ols, growing), ("constant", "a formula of its own"), strict=True
):
    frame = results.get_prediction(grid).summary_frame(alpha=0.1)
    for kind, shade, label in (("obs", 0.2, "a household, 90 %"), ("mean", 0.6, "the mean, 90 %")):
        lower, upper = frame[f"{kind}_ci_lower"], frame[f"{kind}_ci_upper"]
        axis.fill_between(grid.income, lower, upper, color="C0", alpha=shade, lw=0, label=label)
    axis.plot(engel.income, engel.foodexp, ".", color="black", alpha=0.5, markersize=4)
    axis.set(xlabel="income (Belgian francs)", title=f"Scale: {title}")
axes[0].set_ylabel("food expenditure (francs)")
axes[0].legend(loc="upper left", fontsize="small")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "03_linear_regression.png"
figure.savefig(path, dpi=120)
print(f"The intervals: {os.path.relpath(path, Path(__file__).parents[1])}")
