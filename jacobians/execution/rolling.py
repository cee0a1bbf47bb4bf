"""Steps that recur become loops of the printed program.

What a loop of the traced function does each time are steps that differ in their variables, numbers and the
places of what they read. They are run in the same order on the same arrays; a variable of the last time
keeps its name, those of earlier ones that are read later stand in a list.
"""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.execution.steps import Kernel, Literal, Ref, Step
from jacobians.execution.varying import Behind, Varying, filled, mapped, value_text
from jacobians.graph.how import Broadcast, Index, Range, Strided

_TIMES = 8  # repetitions that make a loop: fewer are read as quickly written out
_PERIOD = 512  # steps of a repetition that is looked for
_FEWEST = 4  # repetitions of a loop whose ends are left out
_ROW = 16  # variables of a loop that stand in a row without any order
_SEVERAL = 6  # repetitions that are tried as one: what is alike may read several lists in turn
_BEGINNING = 8  # of steps that are alike, from which a loop is tried where all are none
_TRIES = 16  # beginnings of steps that are alike from which no loop can be written
_RUN = 3  # variables of a list in a row that are written as a slice
# Repetitions that are left out at both ends.
_ENDS = ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 2))


class Repeated(NamedTuple):
    """A loop as it is printed.

    Attributes
    ----------
    before : tuple of str
        Lines before it.
    variable : str
        What counts.
    start, stop : int
        From where to where.
    first : tuple of str
        Lines at the beginning of each repetition.
    body : tuple of Step
        Their operands may be pieces of text.
    last : tuple of str
        Lines at its end.
    """

    before: tuple[str, ...]
    variable: str
    start: int
    stop: int
    first: tuple[str, ...]
    body: tuple[Step, ...]
    last: tuple[str, ...]


class Rolled(NamedTuple):
    """A program's steps with loops, and how its results are called."""

    items: tuple[Step | Repeated, ...]
    returned: tuple[str, ...]


class _Loop:
    """A run of steps that recurs: its first step, the steps of a repetition, and how many there are."""

    def __init__(self, first: int, period: int, times: int) -> None:
        self.first, self.period, self.times = first, period, times
        self.start, self.stop = 1, times  # repetitions that are printed as a loop
        self.saved: dict[int, str] = {}
        self.before: list[str] = []
        self.carried: dict[int, None] = {}  # read one repetition later
        self.kept: dict[int, str] = {}  # and after it has changed
        self.holes: list[list[Callable[[], str]]] = []
        self.texts: list[list[str]] = []


