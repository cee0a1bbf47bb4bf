"""Per-sample Jacobians of a batched function, where the structure says that samples do not mix."""

from operator import index as as_integer
from typing import Any

from jacobians.display.formulas import formula_of
from jacobians.display.shown import Shown
from jacobians.errors import ShapeError, UnsupportedError
from jacobians.notation.join import restricted
from jacobians.notation.structure import count, equations, pattern
from jacobians.notation.terms import Sum, Term, total


def per_sample(tensor: Shown, batch_axis: Any) -> Sum:
    """``B[b, …] = J[…, b, …, b, …]`` as terms: the batch, the other output axes, the other input axes.

    Parameters
    ----------
    tensor : JacobianTensor
        Its terms must not write where the two batch axes differ.
    batch_axis : int or (int, int)
        Which axis of the output, and which of the input.

    Raises
    ------
    ShapeError
        Where there is no such axis, or its sizes in the output and the input differ.
    UnsupportedError
        Where terms couple samples; names these terms.
    """
    out, inner = _axes(tensor, batch_axis)
    rest = [a for a in range(tensor.ndim) if a not in (out, inner)]
    found: list[Term] = []
    coupled: list[Term] = []
    for term in tensor.terms.terms:
        pair = equations([term.slots[out]], [term.slots[inner]], term.sizes)
        diagonal = restricted(term, pair, [term.slots[a] for a in (out, *rest)])
        if not _within(term, out, inner, tensor.shape):
            coupled.append(term)
        elif diagonal is not None:
            found.append(diagonal)
    if coupled:
        raise UnsupportedError(_reason(tensor, out, inner, coupled))
    return total([tensor.shape[a] for a in (out, *rest)], found)


def on_diagonal(terms: Sum, out_ndim: int, title: str) -> Sum:
    """``J_ijij`` as terms.

    Raises
    ------
    ShapeError
        Where output and input have different shapes.
    """
    out, inner = terms.shape[:out_ndim], terms.shape[out_ndim:]
    if out != inner:
        raise ShapeError(
            f"{title}: a diagonal needs output and input of one shape, not {out} and {inner}"
        )
    found = []
    for term in terms.terms:
        left, right = term.slots[:out_ndim], term.slots[out_ndim:]
        found.append(restricted(term, list(zip(left, right, strict=True)), left))
    return total(out, found)


def _axes(tensor: Shown, batch_axis: Any) -> tuple[int, int]:
    pair = (
        batch_axis if isinstance(batch_axis, tuple) and len(batch_axis) == 2 else (batch_axis,) * 2
    )
    found = []
    for what, item, shape in (
        ("output", pair[0], tensor.out_shape),
        ("input", pair[1], tensor.in_shape),
    ):
        try:
            axis = as_integer(item)
        except TypeError:
            raise ShapeError(
                f"{tensor.title}: batch_axis={batch_axis!r} must be an integer, or one for the output "
                "and one for the input"
            ) from None
        if not -len(shape) <= axis < len(shape):
            raise ShapeError(
                f"{tensor.title}: the {what} has no batch axis {axis}; its shape is {shape}"
            )
        found.append(axis % len(shape))
    out, inner = found[0], tensor.out_ndim + found[1]
    if tensor.shape[out] != tensor.shape[inner]:
        raise ShapeError(
            f"{tensor.title}: batch axis {tensor.axes[out]} of the output has size {tensor.shape[out]}, "
            f"batch axis {tensor.axes[inner]} of the input {tensor.shape[inner]}; they must be equal"
        )
    return out, inner


def _within(term: Term, out: int, inner: int, shape: tuple[int, ...]) -> bool:
    """Whether a term writes only where its positions on both axes are equal."""
    if term.slots[out] == term.slots[inner]:
        return True
    own = pattern(term)
    both = restricted(own, equations([own.slots[out]], [own.slots[inner]], own.sizes), own.slots)
    return both is not None and count(pattern(both), shape) == count(own, shape)


def _reason(tensor: Shown, out: int, inner: int, coupled: list[Term]) -> str:
    """Which terms couple samples, and what to do instead."""
    texts = [
        str(formula_of(Sum(tensor.shape, (term,)), tensor.axes, tensor.operands))
        for term in coupled
    ]
    shown = "; ".join(text if len(text) <= 120 else f"{text[:118]} …" for text in texts[:3])
    more = f"; and {len(texts) - 3} more" if len(texts) > 3 else ""
    number = (
        f"{len(coupled)} of {len(tensor.terms.terms)} term{'s' * (len(tensor.terms.terms) > 1)}"
    )
    return (
        f"{tensor.title} is not block-diagonal in {tensor.axes[out]} and {tensor.axes[inner]}: samples are "
        f"coupled by {number}: {shown}{more}; use J.dense(), a slice J[...], J.sparse() or J.vjp(G)"
    )
