"""Checkpoints fail in one line: what their libraries print besides is held back."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps Orbax, which raises its errors as well, from printing them as pages of traceback.

    Where the block fails, a thread of TensorStore may still try to tell an event loop that is gone;
    that one complaint is held back from then on, and all others are printed as ever.
    """
    log, of_threads, of_all = logging.getLogger("absl"), threading.excepthook, sys.unraisablehook

    def hook(said: "sys.UnraisableHookArgs") -> None:
        late = said.exc_type is RuntimeError and str(said.exc_value) == "Event loop is closed"
        if not late:
            of_all(said)

    was, log.disabled = log.disabled, True
    threading.excepthook = lambda args: None
    sys.unraisablehook = hook
    try:
        yield
        sys.unraisablehook = of_all
    finally:
        log.disabled, threading.excepthook = was, of_threads
