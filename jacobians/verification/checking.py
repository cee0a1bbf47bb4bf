"""``jb.check``: hold a derivative against a reference, and say what is wrong with it."""

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from jacobians.errors import JacobiansError, UnsupportedError
from jacobians.tracing.running import Wrt
from jacobians.transforms.flattening import flattened
from jacobians.verification.claims import Backward, Claim, Forward, Full, Ours
from jacobians.verification.references import ByTracing, Given, Numerical, Reference
from jacobians.verification.report import Part, Report
from jacobians.verification.subject import Subject
from jacobians.verification.trial import Trial

_NAMES = ("auto", "traced", "complex-step", "richardson")


def check(
    f: Callable[..., Any],
    *args: Any,
    wrt: Wrt = 0,
    jacobian: Any = None,
    vjp: Callable[..., Any] | None = None,
    jvp: Callable[..., Any] | None = None,
    against: str | Callable[..., Any] = "auto",
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    kwargs: Mapping[str, Any] | None = None,
) -> Report:
    """Verify a derivative of a function, and explain what is wrong with it.

    Parameters
    ----------
    f : callable
        Takes arrays and returns an array, or a tuple, list or dict of arrays. It need not be traceable:
        compiled code, and code of other frameworks behind NumPy arrays, is evaluated only.
    *args : array_like
        Where to check: arrays, or trees of them, of which each array has its part in the report.
        Nothing that is called gets these arrays themselves, only copies.
    wrt : int, str or sequence of them
        Which arguments to differentiate by: position, parameter name, or several.
    jacobian : array_like, JacobianTensor or callable, optional
        A full tensor to check, or ``jacobian(*args)`` that gives one; in the structure that
        ``jb.jacobian`` gives.
    vjp : callable, optional
        A backward to check: ``vjp(G, *args)`` gives the gradient by ``wrt``, a tuple of them for a tuple
        ``wrt``, or one for each argument. ``G`` has the structure of the result.
    jvp : callable, optional
        A forward to check: ``jvp(dX, *args)``, or ``jvp(dX, dY, *args)`` for two arguments, gives the
        change of the result.
    against : {"auto", "traced", "complex-step", "richardson"} or callable
        What is right. "auto" is the traced Jacobian where ``f`` traces, confirmed by differences of
        ``f`` where a claim disagrees with it, else a numerical one. A callable gets the arguments and
        gives the full Jacobian.
    rtol, atol : float, optional
        The relative and absolute difference that an entry may have, on top of the reference's own
        error. By default they follow dtype and scale: √ε, and ε^⅔ of the largest entry.
    seed : int
        Of the random upstreams and directions.
    kwargs : mapping, optional
        Keyword arguments of ``f``, which ``jacobian``, ``vjp`` and ``jvp`` get too.

    Returns
    -------
    Report
        With ``ok``, ``raise_if_failed()`` and ``to_dict()``; prints. Where nothing is claimed, the
        Jacobian that this package derives is held against a numerical one.

    Raises
    ------
    UnsupportedError
        Where nothing is claimed and ``f`` cannot be traced, or not by the reference that is named.
    ShapeError
        Where a claim has more or fewer arrays than there are results and arguments. An array of a
        wrong shape does not raise: the report says so, and why.

    Notes
    -----
    A backward is given every basis upstream and a random one where the result has at most 256 entries,
    else random ones; never ones alone, which hide transposed and summed-up mistakes. Where ``f`` has a
    kink, any number between its two slopes is right.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> def layer(W, x):
    ...     return np.tanh(W @ x)
    >>> def backward(G, W, x):
    ...     return np.outer(G * (1 - np.tanh(W @ x)), x)        # the square is forgotten
    >>> W, x = np.array([[0.3, -0.2, 0.5], [0.1, 0.4, -0.6]]), np.array([1.0, 2.0, -1.0])
    >>> report = jb.check(layer, W, x, vjp=backward)
    >>> report.ok, report.parts[0].failed, report.parts[0].worst.index
    (False, 6, (0, 0, 1))
    >>> jb.check(layer, W, x).ok            # ours against numerical differences
    True
    """
    if isinstance(against, str) and against not in _NAMES:
        raise JacobiansError(
            f"against={against!r}: it must be one of {', '.join(_NAMES)}, or a callable that gives the "
            "Jacobian"
        )
    if not (isinstance(against, str) or callable(against)):
        raise UnsupportedError(
            f"against is of type {type(against).__name__}; pass a callable that gives the Jacobian, and "
            "an array to check as jacobian="
        )
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance is not None and not (isinstance(tolerance, Real) and tolerance >= 0):
            raise JacobiansError(f"{name}={tolerance!r}: it must be a number, 0 or more")
    if not (isinstance(seed, Integral) and seed >= 0):
        raise JacobiansError(f"seed={seed!r}: it must be an integer, 0 or more")
    for name, claim in (("vjp", vjp), ("jvp", jvp)):
        if claim is not None and not callable(claim):
            raise UnsupportedError(f"{name} is of type {type(claim).__name__}; pass a function")
    flat = flattened(f, args, wrt) if callable(f) else None
    if flat is not None:  # arguments that hold several arrays: each array is one of its own
        f, args, wrt = flat.function, tuple(flat.leaves), flat.wrt
        vjp, jvp = vjp and flat.vjp(vjp), jvp and flat.jvp(jvp)
        if jacobian is not None:
            jacobian = flat.jacobian(jacobian, flat.result(kwargs or {}), "jacobian")
        if not isinstance(against, str):
            against = flat.jacobian(against, flat.result(kwargs or {}), "against")
    subject = Subject(f, args, kwargs or {}, wrt)
    subject.note_noise()
    traced, reason = _traced(subject)
    claims = _claims(subject, traced, reason, jacobian, vjp, jvp)
    reference = _reference(subject, against, traced, reason, derived=claims[0].kind == "derived")
    if reason and against == "auto":
        subject.notes.append(f"{subject.name} was not traced: {reason.split('; ')[0]}")
    trial = Trial(
        subject, reference, traced, rtol=rtol, atol=atol, seed=seed, automatic=against == "auto"
    )
    parts: list[Part] = [
        trial.part(claim, subject.pair(output, which))
        for claim in claims
        for output in range(len(subject.outputs))
        for which in range(len(subject.points))
    ]
    return Report(subject.name, tuple(parts), tuple(subject.notes), seed)


