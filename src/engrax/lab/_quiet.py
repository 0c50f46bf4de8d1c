"""Checkpoints fail in one line: what their libraries print besides is held back."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps Orbax, which raises its errors as well, from printing them as pages of traceback.

    Where the block fails, a thread of TensorStore may still try to tell an event loop that is gone;
    that one complaint is held back from then on, and all others are printed as ever.
    """
    log, of_threads, of_all = logging.getLogger("absl"), threading.excepthook, sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if not (kind is RuntimeError and str(error) == "Event loop is closed"):
            of_all(kind, error, trace)

    was, log.disabled = log.disabled, True
    threading.excepthook = lambda args: None
    sys.excepthook = hook
    try:
        yield
        sys.excepthook = of_all
    finally:
        log.disabled, threading.excepthook = was, of_threads
