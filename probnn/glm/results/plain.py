"""Plain values as JSON and arrays: all that files of results hold, and nothing that runs."""

import io

import numpy as np


def encode(value, arrays, where):
    """Return a plain value as what JSON can say; arrays are put aside.

    Parameters
    ----------
    value : None, bool, int, float, str, numpy.ndarray, or list, tuple, dict of them
        Numbers of NumPy become Python's, which are equal.
    arrays : list
        Takes the arrays.
    where : str
        What messages call the value.

    Raises
    ------
    ValueError
        For any other value, which no file of results can hold.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.bool_, np.integer, np.floating, np.str_)):
        return value.item()
    if isinstance(value, (list, tuple)):
        found = [encode(each, arrays, where) for each in value]
        return found if isinstance(value, list) else {"tuple": found}
    if isinstance(value, dict):
        pairs = [[encode(k, arrays, where), encode(v, arrays, where)] for k, v in value.items()]
        return {"dict": pairs}
    if type(value) is np.ndarray and value.dtype.kind in "biufcSU":
        arrays.append(value)
        return {"array": len(arrays) - 1}
    raise ValueError(
        f"Expected {where} of numbers, text, arrays, lists and dicts of them, which are all that a "
        f"file of results holds. Received: {value!r}, of type {type(value).__name__}. Nothing was "
        "written."
    )


def decode(value, arrays):
    """Return what `encode` was given, of arrays by their numbers."""
    if isinstance(value, list):
        return [decode(each, arrays) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, found),) = value.items()
    if kind == "dict":
        return {decode(k, arrays): decode(v, arrays) for k, v in found}
    return arrays[found] if kind == "array" else tuple(decode(each, arrays) for each in found)


def to_bytes(array):
    """Return an array as an npy file, which holds no objects."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def from_bytes(content):
    """Return the array of an npy file; objects, which pickle would make, raise ValueError."""
    return np.load(io.BytesIO(content), allow_pickle=False)
