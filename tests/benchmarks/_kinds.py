"""Small networks, one for each kind of layer."""

import keras


def attention(inputs):
    """Return what one block of self-attention makes of sequences."""
    hidden = keras.layers.MultiHeadAttention(4, 16)(inputs, inputs)
    hidden = keras.layers.LayerNormalization()(inputs + hidden)
    return keras.layers.GlobalAveragePooling1D()(hidden)


def chain(*parts):
    """Return a function of inputs: layers one after another, each given by its class and options.

    A number stands for a Dense layer of so many units.
    """

    def apply(hidden):
        for part in parts:
            make, *given = (keras.layers.Dense, part, "relu") if isinstance(part, int) else part
            hidden = make(*given)(hidden)
        return hidden

    return apply


def kinds():
    """Return name -> the shape of a row and the function of inputs before the last layer."""
    layers = keras.layers
    pool, norm, flat = (layers.MaxPooling2D,), (layers.BatchNormalization,), (layers.Flatten,)
    first, second = (layers.Conv2D, 8, 3), (layers.Conv2D, 16, 3)
    return {
        "dense": ((8,), chain(64, 64)),
        "convolution": ((28, 28, 1), chain(first, pool, second, pool, flat)),
        "recurrent (LSTM)": ((24, 4), chain((layers.LSTM, 32))),
        "attention": ((24, 16), attention),
        "batch normalisation": ((8,), chain(64, norm, 64, norm)),
        "20 layers": ((8,), chain(*[32] * 20)),
    }
