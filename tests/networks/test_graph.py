"""What stands before the head of a network."""

import keras
import numpy as np
import pytest

import probnn as pn
from probnn.networks.graph import NotOneHeadError, split

pytestmark = pytest.mark.backend


def functional(head, *layers):
    inputs = tensor = keras.Input((2,))
    for layer in layers:
        tensor = layer(tensor)
    return pn.Model(inputs, head(tensor))


@pytest.mark.parametrize("make", [functional, lambda h, *ls: pn.Sequential([*ls, h])])
def test_layers_before_the_head(make):
    layers = [keras.layers.Dense(3), keras.layers.Dense(4)]
    head = pn.Head("normal")
    model = make(head, *layers)
    found, before, body = split(model)
    assert found is head
    assert before == layers
    x = np.array([[1.0, 2.0]], "float32")
    features = [keras.ops.convert_to_numpy(each) for each in (body(x), layers[1](layers[0](x)))]
    np.testing.assert_array_equal(*features)


def test_a_head_that_two_models_share():
    head = pn.Head("normal")
    layers = [keras.layers.Dense(3), keras.layers.Dense(3)]
    models = [functional(head, layer) for layer in layers]
    for model, layer in zip(models, layers, strict=True):
        assert split(model)[:2] == (head, [layer])


def test_layers_that_branch_or_repeat_are_no_chain():
    inputs, layer = keras.Input((2,)), keras.layers.Dense(2)
    for tensor in (layer(inputs) + inputs, layer(layer(inputs))):
        assert split(pn.Model(inputs, pn.Head("normal")(tensor)))[1] is None


def test_no_head_or_several():
    inputs = keras.Input((2,))
    several = pn.Model(inputs, [pn.Head("normal")(inputs), pn.Head("poisson")(inputs)])
    for model in (several, keras.Sequential([inputs, keras.layers.Dense(1)]), keras.Sequential()):
        with pytest.raises(NotOneHeadError, match="ends in the head"):
            split(model)
