"""What a long fit shows meanwhile."""

import time


class Progress:
    """A line of progress on a fit that takes more than a few seconds."""

    def __init__(self, verbose="auto"):
        self.verbose, self.begin, self.bar = verbose, time.monotonic(), None

    def __call__(self, history):
        """Show the last iteration."""
        if not self.verbose or (self.verbose == "auto" and time.monotonic() - self.begin < 3.0):
            return
        import keras

        if self.bar is None:
            self.bar = keras.utils.Progbar(
                None, unit_name="iteration", stateful_metrics=["nll", "decrement"]
            )
        values = [("nll", history["nll"][-1]), ("decrement", history["decrement"][-1])]
        self.bar.update(len(history["nll"]), values)

    def close(self):
        """End the line, if there is one."""
        if self.bar is not None:
            print()
