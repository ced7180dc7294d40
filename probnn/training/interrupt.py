"""Ctrl-C as a request to stop at the next good moment."""

import contextlib
import signal
import threading

_waiting = []  # the request that the outermost of nested fits waits for


class Interrupt:
    """Whether Ctrl-C was pressed."""

    def __init__(self):
        self.asked = False
        self._actions = []

    def request(self, *_):
        """Note the first Ctrl-C; the next one raises KeyboardInterrupt as always."""
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for action in self._actions:
            action()

    @contextlib.contextmanager
    def calling(self, action):
        """Call `action`, unless it is None, when the request comes in this context."""
        if action is not None:
            self._actions.append(action)
        try:
            yield self
        finally:
            if action is not None:
                self._actions.remove(action)


@contextlib.contextmanager
def interruptible(action=None):
    """Turn the first Ctrl-C into a request.

    Parameters
    ----------
    action : callable, optional
        Called when the request comes.

    Yields
    ------
    Interrupt
        Its `asked` says whether the request has come. Outside of the main thread, and where the
        program handles the signal itself, it never does. Within another such context it is the
        same request.
    """
    if _waiting and threading.current_thread() is threading.main_thread():
        with _waiting[0].calling(action) as interrupt:
            yield interrupt
        return
    interrupt = Interrupt()
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not ours:
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt.request)
    _waiting.append(interrupt)
    try:
        with interrupt.calling(action):
            yield interrupt
    finally:
        _waiting.clear()
        signal.signal(signal.SIGINT, signal.default_int_handler)
