"""Images: a convolutional network that ends in class probabilities, against the GLM on pixels.

You will see a multinomial logistic regression on the 64 pixels of a written digit and a small
convolutional network, with the same Categorical head, on digits that neither saw; whether their
probabilities can be believed, before and after temperature scaling; conformal sets of digits, and
what they do not promise; and the images that the network is least sure of. The data are the 1,797
images of scikit-learn's digits (Alpaydin and Kaynak 1998, doi:10.24432/C50P49).
They come with scikit-learn: pip install scikit-learn.

    python examples/14_images.py
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers

import probnn as pn

try:
    from sklearn.datasets import load_digits
except ImportError:
    raise SystemExit("The data of this example: pip install scikit-learn") from None

FIGURES = Path(__file__).parent / "figures"

digits = load_digits()
x = (digits.images / 16).astype("float32")[..., None]  # 8 x 8 pixels, from 0 to 1, one channel
y = digits.target
# Neighbours in the file look alike, as if by one hand, so that whole stretches are held out.
train, held, test = slice(0, 897), slice(897, 1197), slice(1197, None)
print(f"{len(y)} images: {len(y[train])} to fit, {len(y[held])} to choose and to mend with,")
print(f"the last {len(y[test])} to try on.\n")

# ---- the GLM on pixels, and a convolutional network --------------------------------------------


def fitted(body, penalty, epochs, rate):
    """Return layers under a Categorical head, trained, and their log score on the held rows."""
    keras.utils.set_random_seed(0)
    head = pn.Head("categorical", classes=10, kernel_regularizer=keras.regularizers.L2(penalty))
    model = pn.Sequential([keras.Input((8, 8, 1)), *body, head])
    steps = epochs * -(-len(y[train]) // 32)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)))
    model.fit(x[train], y[train], batch_size=32, epochs=epochs, verbose=0)
    return model, model.evaluate(x[held], y[held], verbose=0)


def convolutions(dropout):
    """Return two convolutions, each with a pooling, and the features that they make."""
    return [
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(dropout),
    ]


tried = {penalty: fitted([layers.Flatten()], penalty, 150, 0.01) for penalty in (0.0, 1e-4, 1e-3)}
penalty = min(tried, key=lambda p: tried[p][1])
print(f"The GLM is best on the held images with an L2 penalty of {penalty:g}.")
bodies = {dropout: fitted(convolutions(dropout), 0.0, 30, 0.005) for dropout in (0.0, 0.3)}
dropout = min(bodies, key=lambda d: bodies[d][1])
print(f"The convolutional network is with a dropout of {dropout:g}.\n")
models = {"GLM": tried[penalty][0], "network": bodies[dropout][0]}

aside = {name: model.predict_distribution(x[held], verbose=0) for name, model in models.items()}
believed = {name: model.predict_distribution(x[test], verbose=0) for name, model in models.items()}
print("The test images, lower is better:")
print(pn.scores.table(believed, y[test]).to_string(float_format="{:.4f}".format), "\n")

# ---- whether to believe the probabilities ------------------------------------------------------

rows = {}
for name, d in list(believed.items()):
    scaling = pn.calibration.temperature_scaling(y[held], aside[name])
    for label, each, set_aside in (
        (name, d, aside[name]),
        (f"{name}, T = {scaling.temperature:.2f}", scaling(d), scaling(aside[name])),
    ):
        p = each.params["probs"]
        sets = pn.calibration.conformal(y[held], set_aside, level=0.95).set(each)
        rows[label] = {
            "right": (p.argmax(axis=1) == y[test]).mean(),
            "mean of highest": p.max(axis=1).mean(),
            "log score": -each.log_prob(y[test]).mean(),
            "ECE": pn.calibration.expected_calibration_error(y[test], each),
            "95 % sets hold": sets[np.arange(len(p)), y[test]].mean(),
            "classes a set": sets.sum(axis=1).mean(),
        }
table = pd.DataFrame(rows).T
print("Share right, the mean of the highest probability, and sets of digits, found on the held")
print("images, that ought to hold the truth in 95 % of cases:")
print(table.to_string(float_format="{:.3f}".format))
right = (aside["network"].params["probs"].argmax(axis=1) == y[held]).mean()
print(f"Of the held images the network has {right:.1%} right. A temperature, or a margin, that was")
print("found on one stretch of the file serves another as far as the two are alike. (A set without")
print("any digit counts as 0 classes.)\n")

# ---- the images that it is least sure of -------------------------------------------------------

d = believed["network"]
p, entropy = d.params["probs"], d.entropy()
order = np.argsort(entropy)[::-1]
wrong = p.argmax(axis=1) != y[test]
for low, high in ((0, 30), (30, 150), (150, len(p))):
    some = wrong[order[low:high]]
    print(f"images {low + 1} to {high} by doubt: {some.sum()} of {len(some)} wrong")
doubt = entropy[wrong].mean(), entropy[~wrong].mean()
print(f"The entropy of an image is between 0 and log(10) = {np.log(10):.2f}; here its mean is")
print(f"{doubt[0]:.2f} where the network is wrong and {doubt[1]:.2f} where it is right.")

figure = plt.figure(figsize=(13, 9), layout="constrained")
above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.1)).flat
axes = above.subplots(2, 8, height_ratios=(1.3, 1))
for column, i in enumerate(order[:8]):
    axes[0, column].imshow(x[test][i, ..., 0], cmap="gray_r")
    axes[0, column].set(xticks=[], yticks=[], title=f"a {y[test][i]}: P = {p[i, y[test][i]]:.2f}")
    colors = ["C3" if k == y[test][i] else "0.6" for k in range(10)]
    axes[1, column].bar(range(10), p[i], color=colors)
    axes[1, column].set(xticks=range(10), yticks=[], ylim=(0, 1))
    axes[1, column].tick_params(labelsize=8)
axes[1, 0].set(yticks=[0, 1], ylabel="probability")
above.suptitle("The eight test images of most doubt, with what the network says (red: the truth)")
for ax, (name, d) in zip(below.subplots(1, 2), believed.items(), strict=True):
    pn.plots.reliability(y[test], d, classes=[1, 8], ax=ax)
    ax.set_title(f"{name}: the probabilities of a 1 and of an 8")

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "14_images.png"
figure.savefig(path, dpi=120)
print(f"\nThe doubtful images: {os.path.relpath(path, Path(__file__).parents[1])}")
