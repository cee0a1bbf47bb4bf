"""A line on stderr while a step takes long, for people only: never into a pipe or a file."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def _terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; there may be none."""
    return stream is not None and bool(stream.isatty())


@contextmanager
def progress(text: str, delay: float = 1.0, *, both: bool = False) -> Iterator[None]:
    """Say what is being done if it takes longer than ``delay`` seconds; wipe the line after.

    Nothing is written unless stderr is a terminal, and with ``both`` the output too.
    """
    if not _terminal(sys.stderr) or (both and not _terminal(sys.stdout)):
        yield
        return
    shown = threading.Event()

    def show() -> None:
        shown.set()
        sys.stderr.write(f"{text} …")
        sys.stderr.flush()

    timer = threading.Timer(delay, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if shown.is_set():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def bar(done: int, total: int, text: str) -> None:
    """A bar on stderr, wiped when all is done; nothing unless both streams are terminals."""
    if not (_terminal(sys.stdout) and _terminal(sys.stderr)):
        return
    if done >= total:
        sys.stderr.write("\r\x1b[K")
    else:
        full = 24 * done // total
        line = f"[{'#' * full}{'.' * (24 - full)}] {done}/{total}  {text}"
        sys.stderr.write(f"\r\x1b[K{line[:79]}")
    sys.stderr.flush()
