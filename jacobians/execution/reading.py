"""Reading an operand at slots: a view where the slots are affine, else entries taken at integers."""

from collections.abc import Sequence

from jacobians.execution.building import WHOLE, Builder, Operand, Value, seen
from jacobians.execution.steps import Kernel, Literal
from jacobians.graph.how import Index, Range, Strided, Transpose, range_of
from jacobians.notation.slots import Slot, Table, positions
from jacobians.notation.terms import full_letter


def read(
    builder: Builder, operand: Operand, slots: Sequence[Slot], sizes: Sequence[int],
    shape: Sequence[int], dtype: object,
) -> Value:  # fmt: skip
    """An operand of this shape at slots, with the letters of its axes."""
    full = [full_letter(slot, sizes, size) for slot, size in zip(slots, shape, strict=True)]
    if None not in full and len(set(full)) == len(full):
        return Value(operand, tuple(a for a in full if a is not None))
    if isinstance(operand, Literal):
        return Value(operand, ())
    if all(slot.affine for slot in slots):
        return _viewed(operand, slots, sizes, shape)
    return _taken(builder, operand, slots, sizes, shape, dtype)


def _viewed(
    operand: Operand, slots: Sequence[Slot], sizes: Sequence[int], shape: Sequence[int]
) -> Value:
    """Slices where each letter has an axis of its own, else a strided view (diagonals, windows)."""
    alone = [a for slot in slots for a in slot.letters]
    letters = tuple(dict.fromkeys(alone))
    if len(letters) == len(alone) and all(len(slot.parts) <= 1 for slot in slots):
        items = [_item(slot, sizes, size) for slot, size in zip(slots, shape, strict=True)]
        return Value(seen(operand, Index(tuple(items))), letters)
    steps = tuple(
        tuple(next((s for b, s in slot.parts if b == a), 0) for slot in slots) for a in letters
    )
    starts = tuple(slot.constant for slot in slots)
    view = Strided(starts, tuple(sizes[a] for a in letters), steps)  # type: ignore[arg-type]
    return Value(seen(operand, view), letters)


def _item(slot: Slot, sizes: Sequence[int], size: int) -> Range | int:
    if not slot.parts:
        return slot.constant
    ((letter, stride),) = slot.parts
    assert not isinstance(stride, Table)
    return range_of(slot.constant, stride, sizes[letter], size)


def _taken(
    builder: Builder, operand: Operand, slots: Sequence[Slot], sizes: Sequence[int],
    shape: Sequence[int], dtype: object,
) -> Value:  # fmt: skip
    """Axes that a table's letter touches are gathered jointly; the other axes stay views."""
    axes = {n for n, slot in enumerate(slots) if not slot.affine}
    while True:
        touched = {a for n in axes for a in slots[n].letters}
        more = {n for n, slot in enumerate(slots) if touched & set(slot.letters)} | axes
        if more == axes:
            break
        axes = more
    gathered = sorted(axes)
    others = [n for n in range(len(slots)) if n not in axes]
    first = tuple(gathered + others)
    moved = operand if first == tuple(range(len(slots))) else seen(operand, Transpose(first))
    letters = sorted(touched)
    index = [builder.constant(positions(slots[n], sizes, letters)) for n in gathered]
    lead = tuple(sizes[a] for a in letters)
    taken = builder.emit(Kernel.TAKE, [moved, *index], (*lead, *(shape[n] for n in others)), dtype)
    if all(full_letter(slots[n], sizes, shape[n]) is not None for n in others):
        rest = [a for n in others for a in slots[n].letters]
        if len(set(rest)) == len(rest):
            return Value(taken, (*letters, *rest))
    # The gathered axes are whole ones of letters of their own, beside the other slots.
    inner = _viewed(taken, [slots[n] for n in others], sizes, [shape[n] for n in others])
    assert not isinstance(inner.ref, Literal)
    (view,) = inner.ref.views
    count = len(letters)
    if isinstance(view, Index):
        return Value(
            seen(taken, Index((*(WHOLE,) * count, *view.items))), (*letters, *inner.letters)
        )
    assert isinstance(view, Strided)
    own = tuple(tuple(int(n == m) for m in range(count)) for n in range(count))
    zeros = (0,) * count
    steps = (
        *(unit + (0,) * len(others) for unit in own),
        *(zeros + step for step in view.steps),
    )
    whole = Strided(zeros + view.starts, lead + view.shape, steps)
    return Value(seen(taken, whole), (*letters, *inner.letters))
