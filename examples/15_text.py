"""Text: a recurrent and an attention network against a bag of words, with the same head.

You will see four models answer a yes-or-no question about English sentences: are these words in the
order in which they were written? A logistic regression on which words there are cannot know; one on
which *pairs* of words there are can; a recurrent network (GRU) and one with self-attention read the
words in order. All end in a Bernoulli head, and are scored on the pages of functions that none of
them saw. The sentences are those of SciPy's own documentation, which is installed with probnn; for
each there is a copy with its words shuffled by this script.

    python examples/15_text.py
"""

import importlib
import inspect
import os
import re
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy
from keras import layers

import probnn as pn

FIGURES = Path(__file__).parent / "figures"
rng = np.random.default_rng(0)
WORDS = 20  # the longest sentence
PARTS = "fft integrate interpolate linalg ndimage optimize signal sparse spatial special stats"

# ---- sentences, and their shuffled copies ------------------------------------------------------


def sentences(text):
    """Yield the sentences of a docstring's prose, each as a tuple of words."""
    for paragraph in re.split(r"\n\s*\n", text):
        paragraph = re.sub(r"^[A-Z].*\n-+\n", "", paragraph)  # the heading of a section
        if not re.match("[A-Z]", paragraph) or re.search("--|>>>", paragraph):
            continue
        plain = " ".join(re.sub(r":\w+:|`", "", paragraph).split())
        for sentence in re.split(r"(?<=[a-z)])[.:]\s+(?=[A-Z])", plain):
            words = tuple(re.findall(r"[a-z]+(?:-[a-z]+)*", sentence.lower()))
            if 6 <= len(words) <= WORDS:
                yield words


pages = {}
for part in PARTS.split():
    module = importlib.import_module(f"scipy.{part}")
    for name in module.__all__:
        thing = getattr(module, name)
        if callable(thing) and (text := inspect.getdoc(thing)):
            pages[text] = list(dict.fromkeys(sentences(text)))
copies = Counter(words for found in pages.values() for words in found)
rows, fold = [], []
for found in pages.values():
    which = rng.choice(3, p=[0.6, 0.15, 0.25])  # a page is in one of the three sets as a whole
    for words in found:
        if copies[words] == 1:  # what several pages say would be known in advance
            rows += [words, tuple(rng.permutation(words))]
            fold += [which, which]
