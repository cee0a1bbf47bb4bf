"""Steps of the chain rule that are taken once for all places of a program that look alike.

What a loop repeats is derived alike each time. A step, from what is carried at a node to what is carried
at its operands, is taken on copies of the nodes near it, whose own operands are opaque inputs; which of
them it looked at is noted, and what it made. Where the nodes that it looked at are the same again, the recipe
is followed.

Contract: a recipe depends on nothing but what its step is given and has looked at: operations, parameters,
shapes, dtypes, Python numbers, which operands are the same, and which nodes were traced.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import add, sub
from typing import Any, NamedTuple

from jacobians.derivation.carried import Carried, Shift, Skeleton
from jacobians.derivation.copies import Copies
from jacobians.derivation.history import Action, Record, Taken
from jacobians.derivation.likely import WIDEST, is_closed, may_cancel
from jacobians.derivation.making import Making
from jacobians.graph.looks import held_by, named_of
from jacobians.graph.node import Node, apply, ordered
from jacobians.ground.caches import ByteCache
from jacobians.ground.interning import Interned, by_bits
from jacobians.notation.terms import Coefficient, Sum, relabelled, table_bytes
from jacobians.operations.index_maps import slices

_ANSWERS = 16  # to one question, beyond which no more recipes are made (``benchmarks.growth``)
_OPERANDS = 24  # of a step that is recorded

TakeStep = Callable[[Sequence[Sum], Node, int, Record | None], Sequence[Sum]]
"""What is carried at a node (by its operands, if forwards), the node, the newest serial number that is
computed anyway, and a record to append to, to what is carried on."""


class _Recipe(NamedTuple):
    """What to make of the known nodes, and what is carried on."""

    making: Making
    results: tuple[tuple[Skeleton, tuple[int, ...], Shift, Coefficient], ...]

    @property
    def bytes(self) -> int:
        """What it keeps alive."""
        forms = sum(256 + table_bytes(form.tensor) for form, *_ in self.results)
        return self.making.bytes + forms


class _Question:
    """Which known node to look at; for each answer the next question, or the recipe."""

    __slots__ = ("answers", "place")

    def __init__(self, place: int = 0) -> None:
        self.place = place
        self.answers: dict[tuple[Any, ...], _Question | _Recipe] = {}


class _Start(_Question):
    """Before the first question: what steps of one name ask who are given the same forms.

    ``bytes`` are those of all that was learned.
    """

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0


def _known_starts() -> ByteCache[_Start]:
    return ByteCache(
        1 << 23,
        lambda key, start: start.bytes + sum(table_bytes(form.tensor) for form, *_ in key[1]),
    )


_STARTS = _known_starts()


class _Known:
    """The nodes that a step knows: those that it is given, then operands of what it looked at."""

    __slots__ = ("_outsides", "looked", "nodes", "places")

    def __init__(self, outsides: "_Outsides") -> None:
        self.nodes: list[Node] = []
        self.places: dict[Node, int] = {}
        self.looked: list[int] = []
        self._outsides = outsides

    def meet(self, nodes: Iterable[Node], seen: list[Any]) -> tuple[Any, ...]:
        """What is seen of nodes from outside, or which known one it is."""
        places, known, outsides = self.places, self.nodes, self._outsides
        for node in nodes:
            place = places.get(node)
            if place is None:
                places[node] = len(known)
                known.append(node)
                seen.append(outsides[node])
            else:
                seen.append(place)
        return tuple(seen)

    def look(self, place: int) -> tuple[Any, ...]:
        """What is seen of a node by looking at it."""
        node = self.nodes[place]
        self.looked.append(place)
        return self.meet(node.operands, [node.look])


class _Outside:
    """What is seen of a node without looking: shape, dtype, age, if it may cancel, and if it is closed.

    Equal ones are one object.
    """

    __slots__ = ("__weakref__", "seen")

    def __init__(self, *seen: Any) -> None:
        self.seen = seen


_OUTSIDES: Interned[_Outside] = Interned()


class _Outsides(dict[Node, _Outside]):
    """What is seen of the nodes of a program without looking."""

    def __init__(self, traced: range) -> None:
        self._traced = traced
        self._known: dict[tuple[Any, ...], _Outside] = {}

    def __missing__(self, node: Node) -> Any:
        old = self._traced.start <= node.serial < self._traced.stop
        seen = node.look.outside, old, may_cancel(node), is_closed(node)
        found = self._known.get(seen)
        if found is None:
            found = self._known[seen] = _OUTSIDES.get(seen, lambda: _Outside(*seen))
        self[node] = found
        return found


class Links:
    """The steps of one derivation.

    Parameters
    ----------
    traced : range
        The serial numbers of the nodes that the function made.
    backwards : bool
        The order: whether what is carried is a derivative by the node.
    record : list, optional
        What each step did is appended; then no recipe is followed.
    """

    def __init__(self, traced: range, *, backwards: bool, record: Record | None) -> None:
        self.traced, self.backwards, self.record = traced, backwards, record
        self._literals: dict[Node, Node] = {}
        self._asked: ByteCache[_Start] | None = None
        self._outsides = _Outsides(traced)

    def take(
        self, step: TakeStep, name: Any, parts: Sequence[Carried], node: Node
    ) -> Sequence[Carried]:
        """A step from what is carried at a node; the ``name`` says which it is."""
        if node.operation is slices and self.backwards and self.record is None:
            least = _least(node)
            if any(least):
                here, *onward = self.take(step, name, parts, _from_zero(node, least))
                return [here, *[part.moved_within(least) for part in onward]]
        count = 0
        for part in parts:
            count += len(part.operands)
        if count > _OPERANDS or len(node.operands) > WIDEST:
            return self._directly(step, parts, node)
        base, scale, parts = _common(parts)
        if self.record is not None:
            return self._recorded(step, parts, node, lambda part: part.again(base, scale))
        known = _Known(self._outsides)
        seen = known.meet(_given(parts, node), [])
        key = name, tuple([(p.form, p.shift, _bits(p.scale)) for p in parts]), seen
        starts = self._starts(node)
        start = starts.get(key, _Start)
        asked: _Question = start
        answer: tuple[Any, ...] = ()
        recipe = start.answers.get(())
        while isinstance(recipe, _Question):
            asked, answer = recipe, known.look(recipe.place)
            recipe = asked.answers.get(answer)
        if recipe is None and len(asked.answers) >= _ANSWERS:
            return self._directly(step, [part.again(base, scale) for part in parts], node)
        if recipe is None:
            path = _Path(known, start, asked, answer)
            recipe = _learned(step, parts, node, self.traced[-1], path)
            starts.reweigh(key)
        nodes = recipe.making.again(known.nodes, self._literals)
        moved, times = any(base), type(scale) is not int or scale != 1
        found = []
        for form, read, shift, own in recipe.results:
            if moved:
                shift = tuple(map(add, shift, base))
            operands = tuple([nodes[place] for place in read])
            found.append(Carried(form, operands, shift, own * scale if times else own))
        return found

    def _starts(self, node: Node) -> ByteCache[_Start]:
        """Where steps at a node are known: what users' functions say holds for one derivation."""
        if node.operation is None or not node.operation.asks:
            return _STARTS
        if self._asked is None:
            self._asked = _known_starts()
        return self._asked

    def _directly(self, step: TakeStep, parts: Sequence[Carried], node: Node) -> Sequence[Carried]:
        """A step that no recipe is made of."""
        found = step([part.tensor for part in parts], node, self.traced[-1], self.record)
        return [Carried.of(tensor, parts[0].form.outer) for tensor in found]

    def _recorded(
        self, step: TakeStep, parts: Sequence[Carried], node: Node,
        again: Callable[[Carried], Carried],
    ) -> Sequence[Carried]:  # fmt: skip
        """A step that is recorded: on copies, as those are that recipes come from."""
        outer, own = parts[0].form.outer, list[Taken]()
        copies, found = _on_copies(step, parts, node, self.traced[-1], own)
        back = copies.back

        def carried(tensor: Sum) -> Carried:
            return again(Carried.of(relabelled(tensor, back), outer))

        assert self.record is not None
        local = 1 if self.backwards else 0
        for one in own:
            before = [
                relabelled(tensor, back)
                if one.rule is Action.CHAIN and place == local
                else carried(tensor).tensor
                for place, tensor in enumerate(one.before)
            ]
            operand = None if one.operand is None else back(one.operand)
            after = carried(one.after).tensor
            self.record.append(Taken(back(one.node), one.rule, tuple(before), after, operand))
        return [carried(tensor) for tensor in found]


