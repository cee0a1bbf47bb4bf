"""What is told of a verdict beside its diagnosis: the worst entry, kinks, tolerances, what is written to."""

from dataclasses import replace
from math import inf

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification.claims import Sample
from jacobians.verification.contests import Contest
from jacobians.verification.parts import Worst
from jacobians.verification.reasoning import Finding
from jacobians.verification.subject import Pair, Subject, eps_of
from jacobians.verification.verdicts import Tolerance, Verdict, by_rounding, too_loose


def without_ours(found: Contest, verdict: Verdict, notes: list[str]) -> Verdict:
    """Our own derivative has no number where f passes a kink inside, √ at 0: that is not wrong."""
    none = verdict.fails & ~np.isfinite(found.claimed)
    if np.any(none):
        count = int(np.count_nonzero(none))
        notes.append(
            f"in {count:,} entr{'y' if count == 1 else 'ies'} the derived Jacobian has no number: inside, f "
            "passes a point without a derivative (a root or a norm at 0), beyond which it has one"
        )
    return replace(verdict, fails=verdict.fails & ~none, lost=verdict.lost | none)


def zero_would_pass(first: Contest, found: Contest, verdict: Verdict, tolerance: Tolerance) -> str:
    """Why what passes tells nothing: a tolerance under which zero would pass; empty where it tells."""
    size = np.max(np.abs(found.estimate.value), initial=0.0, where=~verdict.lost)
    if by_rounding(verdict, found.estimate, tolerance):
        return (
            f"it differs by no more than rounding of f may make, {tolerance.of_rounding:.2g}, but no entry of the "
            f"derivative is above {size:.2g}. Check where f is smaller beside its derivative"
        )
    if not too_loose(
        first.estimate if first.fits_with(found) else found.estimate, verdict, tolerance
    ):
        return ""
    given = [
        f"{name}={value:g}"
        for name, value in (("rtol", tolerance.rtol), ("atol", tolerance.atol))
        if value is not None
    ]
    why = f"under {' and '.join(given)}" if given else "at the rounding of f"
    return (
        f"zero would pass too {why}: no entry of the derivative is above {size:.2g}. Give a smaller "
        "tolerance, or check where the derivative is larger"
    )


def precision_of(sample: Sample, subject: Subject) -> str:
    """The dtype that the claim is held to, where it is no float64."""
    coarse = max([subject.eps, *(eps_of(array) for array in sample.got)])
    names = {float(np.finfo(d).eps): np.dtype(d).name for d in (np.float32, np.float16)}
    return names.get(coarse, "")


def of_changes(kind: str, subject: Subject) -> tuple[Finding, ...]:
    """That a claim writes to what it is given."""
    names = subject.changes.get(kind, ())
    if not names:
        return ()
    which = " and ".join(names)
    text = f"{kind} writes to its argument{'s' * (len(names) > 1)} {which}: the caller's array is changed."
    return (Finding("changed", text, 0.0),)


def _places(mask: Array, axes: str, way: str) -> str:
    """At most three entries, in words."""
    index = np.argwhere(mask)[:3]
    if way != "tensor" or not axes:
        return ""
    shown = [", ".join(f"{a} = {n}" for a, n in zip(axes, at, strict=True)) for at in index]
    more = ", …" if np.count_nonzero(mask) > len(shown) else ""
    return f" ({'; '.join(shown)}{more})" if shown != [""] else ""


def note_kinks(verdict: Verdict, notes: list[str], axes: str, way: str) -> None:
    """Say where f has no derivative."""
    for mask, one, several, why in (
        (verdict.kinks, "has", "have",
         " another slope on each side (a kink); any number between the two is right"),
        (verdict.lost, "was", "were",
         f" not judged{_places(verdict.lost, axes, way)}, since the reference is nan or infinite there, or "
         "differences of f approach no number (a jump, an infinite slope, the edge of where f is defined)"),
    ):  # fmt: skip
        count = int(np.count_nonzero(mask))
        which = f"an entry {one}" if count == 1 else f"{count:,} entries {several}"
        notes += [f"not differentiable here: {which}{why}"] * (count > 0)


def worst_of(found: Contest, verdict: Verdict, pair: Pair) -> Worst | None:
    """The entry that is furthest from what it may be; of those that fail, if any do."""
    if not found.claimed.size:
        return None
    with np.errstate(all="ignore"):
        rank = verdict.difference / np.maximum(verdict.allowed, np.finfo(float).tiny)
    rank = np.where(np.isnan(rank), inf, rank)
    if np.any(verdict.fails):
        rank = np.where(verdict.fails, rank, -1.0)
    else:
        rank = np.where(verdict.lost | verdict.kinks, -1.0, rank)
    index = tuple(int(n) for n in np.unravel_index(int(np.argmax(rank)), rank.shape))
    yours, right = float(found.claimed[index]), float(found.estimate.value[index])
    absolute = abs(yours - right) if yours != right else 0.0
    relative = absolute / abs(right) if right else (inf if absolute else 0.0)
    axes = pair.axes or ""
    names = {
        "tensor": axes,
        "backward": axes[pair.out.ndim :],
        "forward": axes[: pair.out.ndim],
    }.get(found.way, "")
    numbers = index if found.way == "tensor" else index[1:]
    words = [f"{a} = {n}" for a, n in zip(names, numbers, strict=False)]
    if found.way != "tensor":
        words.insert(0, f"{'direction' if found.way == 'forward' else 'upstream'} {index[0]}")
    allowed = float(verdict.allowed[index])
    return Worst(index, ", ".join(words), yours, right, absolute, relative, allowed)
