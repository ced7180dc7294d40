"""Sums in traced graphs of torch, written over what they add to, against the functions as given."""

import keras
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("needs Keras on torch", allow_module_level=True)

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from probnn.backend.torch_graphs import add_in_place

pytestmark = pytest.mark.backend


def _gradient(function):
    def computed(x):
        x = x.detach().requires_grad_(True)
        return torch.autograd.grad(function(x).sum(), x)[0]

    return computed


def _read_twice(x):
    product = x * x
    total = product + x
    return total * product


def _of_a_view(x):
    product = x * x
    row = product[0]
    return (product + x).sum(0) + row


FUNCTIONS = {  # with the sums that must remain, as something else reads both terms
    "steps": (_gradient(lambda x: sum(x[i].sin() * x[i - 1].exp() for i in range(4))), 0),
    "parts": (_gradient(lambda x: x[:2].sin() * x[1:3] + x[2:] * x[0] + x[1]), 0),
    "twice the same": (lambda x: (x * x) + (x * x), 0),
    "read again": (_read_twice, 1),
    "a view": (_of_a_view, 1),
    "broadcast": (lambda x: x[0].exp() + x, 1),
    "into the given": (lambda x: x + x, 1),
    "other type": (lambda x: x.round().to(torch.int32) + x, 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sums_are_the_same(name):
    function, left = FUNCTIONS[name]
    x = torch.linspace(-1.0, 2.0, 12, dtype=torch.float64).reshape(4, 3)
    given = x.clone()
    graph = make_fx(function)(x)
    add_in_place(graph.graph)
    graph.graph.lint()
    graph.recompile()
    torch.testing.assert_close(graph(x), function(x), rtol=1e-15, atol=1e-15)
    assert torch.equal(x, given)
    assert sum(n.target is torch.ops.aten.add.Tensor for n in graph.graph.nodes) == left
