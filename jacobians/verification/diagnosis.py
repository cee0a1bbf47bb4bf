"""What is wrong with a tensor, or with a hand-written backward or forward: arrays in, ranked findings out.

A backward is linear in the upstream gradient G. Where the upstreams are a basis, its results are
the rows of the whole tensor, and that is explained; where not, the results stand side by side.
Mistakes in the use of G itself show in how results depend on it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jacobians.graph.node import Array
from jacobians.verification.case import (
    NO_SOURCES,
    Sources,
    letters,
    norm,
    numbers,
    tolerances,
)
from jacobians.verification.reasoning import Finding, explain, sentence

_DEPENDENCE = 30_000_000  # products that a search for dependent arguments may take
_EXACT = 1e-6  # a relative difference below which results count as equal
_MOST = 4


class Map(NamedTuple):
    """A linear map that is probed: a backward from outputs to inputs, or a forward back.

    ``given`` and ``result`` are the shapes of argument and result.
    """

    backward: bool
    out_shape: tuple[int, ...]
    in_shape: tuple[int, ...]

    @property
    def given(self) -> tuple[int, ...]:
        """The shape of an argument."""
        return self.out_shape if self.backward else self.in_shape

    @property
    def result(self) -> tuple[int, ...]:
        """The shape of a result."""
        return self.in_shape if self.backward else self.out_shape

    @property
    def kind(self) -> str:
        """The kind of a finding on the use of the argument."""
        return "upstream" if self.backward else "direction"

    @property
    def names(self) -> tuple[str, ...]:
        """The letters of the tensor's axes."""
        return letters(len(self.out_shape), len(self.in_shape))


class Probe(NamedTuple):
    """One argument, with what came and what is right."""

    given: Array
    got: Array
    want: Array


