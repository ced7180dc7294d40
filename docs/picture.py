"""The picture of the README: what two networks believe about rows that they were fitted to.

python docs/picture.py
"""

from pathlib import Path

import keras
import matplotlib.pyplot as plt
import statsmodels.api as sm
from sklearn.datasets import load_iris

import probnn as pn

keras.utils.set_random_seed(0)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")

engel = sm.datasets.engel.load_pandas().data
x, y = engel[["income"]] / 1000, engel["foodexp"]
model = pn.Sequential([keras.Input((1,)), keras.layers.Dense(16, "relu"), pn.Head("normal")])
model.compile(keras.optimizers.Adam(0.01))
model.fit(x, y, epochs=200, verbose=0)
pn.plots.predictive(model, x, y, ax=axes[0])
axes[0].set(
    title='pn.Head("normal"): a mean and a sigma for each x',
    xlabel="income (thousand francs)",
    ylabel="food (francs)",
    xlim=(0.35, 2.2),
    ylim=(0, 2300),
)

iris = load_iris(as_frame=True).frame.query("target > 0")
x, y = iris.iloc[:, 1:3], (iris["target"] == 2).astype(float).rename("virginica")
standard = keras.layers.Normalization()
standard.adapt(x.to_numpy("float32"))
hidden = keras.layers.Dense(8, "tanh")
model = pn.Sequential([keras.Input((2,)), standard, hidden, pn.Head("bernoulli")])
model.compile(keras.optimizers.Adam(0.02))
model.fit(x, y, epochs=200, verbose=0)
pn.plots.decision_boundary(model, x, y, ax=axes[1])
axes[1].set_title('pn.Head("bernoulli"): the probability of a species')

figure.savefig(Path(__file__).parent / "_static" / "picture.png", dpi=110)
