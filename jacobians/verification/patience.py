"""A line on a terminal for checks that take long: how often the function has been evaluated."""

import sys

from jacobians.ground.stopwatch import Stopwatch

_AFTER, _EVERY = 2.0, 0.2  # seconds


class Progress:
    """Counts evaluations; writes nothing in the first seconds, and nothing where nobody looks."""

    def __init__(self, name: str) -> None:
        self.evaluations = 0
        self._name, self._watch, self._last = name, Stopwatch(), 0.0

    def tick(self) -> None:
        """One more evaluation."""
        self.evaluations += 1
        now = self._watch.seconds
        if now < _AFTER or now - self._last < _EVERY or not sys.stderr.isatty():
            return
        self._last = now
        line = f"checking {self._name}: {self.evaluations:,} evaluations, {now:.0f} s"
        sys.stderr.write(f"\r{line[:79]:<79}")
        sys.stderr.flush()

    def done(self) -> None:
        """Clear the line."""
        if self._last:
            sys.stderr.write(f"\r{'':<79}\r")
            sys.stderr.flush()
            self._last = 0.0