def diagnose(
    claimed: ArrayLike,
    expected: ArrayLike,
    *,
    out_ndim: int,
    tolerance: float | Array,
    sources: Sources = NO_SOURCES,
) -> tuple[Finding, ...]:
    """Explanations of a wrong Jacobian tensor, best first; none where it is within the tolerance.

    ``claimed`` may have any shape; ``expected`` has the output's ``out_ndim`` axes, then the input's.
    ``tolerance`` is the absolute difference of an entry, or of each.

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
    return explain(claimed, expected, letters(out, ndim - out), out, 0, tolerance, sources)


def explain_probes(
    probes: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]],
    which: Map,
    tolerance: Any,
    sources: Sources,
) -> tuple[Finding, ...]:
    """Findings on a linear map that was probed with some arguments: for each, what came and what is right.

    A basis in any order, and scaled at will, gives the whole tensor; others may be among them, and show
    whether the map is linear.
    """
    read = [tuple(map(numbers, probe)) for probe in probes]
    known = [
        Probe(given.ravel(), got, want) for given, got, want in read
        if given is not None and got is not None and want is not None
    ]  # fmt: skip
    shapes = list(dict.fromkeys(probe.got.shape for probe in known))
    if len(shapes) > 1:
        listed = ", ".join(map(str, shapes[:3]))
        text = f"The shape of the result depends on the argument: {listed}."
        return (Finding("shape", text, 1.0),)
    if not known:
        return ()
    with np.errstate(all="ignore"):
        tol = tolerances(tolerance, which.result)
        misuse = _misuse(known, which, tol)
        left = float("not linear" in misuse)
        about = (Finding(which.kind, sentence(misuse), left),) if misuse else ()
        if about:
            sources = sources._replace(flow=None, arguments=None)
        rows = _basis(known, which)
        found = () if rows is None else _assembled(rows, which, tolerance, sources)
        found = found or _stacked(known, which, tolerance, sources)
    vague = ("nan", "unexplained", "results", "row", "column", "block") if about else ("nan",)
    alarms = [one for one in found if one.kind == "nan"]
    kept = [one for one in found if one.kind not in vague]
    return tuple([*alarms, *about, *kept][: None if sources.of_graph else _MOST])


def _basis(probes: list[Probe], which: Map) -> list[Probe] | None:
    """The probes of a full basis in its order, scaled to ones; None where they are none."""
    rows: dict[int, Probe] = {}
    for probe in probes:
        at = np.flatnonzero(probe.given)
        if len(at) == 1:
            scaled = Probe(*(part / probe.given[at[0]] for part in probe))
            rows.setdefault(int(at[0]), scaled)
    count = int(np.prod(which.given))
    return [rows[n] for n in range(count)] if count and len(rows) == count else None


def _assembled(
    rows: list[Probe],
    which: Map,
    tolerance: Any,
    sources: Sources,
) -> tuple[Finding, ...]:
    """The whole tensor from a basis, explained."""
    got = np.stack([row.got for row in rows]).reshape(which.given + rows[0].got.shape)
    want = np.stack([row.want for row in rows]).reshape(which.given + which.result)
    tol = numbers(tolerance)
    if tol is not None and tol.shape == which.result and not which.backward:
        tol = tol.reshape(which.result + (1,) * len(which.given))
    if not which.backward:
        count, ndim = len(which.given), got.ndim
        got = got.transpose(*range(count, ndim), *range(count))
        want = want.transpose(*range(count, want.ndim), *range(count))
    return explain(got, want, which.names, len(which.out_shape), 0, tol, sources)


def _stacked(
    probes: list[Probe], which: Map, tolerance: Any, sources: Sources
) -> tuple[Finding, ...]:
    """The results side by side, where they do not make the whole tensor."""
    got = np.stack([probe.got for probe in probes])
    want = np.stack([probe.want for probe in probes])
    count = len(which.out_shape)
    own = which.names[count:] if which.backward else which.names[:count]
    extents = list(zip(which.names, (*which.out_shape, *which.in_shape), strict=True))
    out_ndim = 1 if which.backward else 1 + count
    sources = sources._replace(terms=None)
    return explain(got, want, ("probe", *own), out_ndim, 1, tolerance, sources, extents)


def _misuse(probes: list[Probe], which: Map, tol: Array) -> str:
    """How the argument is misused: ignored, summed, or used more than once; empty where it is not."""
    wrong = any(_differs(p.got, p.want, tol) for p in probes)
    if not wrong or len(probes) < 2 or not any(np.nan_to_num(p.got).any() for p in probes):
        return ""
    name = "the upstream gradient G" if which.backward else "the direction dX"
    letter = "G" if which.backward else "dX"
    first, *others = probes
    others = [p for p in others if not _equal(p.given, first.given)]
    changes = any(not _equal(p.want, first.want) for p in others)
    sums = np.array([p.given.sum() for p in probes])
    rows = _basis(probes, which)
    if changes and _all_equal([p.got for p in probes]):
        text = f"{name} is ignored: the result is the same for all {len(probes)} that were tried"
        if np.ptp(sums) <= _EXACT * np.abs(sums).max():
            text += " (or only its sum is used, which was the same)"
        if rows is not None and _equal(first.got, np.sum([row.want for row in rows], axis=0)):
            text += f"; it is the one that is right for {letter} = 1 everywhere"
        return text
    if np.ptp(sums) > 1e-3 * np.abs(sums).max():  # if not, its sum cannot be told apart
        used = [(p, s) for p, s in zip(probes, sums, strict=True) if abs(s) > 1e-6]
        got, want = [p.got / s for p, s in used], [p.want / s for p, s in used]
        if changes and len(used) > 1 and _all_equal(got) and not _all_equal(want):
            return f"only the sum of {name} is used (as if {letter} were the same everywhere)"
        if first.got.shape == which.result and _all_equal([p.got - p.want for p in probes]):
            return f"something is added that does not depend on {name}: the same to every result"
    return _nonlinear(probes, rows, which, name)


_POWERS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("{} enters squared: it is multiplied in twice", np.square),
    ("the absolute value of {} is used", np.abs),
    ("only the sign of {} is used", np.sign),
    ("{} enters cubed: it is multiplied in three times", lambda a: a**3),
)


def _nonlinear(probes: list[Probe], rows: list[Probe] | None, which: Map, name: str) -> str:
    """How the results are not linear in the argument; empty where they are, as far as can be seen."""
    rest = [p for p in probes if np.count_nonzero(p.given) > 1]
    unknown = f"the result is not linear in {name}"
    if rows is not None and rest:
        matrix = np.stack([row.got.ravel() for row in rows])
        if all(_equal(p.given @ matrix, p.got.ravel()) for p in rest):
            return ""
        for text, function in _POWERS:
            if all(_equal(function(p.given) @ matrix, p.got.ravel()) for p in rest):
                return text.format(name)
        return unknown
    if which.given == which.result and all(
        _equal(p.want * p.given.reshape(which.given), p.got) for p in probes
    ):
        return _POWERS[0][0].format(name)
    for number, probe in enumerate(probes):
        before = probes[:number]
        weights = _combination(before, probe)
        if weights is None:
            continue
        linear = np.tensordot(weights, np.stack([p.got for p in before]), 1)
        if _equal(linear, probe.got):
            continue
        (used,) = np.nonzero(np.abs(weights) > _EXACT)
        if len(used) == 1 and _equal(weights[used[0]].real ** 2 * before[used[0]].got, probe.got):
            return f"the result grows with the square of {name}: it is multiplied in twice"
        return unknown
    return ""


def _combination(before: list[Probe], probe: Probe) -> Array | None:
    """The weights with which earlier arguments add up to this one; None where they do not."""
    if not before or probe.given.size * len(before) ** 2 > _DEPENDENCE:
        return None
    columns = np.stack([p.given for p in before], axis=1)
    size = max(np.abs(columns).max(initial=0), np.abs(probe.given).max(initial=0))
    if not 0 < size < np.inf or not probe.given.any():  # nan is neither
        return None
    columns, given = columns / size, probe.given / size
    weights: Array = np.linalg.lstsq(columns, given, rcond=None)[0]
    return weights if _equal(columns @ weights, given) else None


def _equal(first: Array, second: Array) -> bool:
    """Whether two arrays are the same up to rounding."""
    if first.shape != second.shape:
        return False
    scale = max(norm(np.nan_to_num(first)), norm(np.nan_to_num(second)))
    return bool(norm(np.nan_to_num(first - second)) <= _EXACT * scale)


def _all_equal(arrays: Sequence[Array]) -> bool:
    return all(_equal(array, arrays[0]) for array in arrays)


def _differs(got: Array, want: Array, tol: Array) -> bool:
    return got.shape != want.shape or bool((np.abs(got - want) > tol).any())
