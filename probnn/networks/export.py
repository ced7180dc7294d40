"""Networks for other runtimes: files that answer with parameters or means, and need no Keras."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from probnn import _files
from probnn._version import __version__
from probnn.backend import converters, keras_private
from probnn.networks.entered import entered
from probnn.networks.inputs import columns_of, responses_of

if TYPE_CHECKING:
    from os import PathLike
    from typing import Any, Literal

_flatten = keras.tree.flatten

_KEY, _MEMBER = "probnn", "probnn.json"  # under which a file says what it is
_EXTRA = "'probnn[onnx]'"
_HINT = (
    "Means of a few families need operations that a format lacks: export outputs='params', of "
    "which a probnn.Predictive makes the mean."
)
_SAVED = "saved_model.pb"
_OUTPUTS = ("params", "mean")
_ENDINGS = {".onnx": "onnx", ".tflite": "litert"}
# Format -> backend from which Keras writes it for any number of rows -> the packages that it needs.
_NEEDS = {
    "tf_saved_model": {"tensorflow": (), "jax": ("tensorflow",)},
    "onnx": {
        "tensorflow": ("onnx", "tf2onnx"),
        "jax": ("onnx", "jax2onnx"),
        "torch": ("onnx",),
    },
    "litert": {"tensorflow": ()},
}
_OPTIONS = {"onnx": ("opset_version",), "tf_saved_model": ("is_static", "jax2tf_kwargs")}
# The relative difference that a file may have, by what the model computes in; float32 if absent.
_TOLERANCES = {"float16": 1e-2, "bfloat16": 8e-2}


def export(
    model: Any,
    path: str | PathLike[str],
    outputs: Literal["params", "mean"] = "params",
    format: Literal["onnx", "tf_saved_model", "litert"] | None = None,
    **options: Any,
) -> None:
    """Write a file from which other runtimes answer: ONNX, TensorFlow's SavedModel, or LiteRT.

    Parameters
    ----------
    model : probnn.Model, probnn.Sequential or probnn.DeepEnsemble
        Built; of an ensemble, all members are in the file.
    path : str or path-like
        Where: a file, or the folder of a SavedModel. An earlier one is replaced at the end.
    outputs : {"params", "mean"}
        What it answers: the `params` of `predict_distribution`, which are all that a `Predictive`
        needs, or what `predict` returns.
    format : {"onnx", "tf_saved_model", "litert"}, optional
        By default as the path ends: `.onnx`, `.tflite`, or else a SavedModel.
    **options
        Of the format, as in `keras.Model.export`: `opset_version`, or those of LiteRT's converter.

    Raises
    ------
    ValueError
        If the model has no heads or is not built; for another `outputs`, `format` or option, or an
        ending that LiteRT does not have; for a backend from which Keras does not write it, or
        LiteRT where Keras is older than 3.15; if ONNX lacks an operation, or the file, run in ONNX
        Runtime or TensorFlow's interpreter of LiteRT where they are there and can run it, answers
        otherwise than the model.
    ImportError
        If a package is missing: `pip install 'probnn[onnx]'` has those of ONNX.
    OSError
        If a folder is there that is no SavedModel, or as `open` for writing.

    Notes
    -----
    Numbers go in and out as the model computes them, mostly in float32, for any number of rows;
    nothing is checked. The input of a model with one is called "x", several have their keys or
    names, in which TensorFlow's formats have "_" for a space. Outputs are called "mean", or as the
    parameters; of a model with several heads, "head.mean". Those of an ensemble are its pooled
    mean, and parameters of shape (n, members, ...). The file says what it is, in JSON: `outputs`,
    the `family` of each head, the names of the columns of `x` and `y`, in ONNX's metadata under
    "probnn", in the SavedModel's `assets.extra/probnn.json`, and in the zip archive `probnn.json`
    at the end of LiteRT's.

    Examples
    --------
    >>> import keras, probnn as pn
    >>> model = pn.Sequential([keras.Input((2,)), pn.Head("normal")])
    >>> pn.export(model, "m.onnx")  # doctest: +SKIP
    >>> pn.export(model, "m.pkl", format="pickle")
    Traceback (most recent call last):
    ValueError: Expected `format` to be one of tf_saved_model, onnx, litert. Received: 'pickle'.
    """
    members = list(getattr(model, "members", [model]))
    format = format or _ENDINGS.get(Path(path).suffix.lower(), "tf_saved_model")
    _check(members, outputs, format, Path(path), options)
    answers = _Answers(members, outputs, pooled=members[0] is not model, ordered=format == "onnx")
    signature = _signature(members[0], any_names=format == "onnx")
    said = json.dumps(_said(members, outputs))
    is_folder = format == "tf_saved_model"
    writing = _files.atomic_folder(path, _SAVED) if is_folder else _files.atomic_write(path)
    with writing as temporary, contextlib.ExitStack() as stack:
        for member in members:
            stack.enter_context(entered(member))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # of converters, which whoever exports cannot act on
        if keras.backend.backend() == "torch":
            converters.let_torch_write_take()
        try:
            answers.export(
                temporary, format=format, verbose=False, input_signature=signature, **options
            )
            _SAY[format](temporary, said, answers, signature)
            if format in _RUN:
                rounded = format == "litert" and bool(options)
                tolerance = np.inf if rounded else _tolerance(members)
                _compare(_RUN[format], temporary, answers, signature, tolerance)
        except Exception as error:
            if outputs == "mean":
                error.add_note(_HINT)
            raise


def _check(members, outputs, format, path, options):
    """Raise if there is something that cannot be exported."""
    for name, value, known in (("outputs", outputs, _OUTPUTS), ("format", format, _NEEDS)):
        if value not in known:
            raise ValueError(
                f"Expected `{name}` to be one of {', '.join(known)}. Received: {value!r}."
            )
    known = _OPTIONS.get(format, options)  # LiteRT's converter knows its own
    if unknown := options.keys() - known:
        raise ValueError(
            f"Expected options of {format} to be among {', '.join(known)}. Received: "
            f"{', '.join(sorted(unknown))}."
        )
    if format == "litert" and path.suffix != ".tflite":
        raise ValueError(f"Expected the path of a file that ends in .tflite. Received: {path}.")
    for member in members:
        if not hasattr(member, "heads"):
            raise ValueError(
                "Expected a probnn.Model, probnn.Sequential or probnn.DeepEnsemble. Received: "
                f"{type(member).__name__}. Of a GLM's results take results.network, and of an "
                "estimator model_; probnn.Model(inputs, outputs) makes one of a Keras model."
            )
        if not member.built:
            raise ValueError(
                "Expected a model that knows the shape of x. Received: one that is not built. Fit "
                "it, or call it once on some rows."
            )
    backend = keras.backend.backend()
    if backend not in _NEEDS[format]:
        raise ValueError(
            f"Expected a backend from which Keras writes {format}: {', '.join(_NEEDS[format])}. "
            f"Received: {backend}. Files of models are of no backend: save it as .keras, and "
            "export it where KERAS_BACKEND=tensorflow."
        )
    if format == "litert" and tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15):
        raise ValueError(
            "Expected Keras 3.15 or later, which writes LiteRT of networks for any number of rows. "
            f"Received: Keras {keras.__version__}. pip install --upgrade keras, or export the "
            "folder of a SavedModel, which tf.lite.TFLiteConverter.from_saved_model converts."
        )
    missing = [name for name in _NEEDS[format][backend] if not importlib.util.find_spec(name)]
    if missing:
        raise ImportError(
            f"Expected {' and '.join(missing)}, by which Keras writes {format} on {backend}. "
            "Received: no such package. pip install "
            f"{' '.join(missing) if backend == 'jax' else _EXTRA}, or save the model as .keras, "
            "which is of no backend, and export it where another KERAS_BACKEND has its own."
        )


class _Answers(keras.Model):
    """What is exported: from x to named tensors, of one model or of all members of an ensemble.

    Parameters
    ----------
    members : list of probnn.Model
    outputs : {"params", "mean"}
    pooled : bool
        Whether the answer is that of an ensemble.
    ordered : bool
        Whether tensors go without their names, in the order of `names`.
    """

    def __init__(self, members, outputs, pooled, ordered):
        super().__init__(name="answers")
        for i, member in enumerate(members):  # not as a list, inside of which torch does not look
            setattr(self, f"member_{i}", member)
        self.kind, self.pooled, self.ordered, self.count = outputs, pooled, ordered, len(members)
        self.built = True

    @property
    def members(self):
        """The networks."""
        return [getattr(self, f"member_{i}") for i in range(self.count)]

    @property
    def names(self):
        """The names of the outputs, those of several heads after the name of each."""
        named = _by_name(self.members[0].heads).items()
        each = [(n, ["mean"] if self.kind == "mean" else head.family.params) for n, head in named]
        return [f"{n}.{own}" if n else own for n, answers in each for own in answers]

    def call(self, x, training=False):
        """Return what the members say: their mean, or else one beside the other."""
        found = [self._of_member(member, x) for member in self.members]
        if not self.pooled:
            found = found[0]
        elif self.kind == "mean":
            found = [sum(each) / len(each) for each in zip(*found, strict=True)]
        else:
            found = [keras.ops.stack(each, axis=1) for each in zip(*found, strict=True)]
        return found if self.ordered else dict(zip(self.names, found, strict=True))

    def _of_member(self, member, x):
        outputs = zip(_flatten(member.heads), _flatten(member(x, training=False)), strict=True)
        if self.kind == "mean":
            return [head.mean(raw) for head, raw in outputs]
        return [tensor for head, raw in outputs for tensor in head.to_params(raw).values()]


def _by_name(heads):
    """Return name -> head: "" of one, and of several the key, or the head's own name."""
    if isinstance(heads, dict):
        return {key: heads[key] for key in sorted(heads)}  # as tensors are flattened
    flat = _flatten(heads)
    return {"": heads} if heads is flat[0] else {head.name: head for head in flat}