def _traced(subject: Subject) -> tuple[ByTracing | None, str]:
    """The derived Jacobian; where there is none, the reason in a line."""
    try:
        return ByTracing(subject), ""
    except Exception as error:  # code that is not written in NumPy may raise anything
        text = " ".join(str(error).split())
        text = text if len(text) <= 240 else text[:239] + "…"
        return None, text if isinstance(
            error, JacobiansError
        ) else f"{type(error).__name__}: {text}"


def _claims(
    subject: Subject,
    traced: ByTracing | None,
    reason: str,
    jacobian: Any,
    vjp: Callable[..., Any] | None,
    jvp: Callable[..., Any] | None,
) -> list[Claim]:
    claims: list[Claim] = []
    if jacobian is not None:
        claims.append(Full(subject, jacobian))
    if vjp is not None:
        claims.append(Backward(subject, vjp))
    if jvp is not None:
        claims.append(Forward(subject, jvp))
    if claims:
        return claims
    if traced is None:
        raise UnsupportedError(
            f"{subject.name} cannot be traced, so there is nothing of ours to check ({reason}); pass what "
            "you want to check as jacobian=, vjp= or jvp="
        )
    return [Ours(traced)]


def _reference(
    subject: Subject,
    against: str | Callable[..., Any],
    traced: ByTracing | None,
    reason: str,
    *,
    derived: bool,
) -> Reference:
    if not isinstance(against, str):
        return Given(subject, against)
    if against == "traced" and derived:
        raise UnsupportedError(
            "against='traced' is this package's own Jacobian, and nothing else is claimed; pass "
            "jacobian=, vjp= or jvp=, or another reference"
        )
    if against == "traced" and traced is None:
        raise UnsupportedError(f"against='traced': {subject.name} cannot be traced: {reason}")
    if traced is not None and not derived and against in ("auto", "traced"):
        return traced
    if against == "complex-step":
        return Numerical(subject, "complex-step")
    return Numerical(subject, "richardson" if against == "richardson" else "auto")