y = np.tile([1.0, 0.0], len(rows) // 2)
fold = np.array(fold)
train, held, test = (fold == k for k in range(3))
print(f"{len(y) // 2} sentences of the documentation of SciPy {scipy.__version__}, and as many")
print(f"shuffled ones: {train.sum()} to fit, {held.sum()} to choose, {test.sum()} to try on.")
print("   yes:", " ".join(rows[2 * (test[::2].argmax())]))
print("   no: ", " ".join(rows[2 * (test[::2].argmax()) + 1]), "\n")

# ---- three ways to write a sentence as numbers -------------------------------------------------

counts = Counter(word for row, use in zip(rows, train, strict=True) if use for word in row)
number = {word: i + 2 for i, (word, _) in enumerate(counts.most_common(1000))}
SIZE = len(number) + 2


def encode(rows):
    """Return the words' numbers in order (0: none, 1: a rare one), and a code of each pair."""
    tokens = np.zeros((len(rows), WORDS), "int32")
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = [number.get(word, 1) for word in row]
    return tokens, np.where(tokens[:, 1:] > 0, tokens[:, :-1] * SIZE + tokens[:, 1:], -1)


codes = encode(rows)[1][train]
known = np.array([code for code, _ in Counter(codes[codes >= 0].tolist()).most_common(2000)])


def features(rows):
    """Return what the models read: which words there are, which pairs, and the words in order."""
    tokens, codes = encode(rows)
    bag = np.zeros((len(rows), SIZE), "float32")
    np.put_along_axis(bag, tokens, 1.0, axis=1)
    pairs = np.stack([(codes == code).any(axis=1) for code in known], axis=1)
    return {"words": bag[:, 2:], "pairs": pairs.astype("float32"), "order": tokens}


x = features(rows)

# ---- four networks that end in the same head ---------------------------------------------------


def glm(columns, penalty):
    """Return a logistic regression: a head, and nothing before it."""
    head = pn.Head("bernoulli", kernel_regularizer=keras.regularizers.L2(penalty))
    return pn.Sequential([keras.Input((columns,)), head])


def recurrent():
    """Return a network that reads the words one after the other, from both ends."""
    return pn.Sequential(
        [
            keras.Input((WORDS,), dtype="int32"),
            layers.Embedding(SIZE, 16, mask_zero=True),
            layers.Bidirectional(layers.GRU(16)),
            layers.Dropout(0.3),
            pn.Head("bernoulli"),
        ]
    )


def attention():
    """Return a network in which each word, with its place, looks at all others."""
    inputs = keras.Input((WORDS,), dtype="int32")
    place = keras.ops.cumsum(keras.ops.ones_like(inputs), axis=1) - 1
    words = layers.Embedding(SIZE, 32, mask_zero=True)(inputs) + layers.Embedding(WORDS, 32)(place)
    seen = layers.MultiHeadAttention(num_heads=4, key_dim=16)(words, words)
    mixed = layers.LayerNormalization()(layers.Dense(32, "relu")(layers.Add()([words, seen])))
    pooled = layers.Dropout(0.3)(layers.GlobalAveragePooling1D()(mixed))
    return pn.Model(inputs, pn.Head("bernoulli")(pooled))


def fitted(make, reads, epochs, rate):
    """Return a new network, trained, and its log score on the pages to choose by."""
    keras.utils.set_random_seed(0)
    model, inputs = make(), x[reads]
    steps = epochs * -(-int(train.sum()) // 64)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)))
    model.fit(inputs[train], y[train], batch_size=64, epochs=epochs, verbose=0)
    return model, model.evaluate(inputs[held], y[held], verbose=0)


READS = {"GLM, words": "words", "GLM, pairs": "pairs", "GRU": "order", "attention": "order"}
tried = {p: fitted(lambda p=p: glm(len(known), p), "pairs", 20, 0.01) for p in (3e-5, 1e-4, 1e-3)}
penalty = min(tried, key=lambda p: tried[p][1])
models = {
    "GLM, words": fitted(lambda: glm(SIZE - 2, penalty), "words", 10, 0.01)[0],
    "GLM, pairs": tried[penalty][0],
    "GRU": fitted(recurrent, "order", 4, 0.01)[0],
    "attention": fitted(attention, "order", 6, 0.003)[0],
}


def believe(inputs):
    """Return what each model says of the same rows."""
    return {
        name: models[name].predict_distribution(inputs[READS[name]], verbose=0) for name in READS
    }


# ---- pages that none of them saw ---------------------------------------------------------------

believed = believe({reads: inputs[test] for reads, inputs in x.items()})
print("\nHeld-out pages, lower is better; a coin scores 0.693:")
table = pn.scores.table(believed, y[test], pn.scores.log_score, reference="GLM, pairs")
print(table.to_string(float_format="{:.4f}".format))
for name, d in believed.items():
    right = ((d.mean().ravel() > 0.5) == y[test]).mean()
    error = pn.calibration.expected_calibration_error(y[test], d)
    print(f"{name:10}: {right:.1%} right, expected calibration error {error:.3f}")

# ---- what the probabilities say of sentences that are nearly right -----------------------------

SWAPS = (0, 1, 2, 3, 5, 8, 12)
written = [row for row, use in zip(rows, test & (y == 1), strict=True) if use]
chance = {name: [] for name in READS}
for swaps in SWAPS:
    swapped = [list(row) for row in written]
    for row in swapped:
        for first in rng.integers(0, len(row) - 1, swaps):  # a word and the next change places
            row[first : first + 2] = row[first : first + 2][::-1]
    for name, d in believe(features(swapped)).items():
        chance[name].append(d.mean().mean())
print(
    f"\nMean P(in order) of {len(written)} held-out sentences, after swaps of neighbouring words:"
)
print(pd.DataFrame(chance, index=SWAPS).T.to_string(float_format="{:.2f}".format))
p = believed["GRU"].mean().ravel()[y[test] == 1]
order = np.argsort(p)
print("\nOf sentences that are in order, the GRU believes least and most:")
for i in (*order[:2], *order[-2:]):
    print(f"  {p[i]:.3f}  {' '.join(written[i])}")

# ---- pictures ----------------------------------------------------------------------------------

figure, axes = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
for ax, name in zip(axes, ("GLM, pairs", "GRU"), strict=False):
    pn.plots.reliability(y[test], believed[name], ax=ax)
    ax.set_title(f"{name}: calibration on held-out pages")
for (name, values), style in zip(chance.items(), ("k:", "s--", "o-", "^-."), strict=True):
    axes[2].plot(SWAPS, values, style, markersize=5, label=name)
axes[2].set(
    xlabel="swaps of neighbouring words",
    ylabel="mean probability of being in order",
    title="sentences that are nearly right",
    ylim=(0, 1),
)
axes[2].legend()

FIGURES.mkdir(exist_ok=True)
path = FIGURES / "15_text.png"
figure.savefig(path, dpi=120)
print(f"\nThe probabilities: {os.path.relpath(path, Path(__file__).parents[1])}")