def _signature(model, any_names):
    """Return what the model takes, as Keras wants it, with names for each input.

    TensorFlow takes no spaces in names: where not `any_names`, "_" stands for them.
    """
    specs = keras_private.input_specs(model)
    flat = _flatten(specs)
    names = [spec.name or f"x_{i}" for i, spec in enumerate(flat)]
    if isinstance(specs[0], dict) and len(specs[0]) == len(flat):
        names = sorted(specs[0])
    elif len(flat) == 1:
        names = ["x"]
    if not any_names:
        names = [re.sub(r"[^\w.\-/]", "_", name) for name in names]
    named = [
        keras.layers.InputSpec(shape=spec.shape, dtype=spec.dtype, name=name)
        for spec, name in zip(flat, names, strict=True)
    ]
    return keras.tree.pack_sequence_as(specs, named)


# ---- what a file says of itself -----------------------------------------------------------------


def _said(members, outputs):
    """Return what one must know to use the answers, as JSON types."""
    first = members[0]
    families = {n: head.family.get_config() for n, head in _by_name(first.heads).items()}
    return {
        "probnn": __version__,
        "outputs": outputs,
        "family": families.get("", families),
        "x": columns_of(first).names,
        "y": responses_of(first).to_json(),
    }


def _say_in_folder(folder, said, answers, signature):
    extra = folder / "assets.extra"  # which TensorFlow leaves to others
    extra.mkdir()
    (extra / _MEMBER).write_text(said)


