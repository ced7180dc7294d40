"""From TensorFlow Probability: the same networks with tfp.layers in Keras 2 and with heads.

You will see a network whose output is a normal distribution, and one with a mixture of two, as
`tfp.layers.DistributionLambda` and `MixtureSameFamily` make them in Keras 2, and both again in
probnn: the same log-likelihood at the same weights, and both on years that neither saw, beside a
linear model, with what a head adds: quantiles and scores of a mixture, and a diagnosis. Last, what
a step of training takes. The data are 732 months of the temperature of the Pacific, 1950 to 2010
(NOAA, with statsmodels): this month, given the last and the season. TensorFlow only.

    python examples/16_from_tensorflow_probability.py
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

if keras.backend.backend() != "tensorflow":
    print("tfp.layers run on TensorFlow only: set KERAS_BACKEND=tensorflow for this example.")
    raise SystemExit

import tensorflow as tf  # noqa: TID251
import tensorflow_probability as tfp  # noqa: TID251
import tf_keras

tfd, tfpl = tfp.distributions, tfp.layers
FIGURES = Path(__file__).parent / "figures"

table = sm.datasets.elnino.load_pandas().data.set_index("YEAR")
series = table.to_numpy().ravel()  # month after month
year, month = np.repeat(table.index, 12)[1:], np.tile(np.arange(12), len(table))[1:]
season = 2 * np.pi * month / 12
test = year >= 1991
train = ~test

# Keras 2 needs x and y of about one size, by hand. A head takes degrees too; the likelihoods of
# both are comparable in one unit.
centre, unit = series[1:][train].mean(), series[1:][train].std()
standard = (series - centre) / unit
x = np.column_stack([standard[:-1], np.sin(season), np.cos(season)]).astype("float32")
y = standard[1:].astype("float32")
print(f"{len(y)} months: {train.sum()} to fit, {test.sum()} from 1991 on held out.")
print(f"One unit of y is {unit:.2f} degrees.\n")

# ---- Keras 2 with tfp.layers -------------------------------------------------------------------

EPOCHS, RATE, BATCH = 100, 0.003, 32


def keras2(columns, distribution, **options):
    """Return hidden units, a dense layer and a layer of tfp.layers, in Keras 2."""
    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential(
        [
            tf_keras.layers.Dense(16, "tanh", input_shape=(3,)),
            tf_keras.layers.Dense(columns),
            distribution,
        ]
    )
    nll = lambda y, d: -d.log_prob(y)  # noqa: E731, as everyone writes it
    model.compile(tf_keras.optimizers.Adam(RATE), loss=nll, **options)
    return model


def normal(t):
    return tfd.Normal(t[..., :1], tf.math.softplus(t[..., 1:]))


def make_keras2(name, **options):
    if name == "normal":
        return keras2(2, tfpl.DistributionLambda(normal), **options)
    mixture = tfpl.MixtureSameFamily(2, tfpl.IndependentNormal(1))
    return keras2(tfpl.MixtureSameFamily.params_size(2, 2), mixture, **options)


# ---- the same in probnn ------------------------------------------------------------------------

SOFTPLUS = {"scale": "softplus"}  # a scale's default link is the logarithm
OPTIONS = {"normal": {}, "mixture": {"family": "normal", "components": 2}}


def make_probnn(name):
    keras.utils.set_random_seed(0)
    head = pn.Head(name, links=SOFTPLUS, **OPTIONS[name])
    model = pn.Sequential([keras.Input((3,)), keras.layers.Dense(16, "tanh"), head])
    model.compile(keras.optimizers.Adam(RATE))
    return model


# Of MixtureSameFamily: logit 1, logit 2, loc 1, scale 1, loc 2, scale 2. Of a head: the locs, the
# scales, and the log-odds of the second component.
COLUMNS = {
    "normal": lambda w: w,
    "mixture": lambda w: np.concatenate([w[..., [2, 4, 3, 5]], w[..., 1:2] - w[..., :1]], -1),
}


def moved(name, theirs):
    """Return the network in probnn at the weights of Keras 2."""
    ours = make_probnn(name)
    *hidden, kernel, bias = theirs.get_weights()
    ours.layers[0].set_weights(hidden)
    ours.heads.assign_coefficients(COLUMNS[name](kernel), COLUMNS[name](bias))
    return ours


def seconds(model, y, epochs):
    """Return what one fit takes."""
    start = time.perf_counter()
    model.fit(x[train], y[train], batch_size=BATCH, epochs=epochs, verbose=0)
    return time.perf_counter() - start


keras2_models, fitted, believed, likelihoods, took = {}, {}, {}, {}, {}
y_column = y[:, None]  # y of shape (n,) would do, (n, 1) beside a mean of shape (n,) would not
for name in OPTIONS:
    theirs, ours = make_keras2(name), make_probnn(name)
    took[name] = {
        "Keras 2": seconds(theirs, y_column, EPOCHS),
        "probnn": seconds(ours, y, EPOCHS),
    }
    keras2_models[name], fitted[name] = theirs, ours

    copy = moved(name, theirs)
    believed[f"{name}, Keras 2"] = copy.predict_distribution(x[test], verbose=0)
    believed[f"{name}, probnn"] = ours.predict_distribution(x[test], verbose=0)
    likelihoods[name] = {
        "tfp.layers, Keras 2": np.sum(theirs(x[test]).log_prob(y_column[test])),
        "probnn, its weights": believed[f"{name}, Keras 2"].log_prob(y[test]).sum(),
        "distribution(x)": np.sum(copy.distribution(x[test]).log_prob(y[test])),
    }
print("Log-likelihood of the held-out months, at the weights that Keras 2 found:")
print(pd.DataFrame(likelihoods).T.astype(float).to_string(float_format="{:.4f}".format))
print(f"distribution(x) is a tfp.distributions.{type(copy.distribution(x[:1])).__name__}.\n")

# ---- held-out years ----------------------------------------------------------------------------

columns = ["last", "sin", "cos"]
frame = sm.add_constant(pd.DataFrame(x.astype(float), columns=columns))
linear = pn.glm.OLS(y[train].astype(float), frame[train]).fit()
believed = {"linear, one sigma": linear.predict_distribution(frame[test])} | believed
print("Held-out years, lower is better:")
scores = pn.scores.table(believed, y[test])
print(scores.to_string(float_format="{:.4f}".format), "\n")

rows = {}
for name, d in believed.items():
    lower, upper = d.interval(0.9)
    inside = ((lower <= y[test]) & (y[test] <= upper)).mean()
    rows[name] = {"covers": inside, "width (degrees)": unit * (upper - lower).mean()}
print("90 % intervals, from exact quantiles, which TFP's mixtures do not have:")
print(pd.DataFrame(rows).T.to_string(float_format="{:.3f}".format), "\n")

pair = [believed[f"{name}, probnn"].log_prob(y[test]) for name in ("mixture", "normal")]
gain = pair[0] - pair[1]
print(f"A second component gains {gain.mean():+.3f} in log-likelihood a month ", end="")
print(f"(se {gain.std(ddof=1) / np.sqrt(len(gain)):.3f}) over one.\n")

# ---- what the statistician adds ----------------------------------------------------------------

print("The linear model, coefficients and standard errors:")
print(pd.DataFrame({"coef": linear.params, "std err": linear.bse}).T.round(4).to_string(), "\n")
certificate = pn.inference(fitted["normal"], x[train], y[train]).certificate
print("How far the normal head is from the optimum on its 16 features:")
print(certificate, "\n")
for model in fitted.values():
    print(pn.diagnose(model, x[train], y[train], validation_data=(x[test], y[test])), "\n")
bias = unit * (y[test] - believed["normal, probnn"].mean()).mean()
print(
    f"From 1991 on it was {bias:+.2f} degrees warmer than the normal head forecast, on average.\n"
)

# ---- pictures ----------------------------------------------------------------------------------

figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
d = believed["normal, probnn"]
lower, upper = (centre + unit * bound for bound in d.interval(0.9))
when = (year + (month + 0.5) / 12)[test]
shown = when >= 2001
axes[0].fill_between(
    when[shown], lower[shown], upper[shown], color="C0", alpha=0.3, lw=0, label="90 %, normal head"
)
axes[0].plot(
    when[shown], series[1:][test][shown], ".-", color="black", ms=4, lw=0.8, label="measured"
)
axes[0].set(xlabel="year", ylabel="temperature (degrees C)", title="Ten of the held-out years")
axes[0].set_ylim(18, 30)  # room for the legend
axes[0].legend(loc="upper center", ncols=2, fontsize="small")

# The spread of each month of the year, at its mean temperature the month before.
months = np.arange(12)
before = np.array([standard[:-1][train & (month == m)].mean() for m in months])
angle = 2 * np.pi * months / 12
typical = np.column_stack([before, np.sin(angle), np.cos(angle)]).astype("float32")
for (name, model), style in zip(fitted.items(), ("C0-", "C1--"), strict=True):
    spread = unit * model.predict_distribution(typical, verbose=0).stddev()
    axes[1].plot(months, spread, style, label=f"{name} head")
axes[1].axhline(unit * np.sqrt(linear.scale), color="black", ls=":", label="linear, one sigma")
axes[1].set_xticks(months, list("JFMAMJJASOND"))
axes[1].set(xlabel="month", ylabel="standard deviation (degrees C)", ylim=0)
axes[1].set_title("How uncertain is the next month?")
axes[1].legend(fontsize="small")

# ---- what a step takes -------------------------------------------------------------------------

ROUNDS, PER_ROUND = 5, 20
steps = PER_ROUND * -(-int(train.sum()) // BATCH)
step = {}
for name in OPTIONS:
    grouped = make_keras2(name, steps_per_execution=steps // PER_ROUND)
    runs = {
        "Keras 2": (keras2_models[name], y_column),
        "Keras 2, an epoch a call": (grouped, y_column),
        "probnn": (fitted[name], y),
    }
    for run in runs.values():
        seconds(*run, PER_ROUND)  # compiles
    times = {key: [] for key in runs}
    for _ in range(ROUNDS):  # in turn, so that other work on the machine meets all of them
        for key, run in runs.items():
            times[key].append(1e6 * seconds(*run, PER_ROUND) / steps)
    step[name] = {key: np.median(values) for key, values in times.items()}
step = pd.DataFrame(step).T
print(f"Microseconds a step of {BATCH} rows, medians of {ROUNDS} fits of {PER_ROUND} epochs:")
print(step.to_string(float_format="{:.0f}".format))
for key in ("Keras 2", "Keras 2, an epoch a call"):
    ratios = step[key] / step["probnn"]
    print(f"{key}, over probnn: " + ", ".join(f"{n} {r:.0f}" for n, r in ratios.items()) + ".")
print('"An epoch a call" is steps_per_execution, an option of Keras 2. The ratios vary from run to')
print("run and from machine to machine: a step of networks so small is mostly the cost of starting")
print(f"it. Seconds of the first fit, {EPOCHS} epochs with compilation, which is most of probnn's:")
print(pd.DataFrame(took).T.to_string(float_format="{:.1f}".format), "\n")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "16_from_tensorflow_probability.png"
figure.savefig(path, dpi=120)
print(f"The forecasts: {os.path.relpath(path, Path(__file__).parents[1])}")
