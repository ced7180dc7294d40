"""Traced graphs of torch, so that they add gradients as autograd does: into memory they have.

Autograd adds a gradient to what it has summed up so far, in place. A trace of it makes a new
tensor for each sum instead, and the gradient of a slice is a tensor of the size of the whole that
is zero elsewhere: for a layer that reads a sequence step by step, that is the square of its length.
"""

import torch

_aten = torch.ops.aten
_SLICES = {_aten.select_backward.default: _aten.select.int}
_SLICES |= {_aten.slice_backward.default: _aten.slice.Tensor}


def add_in_place(graph):
    """Rewrite the sums of a `torch.fx.Graph` whose first part nothing else reads."""
    written = set()  # by nodes that stand here, in the order of the graph
    for node in list(graph.nodes):
        if node.target is _aten.detach.default:  # nothing differentiates a graph
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
        elif node.target is _aten.add.Tensor and not node.kwargs:
            _rewrite(graph, node, written)


def _rewrite(graph, node, written):
    one, other = node.args
    for total, term in ((one, other), (other, one)):
        if total is term or not _may_hold(total, node, written):
            continue
        with graph.inserting_before(node):
            view = getattr(term, "target", None)
            if view in _SLICES and len(term.users) == 1:
                part, _, *where = term.args
                target = graph.call_function(_SLICES[view], (total, *where))
                written |= {target, graph.call_function(_aten.add_.Tensor, (target, part))}
            else:
                written.add(graph.call_function(_aten.add_.Tensor, (total, term)))
        node.replace_all_uses_with(total)
        graph.erase_node(node)
        if view in _SLICES and not term.users:
            graph.erase_node(term)
        return


def _may_hold(total, node, written):
    """Return whether a sum can be written over one of its terms: no other node reads it."""
    if not isinstance(total, torch.fx.Node) or set(total.users) - written != {node}:
        return False
    if not isinstance(total.target, torch._ops.OpOverload):
        return False
    returned = total.target._schema.returns
    fresh = len(returned) == 1 and returned[0].alias_info is None
    return fresh and None is not _kind(total) == _kind(node)


def _kind(node):
    found = node.meta.get("tensor_meta")
    return None if found is None else (found.shape, found.dtype)