def _say_in_litert(path, said, answers, signature):
    with zipfile.ZipFile(path, "a") as archive:  # as its own metadata keep associated files
        archive.writestr(_MEMBER, said)


def _say_in_onnx(path, said, answers, signature):
    import onnx

    written = onnx.load(path)
    try:
        onnx.checker.check_model(written)
    except onnx.checker.ValidationError as error:
        raise ValueError(
            "Expected a model of operations that ONNX has. Received: one of which the converter "
            f"made no ONNX ({str(error).splitlines()[0]})."
        ) from error
    graph, specs = written.graph, _flatten(signature)
    _rename(graph, graph.output, answers.names)
    if len(graph.input) == len(specs):  # none was left out that the network does not look at
        _rename(graph, graph.input, [spec.name for spec in specs])
    onnx.helper.set_model_props(written, {_KEY: said})
    onnx.save(written, path)


def _rename(graph, tensors, names):
    """Give tensors of an ONNX graph other names, wherever they occur."""
    new = {tensor.name: name for tensor, name in zip(tensors, names, strict=True)}
    for tensor in tensors:
        tensor.name = new[tensor.name]
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [new.get(name, name) for name in ends]


def _tolerance(members):
    layers = [layer for member in members for layer in keras_private.inner_layers(member)]
    return max(_TOLERANCES.get(layer.compute_dtype, 1e-3) for layer in layers)


