"""Files of results: what is written, before anything is. `loading` reads them."""

import json
from dataclasses import fields

from probnn import _files, families
from probnn.fitting.certificate import Certificate
from probnn.fitting.firth import Firth
from probnn.fitting.penalties import ElasticNet
from probnn.glm import stored_formula
from probnn.glm.results import plain

KIND, FORMAT = "results", 1
STATE = "results.json"
PENALTIES = {cls.__name__: cls for cls in (ElasticNet, Firth)}


def array_name(number):
    """Return the name of an array among the members of a file."""
    return f"arrays/{number}.npy"


def save(results, path):
    """Write results to a file: see `Results.save`."""
    arrays = []
    stored = {
        what: plain.encode(value, arrays, f"the {what} of results")
        for what, value in _stored(results).items()
    }
    members = {STATE: json.dumps(stored).encode()}
    members |= {array_name(i): plain.to_bytes(array) for i, array in enumerate(arrays)}
    _files.write_archive(path, KIND, FORMAT, members)


def _stored(results):
    """Return name -> what a file holds, plain."""
    state = results.__getstate__()
    model, optimum, certificate = (state.pop(n) for n in ("model", "optimum", "certificate"))
    for name in ("_labels", "family", "coef", "fit_history"):  # of the model and the optimum
        del state[name]
    return {
        "state": state,
        "model": _model(model, type(results)),
        "family": _family(model.family),
        "formula": None if model.formula is None else _formula(results.model),
        "optimum": _fields(optimum) | {"penalty": _penalty(optimum.penalty)},
        "certificate": None if certificate is None else _certificate(certificate),
    }


def _fields(value):
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _model(model, results_class):
    """Return a model without its rows as plain values."""
    cls = type(model)
    if model.kinds.get(cls.__name__) is not cls or cls.results_class is not results_class:
        raise ValueError(
            f"Expected results of a model whose class a file can name. Received: a {cls.__name__} "
            f"with {results_class.__name__}, and another class of that name. Nothing was written."
        )
    state = {**vars(model), "data": len(model), "y_columns": model.y_columns.names}
    for name in ("family", "formula", "index", "rows", "table"):
        state.pop(name, None)
    if model.classes is not None:
        state["classes"] = [[*model.classes], model.classes.ordered]
    return {"kind": cls.__name__, **state}


def _family(family):
    """Return the configuration of a family, which must make it again."""
    config = family.get_config()
    try:
        again = families.get(config)
    except ValueError as error:
        raise ValueError(f"{error} Nothing was written.") from None
    if again != family:
        raise ValueError(
            f"Expected a family that its configuration makes again. Received: {family!r}, whose "
            f"configuration makes {again!r}. Register it by probnn.families.register. Nothing was "
            "written."
        )
    return config


def _formula(model):
    rows = model.data.rows
    encoding = model.formula
    if encoding.probe is None and rows is not None and rows.frame is not None:
        encoding = encoding.probed(rows.frame)
    return stored_formula.store(encoding)


def _penalty(penalty):
    if penalty is None:
        return None
    if PENALTIES.get(type(penalty).__name__) is not type(penalty):
        raise ValueError(
            f"Expected results penalised by one of {', '.join(PENALTIES)}. Received: "
            f"{type(penalty).__name__}, which a file cannot hold. Nothing was written."
        )
    given = {  # a Series of pandas has the numbers alone
        name: value.to_numpy() if hasattr(value, "to_numpy") else value
        for name, value in vars(penalty).items()
    }
    return [type(penalty).__name__, given]


def _certificate(certificate):
    if type(certificate) is not Certificate:
        raise ValueError(f"Expected a Certificate. Received: {certificate!r}.")
    return _fields(certificate)
