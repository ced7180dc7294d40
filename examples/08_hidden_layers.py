"""Hidden layers: why there must be something between them, and what more units buy.

You will see the forward pass of one, two and three layers by hand; two layers without an activation
fold into one that predicts the same; sigmoid, tanh and ReLU units in a network of four hidden
layers, how fast each learns, and how small the gradients are that reach the first layer; and a
hidden layer of 1 to 64 units come as near to a smooth curve as the noise allows, and no nearer. The
data are simulated, so that the truth is known.

    python examples/08_hidden_layers.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.datasets import make_moons

import probnn as pn

ROOT, FIGURES = Path(__file__).parents[1], Path(__file__).parent / "figures"
keras.utils.set_random_seed(0)

# ---- the forward pass --------------------------------------------------------------------------

x, y = make_moons(1000, noise=0.2, random_state=0)
x, y = x.astype("float32"), y.astype("float32")


def network(*layers, head, rate):
    """Return layers under a head, compiled."""
    model = pn.Sequential([*layers, head])
    model.compile(keras.optimizers.Adam(rate))
    return model


# One, two and three layers: each is a matrix, a shift and a curve, of what the one before puts out.
print("The forward pass by hand, z = f(z W + b) layer by layer, against Keras:")
FUNCTIONS = {"sigmoid": expit, "tanh": np.tanh}
for hidden in ((), ("sigmoid",), ("tanh", "sigmoid")):
    body = [keras.layers.Dense(8, activation) for activation in hidden]
    model = network(keras.Input((2,)), *body, head=pn.Head("bernoulli"), rate=0.01)
    model.fit(x, y, epochs=1, verbose=0)
    outputs = pn.layer_outputs(model, x)
    z = x
    for layer, activation in zip(body, hidden, strict=True):
        w, b = layer.get_weights()
        z = FUNCTIONS[activation](z @ w + b)
        assert np.allclose(z, outputs[layer.name], atol=1e-5)
    w, b = map(keras.ops.convert_to_numpy, model.heads.coefficients())
    apart = np.abs(expit(z @ w + b)[:, 0] - model.predict(x, verbose=0)).max()
    print(f"{len(hidden) + 1} layer(s): the probabilities differ by {apart:.0e} at most.")
print()

# ---- two linear layers are one -----------------------------------------------------------------

hidden = [keras.layers.Dense(16), keras.layers.Dense(8)]
linear = network(keras.Input((2,)), *hidden, head=pn.Head("bernoulli"), rate=0.01)
linear.fit(x, y, epochs=10, verbose=0)
one = pn.collapse_linear(linear)
apart = np.abs(linear.predict(x, verbose=0) - one.predict(x, verbose=0)).max()
exact = pn.polish(one, x, y)
print(f"Two layers of 16 and 8 units without an activation: {linear.count_params()} weights.")
print(f"Collapsed: {one.count_params()} weights, {len(one.layers)} layer, the head. The largest")
print(f"difference of their probabilities is {apart:.1g}. It is a logistic regression, whose best")
print(f"mean NLL here is {-exact.llf / len(y):.4f}: more such layers cannot lower it.\n")

# ---- what is between layers: sigmoid, tanh, ReLU -----------------------------------------------

DEEP, REACHED, EPOCHS = 4, 0.12, 200
histories, rows = {}, {}
for activation in ("sigmoid", "tanh", "relu"):
    keras.utils.set_random_seed(1)
    hidden = [keras.layers.Dense(16, activation, name=f"hidden_{i + 1}") for i in range(DEEP)]
    model = network(keras.Input((2,)), *hidden, head=pn.Head("bernoulli"), rate=0.003)
    kernel = np.random.default_rng(1).normal(size=(16, 1)) / 4.0
    model.layers[-1].assign_coefficients(kernel, [0.0])  # it starts at zero: no gradient would pass
    gradients = pn.check_gradients(model, x, y, sample=None)
    size = gradients.groupby("weight")["backprop"].apply(lambda g: np.sqrt(np.mean(g**2)))
    first, last = (size[size.index.str.contains(f"hidden_{i}/kernel")].item() for i in (1, DEEP))
    history = model.fit(x, y, epochs=EPOCHS, verbose=0)
    loss = np.array(history.history["loss"])
    below = np.flatnonzero(loss < REACHED)
    histories[activation] = history
    rows[activation] = {
        "gradient, layer 1": f"{first:.1e}",
        f"layer {DEEP}": f"{last:.1e}",
        "ratio": f"{first / last:.2f}",
        f"epochs to {REACHED}": below[0] + 1 if len(below) else "never",
        "final NLL": f"{loss[-1]:.3f}",
    }
print(f"{DEEP} hidden layers of 16 units, Adam with rate 0.003, {EPOCHS} epochs. The root mean")
print("square gradient of the weights before training, and what training reached:")
print(pd.DataFrame(rows).T.to_string(), "\n")
print(
    "A sigmoid's slope is at most 1/4, so that each layer makes the gradient smaller on its way to"
)
print("the first; tanh has slope 1 at zero, and ReLU wherever a unit is active.\n")

# ---- more units, nearer to the curve -----------------------------------------------------------

UNITS, NOISE, SHOWN = (1, 2, 4, 8, 16, 64), 0.2, (2, 4, 64)
EPOCHS, BATCH = 1000, 50
rng = np.random.default_rng(0)


def curve(x):
    """Return the mean of y: smooth, with four turns."""
    return np.sin(3.0 * x) + 0.5 * x


def sample(n):
    """Draw n rows."""
    x = rng.uniform(-2.0, 2.0, n)
    return pd.DataFrame({"x": x}), curve(x) + NOISE * rng.normal(size=n)


(x_fit, y_fit), (x_new, y_new) = sample(200), sample(2000)
models, rows = {}, {}
for units in UNITS:
    keras.utils.set_random_seed(0)
    start = keras.initializers.RandomNormal(stddev=1.0)
    layer = keras.layers.Dense(units, "tanh", kernel_initializer=start, bias_initializer=start)
    schedule = keras.optimizers.schedules.CosineDecay(0.03, EPOCHS * len(y_fit) // BATCH)
    head = pn.Head("normal", constant=["scale"])
    model = network(keras.Input((1,)), layer, head=head, rate=schedule)
    model.fit(x_fit, y_fit, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    models[units] = model
    rows[units] = {
        "weights": sum(np.prod(v.shape) for v in model.trainable_variables),
        "NLL, fitted": model.evaluate(x_fit, y_fit, batch_size=200, verbose=0),
        "NLL, new": model.evaluate(x_new, y_new, batch_size=2000, verbose=0),
        "sigma": model.predict_params(x_new[:1], verbose=0)["scale"].item(),
    }
table = pd.DataFrame(rows).T.rename_axis("units")
truth = pn.Predictive("normal", {"loc": curve(x_new["x"]), "scale": NOISE})
best = -truth.log_prob(y_new).mean()
print(f"One hidden layer of tanh units: {len(y_fit)} rows to fit, {len(y_new)} new ones.")
print(table.astype({"weights": int}).to_string(float_format="{:.3f}".format))
print(f"The truth itself has {best:.3f} on the new rows, with sigma {NOISE}. A wide enough layer")
print("comes near any continuous function (Cybenko 1989, doi:10.1007/BF02551274); beyond that it")
print("can but follow the noise of the rows it was fitted to.")

# ---- pictures ----------------------------------------------------------------------------------

figure, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
for axis, units in zip(axes[0], SHOWN, strict=True):
    pn.plots.predictive(models[units], x_fit, y_fit, ax=axis)
    grid = np.linspace(-2.0, 2.0, 200)
    axis.plot(grid, curve(grid), color="#D55E00", linestyle="--", label="truth")
    axis.legend(fontsize="small", loc="upper left")
    axis.set(title=f"{units} hidden units", ylabel="y")
axes[1, 0].semilogx(UNITS, table["NLL, fitted"], "o-", color="#0072B2", label="rows fitted to")
axes[1, 0].semilogx(UNITS, table["NLL, new"], "s--", color="#E69F00", label="new rows")
axes[1, 0].axhline(best, color="black", linestyle=":", label="truth, new rows")
axes[1, 0].set_xticks(UNITS, UNITS, minor=False)
axes[1, 0].minorticks_off()
axes[1, 0].set(xlabel="hidden units", ylabel="mean NLL (nats)", title="what more units buy")
axes[1, 0].legend(fontsize="small")
pn.plots.history(histories, ax=axes[1, 1])
axes[1, 1].set(title=f"{DEEP} hidden layers", ylabel="mean NLL (nats)")
z = np.linspace(-4.0, 4.0, 201)
for (name, function), style in zip(
    {"sigmoid": keras.ops.sigmoid, "tanh": keras.ops.tanh, "ReLU": keras.ops.relu}.items(),
    (("#0072B2", "-"), ("#E69F00", "--"), ("#000000", ":")),
    strict=True,
):
    values = keras.ops.convert_to_numpy(function(z.astype("float32")))
    axes[1, 2].plot(z, np.gradient(values, z), color=style[0], linestyle=style[1], label=name)
axes[1, 2].set(xlabel="input of a unit", ylabel="slope of its output", title="what gradients pass")
axes[1, 2].legend(fontsize="small")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "08_hidden_layers.png"
figure.savefig(path, dpi=120)
print(f"\nThe fits and the losses: {os.path.relpath(path, ROOT)}")