def _least(node: Node) -> tuple[int, ...]:
    """The least positions that a slice reads."""
    named = named_of(node.look.head)
    ends = zip(named["starts"], named["steps"], named["shape"], strict=True)
    return tuple([start + min(step * (size - 1), 0) if size else 0 for start, step, size in ends])


def _from_zero(node: Node, least: Sequence[int]) -> Node:
    """The slice of the same entries from the first of them on: a loop that reads ``x[t]`` takes one step."""
    named = named_of(node.look.head)
    return apply(
        slices, node.operands, **{**named, "starts": tuple(map(sub, named["starts"], least))}
    )


_ONE = by_bits(1)


def _bits(scale: Coefficient) -> Hashable:
    return _ONE if type(scale) is int and scale == 1 else by_bits(scale)


def _common(parts: Sequence[Carried]) -> tuple[Shift, Coefficient, Sequence[Carried]]:
    """Where all parts begin, the number that all are multiplied by, and the parts from there."""
    base, scale = parts[0].shift, parts[0].scale
    for part in parts[1:]:
        if part.shift != base:
            base = tuple(map(min, base, part.shift))
        if part.scale is not scale and by_bits(part.scale) != by_bits(scale):
            scale = 1
    moved = any(base)
    one = type(scale) is int and scale == 1
    if one and not moved:
        return base, scale, parts
    from_there = []
    for part in parts:
        shift = tuple(map(sub, part.shift, base)) if moved else part.shift
        from_there.append(Carried(part.form, part.operands, shift, part.scale if one else 1))
    return base, scale, from_there


