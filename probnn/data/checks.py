"""The arrays that a fit may be given, and the checks they pass before anything changes."""

import functools

import numpy as np

from probnn.data.frames import frame_of, names_of, to_numpy
from probnn.data.nests import arrays_in, flatten, map_structure, pack_sequence_as


def shape_text(shape):
    """Write a shape for a message: n where the size is not known."""
    sizes = ["n" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def is_soft(y, head):
    """Return whether an array y is the probabilities of a head's classes, in place of codes."""
    shape = (head.rank, head.family.classes)
    return head.responses == 1 and (y.ndim, y.shape[-1]) == shape


def response(y, head, what="y", weight=None, soft=False):
    """Return y as a float array of shape (n,), or (n, units), that the head's family supports.

    Parameters
    ----------
    y : array_like, shape (n,), (n, 1) or (n, units); or (n, y_columns) of the family
        NumPy, pandas or polars, a tensor, or a list. Time steps may stand between: (n, t).
    head : probnn.Head
        The head that y is the response of.
    what : str
        What messages call it.
    weight : array_like, shape (n,), (n, 1) or (n, t), optional
        Sample weights: where they are 0, y is not observed, and may be NaN.
    soft : bool
        Whether y may be the probabilities of classes, shape (n, classes).

    Raises
    ------
    ValueError
        If it has zero rows, is not numeric, has another shape, or a value outside the support.
    """
    y = _shaped(head, what, y, soft)
    weight = _weight(head, "sample_weight", weight, y)
    _check_values(head, what, y, weight)
    return y


class Reader:
    """What reads y where there is no head: one response of a family, in float64."""

    units = responses = 1
    variable_dtype, rank = "float64", 2

    def __init__(self, family):
        self.family = family


def _shaped(head, what, y, soft=False):
    """Return y as a float array of the shape that the head asks for."""
    if isinstance(y, (list, tuple)) and len(y) == 1 and np.ndim(y[0]) > len(head.family.y_shape):
        (y,) = y  # Keras's list of the only output's response
    if isinstance(y, dict):
        raise ValueError(
            f"Expected {what} to be one array, for the one head of this model. Received: a dict "
            f"with the keys {sorted(y)}."
        )
    y = to_numpy(y)
    if y.dtype.kind not in "biuf":
        first = f", the first {y.flat[0]!r:.40}" if y.size else ""
        raise ValueError(
            f"Expected {what} to be numeric. Received: values of type {y.dtype}{first}. Encode "
            "them first, as 0, 1, ... for classes."
        )
    if y.ndim == 0 or y.shape[0] == 0:
        raise ValueError(f"Expected {what} with at least one row. Received: shape {y.shape}.")
    if soft and is_soft(y, head):
        return y.astype(np.result_type(y.dtype, np.float32), copy=False)
    rank = head.rank  # of the features, which y has but for their last axis
    tail = ((head.responses,) if head.responses > 1 else ()) + head.family.y_shape
    if not tail and y.ndim == rank and y.shape[-1] == 1:
        y = y[..., 0]
    if y.ndim != rank - 1 + len(tail) or y.shape[y.ndim - len(tail) :] != tail:
        raise ValueError(_shape_problem(y, head, what, rank, tail))
    return y.astype(np.result_type(y.dtype, np.float32), copy=False)


def _check_values(head, what, y, *weights):
    """Raise if a value of y that counts lies outside the support of the head's family."""
    counts = np.True_
    for weight in weights:
        if weight is not None:
            counts = counts & np.broadcast_to(_to_rank(weight, y) != 0, y.shape)
    check = functools.partial(head.family.check, counts=counts, is_soft=is_soft(y, head))
    check(y, what)
    if y.dtype == "float64" and head.variable_dtype == "float32":
        with np.errstate(over="ignore"):
            check(y.astype("float32"), f"{what} in float32")


def _to_rank(weight, y):
    return weight.reshape(weight.shape + (1,) * (y.ndim - weight.ndim))


def _shape_problem(y, head, what, rank, tail):
    """Say which shape of y was expected."""
    rows, family = (None, *(f"t{i}" for i in range(1, rank - 1))), head.family
    shown = shape_text((*rows, *tail)) + ("" if tail else f" or {shape_text((*rows, 1))}")
    if family.y_columns is not None:
        return family.columns_problem(what, shown, y.shape)
    return (
        f"Expected {what} of shape {shown}, for a head with units={head.units}. Received: "
        f"shape {y.shape}. Give each row one value, a class as its code (indicator columns "
        "become codes by argmax(axis=1)); several responses need Head(..., units=d)."
    )


def features(x, what="x"):
    """Return x, pandas and polars frames as arrays, checked for rows and for finite numbers.

    Parameters
    ----------
    x : array_like, or a list, tuple or dict of them
        What the model takes as input; None for an input that is left out.
    what : str
        What messages call it.

    Raises
    ------
    ValueError
        If there are zero rows, a column is not numeric, or a value is NaN or infinite.
    """
    if isinstance(x, (list, tuple)) and not arrays_in(x):
        x = np.asarray(x)  # rows written out; a list of arrays is several inputs
    return map_structure(lambda leaf: _check_features(leaf, what), x)


def as_array(x):
    """Return an array of what holds numbers; None, text, what is not dense as it is, for Keras."""
    if x is None:
        return None
    if isinstance(x, np.ndarray) or frame_of(x) is not None:
        return to_numpy(x)
    text = getattr(getattr(x, "dtype", None), "name", None) == "string"  # TensorFlow's tensors
    sparse = hasattr(x, "toarray") or type(x).__name__ in ("SparseTensor", "RaggedTensor")
    return x if text or sparse else to_numpy(x)


def _check_features(x, what):
    names = names_of(x)
    x = as_array(x)
    if not isinstance(x, np.ndarray):
        return x
    if x.shape[:1] == (0,):
        raise ValueError(f"Expected {what} with at least one row. Received: shape {x.shape}.")
    if x.dtype == object and names is not None:
        wrong = [
            str(name)
            for name, column in zip(names, x.T, strict=True)
            if not all(isinstance(v, (int, float, np.number, np.bool_)) for v in column)
        ]
        raise ValueError(
            f"Expected the columns of {what} to be numeric. Received text or other objects in "
            f"{', '.join(map(repr, wrong))}. Encode them first, say as indicator columns."
        )
    if x.dtype.kind in "mM":
        raise ValueError(
            f"Expected {what} to be numeric. Received: dates or durations ({x.dtype}). Turn them "
            "into numbers first, as days since a date."
        )
    if x.dtype.kind == "f":
        finite = np.isfinite(x)
        if not finite.all():
            first = tuple(int(i[0]) for i in np.nonzero(~finite))
            column = ""
            if len(first) > 1:
                column = f", column {names[first[1]] if names is not None else first[1]!r}"
            raise ValueError(
                f"Expected every value of {what} to be finite. Received: {x[first]} in row "
                f"{first[0]}{column}, and {int((~finite).sum())} such value(s) in all. Drop those "
                "rows, or fill in the values."
            )
    return x


def by_head(values, heads):
    """Return what is given for heads by their names, or for the only one, in their structure."""
    if isinstance(heads, (list, tuple)) and isinstance(values, dict):
        return [values.get(head.name) for head in heads]
    if isinstance(heads, dict) and len(heads) == 1 and not isinstance(values, dict):
        return dict.fromkeys(heads, values)
    return values


def coded_by_head(responses, y, heads, what="y"):
    """Return y, in the structure that it has, as `Responses.coded` does."""
    if not (isinstance(heads, (list, tuple)) and isinstance(y, dict)):
        return responses.coded(y, what)
    names = [head.name for head in heads]
    if {*names} != {*y}:
        return y  # for a check to refuse
    return dict(zip(names, responses.coded(by_head(y, heads), what), strict=True))


def for_each(values, heads):
    """Return what is given for each head, or once for all, in the structure of the heads."""
    if isinstance(values, (list, tuple, dict)):
        return by_head(values, heads)
    return map_structure(lambda _: values, heads)


def _mapped(function, heads, what, *values):
    """Return `function(head, what, *values)` of each head, in the structure of the heads.

    In a list None stands for what is no head, and comes back.
    """
    if isinstance(heads, dict):
        return {
            key: function(head, f"{what}[{key!r}]", *(each[key] for each in values))
            for key, head in heads.items()
        }
    if isinstance(heads, (list, tuple)):
        return [
            None if head is None else function(head, f"{what}[{i}]", *(each[i] for each in values))
            for i, head in enumerate(heads)
        ]
    return function(heads, what, *values)


def _responses(y, heads, what, soft):
    """Return y as arrays of the shapes that heads ask for, in the structure of the heads."""
    if isinstance(heads, dict):
        y = by_head(y, heads)
        if not isinstance(y, dict) or set(y) != set(heads):
            got = f"keys {sorted(y)}" if isinstance(y, dict) else f"a {type(y).__name__}"
            raise ValueError(
                f"Expected {what} to be a dict with one response for each head, by its name or "
                f"its key in the outputs: {sorted(heads)}. Received: {got}. A head's name is "
                "given as Head(..., name=...)."
            )
    elif isinstance(heads, (list, tuple)):
        if isinstance(y, dict) and {*y} != {head.name for head in heads}:
            raise ValueError(
                f"Expected {what} to have a response for each head, by its name: "
                f"{[head.name for head in heads]}. Received: the keys {[*y]}."
            )
        if not isinstance(y, (list, tuple, dict)) or len(y) != len(heads):
            raise ValueError(
                f"Expected {what} to be a list with one response for each of the {len(heads)} "
                f"outputs, or a dict by the names of the heads. Received: a {type(y).__name__}."
            )
    return _mapped(functools.partial(_shaped, soft=soft), heads, what, by_head(y, heads))


def weights(sample_weight, y, heads, what="sample_weight"):
    """Return sample weights, in the structure of the heads or one array for all of them.

    Raises
    ------
    ValueError
        For a structure or a shape that is not that of y, or a value that is negative or not finite.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, dict) and isinstance(heads, (list, tuple, dict)):
        names = sorted(heads if isinstance(heads, dict) else [head.name for head in heads])
        unknown = sorted(set(sample_weight) - set(names))
        if unknown:
            raise ValueError(
                f"Expected the keys of {what} to be outputs: {names}. Received: {unknown}."
            )
        if isinstance(heads, dict):
            sample_weight = {key: sample_weight.get(key) for key in heads}
    elif isinstance(heads, (list, tuple)) and isinstance(sample_weight, (list, tuple)):
        if len(sample_weight) != len(heads):
            raise ValueError(
                f"Expected one {what} for each of the {len(heads)} outputs. Received: "
                f"{len(sample_weight)} of them."
            )
    else:
        pairs = zip(flatten(heads), flatten(y), strict=True)
        checked = [_weight(head, what, sample_weight, each) for head, each in pairs]
        return checked[0]
    return _mapped(_weight, heads, what, by_head(sample_weight, heads), y)


def _weight(head, what, values, y):
    """Return weights with one value for each row, or time step, of y: they never broadcast."""
    if values is None:
        return None
    values = _check_features(values, what)
    tail = (head.responses > 1) + len(head.family.y_shape) + is_soft(y, head)
    rows = y.shape[: y.ndim - tail]
    allowed = [rows, (rows[0], *rows[1:-1], 1)]
    if values.shape not in allowed:
        raise ValueError(
            f"Expected {what} of shape {' or '.join(map(str, allowed))}, for y of shape {y.shape}. "
            f"Received: shape {values.shape}. They would broadcast against each other."
        )
    negative = values < 0
    if negative.any():
        raise ValueError(
            f"Expected every value of {what} to be 0 or more. Received: {values[negative][0]} in "
            f"row {np.nonzero(negative)[0][0]}, and {int(negative.sum())} such value(s) in all."
        )
    return values[:, 0] if values.shape == (*rows, 1) else values


def arrays(x, y, sample_weight, heads, prefix="", masks=None, soft=False):
    """Return checked (x, y, sample_weight), for x that `features` returned; rows must agree.

    `masks(x, n)` is which time steps of n rows count, for each head in a list, or None for all: it
    is asked where y has values that are none of the support. `soft` is as for `response`.
    """
    y = _responses(y, heads, f"{prefix}y", soft)
    sample_weight = weights(sample_weight, y, heads, f"{prefix}sample_weight")
    rows = {
        name: {leaf.shape[0] for leaf in flatten(value) if leaf is not None}
        for name, value in (("x", x), ("y", y), ("sample_weight", sample_weight))
        if value is not None
    }
    if len(set().union(*rows.values())) > 1:
        found = ", ".join(f"{prefix}{name}: {sorted(n)}" for name, n in rows.items())
        raise ValueError(f"Expected the same number of rows everywhere. Received: {found}.")
    counts = for_each(sample_weight, heads)
    try:
        _mapped(_check_values, heads, f"{prefix}y", y, counts)
    except ValueError:
        steps = any(head is not None and head.rank > 2 for head in flatten(heads))
        found = masks(x, len(flatten(y)[0])) if steps and masks is not None else [None]
        if all(mask is None for mask in found):
            raise
        found = pack_sequence_as(heads, found)
        _mapped(_check_values, heads, f"{prefix}y", y, counts, found)
    return x, y, sample_weight
