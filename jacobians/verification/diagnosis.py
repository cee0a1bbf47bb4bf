"""What mistake explains a wrong Jacobian, backward or forward: arrays in, ranked findings out.

Explanations are claimed only where they leave nothing of the error that the tolerance does not
cover, or next to nothing; otherwise the findings say where the error sits, and how large it is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jacobians.verification.case import letters
from jacobians.verification.findings import Finding, explain
from jacobians.verification.probing import Map, Probes, explain_probes
from jacobians.verification.values import Terms

__all__ = ["Finding", "Probes", "Terms", "diagnose", "diagnose_backward", "diagnose_forward"]


def diagnose(
    claimed: ArrayLike,
    expected: ArrayLike,
    *,
    out_ndim: int,
    tolerance: float | NDArray[Any],
    terms: Terms | None = None,
    variants: Terms | None = None,
) -> tuple[Finding, ...]:
    """Explanations of a wrong Jacobian tensor, best first.

    Parameters
    ----------
    claimed : array_like
        The tensor to explain, of any shape.
    expected : array_like
        The right one: output axes, then input axes.
    out_ndim : int
        How many of its axes are the output's.
    tolerance : float or ndarray
        The absolute difference that an entry may have.
    terms : callable, optional
        Gives the terms whose sum is ``expected``, as pairs of text and array; called only where the
        shapes agree and something is wrong.
    variants : callable, optional
        Gives mistakes in the formula, as pairs of a clause and the tensor that it would give; called
        as ``terms`` is.

    Returns
    -------
    tuple of Finding
        Empty where ``claimed`` has the right shape and is within the tolerance everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> C = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 0.0]])
    >>> right = np.einsum("ik,lj->ijkl", np.eye(4), C)
    >>> wrong = -np.einsum("ik,jl->ijkl", np.eye(4), C)
    >>> finding = diagnose(wrong, right, out_ndim=2, tolerance=1e-9)[0]
    >>> print(finding.kind, finding.remaining, finding.text, sep=" | ")
    order | 0.0 | Axes j and l are swapped (a transpose), and the sign is wrong.
    """
    ndim = np.ndim(expected)
    out = min(max(int(out_ndim), 0), ndim)
    return explain(claimed, expected, letters(out, ndim - out), out, 0, tolerance, terms, variants)


def diagnose_backward(
    probes: Probes,
    *,
    out_shape: Sequence[int],
    in_shape: Sequence[int],
    tolerance: float | NDArray[Any],
    terms: Terms | None = None,
    variants: Terms | None = None,
) -> tuple[Finding, ...]:
    """Explanations of a wrong backward, best first.

    Parameters
    ----------
    probes : sequence of (G, got, want)
        Upstream gradients, what the backward gave for them, and what is right. A basis of upstreams
        in any order, and scaled at will, gives the whole tensor; others may be among them, and show
        whether the backward is linear.
    out_shape, in_shape : sequence of int
        The shapes of ``G`` and ``want``.
    tolerance : float or ndarray
        The absolute difference that an entry of ``got`` may have; of the shape of ``want``, or of
        the whole tensor.
    terms : callable, optional
        Gives the terms whose sum is the whole tensor, as pairs of text and array; for a basis only.
    variants : callable, optional
        As for :func:`diagnose`; for a basis only.

    Returns
    -------
    tuple of Finding
        Empty where every result has the right shape and is within the tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 4.0])  # y = W x, whose gradient by W is G xᵀ
    >>> G = np.eye(2)
    >>> probes = [(g, np.outer(np.ones(2), x), np.outer(g, x)) for g in G]
    >>> found = diagnose_backward(probes, out_shape=(2,), in_shape=(2, 3), tolerance=1e-9)
    >>> found[0].kind
    'upstream'
    """
    which = Map(True, tuple(out_shape), tuple(in_shape))
    return explain_probes(probes, which, tolerance, terms, variants)


def diagnose_forward(
    probes: Probes,
    *,
    out_shape: Sequence[int],
    in_shape: Sequence[int],
    tolerance: float | NDArray[Any],
    terms: Terms | None = None,
    variants: Terms | None = None,
) -> tuple[Finding, ...]:
    """Explanations of a wrong forward, best first.

    As for a backward, with ``probes`` of ``(dX, got, want)``: directions in the input's shape, and
    results in the output's.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[1.0, 2.0], [3.0, 5.0]])
    >>> probes = [(d, d @ A, A @ d) for d in np.eye(2)]
    >>> found = diagnose_forward(probes, out_shape=(2,), in_shape=(2,), tolerance=1e-9)
    >>> found[0].text
    'Axes i and k are swapped (a transpose).'
    """
    which = Map(False, tuple(out_shape), tuple(in_shape))
    return explain_probes(probes, which, tolerance, terms, variants)
