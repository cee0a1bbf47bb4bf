"""What may differ between the repetitions of a step, and steps with it written anew.

That is the variables, numbers, first places of what is read, and where in an array is written. Of two steps
with equal keys nothing else differs.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jacobians.execution.steps import Literal, Place, Ref, Step
from jacobians.graph.how import Index, Range, range_of
from jacobians.ground.interning import by_bits
from jacobians.notation.slots import Table
from jacobians.notation.structure import flat_address


class Behind(NamedTuple):
    """What is written behind a variable, ``[n:n + 1]``."""

    text: str


Fill = Callable[[str, Any], Any]


def item_text(item: Range | int | None) -> str:
    """A basic index as source text."""
    if not isinstance(item, Range):
        return str(item)
    found = item.slice
    backwards = found.step is not None and found.step < 0
    start = found.start if backwards else found.start or ""
    stop = "" if found.stop is None else found.stop
    return f"{start}:{stop}" + ("" if found.step in (1, None) else f":{found.step}")


def index_text(texts: Sequence[str], items: Sequence[Range | int | None]) -> str:
    """Basic indices as source text, without whole axes at the end."""
    count = len(items)
    while count and isinstance(item := items[count - 1], Range) and item.is_whole:
        count -= 1
    if items and not count:
        return ""
    return f"[{', '.join(texts[:count]) or '()'}]"


def mapped(step: Step, fill: Fill) -> Step:
    """The step with what may differ between repetitions filled anew; nothing else of it may."""

    def operand(one: Ref | Literal) -> Any:
        return fill("number", one) if isinstance(one, Literal) else ref(one)

    def ref(one: Ref) -> Ref:
        views = [_view(view, fill) if isinstance(view, Index) else view for view in one.views]
        return Ref(fill("name", one.root), tuple(views))

    into: Any = step.into
    if isinstance(into, Ref):
        into = ref(into)
    elif isinstance(into, Place):
        into = fill("place", into)
    return step._replace(operands=tuple([operand(one) for one in step.operands]), into=into)


def _view(view: Index, fill: Fill) -> Any:
    """An index with the starts of plain ranges, and integers, filled."""
    starts = _starts(view)
    return fill("index", (view, starts)) if starts else view


def _starts(view: Index) -> tuple[int, ...]:
    """Where the plain ranges of an index start, and its integers."""
    return tuple(
        [
            item.start if isinstance(item, Range) else item
            for item in view.items
            if item is not None and (not isinstance(item, Range) or _moves(item))
        ]
    )


def _moves(item: Range) -> bool:
    return item.step == 1 and item.size > 0 and not item.is_whole


def _plain(view: Index) -> tuple[Any, ...]:
    return tuple(
        [
            item[1:] if isinstance(item, Range) and _moves(item)
            else item if item is None or isinstance(item, Range)
            else "one"
            for item in view.items
        ]
    )  # fmt: skip


class Varying:
    """What a step is apart from what may differ; and that."""

    def __init__(self, step: Step) -> None:
        self.values: list[tuple[str, Any]] = []
        plain = mapped(step._replace(target="." if step.target else ""), self._noted)
        self.key = plain, by_bits(step.parameters)

    def _noted(self, kind: str, value: Any) -> Any:
        if kind == "name":
            self.values.append((kind, value))
            return ""
        if kind == "number":
            self.values.append((kind, value))
            return "number"
        if kind == "index":
            view, starts = value
            self.values.extend(("start", start) for start in starts)
            return _plain(view)
        place: Place = value
        self.values.append(("name", place.root))
        items = items_of(place)
        if items is not None:
            index = Index(items)
            self.values.extend(("start", start) for start in _starts(index))
            return place._replace(root="", slots=()), _plain(index)
        if place.at or place.whole:
            self.values.extend(("name", one.root) for one in place.at)
            slots = place.slots
        else:
            start, _ = flat_address(place.slots, place.sizes, place.letters, place.shape)
            self.values.append(("start", start))
            slots = tuple(slot._replace(constant=0) for slot in place.slots)
        at = tuple(one._replace(root="") for one in place.at)
        return place._replace(root="", slots=slots, at=at), place.whole


def filled(step: Step, texts: Iterator[Any]) -> Step:
    """A step of a loop, with the texts for what differs."""

    def fill(kind: str, value: Any) -> Any:
        if kind == "name":
            return next(texts)
        if kind == "number":
            text = next(texts)
            return text if isinstance(text, Literal) else Ref(text)
        if kind == "index":
            items = value[0].items
            return Behind(index_text([_item(item, texts) for item in items], items))
        root = next(texts)
        if value.at or value.whole:
            at = tuple([one._replace(root=next(texts)) for one in value.at])
            return value._replace(root=root, at=at)
        items = items_of(value)
        if items is None:
            return value._replace(root=Viewed(root, view_text(root, value, next(texts))))
        text = index_text([_item(item, texts) for item in items], items)
        return value._replace(root=Viewed(root, f"{root}{text}"))

    return mapped(step, fill)


class Viewed(str):
    """The name of an array of which a part is written, and how that is called."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, root: str, text: str) -> "Viewed":
        """A name, and the text of the part."""
        made = super().__new__(cls, root)
        made.text = text
        return made


def items_of(place: Place) -> tuple[Range | int, ...] | None:
    """The basic indices that are a place, which is part of an array; None where it is a view."""
    if place.at or place.whole:
        return None
    items, letters = list[Range | int](), list[int]()
    for slot, size in zip(place.slots, place.shape, strict=True):
        if not slot.parts:
            items.append(slot.constant)
            continue
        letter, stride = slot.parts[0]
        if len(slot.parts) > 1 or isinstance(stride, Table):
            return None
        letters.append(letter)
        items.append(range_of(slot.constant, stride, place.sizes[letter], size))
    return tuple(items) if tuple(letters) == place.letters else None


def view_text(root: str, place: Place, start: int | str) -> str:
    """A place that is no basic index, as a view that begins at some entry."""
    _, steps = flat_address(place.slots, place.sizes, place.letters, place.shape)
    return f"view({root}, {place.written}, {start}, {steps})"


def _item(item: Range | int | None, texts: Iterator[str]) -> str:
    if item is None or (isinstance(item, Range) and not _moves(item)):
        return item_text(item)
    start = next(texts)
    if not isinstance(item, Range):
        return start
    if start.isdigit():
        return item_text(Range(int(start), 1, item.size))
    return f"{start}:{start} + {item.size}"


def value_text(value: Any) -> str:
    """A number, a text, a dtype, or a tuple of them, as source text."""
    if type(value) is tuple:
        return f"({''.join(f'{value_text(part)}, ' for part in value).strip()})"
    if isinstance(value, float):
        return repr(float(value)) if np.isfinite(value) else f"float({str(float(value))!r})"
    return repr(value)
