"""Steps of the chain rule that are taken once for all places of a program that look alike.

What a loop repeats is derived alike each time. A step, from what is carried at a node to what is carried
at its operands, is taken on copies of the nodes near it, whose own operands are opaque inputs; which of
them it looked at is noted, and what it made. Where the nodes that it looked at are the same again, the recipe
is followed.

Contract: a recipe depends on nothing but what its step is given and has looked at: operations, parameters,
shapes, dtypes, Python numbers, which operands are the same, and which nodes were traced.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from jacobians.derivation.likely import is_seen_behind, is_selection
from jacobians.graph.node import Head, Look, Node, ordered
from jacobians.ground.caches import ByteCache
from jacobians.notation.terms import Sum, bytes_of, numbered, relabelled, table_bytes

_DEPTH = 6  # operations behind what is given, up to which a step may look
_WIDEST = 8  # operands of a node that is looked behind
_OPERANDS = 24  # of a step that is recorded


class Form:
    """Terms over the positions of operands; equal ones are one object.

    The ``outer`` axes are so many first ones; last ones, if negative.
    """

    __slots__ = ("__weakref__", "outer", "tensor")

    def __init__(self, tensor: Sum, outer: int) -> None:
        self.tensor, self.outer = tensor, outer


_FORMS: WeakValueDictionary[Any, Form] = WeakValueDictionary()
Shift = tuple[int, ...]


class Carried(NamedTuple):
    """A sum of terms over nodes: its structure, the nodes, and where on its outer axes it lies.

    The outer axes are those that no step touches: the output's backwards, the input's forwards. What is
    carried is alike wherever it lies on them, so the structure begins at 0.
    """

    form: Form
    operands: tuple[Node, ...]
    shift: Shift

    @classmethod
    def of(cls, tensor: Sum, outer: int) -> "Carried":
        """A sum of terms, so kept."""
        operands = tensor.operands
        axes = _axes(tensor, outer)
        shift = [min([t.slots[axis].constant for t in tensor.terms], default=0) for axis in axes]
        plain = _moved(numbered(tensor, operands), axes, [-n for n in shift])
        return cls(_form(plain, outer), operands, tuple(shift))

    @property
    def tensor(self) -> Sum:
        """The sum of terms."""
        tensor = relabelled(self.form.tensor, self.operands.__getitem__)
        return _moved(tensor, _axes(tensor, self.form.outer), self.shift)


def _axes(tensor: Sum, outer: int) -> range:
    ndim = len(tensor.shape)
    return range(outer) if outer >= 0 else range(ndim + outer, ndim)


def _form(tensor: Sum, outer: int) -> Form:
    # 1 and 1.0 are equal
    key = tensor, outer, tuple([type(term.coefficient) for term in tensor.terms])
    known = _FORMS.get(key)
    return _FORMS.setdefault(key, Form(tensor, outer)) if known is None else known


def _moved(tensor: Sum, axes: range, by: Sequence[int]) -> Sum:
    """The terms elsewhere on these axes."""
    if not any(by):
        return tensor
    terms = []
    for term in tensor.terms:
        slots = list(term.slots)
        for axis, n in zip(axes, by, strict=True):
            slots[axis] = slots[axis]._replace(constant=slots[axis].constant + n)
        terms.append(term._replace(slots=tuple(slots)))
    return Sum(tensor.shape, tuple(terms))


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
        looks = {id(look.head): look.head for look, _ in self.made if type(look.head) is Head}
        return (
            256 * (1 + len(self.made) + len(self.results))
            + sum(bytes_of(value) for head in looks.values() for _, value in head.parameters)
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

    __slots__ = ("looked", "nodes", "places", "traced")

    def __init__(self, traced: range) -> None:
        self.traced = traced
        self.nodes: list[Node] = []
        self.places: dict[Node, int] = {}
        self.looked: set[Node] = set()

    def meet(self, nodes: Iterable[Node]) -> list[Any]:
        """What is seen of nodes from outside: shape, dtype and age, or that it is a known one."""
        places, known, seen = self.places, self.nodes, []
        for node in nodes:
            place = places.get(node)
            if place is None:
                places[node] = len(known)
                known.append(node)
                seen.append(node.look.outside)
                seen.append(node.serial in self.traced)
            else:
                seen.append(place)
        return seen

    def look(self, place: int) -> tuple[Any, ...]:
        """What is seen of a node by looking at it."""
        node = self.nodes[place]
        self.looked.add(node)
        return node.look, *self.meet(node.operands)


def linked(
    step: Step, name: Any, parts: Sequence[Carried], node: Node, traced: range, alike: bool
) -> Sequence[Carried]:
    """``step`` on what is carried; where ``alike``, by the recipe for what looks alike.

    The ``name`` says which step it is; ``traced`` are the serial numbers of nodes that the function made.
    """
    outer = parts[0].form.outer
    count = sum([len(part.operands) for part in parts])
    if not alike or count > _OPERANDS or len(node.operands) > _WIDEST:
        tensors = step([part.tensor for part in parts], node, traced[-1])
        return [Carried.of(tensor, outer) for tensor in tensors]
    base = parts[0].shift
    if len(parts) > 1:
        base = tuple([min(own) for own in zip(*[part.shift for part in parts], strict=True)])
    back = tuple([-n for n in base])
    parts = [part._replace(shift=_sum(part.shift, back)) for part in parts]
    known = _Known(traced)
    seen = known.meet([node, *[operand for part in parts for operand in part.operands]])
    key = name, tuple([(part.form, part.shift) for part in parts]), tuple(seen)
    start = _STARTS.get(key, _Start)
    asked: _Question = start
    answer: tuple[Any, ...] = ()
    recipe = start.answers.get(())
    while type(recipe) is _Question:
        asked, answer = recipe, known.look(recipe.place)
        recipe = asked.answers.get(answer)
    if recipe is None:
        path = _Path(known, start, asked, answer)
        recipe = _learned(step, parts, node, path)
        _STARTS.reweigh(key)
    nodes = [*known.nodes, *recipe.literals]
    for look, read in recipe.made:
        nodes.append(look.over(tuple([nodes[place] for place in read])))
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
        if node in self.known.looked:
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


_watching = threading.local()


class _Watched(Node):
    """A copy that notes that it was looked at."""

    __slots__ = ()

    @property
    def operation(self) -> Any:  # type: ignore[override]
        """The operation."""
        _watching.looked.add(self)
        return _operation_of(self)

    @property
    def operands(self) -> Any:  # type: ignore[override]
        """The operands."""
        _watching.looked.add(self)
        return _operands_of(self)

    @property
    def parameters(self) -> Any:  # type: ignore[override]
        """The parameters."""
        _watching.looked.add(self)
        return _parameters_of(self)


_operation_of = Node.operation.__get__  # type: ignore[attr-defined, union-attr]
_operands_of = Node.operands.__get__  # type: ignore[attr-defined]
_parameters_of = Node.parameters.__get__  # type: ignore[attr-defined]


class _Copies:
    """Copies of nodes near a step, watched where there are copies of their operands, too.

    Attributes
    ----------
    reached : dict
        For each node the one whose operand it is; None for those that the step is given.
    of : dict
        For each node its copy.
    newest : int
        The serial number up to which copies are of nodes that are computed anyway.
    """

    def __init__(self, given: Sequence[Node], traced: range) -> None:
        self.reached: dict[Node, Node | None] = dict.fromkeys(given)
        inside: set[Node] = set()
        level: Sequence[Node] = given
        for _ in range(_DEPTH):
            onward: list[Node] = []
            for one in level:
                own = one.operands
                if not own or one in inside or len(own) > _WIDEST or (one is not given[0] and is_selection(one)):
                    continue
                inside.add(one)
                for operand in own:
                    self.reached.setdefault(operand, one)
                if one is given[0] or is_seen_behind(one):
                    onward += own
            level = onward
        self.of: dict[Node, Node] = {}
        self.newest = -1
        for one in sorted(self.reached, key=lambda node: node.serial):
            if one in inside:
                copy = one.look.over(tuple([self.of[operand] for operand in one.operands]))
                object.__setattr__(copy, "__class__", _Watched)
            else:
                copy = one.look.alone()
            self.of[one] = copy
            if one.serial in traced:
                self.newest = copy.serial


def _learned(
    step: Step, parts: Sequence[Carried], node: Node, path: _Path
) -> _Recipe:
    """Take a step on copies, and note what it looked at and what it made."""
    given = [node, *[operand for part in parts for operand in part.operands]]
    copies = _Copies(given, path.known.traced)
    tensors = [relabelled(part.tensor, copies.of.__getitem__) for part in parts]
    _watching.looked = looked = set()
    found = step(tensors, copies.of[node], copies.newest)
    seen = set(looked)
    originals = {copy: one for one, copy in copies.of.items()}
    new = ordered([operand for tensor in found for operand in tensor.operands], originals)
    for one, copy in copies.of.items():
        if copy in seen:
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
