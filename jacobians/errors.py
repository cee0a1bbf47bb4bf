"""Every error that this package raises.

One base class, :class:`JacobiansError`; each kind also derives from the built-in
exception that a caller would expect, so ``except ValueError`` keeps working.

Floor 0. Imports nothing.
"""


class JacobiansError(Exception):
    """Base class of every error raised by this package."""


class ShapeError(JacobiansError, ValueError):
    """Arrays whose shapes do not fit together, or an axis or name that is not there."""


class UnsupportedError(JacobiansError, TypeError):
    """An argument, function or data type that has no Jacobian here; the message says why."""


class TensorTooLargeError(JacobiansError, MemoryError):
    """A dense tensor was asked for that would not fit; its size was predicted, not allocated."""


class VerificationError(JacobiansError, AssertionError):
    """A check or a comparison failed."""


class GuardWarning(UserWarning):
    """A function that was to be compiled branches on a value, and is derived anew at every call."""
