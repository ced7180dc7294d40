"""What the tests of plots share: models that predict what they are told, and what was drawn."""

import numpy as np

import probnn as pn


class Stub:
    """A model that predicts what it is told to, and counts the rows it was asked for."""

    def __init__(self, family, params):
        self.family, self.params, self.asked = family, params, []

    def predict_distribution(self, x, verbose=0):
        self.asked.append(len(x))
        return pn.Predictive(self.family, self.params(np.asarray(x)[:, 0]))


def normal(n=400, scale=1.0, seed=3):
    loc = np.linspace(-2.0, 2.0, n)
    d = pn.Predictive("normal", {"loc": loc, "scale": scale})
    return loc + np.random.default_rng(seed).normal(size=n), d


def binary(n=500, seed=3):
    rng = np.random.default_rng(seed)
    probs = rng.uniform(0.02, 0.98, n)
    return (rng.random(n) < probs).astype(int), pn.Predictive("bernoulli", {"probs": probs})


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, label):
    (found,) = [each for each in ax.lines if each.get_label() == label]
    return found.get_xdata(), found.get_ydata()


def band(ax, index=0):
    """Return x and the ends of a band, from the outline that matplotlib draws."""
    (path,) = ax.collections[index].get_paths()
    n = (len(path.vertices) - 3) // 2
    lower, upper = path.vertices[1 : n + 1], path.vertices[n + 2 : 2 * n + 2][::-1]
    np.testing.assert_array_equal(lower[:, 0], upper[:, 0])
    return lower[:, 0], lower[:, 1], upper[:, 1]
