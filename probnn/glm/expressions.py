"""What expressions of formulas may do in files: compute of columns, and nothing else.

Formulas are code: formulaic evaluates them. A file may come from anywhere, so that an expression of
one is evaluated only if all that it names is known to compute.
"""

import ast
import builtins
import functools
import operator
from typing import NamedTuple

import numpy as np

_BUILTINS = {"abs", "bool", "float", "int", "round"}
_CONSTANTS = {"e", "inf", "nan", "newaxis", "pi"}
_OF_NUMPY = {
    *("array", "asarray", "around", "clip", "column_stack", "cumsum", "digitize", "full_like"),
    *("interp", "isin", "linspace", "max", "mean", "median", "min", "nan_to_num", "ones_like"),
    *("percentile", "quantile", "round", "searchsorted", "sinc", "std", "sum", "var", "where"),
    *("zeros_like", "arange", "float32", "float64", "int32", "int64"),
}
_METHODS = {  # of a column
    *("abs", "astype", "between", "clip", "cumsum", "diff", "eq", "fillna", "ge", "gt", "isin"),
    *("isna", "isnull", "le", "lt", "max", "mean", "median", "min", "ne", "notna", "pow", "rank"),
    *("round", "shift", "std", "sum", "to_numpy", "var", "contains", "endswith", "len", "lower"),
    *("startswith", "strip", "title", "upper"),
}
_OF_DATES = {"year", "month", "day", "dayofweek", "dayofyear", "hour", "minute", "quarter"}
_ATTRIBUTES = {"T", "cat", "codes", "dt", "size", "str", "values"} | _OF_DATES
_NODES = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript),
    *(ast.Slice, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Constant, ast.operator, ast.unaryop),
    *(ast.boolop, ast.cmpop, ast.expr_context),
)
# Bits of integers of Python: of attributes, of what is made of a float, and at most.
_BITS = {"size": 63.0, **dict.fromkeys(_OF_DATES, 14.0)}
_OF_FLOAT, _MOST = 1024.0, 1e5


def _of_power(a, b):
    return a * 2.0 ** min(b, 1000.0)


def _of_shift(a, b):
    return a + 2.0 ** min(b, 1000.0)


_OPERATORS = {  # how many bits of how many
    **dict.fromkeys((ast.Pow, "np.power"), _of_power),
    **dict.fromkeys((ast.LShift, "np.left_shift"), _of_shift),
    **dict.fromkeys((ast.Add, ast.Sub, ast.Mult, "np.multiply"), operator.add),
    **dict.fromkeys((ast.FloorDiv, ast.Mod, ast.RShift), max),
    **dict.fromkeys((ast.BitOr, ast.BitXor, ast.BitAnd), max),
    ast.Div: lambda a, b: None,
}


class Calls(NamedTuple):
    """What an expression names: all dotted names, and those of functions that are given text."""

    names: set
    with_text: set


@functools.cache
def transforms():
    """Return the names of formulaic's own functions."""
    from formulaic.transforms import TRANSFORMS

    return {*TRANSFORMS} - {"np"}


def names_of(expression):
    """Return the dotted names in an expression, as "np.log" and "x"; of no Python, none."""
    tree = _parsed(expression)
    return set() if tree is None else _names(tree)


def check(expression, functions=(), columns=(), text=(), integers=None):
    """Raise ValueError unless all that an expression does is to compute; return its `Calls`.

    Parameters
    ----------
    expression : str
        A factor of a formula.
    functions : collection of str
        Dotted names of functions that are known.
    columns : collection of str
        Names that data must have, and that therefore hide functions of Python.
    text : collection of str
        Names that stand for text.
    integers : dict, optional
        Dotted name -> the `bits` of what it stands for.
    """
    tree = _parsed(expression)
    if tree is None:
        raise ValueError(f"Expected an expression of Python. Received: {expression!r}.")
    with_text = set()
    try:
        _check(tree, {*functions}, {*columns}, {*text}, with_text)
        _check_sizes(tree, {**(integers or {}), **dict.fromkeys(columns)})
    except _RefusedError as refused:
        raise ValueError(
            f"Expected a formula of columns, numbers, and functions of NumPy, of formulas, or of a "
            f"module. Received: {expression!r}, with {refused}."
        ) from None
    return Calls(_names(tree), with_text)


class _RefusedError(Exception):
    """What an expression must not have."""


