"""From a diagnosis to a student's words: the one place that knows what ``jb.check`` reports.

A report's own texts show values and formulas of the reference. Of a finding only its kind is used, for
which a sentence stands here; its text is told where the instructor reveals it.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.course.tasks import (
    Exercise,
    FormulaTask,
    Instance,
    JvpTask,
    TensorTask,
    ValueTask,
    VjpTask,
)
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.library import LibraryOperation
from jacobians.verification.checking import check

Array = NDArray[Any]
Asking = Callable[..., Any]


class Hint(NamedTuple):
    """What kind of mistake it is, in words and by its name; the section that speaks of it; what is right."""

    kind: str
    words: str
    section: str
    revealed: str


_AXES = "the object: output axes first, then input axes"
_DELTA = "deltas: which entries depend on each other"
_SUM = "sums: which letters are summed"
_CHAIN = "the chain rule: every factor, every path"
_UPSTREAM = "the backward pass: the upstream gradient, contracted"

KINDS: dict[str, tuple[str, str]] = {
    "order": ("The numbers are right, but axes stand in another order: something is transposed.", _AXES),
    "sign": ("The sign is wrong, and nothing else.", _CHAIN),
    "factor": ("Every entry is too large or too small by the same factor.", _CHAIN),
    "mean": ("A mean stands where a sum is right, or a sum for a mean.", _SUM),
    "delta": ("A Kronecker delta is missing, or one too many: look at which entries must be zero.", _DELTA),
    "term": ("One term of the formula is missing, doubled, or mistaken.", _CHAIN),
    "flattened": ("The entries are flattened in another order (row by row, column by column).", _AXES),
    "shape": ("The shape is not right.", _AXES),
    "unsummed": ("An axis that was broadcast is not summed over.", _SUM),
    "summed": ("An axis is summed over that should stay.", _SUM),
    "row": ("One row is wrong, the rest is right.", _DELTA),
    "column": ("One column is wrong, the rest is right.", _DELTA),
    "block": ("One block is wrong, the rest is right.", _DELTA),
    "entry": ("One entry is wrong, the rest is right.", _DELTA),
    "entries": ("Some entries are wrong, the rest is right.", _DELTA),
    "results": ("Parts of the result stand in each other's place.", _AXES),
    "zeros": ("It is zero where it should not be.", _DELTA),
    "structure": ("It is not zero where zero is right: a delta is missing.", _DELTA),
    "nan": ("There are entries that are no finite numbers.", _CHAIN),
    "upstream": ("The upstream gradient G is ignored, only summed, or multiplied in twice.", _UPSTREAM),
    "direction": ("The direction is ignored, only summed, or multiplied in twice.", _UPSTREAM),
    "argument": ("This is the derivative by another argument: the gradients stand in another order.", _AXES),
    "noise": ("It is almost right: a rough difference quotient, or numbers of low precision?", _CHAIN),
    "shift": ("Indices are shifted by one, or reversed.", _DELTA),
    "absolute": ("Signs are lost: every entry has the right size.", _CHAIN),
    "conjugate": ("Every entry is a function of the right one.", _CHAIN),
    "pointwise": ("Every entry is a function of the right one.", _CHAIN),
    "axis factor": ("A factor is lost that differs from row to row, or from column to column.", _CHAIN),
    "skipped": ("The derivative of one step is left out of the chain rule.", _CHAIN),
    "twice": ("The derivative of one step is multiplied in twice.", _CHAIN),
    "dropped": ("One path is forgotten: something that depends on the argument is held constant.", _CHAIN),
    "scaled": ("One summand or path has a wrong factor: doubled, halved, or of the wrong sign.", _CHAIN),
    "transposed": ("A matrix inside of it stands transposed.", _AXES),
    "swapped": ("A derivative is taken at the wrong point: at the result for the argument, or the reverse.",
                _CHAIN),
    "reduced": ("A sum or mean runs over another axis than it should.", _SUM),
    "lost factor": ("A factor is forgotten, or there is one too many.", _CHAIN),
    "exchanged": ("One gradient stands for another too, as if a matrix were symmetric or two arguments alike.",
                  _AXES),
    "path": ("One path to the argument is forgotten, counted twice, or has a wrong factor.", _CHAIN),
    "scalar": ("The derivative of one step is that of another function.", _CHAIN),
}  # fmt: skip
"""By the kinds of findings; one that is not here is no hint."""

_UNEXPLAINED = "No single mistake explains it: derive it once more, factor by factor."
_MUST_EXPLAIN = 0.05  # the share of an error that may be left by what is told as its kind
_PLACES = ("row", "column", "block", "entry", "entries", "structure", "noise", "nan")


def diagnosis(
    task: Exercise, point: Instance, part: int, claim: Asking, answer: Array, right: Array
) -> Hint:
    """What kind of mistake an answer is.

    Parameters
    ----------
    task : Exercise
        What was asked.
    point : Instance
        Where.
    part : int
        Which argument's derivative.
    claim : callable
        Asks the submission once more.
    answer, right : numpy.ndarray
        What it gave, and what is right there.
    """
    report: Any = None
    # An explanation is a courtesy: whatever goes wrong in it, the points stand.
    with suppress(Exception), np.errstate(all="ignore"):
        report = _report(task, point, part, claim, answer)
    findings = () if report is None or report.ok else tuple(report.findings)
    section = task.section
    best = next(
        (
            f
            for f in findings
            if f.kind in KINDS and (f.remaining <= _MUST_EXPLAIN or f.kind in _PLACES)
        ),
        None,
    )
    revealed = _formula(task, point, part)
    if best is None:
        return Hint("", _UNEXPLAINED, section, revealed)
    best = best._replace(kind=_factor_kind(best.kind, answer, right, point))
    words, where = KINDS[best.kind]
    if isinstance(task, JvpTask) and len(task.positions) > 1:
        wrong = next((p.wrt for p in report.parts if not p.ok), "")
        words = f"In what comes from d{wrong}: {words[0].lower()}{words[1:]}"
    return Hint(best.kind, words, section or where, f"{best.text} {revealed}".strip())


def _factor_kind(kind: str, answer: Array, right: Array, point: Instance) -> str:
    """Tell a mean for a sum (the factor is a size) and an array's factor from one that is a number."""
    if kind not in ("factor", "skipped", "scalar", "twice"):
        return kind
    with np.errstate(all="ignore"):
        factor = float(np.vdot(right, answer) / np.vdot(right, right))
        rest = float(np.max(np.abs(answer - factor * right), initial=0.0))
        if not rest <= 1e-6 * float(np.max(np.abs(answer), initial=0.0)):
            return "lost factor" if kind == "factor" else kind
    return "mean" if _is_size(abs(factor), point) else kind


