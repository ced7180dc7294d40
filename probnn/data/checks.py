"""The arrays that a fit may be given, and the checks they pass before anything changes."""

import keras
import numpy as np

from probnn.data.frames import names_of, to_numpy


def shape_text(shape):
    """Write a shape for a message: n where the size is not known."""
    sizes = ["n" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def response(y, head, what="y"):
    """Return y as a float array of shape (n,), or (n, units), that the head's family supports.

    Parameters
    ----------
    y : array_like, shape (n,), (n, 1) or (n, units); or (n, y_columns) of the family
        NumPy, pandas or polars, a tensor, or a list. Time steps may stand between: (n, t).
    head : probnn.Head
        The head that y is the response of.
    what : str
        What messages call it.

    Raises
    ------
    ValueError
        If it has zero rows, is not numeric, has another shape, or a value outside the support.
    """
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
    rank = head.input_spec.ndim or 2  # of the features, which y has but for their last axis
    tail = ((head.responses,) if head.responses > 1 else ()) + head.family.y_shape
    if not tail and y.ndim == rank and y.shape[-1] == 1:
        y = y[..., 0]
    if y.ndim != rank - 1 + len(tail) or y.shape[y.ndim - len(tail) :] != tail:
        raise ValueError(_shape_problem(y, head, what, rank, tail))
    y = y.astype(np.result_type(y.dtype, np.float32), copy=False)
    head.family.check(y, what)
    if y.dtype == "float64" and head.variable_dtype == "float32":
        head.family.check(y.astype("float32"), f"{what} in float32")
    return y


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
        What the model takes as input.
    what : str
        What messages call it.

    Raises
    ------
    ValueError
        If there are zero rows, a column is not numeric, or a value is NaN or infinite.
    """
    if isinstance(x, (list, tuple)) and all(np.isscalar(leaf) for leaf in keras.tree.flatten(x)):
        x = np.asarray(x)  # rows written out; a list of arrays is several inputs
    return keras.tree.map_structure(lambda leaf: _check_features(leaf, what), x)


def _check_features(x, what):
    if hasattr(x, "toarray") or type(x).__name__ in ("SparseTensor", "RaggedTensor"):
        return x  # not dense, for Keras to take or to refuse
    names = names_of(x)
    x = to_numpy(x)
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


def responses(y, heads, what="y"):
    """Return `response` of each head, in the structure of the heads."""
    if isinstance(heads, dict):
        if not isinstance(y, dict) or set(y) != set(heads):
            got = f"keys {sorted(y)}" if isinstance(y, dict) else f"a {type(y).__name__}"
            raise ValueError(
                f"Expected {what} to be a dict with one response for each head, by its name or "
                f"its key in the outputs: {sorted(heads)}. Received: {got}. A head's name is "
                "given as Head(..., name=...)."
            )
        return {key: response(y[key], head, f"{what}[{key!r}]") for key, head in heads.items()}
    if isinstance(heads, (list, tuple)):
        if not isinstance(y, (list, tuple)) or len(y) != len(heads):
            raise ValueError(
                f"Expected {what} to be a list with one response for each of the {len(heads)} "
                f"outputs. Received: a {type(y).__name__}."
            )
        return [
            response(value, head, f"{what}[{i}]")
            for i, (value, head) in enumerate(zip(y, heads, strict=True))
        ]
    return response(y, heads, what)


def weights(sample_weight, y, heads, what="sample_weight"):
    """Return sample weights, in the structure of the heads or one array for all of them.

    Raises
    ------
    ValueError
        For a structure or a shape that is not that of y, or a value that is not finite.
    """
    if sample_weight is None:
        return None
    if isinstance(heads, dict) and isinstance(sample_weight, dict):
        unknown = sorted(set(sample_weight) - set(heads))
        if unknown:
            raise ValueError(
                f"Expected the keys of {what} to be outputs: {sorted(heads)}. Received: {unknown}."
            )
        return {key: _weight(sample_weight.get(key), y[key], heads[key], what) for key in heads}
    if isinstance(heads, (list, tuple)) and isinstance(sample_weight, (list, tuple)):
        if len(sample_weight) != len(heads):
            raise ValueError(
                f"Expected one {what} for each of the {len(heads)} outputs. Received: "
                f"{len(sample_weight)} of them."
            )
        return [_weight(*each, what) for each in zip(sample_weight, y, heads, strict=True)]
    pairs = zip(keras.tree.flatten(y), keras.tree.flatten(heads), strict=True)
    checked = [_weight(sample_weight, *pair, what) for pair in pairs]
    return checked[0]


def _weight(values, y, head, what):
    """Return weights with one value for each row, or time step, of y: they never broadcast."""
    if values is None:
        return None
    values = _check_features(values, what)
    tail = (head.responses > 1) + len(head.family.y_shape)
    rows = y.shape[: y.ndim - tail]
    allowed = [rows, (rows[0], *rows[1:-1], 1)]
    if values.shape not in allowed:
        raise ValueError(
            f"Expected {what} of shape {' or '.join(map(str, allowed))}, for y of shape {y.shape}. "
            f"Received: shape {values.shape}. They would broadcast against each other."
        )
    return values[:, 0] if values.shape == (*rows, 1) else values


def arrays(x, y, sample_weight, heads, prefix=""):
    """Return checked (x, y, sample_weight), for x that `features` returned; rows must agree."""
    y = responses(y, heads, f"{prefix}y")
    sample_weight = weights(sample_weight, y, heads, f"{prefix}sample_weight")
    rows = {
        name: {leaf.shape[0] for leaf in keras.tree.flatten(value) if leaf is not None}
        for name, value in (("x", x), ("y", y), ("sample_weight", sample_weight))
        if value is not None
    }
    if len(set().union(*rows.values())) > 1:
        found = ", ".join(f"{prefix}{name}: {sorted(n)}" for name, n in rows.items())
        raise ValueError(f"Expected the same number of rows everywhere. Received: {found}.")
    return x, y, sample_weight
