"""``jb.check``: hold a derivative against a reference, and say what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from jacobians.errors import JacobiansError, UnsupportedError
from jacobians.ground.trees import flatten, is_tree, parameters
from jacobians.tracing.running import Wrt
from jacobians.transforms.flattening import flattened
from jacobians.verification.claims import Backward, Claim, Forward, Full, Ours, gradients_of
from jacobians.verification.elsewhere import beside, decided, is_open, other_sizes
from jacobians.verification.guests import backward_of, forward_of, is_guest
from jacobians.verification.parts import Part
from jacobians.verification.references import ByTracing, Given, Numerical, Reference
from jacobians.verification.report import Report
from jacobians.verification.subject import Subject
from jacobians.verification.trial import Trial

_BESIDE = 2  # points beside a kink at which a claim must be right
_CONVENTION = (
    "where several kinks meet, the claim is between no two slopes, but it is right at points beside them: "
    "a convention, which is free"
)
_WRONG_BESIDE = (
    "all that is not zero is at kinks, where any number between two slopes passes, and beside them the claim "
    "is wrong: check at other arguments"
)
_NAMES = ("auto", "traced", "complex-step", "richardson")


def check(
    f: Callable[..., Any],
    *args: Any,
    wrt: Wrt | None = None,
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
    wrt : int, str or sequence of them, optional
        Which arguments to differentiate by: position, parameter name, or several. By default every
        gradient that ``vjp`` returns is judged, in the order of the arguments (None is skipped, and
        named); of ``jacobian`` and ``jvp``, or where nothing is claimed, the derivative by the first
        argument.
    jacobian : array_like, JacobianTensor or callable, optional
        A full tensor to check, or ``jacobian(*args)`` that gives one; in the structure that
        ``jb.jacobian`` gives.
    vjp : callable, optional
        A backward to check: ``vjp(G, *args)`` gives the gradient by ``wrt``, a tuple of them for a tuple
        ``wrt``, or one for each argument. ``G`` has the structure of the result. A
        ``torch.autograd.Function`` or a function of ``jax.custom_vjp`` is one too; given as ``f``, its
        forward is the function and its backward the claim.
    jvp : callable, optional
        A forward to check: ``jvp(dX, *args)``, or ``jvp(dX, dY, *args)`` for two arguments, gives the
        change of the result.
    against : {"auto", "traced", "complex-step", "richardson"} or callable
        What is right. "auto" is the traced Jacobian where ``f`` traces, confirmed by differences of
        ``f`` where a claim disagrees with it, else a numerical one. A callable gets the arguments and
        gives the full Jacobian.
    rtol, atol : float, optional
        The relative and absolute difference that an entry may have, on top of the reference's own
        error. By default they follow dtype and scale: √ε, and ε^⅔ of the largest entry
        by the same result.
    seed : int
        Of the random upstreams and directions.
    kwargs : mapping, optional
        Keyword arguments of ``f``, which ``jacobian``, ``vjp`` and ``jvp`` get too.

    Returns
    -------
    Report
        With ``ok``, ``verdict`` ("right", "WRONG" or "undecided"), ``raise_if_failed()`` and
        ``to_dict()``; prints. ``ok`` is True only if every part is right. Where nothing is claimed, the
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
    _check_options(against, rtol, atol, seed)
    if is_guest(f):
        vjp = backward_of(f) if vjp is None else vjp
        f = forward_of(f)
    if is_guest(vjp):
        vjp = backward_of(vjp)
    for name, claim in (("vjp", vjp), ("jvp", jvp)):
        if claim is not None and not callable(claim):
            raise UnsupportedError(f"{name} is of type {type(claim).__name__}; pass a function")
    if callable(f) and any(map(is_tree, args)):  # each array of theirs is one of its own
        if wrt is None:
            wrt = _returned(f, args, kwargs or {}, vjp)
        flat = flattened(f, args, wrt)
        assert flat is not None
        f, args, wrt = flat.function, tuple(flat.leaves), flat.wrt
        vjp, jvp = vjp and flat.vjp(vjp), jvp and flat.jvp(jvp)
        if jacobian is not None:
            jacobian = flat.jacobian(jacobian, flat.result(kwargs or {}), "jacobian")
        if not isinstance(against, str):
            against = flat.jacobian(against, flat.result(kwargs or {}), "against")
    question = _Question(
        f, args, wrt, kwargs or {}, against, rtol, atol, int(seed), jacobian, vjp, jvp
    )
    return _decided(_beside_kinks(_checked(question), question), question)


def _check_options(
    against: str | Callable[..., Any], rtol: float | None, atol: float | None, seed: int
) -> None:
    """Raise for a reference, a tolerance or a seed that is none."""
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


class _Question(NamedTuple):
    """What is asked, as of ``check``; ``told`` is whether somebody reads the answer."""

    f: Callable[..., Any]
    args: Sequence[Any]
    wrt: Wrt | None
    kwargs: Mapping[str, Any]
    against: str | Callable[..., Any]
    rtol: float | None
    atol: float | None
    seed: int
    jacobian: Any
    vjp: Callable[..., Any] | None
    jvp: Callable[..., Any] | None
    told: bool = True

    def at(self, args: Sequence[Any]) -> dict[tuple[str, str, str], Part]:
        """The parts of the answer at other arguments, as far as it is a function that claims."""
        jacobian = self.jacobian if callable(self.jacobian) else None
        try:
            there = _checked(self._replace(args=args, jacobian=jacobian, told=False))
        except Exception:  # what f or a claim does not take there
            return {}
        return {(p.kind, p.output, p.wrt): p for p in there.parts}


def _with(report: Report, change: Callable[[Part], Part]) -> Report:
    """The report with other parts."""
    parts = tuple(map(change, report.parts))
    return Report(report.name, parts, report.notes, report.seed, report.unjudged)


def _beside_kinks(report: Report, question: _Question) -> Report:
    """The report with what hangs on kinks decided by points beside them: a convention is right if the claim is."""
    claims = {"vjp": question.vjp, "jvp": question.jvp, "jacobian": question.jacobian}
    if not any(p.at_kinks and callable(claims.get(p.kind)) for p in report.parts):
        return report
    there = [question.at(beside(question.args, seed)) for seed in range(_BESIDE)]

    def change(part: Part) -> Part:
        twins = [parts.get((part.kind, part.output, part.wrt)) for parts in there]
        if not part.at_kinks or not callable(claims.get(part.kind)) or None in twins:
            return part
        if all(twin is not None and twin.ok for twin in twins):
            notes = (*part.notes, _CONVENTION) if part.failed else part.notes
            return part._replace(
                failed=0, findings=() if part.failed else part.findings, notes=notes
            )
        return part if part.failed else part._replace(open_to=_WRONG_BESIDE)

    return _with(report, change)


def _decided(report: Report, question: _Question) -> Report:
    """The report with readings that fit here alone left out: a point of other sizes tells."""
    claimed = [part for part in report.parts if part.kind in ("vjp", "jvp")]
    if question.against != "auto" or not any(p.failed and is_open(p.findings) for p in claimed):
        return report
    other = other_sizes(question.f, question.args, question.kwargs)
    known = question._replace(jacobian=None).at(other) if other is not None else {}

    def change(part: Part) -> Part:
        twin = known.get((part.kind, part.output, part.wrt))
        if twin is None or not part.failed or not twin.failed or not is_open(part.findings):
            return part
        found = decided(part.findings, twin.findings, f"∂ of shape {twin.shape}")
        return part if found is None else part._replace(findings=found)

    return _with(report, change)


def _checked(question: _Question) -> Report:
    """The report at these arguments."""
    f, args, wrt, kwargs, against, *_ = question
    subject = Subject(f, args, kwargs, 0 if wrt is None else wrt)
    subject.listen_for_noise()
    if wrt is None and question.vjp is not None:
        returned = gradients_of(subject, question.vjp, question.seed)
        if callable(against) and not _gives(subject, against, returned):
            returned = 0  # the reference has no more; what is returned besides is named
        if returned not in (0, (0,)):
            several = subject.by(returned)
            second = _report(several, question._replace(jacobian=None, jvp=None))
            if question.jacobian is None and question.jvp is None:
                return second
            return _joined(_report(subject, question._replace(vjp=None)), second)
    return _report(subject, question)


def _returned(
    f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], vjp: Any
) -> tuple[int, ...] | int:
    """The arguments, trees among them, by which a backward returns a gradient."""
    if vjp is None:
        return 0
    leaves, shape = parameters(list(args))

    def copies() -> Any:
        return shape.restore([np.array(x) if isinstance(x, np.ndarray) else x for x in leaves])

    results, structure = flatten(f(*copies(), **kwargs))
    found = vjp(structure.restore([np.ones_like(y) for y in results]), *copies(), **kwargs)
    if not isinstance(found, tuple) or len(found) != len(args) or len(args) < 2:
        return 0
    first = flattened(f, args, 0) if is_tree(args[0]) else None
    if first is not None and first.fits(found):
        return 0  # a tree of as many parts as there are arguments
    return tuple(n for n, gradient in enumerate(found) if gradient is not None) or 0


def _gives(subject: Subject, against: Callable[..., Any], returned: tuple[int, ...] | int) -> bool:
    """Whether a reference gives a Jacobian by each argument of which a gradient is returned."""
    if isinstance(returned, int) or len(subject.outputs) != 1:
        return True
    found = subject.given_to("against", against)
    return isinstance(found, tuple | list) and len(found) == len(returned)


def _report(subject: Subject, question: _Question) -> Report:
    """The verdicts on all claims about one function."""
    against = question.against
    traced, reason = _traced(subject)
    claims = _claims(subject, traced, reason, question.jacobian, question.vjp, question.jvp)
    reference = _reference(subject, against, traced, reason, derived=claims[0].kind == "derived")
    if reason and against == "auto":
        subject.notes.append(f"{subject.name} was not traced: {reason.split('; ')[0]}")
    trial = Trial(
        subject,
        reference,
        traced,
        rtol=question.rtol,
        atol=question.atol,
        seed=question.seed,
        automatic=against == "auto",
        told=question.told,
    )
    try:
        parts: list[Part] = [
            trial.part(claim, subject.pair(output, which))
            for claim in claims
            for output in range(len(subject.outputs))
            for which in range(len(subject.points))
        ]
        parts = trial.with_shared_reasons(parts)
    finally:
        subject.progress.done()
        if subject.is_method:
            subject.refresh()
    notes, unjudged = tuple(subject.notes), tuple(subject.unjudged)
    return Report(subject.name, tuple(parts), notes, question.seed, unjudged)


def _joined(first: Report, second: Report) -> Report:
    """Both in one."""
    notes = tuple(dict.fromkeys((*first.notes, *second.notes)))
    return Report(first.name, (*first.parts, *second.parts), notes, first.seed)


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
