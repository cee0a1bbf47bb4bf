"""Steps of the chain rule that are taken once for all places of a program that look alike.

What a loop repeats is derived alike each time. A step, from what is carried at a node to what is carried
at its operands, is taken on copies of the nodes near it, whose own operands are opaque inputs; which of
them it looked at is noted, and what it made. Where the nodes that it looked at are the same again, the recipe
is followed.

Contract: a recipe depends on nothing but what its step is given and has looked at: operations, parameters,
shapes, dtypes, Python numbers, which operands are the same, and which nodes were traced.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jacobians.derivation.carried import Carried, Form, Shift
from jacobians.derivation.copies import WIDEST, Copies, looked_at
from jacobians.derivation.likely import may_cancel
from jacobians.graph.looks import Look, parts_of
from jacobians.graph.node import Node, ordered, over
from jacobians.ground.caches import ByteCache
from jacobians.notation.terms import Sum, bytes_of, relabelled, table_bytes

_OPERANDS = 24  # of a step that is recorded


Step = Callable[[Sequence[Sum], Node, int], Sequence[Sum]]
"""What is carried at a node (by its operands, if forwards), the node, and the newest serial number
that is computed anyway, to what is carried on."""


class _Recipe(NamedTuple):
    """What to make of the known nodes, those made before among them; and what is carried on."""

    literals: tuple[Node, ...]
    made: tuple[tuple[Look, tuple[int, ...]], ...]
    results: tuple[tuple[Form, tuple[int, ...], Shift], ...]

    @property
    def bytes(self) -> int:
        """What it keeps alive."""
        heads = {id(look.head): look.head for look, _ in self.made}
        return (
            256 * (1 + len(self.made) + len(self.results))
            + sum(bytes_of(parts_of(head)[1]) for head in heads.values())
            + sum(table_bytes(form.tensor) for form, _, _ in self.results)
            + sum(getattr(node.value, "nbytes", 32) for node in self.literals)
        )


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


_STARTS: ByteCache[_Start] = ByteCache(1 << 25, lambda _, start: start.bytes)


class _Known:
    """The nodes that a step knows: those that it is given, then operands of what it looked at."""

    __slots__ = ("looked", "nodes", "outside", "places")

    def __init__(self, outside: Callable[[Node], Any]) -> None:
        self.nodes: list[Node] = []
        self.places: dict[Node, int] = {}
        self.looked: list[int] = []
        self.outside = outside

    def meet(self, nodes: Iterable[Node], seen: list[Any]) -> tuple[Any, ...]:
        """What is seen of nodes from outside, or which known one it is."""
        places, known = self.places, self.nodes
        for node in nodes:
            place = places.get(node)
            if place is None:
                places[node] = len(known)
                known.append(node)
                seen.append(self.outside(node))
            else:
                seen.append(place)
        return tuple(seen)

    def look(self, place: int) -> tuple[Any, ...]:
        """What is seen of a node by looking at it."""
        node = self.nodes[place]
        self.looked.append(place)
        return self.meet(node.operands, [node.look])


class Links:
    """The steps of one derivation.

    Parameters
    ----------
    traced : range
        The serial numbers of the nodes that the function made.
    alike : bool
        Whether recipes are followed; else each step is taken.
    """

    def __init__(self, traced: range, alike: bool) -> None:
        self.traced, self.alike = traced, alike
        self._outsides: dict[Node, Any] = {}

    def _outside(self, node: Node) -> Any:
        """What is seen of a node without looking at it: shape, dtype, age, and if it may cancel."""
        known = self._outsides.get(node)
        if known is None:
            old = self.traced.start <= node.serial < self.traced.stop
            known = node.look.outside, old, may_cancel(node)
            self._outsides[node] = known
        return known

    def take(
        self, step: Step, name: Any, parts: Sequence[Carried], node: Node
    ) -> Sequence[Carried]:
        """A step from what is carried at a node; the ``name`` says which it is."""
        outer = parts[0].form.outer
        count = sum([len(part.operands) for part in parts])
        if not self.alike or count > _OPERANDS or len(node.operands) > WIDEST:
            tensors = step([part.tensor for part in parts], node, self.traced[-1])
            return [Carried.of(tensor, outer) for tensor in tensors]
        base = parts[0].shift
        if len(parts) > 1:
            base = tuple([min(own) for own in zip(*[part.shift for part in parts], strict=True)])
        back = tuple([-n for n in base])
        parts = [part._replace(shift=_sum(part.shift, back)) for part in parts]
        known = _Known(self._outside)
        seen = known.meet([node, *[operand for part in parts for operand in part.operands]], [])
        key = name, tuple([(part.form, part.shift) for part in parts]), seen
        start = _STARTS.get(key, _Start)
        asked: _Question = start
        answer: tuple[Any, ...] = ()
        recipe = start.answers.get(())
        while isinstance(recipe, _Question):
            asked, answer = recipe, known.look(recipe.place)
            recipe = asked.answers.get(answer)
        if recipe is None:
            path = _Path(known, start, asked, answer)
            recipe = _learned(step, parts, node, self.traced, path)
            _STARTS.reweigh(key)
        nodes = [*known.nodes, *recipe.literals]
        for look, read in recipe.made:
            nodes.append(over(look, tuple([nodes[place] for place in read])))
        return [
            Carried(form, tuple([nodes[place] for place in read]), _sum(base, shift))
            for form, read, shift in recipe.results
        ]


def _sum(left: Shift, right: Shift) -> Shift:
    return tuple([a + b for a, b in zip(left, right, strict=True)]) if left else ()


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
        self._asked.answers[self._answer] = question
        self._asked, self._answer = question, self.known.look(question.place)
        self._start.bytes += 256 + 64 * len(self._answer)

    def know(self, node: Node, reached: Mapping[Node, Node | None]) -> None:
        """Ask about nodes until one is known."""
        before = reached[node]
        if node not in self.known.places and before is not None:
            self.ask(before, reached)

    def end(self, recipe: _Recipe) -> _Recipe:
        """Enter what is to be done."""
        self._asked.answers[self._answer] = recipe
        self._start.bytes += recipe.bytes
        return recipe


def _learned(
    step: Step, parts: Sequence[Carried], node: Node, traced: range, path: _Path
) -> _Recipe:
    """Take a step on copies, and note what it looked at and what it made."""
    given = [node, *[operand for part in parts for operand in part.operands]]
    copies = Copies(given, traced)
    tensors = [relabelled(part.tensor, copies.of.__getitem__) for part in parts]
    with looked_at() as looked:
        found = step(tensors, copies.of[node], copies.newest)
    originals = {copy: one for one, copy in copies.of.items()}
    new = ordered([operand for tensor in found for operand in tensor.operands], originals)
    for one, copy in copies.of.items():
        if copy in looked:
            path.ask(one, copies.reached)
    used = [operand for one in new for operand in one.operands]
    used += [operand for tensor in found for operand in tensor.operands]
    for one in used:
        if one in originals:
            path.know(originals[one], copies.reached)
    known = path.known.places
    places = {copy: known[one] for one, copy in copies.of.items() if one in known}
    literals = tuple([one for one in new if not one.operands])
    places |= {one: len(known) + n for n, one in enumerate(literals)}
    made: list[tuple[Look, tuple[int, ...]]] = []
    for one in new:
        if one.operands:
            places[one] = len(known) + len(literals) + len(made)
            made.append((one.look, tuple([places[operand] for operand in one.operands])))
    carried = [Carried.of(tensor, parts[0].form.outer) for tensor in found]
    return path.end(
        _Recipe(
            literals,
            tuple(made),
            tuple([(c.form, tuple([places[o] for o in c.operands]), c.shift) for c in carried]),
        )
    )