def _found(ids: NDArray[np.intp]) -> list[_Loop]:
    """The runs that recur, those that cover most first; none overlaps another."""
    runs = []
    for period in range(1, min(_PERIOD, len(ids) // _TIMES) + 1):
        same = np.concatenate([[False], ids[period:] == ids[:-period], [False]])
        edges = np.flatnonzero(same[1:] != same[:-1])
        for low, high in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if high - low >= (_TIMES - 1) * period:
                runs.append((high - low, period, low))
    taken = np.zeros(len(ids), bool)
    loops = []
    for length, period, low in sorted(runs, key=lambda run: (-run[0], run[1])):
        free = np.concatenate([[True], taken[low : low + length + period], [True]])
        edges = np.flatnonzero(free)
        place = int(np.argmax(np.diff(edges)))
        first, size = low + int(edges[place]), int(edges[place + 1] - edges[place]) - 1
        if size >= _TIMES * period:
            loops.append(_Loop(first, period, size // period))
            taken[first : first + size // period * period] = True
    return sorted(loops, key=lambda loop: loop.first)


def rolled(steps: Sequence[Step], returned: Sequence[str], taken: Iterable[str]) -> Rolled:
    """The steps with what recurs as loops; ``taken`` are names that mean something else."""
    if len(steps) < _TIMES:
        return Rolled(tuple(steps), tuple(returned))
    shapes = [Varying(step) for step in steps]
    numbers: dict[Any, int] = {}
    ids = [
        -1 - place if steps[place].given else numbers.setdefault(shape.key, len(numbers))
        for place, shape in enumerate(shapes)
    ]
    loops = _found(np.array(ids, np.intp))
    if not loops:
        return Rolled(tuple(steps), tuple(returned))
    names = {*taken, *(step.target for step in steps)}
    return _Rolling(steps, shapes, loops, names).result(returned)


def _rows(operands: Sequence[Ref], start: int) -> list[int]:
    """Which entries of the first axis of one array operands are that follow each other."""
    found: list[int] = []
    for operand in islice(operands, start, None):
        match operand:
            case Ref(root, (Index((int() as row, *others)),)) if root == operands[start].root:
                whole = all(isinstance(one, Range) and one.is_whole for one in others)
                step = found[1] - found[0] if len(found) > 1 else None
                if whole and (
                    not found or row - found[-1] in ((1, -1) if step is None else (step,))
                ):
                    found.append(row)
                    continue
        break
    return found


def _slice_text(start: int, stop: int) -> str:
    """A slice from an entry to the one before a stop, which is the next or the last one of a step of 1."""
    return f"[{start}:{stop}]" if stop > start else f"[{start}:{stop if stop >= 0 else ''}:-1]"


class _Rolling:
    """Steps whose loops are known, while it is worked out how variables are called."""

    def __init__(
        self, steps: Sequence[Step], shapes: Sequence[Varying], found: list[_Loop],
        taken: set[str],
    ) -> None:  # fmt: skip
        self.steps, self.shapes, self.taken = steps, shapes, taken
        self._found, self.loops = found, list[_Loop]()
        self.made: dict[str, tuple[int, int, int]] = {}  # loop, repetition, step of it
        self.variable = self._free("n")
        self.rows = 0
        self.order: dict[str, int] = {step.target: n for n, step in enumerate(steps)}

    def result(self, returned: Sequence[str]) -> Rolled:
        """The program with loops."""
        for loop in self._found:
            self._roll(loop)
        items: list[Any] = []
        place = 0
        for loop in self.loops:
            start = loop.first + loop.start * loop.period
            items += [self._step(step) for step in self.steps[place:start]]
            items.append(loop)
            place = loop.first + loop.stop * loop.period
        items += [self._step(step) for step in self.steps[place:]]
        names = tuple([self._called(name) for name in returned])
        printed = [self._printed(one) if isinstance(one, _Loop) else one for one in items]
        return Rolled(tuple(printed), names)

    def _roll(self, found: _Loop) -> None:
        """Enter a loop of the steps that are alike, or of several times as many, or loops of parts.

        Two loops that are alike may stand one after the other.
        """
        for several in range(1, min(_SEVERAL, found.times // _TIMES) + 1):
            loop = _Loop(found.first, found.period * several, found.times // several)
            if self._fits(loop):
                self._enter(loop)
                return
        failed = 0
        while found.times >= _BEGINNING and failed < _TRIES:
            longest = self._longest(found)
            done = _FEWEST
            if longest is None:
                failed += 1
            else:
                self._enter(longest)
                done = longest.times
            found = _Loop(found.first + done * found.period, found.period, found.times - done)

    def _longest(self, found: _Loop) -> _Loop | None:
        """A loop of as many of the first repetitions as one can be written of."""
        best, known, most, times = None, 0, found.times, _BEGINNING
        failed = False
        while known < most:
            loop = _Loop(found.first, found.period, times)
            if self._fits(loop):
                best, known = loop, times
            elif best is None:
                return None
            else:
                failed, most = True, times - 1
            # It costs as much as it has repetitions, so few are tried first.
            times = (known + most + 1) // 2 if failed else min(2 * times, most)
        return best

    def _free(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    # Names

    def _target(self, loop: _Loop, repetition: int, position: int) -> str:
        return self.steps[loop.first + repetition * loop.period + position].target

    def _own(self, loop: _Loop, position: int) -> str:
        """What a variable of a loop is called in it."""
        return self._target(loop, loop.start, position)

    def _list(self, loop: _Loop, position: int) -> str:
        """The list of what a variable of a loop was in all repetitions."""
        if position not in loop.saved:
            loop.saved[position] = self._free(f"all_{self._own(loop, position)}")
        return loop.saved[position]

    def _called(self, name: str) -> str:
        """A variable, outside of loops and after what made it."""
        place = self.made.get(name)
        if place is None:
            return name
        loop, repetition, position = self.loops[place[0]], *place[1:]
        if not loop.start <= repetition < loop.stop:
            return name
        if repetition == loop.stop - 1:
            return self._own(loop, position)
        return f"{self._list(loop, position)}[{repetition}]"

    # Loops

    def _fits(self, loop: _Loop) -> bool:
        """Find how each variable of a loop can be called in it; False where there is no way."""
        for (start, end), rows in [(ends, rows) for rows in (False, True) for ends in _ENDS]:
            loop.start, loop.stop = 1 + start, loop.times - end
            if loop.stop - loop.start < _FEWEST:
                continue
            found = list[list[Callable[[], str]]]()
            for position in range(loop.period):
                texts = self._holes(loop, position, rows)
                if texts is None:
                    break
                found.append(texts)
            else:
                loop.holes = found
                return True
        return False

    def _enter(self, loop: _Loop) -> None:
        """Call each variable of a loop so."""
        number = len(self.loops)
        self.loops.append(loop)
        for repetition in range(loop.times):
            for position in range(loop.period):
                name = self._target(loop, repetition, position)
                if name:
                    self.made[name] = number, repetition, position
        loop.texts = [[text() for text in texts] for texts in loop.holes]

    def _holes(self, loop: _Loop, position: int, rows_too: bool) -> list[Callable[[], str]] | None:
        """For each thing that may differ in a step how to write it; None where one has no way."""
        repetitions = range(loop.start, loop.stop)
        rows = [self.shapes[loop.first + n * loop.period + position].values for n in repetitions]
        found: list[Callable[[], str]] = []
        for column in zip(*rows, strict=True):
            kind, values = column[0][0], [value for _, value in column]
            if kind == "name":
                text = self._variable(loop, position, values)
                if text is None and rows_too:
                    text = self._from_names(loop, values)
                if text is None:
                    return None
                found.append(text)
            elif kind == "start":
                found.append(lambda values=values: self.number(loop, values))  # type: ignore[misc]
            else:
                found.append(lambda values=values: self._literal(loop, values))  # type: ignore[misc]
        return found

    def _variable(self, loop: _Loop, position: int, values: list[str]) -> Callable[[], str] | None:
        """How to write variables that the repetitions of a loop read."""
        low, period = loop.first + loop.start * loop.period, loop.period
        high = loop.first + loop.stop * period
        places = [self.order.get(name, -1) for name in values]
        if len(set(values)) == 1 and not low <= places[0] < high:
            return lambda: self._called(values[0])
        if all(low - period <= place < high for place in places):
            behind = {low + n * period + position - place for n, place in enumerate(places)}
            (back,) = behind if len(behind) == 1 else (0,)
            if 0 < back <= position:
                return lambda: self._own(loop, position - back)
            if position < back <= position + period:
                return lambda: self._earlier(loop, position - back + period, position)
        if all(loop.first <= place < high for place in places):
            own = [divmod(place - loop.first, period) for place in places]
            lags = {loop.start + n - repetition for n, (repetition, _) in enumerate(own)}
            if len(lags) == len({at for _, at in own}) == 1 and min(lags) > 0:
                numbers = [repetition for repetition, _ in own]
                return lambda: f"{self._list(loop, own[0][1])}[{self.number(loop, numbers)}]"
        return self._from_list(loop, values)

    def _earlier(self, loop: _Loop, position: int, at: int) -> str:
        """A variable as it was one repetition before; under another name where it has changed."""
        loop.carried[position] = None
        own = self._own(loop, position)
        if at <= position:
            return own
        if position not in loop.kept:
            loop.kept[position] = self._free(f"last_{own}")
        return loop.kept[position]

    def _from_list(self, loop: _Loop, values: list[str]) -> Callable[[], str] | None:
        """Variables of an earlier loop, one repetition after the other."""
        places = [self.made.get(name) for name in values]
        first, last = places[0], places[-1]
        if first is None or last is None or len({p and (p[0], p[2]) for p in places}) != 1:
            return None
        other = self.loops[first[0]]
        numbers = [place[1] for place in places if place is not None]
        if len({b - a for a, b in pairwise(numbers)}) > 1:
            return None
        if not all(0 <= n < other.stop for n in numbers):
            return None
        return lambda: f"{self._list(other, first[2])}[{self.number(loop, numbers)}]"

    def _from_names(self, loop: _Loop, values: list[str]) -> Callable[[], str] | None:
        """Variables that nothing connects, in a row: constants, or a few."""
        low = loop.first + loop.start * loop.period
        made = {self.order[name] for name in values if name in self.order}
        if len(made) > _ROW or max(made, default=-1) >= low:
            return None
        return lambda: self._table(loop, [self._called(name) for name in values])

    def _table(self, loop: _Loop, texts: Sequence[str]) -> str:
        self.rows += 1
        name = self._free(f"row{self.rows}")
        lead = "None, " * loop.start
        text = textwrap.fill(f"{name} = ({lead}{', '.join(texts)})", 100, subsequent_indent="    ")
        loop.before += text.splitlines()
        return f"{name}[{self.variable}]"

    def number(self, loop: _Loop, values: Sequence[int]) -> str:
        """Integers, one for each repetition."""
        steps = {b - a for a, b in pairwise(values)}
        if len(steps) > 1:
            return self._table(loop, [str(value) for value in values])
        step = steps.pop() if steps else 0
        start = values[0] - step * loop.start
        if step == 0:
            return str(values[0])
        if step < 0 and start > 0:
            return f"{start} - {'' if step == -1 else f'{-step} * '}{self.variable}"
        times = self.variable if step == 1 else f"{step} * {self.variable}"
        return times if start == 0 else f"{times} {'+' if start > 0 else '-'} {abs(start)}"

    def _literal(self, loop: _Loop, values: Sequence[Literal]) -> Any:
        if len({value.bits for value in values}) == 1:
            return values[0]
        return self._table(loop, [value_text(value.value) for value in values])

    # Printing

    def _step(self, step: Step) -> Step:
        def fill(kind: str, value: Any) -> Any:
            if kind == "name":
                return self._called(value)
            if kind == "place":
                at = tuple(one._replace(root=self._called(one.root)) for one in value.at)
                return value._replace(root=self._called(value.root), at=at)
            return value[0] if kind == "index" else value

        made = mapped(step, fill)
        operands = [one for one in step.operands if isinstance(one, Ref)]
        if step.kernel is Kernel.STACK and len(operands) == len(step.operands):
            made = made._replace(operands=tuple(self._in_runs(operands)))
        return made

    def _in_runs(self, operands: Sequence[Ref]) -> Iterator[Ref]:
        """Variables, those of a loop that follow each other and are read alike by a slice of its list.

        So are entries of an array's first axis.
        """
        start = 0
        while start < len(operands):
            name, views = operands[start]
            rows = _rows(operands, start)
            if len(rows) >= _RUN:
                text = _slice_text(rows[0], rows[-1] + rows[1] - rows[0])
                yield Ref(f"*{self._called(name)}{text}")
                start += len(rows)
                continue
            stop, back = start + 1, 0
            while stop < len(operands) and operands[stop].views == views:
                step = self._step_between(operands[stop - 1].root, operands[stop].root)
                if not step or step != (back or step):
                    break
                back, stop = step, stop + 1
            around = any(isinstance(one, Strided | Broadcast) for one in views)
            if (
                stop - start < _RUN or around
            ):  # what is written around a variable has no comprehension
                yield Ref(self._called(name), views)
                start += 1
                continue
            number, first, position = self.made[name]
            text = _slice_text(first, self.made[operands[stop - 1].root][1] + back)
            text = f"{self._list(self.loops[number], position)}{text}"
            every: Any = (*views, Behind(f" for one in {text}]"))
            yield Ref("*[one", every) if views else Ref(f"*{text}")
            start = stop

    def _step_between(self, name: str, other: str) -> int:
        """How many repetitions later a variable of the same list is, one or −1; 0 for any other."""
        first, second = self.made.get(name), self.made.get(other)
        if first is None or second is None or (first[0], first[2]) != (second[0], second[2]):
            return 0
        stop = self.loops[first[0]].stop
        step = second[1] - first[1]
        return step if abs(step) == 1 and max(first[1], second[1]) < stop else 0

    def _printed(self, loop: _Loop) -> Repeated:
        before = list(loop.before)
        for position, name in loop.saved.items():
            first = [self._target(loop, n, position) for n in range(loop.start)]
            before.append(f"{name} = [{', '.join(first)}]")
        for position in loop.carried:
            earlier = self._target(loop, loop.start - 1, position)
            before.append(f"{self._own(loop, position)} = {earlier}")
        body = []
        for position, texts in enumerate(loop.texts):
            step = self.steps[loop.first + loop.start * loop.period + position]
            body.append(filled(step, iter(texts)))
        own = {position: self._own(loop, position) for position in range(loop.period)}
        kept = [f"{name} = {own[position]}" for position, name in loop.kept.items()]
        saved = [f"{name}.append({own[position]})" for position, name in loop.saved.items()]
        return Repeated(
            tuple(before), self.variable, loop.start, loop.stop,
            tuple(kept), tuple(body), tuple(saved),
        )  # fmt: skip
