"""One neuron is a generalized linear model.

You will see that a Keras network of a single neuron, trained by negative log-likelihood, finds the
coefficients that statsmodels finds: with a Bernoulli head those of logistic regression (Spector and
Mazzeo's grades), with a Normal head those of linear regression (Engel's households). And you will
see what the network believes about new rows: a whole distribution for each.

    python examples/01_one_neuron_is_a_glm.py
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


def fit_neuron(head, x, y, epochs=300):
    """Train one neuron on standardised x; return it, with its coefficients in the units of x."""
    mean, scale = x.mean().to_numpy(), x.std().to_numpy()
    model = pn.Sequential([keras.Input((x.shape[1],)), head])
    # Steps that shrink to zero: the last ones settle on the optimum.
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, epochs)))
    model.fit((x - mean) / scale, y, batch_size=len(y), epochs=epochs, verbose=0)

    kernel, bias = (keras.ops.convert_to_numpy(w).astype("float64") for w in head.coefficients())
    slopes = kernel[:, 0] / scale
    coefficients = pd.Series([bias[0] - slopes @ mean, *slopes], index=["const", *x.columns])
    return model, coefficients


def beside(network, reference, title):
    """Print the network's numbers beside those of statsmodels."""
    table = pd.DataFrame({"network": network, "statsmodels": reference})
    table["difference"] = table["network"] - table["statsmodels"]
    relative = (table["difference"] / table["statsmodels"]).abs().max()
    print(f"\n{title}\n{table.to_string(float_format='{:.6f}'.format)}")
    print(f"largest difference: {relative:.1e} of the value")


# ---- a Bernoulli head: logistic regression ---------------------------------------------------

spector = sm.datasets.spector.load_pandas()
x, y = spector.exog[["GPA", "TUCE", "PSI"]], spector.endog
students, coefficients = fit_neuron(pn.Head("bernoulli"), x, y)
logit = sm.Logit(y, sm.add_constant(x)).fit(disp=False)

print(f"Did {len(y)} students' grades improve, given GPA, a test score, and a teaching method?")
beside(coefficients, logit.params, "One Bernoulli neuron, and statsmodels' Logit")
z = (x - x.mean()) / x.std()
log_likelihood = students.predict_distribution(z, verbose=0).log_prob(y).sum()
print(f"log-likelihood: network {log_likelihood:.6f}, statsmodels {logit.llf:.6f}")

# ---- a Normal head: linear regression --------------------------------------------------------

engel = sm.datasets.engel.load_pandas().data
income, food = engel[["income"]], engel["foodexp"]
head = pn.Head("normal", constant=["scale"])
households, coefficients = fit_neuron(head, income, food)
ols = sm.OLS(food, sm.add_constant(income)).fit()

standard = (income - income.mean()) / income.std()
sigma = households.predict_params(standard, verbose=0)["scale"][0]
print(f"\nWhat did {len(food)} Belgian households of 1857 spend on food, given their income?")
# Maximum likelihood divides the squared residuals by n; OLS reports them over n - 2.
beside(
    pd.concat([coefficients, pd.Series({"sigma": sigma})]),
    pd.concat([ols.params, pd.Series({"sigma": np.sqrt(ols.ssr / ols.nobs)})]),
    "One Normal neuron with a constant scale, and statsmodels' OLS",
)

# ---- what the two neurons believe about new rows ---------------------------------------------

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")

grid = pd.DataFrame({"GPA": np.linspace(2, 4, 100), "TUCE": x["TUCE"].mean()})
for psi, style in ((1.0, "-"), (0.0, "--")):
    rows = (grid.assign(PSI=psi) - x.mean()) / x.std()
    probability = students.predict(rows, verbose=0)
    label = "new method" if psi else "old method"
    left.plot(grid["GPA"], probability, style, color="C0", label=label)
    seen = x["PSI"] == psi
    marker = "o" if psi else "x"
    left.plot(x["GPA"][seen], y[seen], marker, color="black", alpha=0.6, label=f"students, {label}")
left.set(xlabel="grade point average", ylabel="P(grade improves)", title="One Bernoulli neuron")
left.legend(loc="center left", fontsize="small")

grid = np.linspace(income.min().item(), income.max().item(), 200)[:, None]
belief = households.predict_distribution(
    (grid - income.mean().to_numpy()) / income.std().to_numpy(), verbose=0
)
for level, shade in ((0.9, 0.2), (0.5, 0.4)):
    lower, upper = belief.interval(level)
    right.fill_between(
        grid[:, 0], lower, upper, color="C0", alpha=shade, lw=0, label=f"{level:.0%} interval"
    )
right.plot(grid[:, 0], belief.mean(), color="C0", label="mean")
right.plot(income, food, ".", color="black", alpha=0.5, markersize=4, label="households")
right.set(xlabel="income (Belgian francs)", ylabel="food expenditure (francs)")
right.set_title("One Normal neuron, constant scale")
right.legend(loc="upper left", fontsize="small")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "01_one_neuron_is_a_glm.png"
figure.savefig(path, dpi=120)
print(f"\nThe predictive distributions: {os.path.relpath(path, Path(__file__).parents[1])}")
