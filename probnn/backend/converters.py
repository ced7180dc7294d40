"""What Keras's exports need of the libraries that write and run files for other runtimes."""

import importlib.util
import warnings


def let_torch_write_take():
    """Tell torch's converter to ONNX what `ravel` is, which `keras.ops.take` there calls."""
    import torch

    def ravel(graph, x):
        return graph.op("Reshape", x, graph.op("Constant", value_t=torch.tensor([-1])))

    torch.onnx.register_custom_op_symbolic("aten::ravel", ravel, 9)  # the lowest opset


def run_onnx(path, x, names):
    """Return what a file answers to arrays by their names, or None where nothing runs it."""
    if not importlib.util.find_spec("onnxruntime"):
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    known = {each.name for each in session.get_inputs()}  # a network may not look at all
    return session.run(None, {name: value for name, value in x.items() if name in known})


def run_litert(path, x, names):
    """Return what a file answers to arrays by their names, as `names` orders it, or None.

    None is where TensorFlow has LiteRT's interpreter no more, or one without those operations of
    TensorFlow that recurrent layers and strings need.
    """
    import tensorflow as tf

    if not hasattr(tf.lite, "Interpreter"):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it moves to a package of its own
        interpreter = tf.lite.Interpreter(str(path))
    try:
        runner = interpreter.get_signature_runner()
        found = runner(**{name: x[name] for name in runner.get_input_details()})
    except RuntimeError as error:
        if "Select TensorFlow op" in str(error):
            return None
        raise
    return [found[name] for name in names]