def _compare(run, path, answers, signature, tolerance):
    """Raise ValueError if a file answers otherwise than the model, of made-up rows.

    A converter that follows what the model does for one row may write its sizes into the file. If
    it was told to round the weights, as options of LiteRT's do, shapes alone are compared.
    """
    specs, cases = _flatten(signature), []
    for rows, size in ((1, 32), (3, 64)):  # networks of images often halve them some times
        made = [_made_up(spec, rows, size) for spec in specs]
        try:
            wanted = _flatten(answers(*keras.tree.pack_sequence_as(signature, made)))
        except Exception:  # a network may refuse rows that mean nothing
            return
        cases.append(({spec.name: x for spec, x in zip(specs, made, strict=True)}, wanted))
    try:
        found = [run(path, made, answers.names) for made, _ in cases]
    except Exception as error:
        raise ValueError(
            "Expected a file that runs. Received: one that ends with an error: "
            f"{str(error).strip().splitlines()[0]} Converters know float32 best."
        ) from error
    for each, (_, wanted) in zip(found, cases, strict=True):
        if each is not None:
            for name, one, other in zip(answers.names, each, wanted, strict=True):
                _check_alike(name, one, keras.ops.convert_to_numpy(other), tolerance)


def _check_alike(name, one, other, tolerance):
    other = other.astype("float64")  # NumPy does not compare bfloat16
    size = np.abs(other[np.isfinite(other)]).max(initial=0.0)
    near = tolerance == np.inf or np.allclose(
        one.astype("float64"), other, tolerance, 0.1 * tolerance * size, equal_nan=True
    )
    if one.shape != other.shape or not near:
        raise ValueError(
            f"Expected a file that answers as the model does. Received: {name} = "
            f"{one.ravel()[:3]} from the file, in place of {other.ravel()[:3]}, for x "
            f"of {len(other)} row(s). Fix the sizes of inputs that are left open, or save the "
            "model as .keras and export it where KERAS_BACKEND=tensorflow."
        )


def _made_up(spec, rows, size):
    """Return x of that many rows, and that size where it is open."""
    rng = np.random.default_rng(rows)
    shape = (rows, *(size if axis is None else axis for axis in spec.shape[1:]))
    if spec.dtype == "string":
        return rng.choice(np.array([b"a", b"b"], dtype=object), shape)
    floats = "float" in spec.dtype
    return (rng.normal(size=shape) if floats else rng.integers(0, 2, shape)).astype(spec.dtype)


_SAY = {
    "tf_saved_model": _say_in_folder,
    "onnx": _say_in_onnx,
    "litert": _say_in_litert,
}
_RUN = {"onnx": converters.run_onnx, "litert": converters.run_litert}
