"""What mistake explains a wrong Jacobian: arrays in, ranked findings out."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numpy.typing import ArrayLike, NDArray

Terms = Callable[[], Sequence[tuple[str, ArrayLike]]]
Probes = Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]]


class Finding(NamedTuple):
    """One explanation: its kind, a sentence, and the share of the error that it leaves."""

    kind: str
    text: str
    remaining: float


def diagnose(
    claimed: ArrayLike,
    expected: ArrayLike,
    *,
    out_ndim: int,
    tolerance: float | NDArray[Any],
    terms: Terms | None = None,
) -> tuple[Finding, ...]:
    """Explanations of ``claimed``, best first; empty where it is within the tolerance."""
    return ()


def diagnose_backward(
    probes: Probes,
    *,
    out_shape: Sequence[int],
    in_shape: Sequence[int],
    tolerance: float | NDArray[Any],
    terms: Terms | None = None,
) -> tuple[Finding, ...]:
    """The same for a backward: ``probes`` are ``(G, got, want)``, tolerance one of ``want``."""
    return ()


def diagnose_forward(
    probes: Probes,
    *,
    out_shape: Sequence[int],
    in_shape: Sequence[int],
    tolerance: float | NDArray[Any],
    terms: Terms | None = None,
) -> tuple[Finding, ...]:
    """The same for a forward: ``probes`` are ``(dX, got, want)``."""
    return ()
