"""What Keras's exports need of the libraries that write and run files for other runtimes."""

import importlib.util
import warnings


def let_torch_write_take():
    """Tell torch's converter to ONNX what `ravel` is, which `keras.ops.take` there calls."""
    import torch

    def ravel(graph, x):
        return graph.op("Reshape", x, graph.op("Constant", value_t=torch.tensor([-1])))

    torch.onnx.register_custom_op_symbolic("aten::ravel", ravel, 9)  # the lowest opset


def onnx_runner(path):
    """Return a function from arrays by their names to the outputs in order, or None.

    None is where there is no ONNX Runtime.
    """
    if not importlib.util.find_spec("onnxruntime"):
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    known = {each.name for each in session.get_inputs()}  # a network may not look at all
    return lambda x, names: session.run(None, {k: v for k, v in x.items() if k in known})


def litert_runner(path):
    """Return a function from arrays by their names to the outputs, as `names` orders them, or None.

    None is where TensorFlow has LiteRT's interpreter no more, or this lacks TensorFlow's own
    operations, as recurrent layers need them.
    """
    import tensorflow as tf

    if not hasattr(tf.lite, "Interpreter"):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it moves to a package of its own
        interpreter = tf.lite.Interpreter(str(path))
    try:
        interpreter.allocate_tensors()
    except RuntimeError as error:
        if "Select TensorFlow op" in str(error):
            return None
        raise
    runner = interpreter.get_signature_runner()

    def run(x, names):
        found = runner(**{name: x[name] for name in runner.get_input_details()})
        return [found[name] for name in names]

    return run
