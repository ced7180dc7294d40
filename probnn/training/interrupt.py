"""Ctrl-C as a request to stop at the next good moment."""

import contextlib
import signal
import threading


class Interrupt:
    """Whether Ctrl-C was pressed."""

    def __init__(self):
        self.asked = False


@contextlib.contextmanager
def interruptible(on_request=None):
    """Turn the first Ctrl-C into a request; the second raises KeyboardInterrupt as always.

    Parameters
    ----------
    on_request : callable, optional
        Called when the request comes.

    Yields
    ------
    Interrupt
        Its `asked` says whether the request has come. Outside of the main thread, and where the
        program handles the signal itself, it never does.
    """
    interrupt = Interrupt()
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not ours:
        yield interrupt
        return

    def request(*_):
        interrupt.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if on_request is not None:
            on_request()

    signal.signal(signal.SIGINT, request)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