def _parsed(expression):
    """Return the tree of an expression, or None."""
    from formulaic.utils.code import sanitize_variable_names

    try:
        return ast.parse(sanitize_variable_names(expression, {}, {}), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _dotted(node):
    """Return the dotted name that a node is, or None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _names(node):
    name = _dotted(node)
    if name is not None:
        return {name}
    return set().union(*(_names(child) for child in ast.iter_child_nodes(node)))


def _check(node, functions, columns, text, with_text):
    def inner(*nodes):
        for each in nodes:
            _check(each, functions, columns, text, with_text)

    if isinstance(node, ast.Call):
        name = _dotted(node.func)
        if any(isinstance(a, ast.Starred) for a in node.args) or any(
            k.arg is None or k.arg.startswith("_") for k in node.keywords
        ):
            raise _RefusedError("arguments that are not written out")
        if name in functions:
            if _has_text(node, text):
                with_text.add(name)
        elif not (name in transforms() or name in _BUILTINS or _is_of_numpy(name)):
            if not isinstance(node.func, ast.Attribute) or node.func.attr not in _METHODS:
                raise _RefusedError(f"the function {ast.unparse(node.func)!r}")
            if _root(name) in {"np", *functions}:
                raise _RefusedError(f"the function {name!r}")
            inner(node.func.value)
        inner(*node.args, *(k.value for k in node.keywords))
    elif isinstance(node, ast.Name):
        hidden = node.id in columns
        if node.id.startswith("__") or (not hidden and hasattr(builtins, node.id)):
            raise _RefusedError(f"the name {node.id!r}")
        if node.id == "np" and not hidden:
            raise _RefusedError("the module 'np'")
    elif isinstance(node, ast.Attribute):
        name = _dotted(node)
        known = name is not None and (
            _is_of_numpy(name) or name in {f"np.{each}" for each in _CONSTANTS}
        )
        if known:
            return
        if node.attr not in _ATTRIBUTES:
            raise _RefusedError(f"the attribute {node.attr!r}")
        inner(node.value)
    elif isinstance(node, _NODES):
        inner(*ast.iter_child_nodes(node))
    else:
        raise _RefusedError(f"{ast.unparse(node)!r}")


def _check_sizes(tree, integers):
    """Refuse integers such as 9**9**9, which would take Python longer than anyone waits."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.BinOp, ast.Call)) and (_bits(node, integers) or 0.0) > _MOST:
            raise _RefusedError(
                f"{ast.unparse(node)!r}, an integer that may have {_MOST:,.0f} bits; write a "
                "float, as 2.0 for 2"
            )


def _bits(node, integers):
    """Return how many bits an integer of Python may have, as a float; None of what is none."""
    if isinstance(node, ast.Constant):
        return bits(node.value)
    if isinstance(node, (ast.Name, ast.Attribute)):
        name = _dotted(node)
        return integers[name] if name in integers else _BITS.get(getattr(node, "attr", None))
    if isinstance(node, ast.Subscript):
        return _bits(node.value, integers)
    name, parts = None, ast.iter_child_nodes(node)
    if isinstance(node, ast.Call):
        name, parts = _dotted(node.func), [*node.args, *(k.value for k in node.keywords)]
    elif isinstance(node, ast.BinOp):
        name, parts = type(node.op), [node.left, node.right]
    parts = [_bits(each, integers) for each in parts]
    if name in _OPERATORS and len(parts) > 1:
        a, b, *_ = parts
        return None if a is None or b is None else _OPERATORS[name](a, b)
    most = _most(parts)
    if name in ("int", "round"):
        return max(most or 0.0, _OF_FLOAT)
    # An array of integers beyond 64 bits is one of Python's.
    return None if isinstance(node, ast.Call) and name != "abs" and (most or 0) <= 64 else most


def _most(found):
    return max((each for each in found if each is not None), default=None)


def bits(value):
    """Return the bits of the largest integer of Python in a value, as a float; None of none."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        return _most(map(bits, value))
    return float(value.bit_length()) if isinstance(value, int) else None


def _root(name):
    return None if name is None else name.split(".")[0]


def _is_of_numpy(name):
    """Return whether a name is that of a function of NumPy which computes; contrasts are too."""
    if name is None or name.count(".") != 1:
        return False
    root, own = name.split(".")
    if root == "contr":
        return not own.startswith("_")
    return root == "np" and (own in _OF_NUMPY or isinstance(getattr(np, own, None), np.ufunc))


def _has_text(node, text):
    """Return whether a call is given text, written out or by a name."""
    inside = [each for a in (*node.args, *node.keywords) for each in ast.walk(a)]
    return any(
        (isinstance(each, ast.Constant) and isinstance(each.value, (str, bytes)))
        or (isinstance(each, ast.Name) and each.id in text)
        for each in inside
    )