def _given(parts: Sequence[Carried], node: Node) -> list[Node]:
    """The nodes that a step is handed."""
    return [node, *[operand for part in parts for operand in part.operands]]


def _on_copies(
    step: TakeStep, parts: Sequence[Carried], node: Node, newest: int, record: Record | None
) -> tuple[Copies, Sequence[Sum]]:
    """A step taken on copies of what it is handed, which note what it looked at."""
    copies = Copies(_given(parts, node))
    tensors = [relabelled(part.tensor, copies.of.__getitem__) for part in parts]
    with copies.watched():
        return copies, step(tensors, copies.of[node], newest, record)


class _Path:
    """Where no recipe was found: behind which question, and with which answer."""

    def __init__(
        self, known: _Known, start: _Start, asked: _Question, answer: tuple[Any, ...]
    ) -> None:
        self.known = known
        self._start, self._asked, self._answer = start, asked, answer

    def ask(self, node: Node, reached: Mapping[Node, Node | None]) -> None:
        """Ask next what a node looks like, if that was not asked."""
        if self.known.places.get(node) in self.known.looked:
            return
        self.know(node, reached)
        question = _Question(self.known.places[node])
        self._enter(question)
        self._asked, self._answer = question, self.known.look(question.place)

    def know(self, node: Node, reached: Mapping[Node, Node | None]) -> None:
        """Ask about nodes until one is known."""
        before = reached[node]
        if node not in self.known.places and before is not None:
            self.ask(before, reached)

    def end(self, recipe: _Recipe) -> _Recipe:
        """Enter what is to be done."""
        self._enter(recipe)
        self._start.bytes += recipe.bytes
        return recipe

    def _enter(self, onward: _Question | _Recipe) -> None:
        """What follows upon the last answer, which is kept."""
        self._asked.answers[self._answer] = onward
        self._start.bytes += 256 + 64 * len(self._answer) + held_by(self._answer[:1])


def _learned(
    step: TakeStep, parts: Sequence[Carried], node: Node, newest: int, path: _Path
) -> _Recipe:
    """Take a step on copies, and note what it looked at and what it made."""
    copies, found = _on_copies(step, parts, node, newest, None)
    results = [operand for tensor in found for operand in tensor.operands]
    new = ordered(results, {copy: one for one, copy in copies.of.items()})
    for one in copies.looked:
        path.ask(one, copies.reached)
    for copy in [*results, *[operand for one in new for operand in one.operands]]:
        original = copies.original(copy)
        if original is not None:
            path.know(original, copies.reached)
    known = path.known.places
    given = {copy: known[one] for one, copy in copies.of.items() if one in known}
    making, places = Making.of(new, given, len(known))
    carried = [Carried.of(tensor, parts[0].form.outer) for tensor in found]
    return path.end(
        _Recipe(
            making,
            tuple(
                [
                    (c.form, tuple([places[o] for o in c.operands]), c.shift, c.scale)
                    for c in carried
                ]
            ),
        )
    )