def _is_size(factor: float, point: Instance) -> bool:
    """Whether a factor is a size, or a product of two."""
    sizes = list(point.sizes.values())
    products = {*sizes, *(a * b for a in sizes for b in sizes)}
    return any(abs(f - n) < 1e-6 * n for f in (factor, 1 / factor) for n in products)


def _report(task: Exercise, point: Instance, part: int, claim: Asking, answer: Array) -> Any:
    position = task.positions[part] if part < len(task.positions) else 0
    values = point.values
    if isinstance(task, TensorTask | FormulaTask):
        return check(task.function, *values, wrt=position, jacobian=answer)
    if isinstance(task, VjpTask):
        return check(
            task.function, *values, wrt=position, vjp=lambda G, *args: claim((G,), args)[part]
        )
    if isinstance(task, JvpTask):
        count = len(task.positions)
        wrt: Any = task.positions if count > 1 else task.positions[0]
        return check(
            task.function,
            *values,
            wrt=wrt,
            jvp=lambda *given: claim(given[:count], given[count:])[0],
        )
    right = task.value(point)  # a value is the derivative of its multiples
    return check(lambda s: s * right, np.asarray(1.0), jacobian=answer)


def _formula(task: Exercise, point: Instance, part: int) -> str:
    if part >= len(task.positions) or isinstance(task, JvpTask | ValueTask):
        return ""
    with suppress(Exception):
        if isinstance(task.function, LibraryOperation):
            return f"Right is {task.function.formula(task.positions[part])}."
        tensor = task.tensors(point)[part]
        if isinstance(tensor, JacobianTensor):
            return f"Right is {tensor.formula()}."
    return ""
