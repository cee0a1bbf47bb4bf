"""One task of one submission: its process is started, asked and measured, and what it gives is judged here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import floor, isfinite, log, log10
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.course.confinement import Answer, Enclosure, Limits, Offence, Usage
from jacobians.course.hints import Hint, diagnosis
from jacobians.course.submissions import Submission
from jacobians.course.tasks import CostTask, Exercise, FormulaTask, Instance, Question
from jacobians.course.typed import Unreadable

Array = NDArray[Any]

_MEMORY_FLOOR = 12 << 20  # bytes that a process may differ by, whatever it does
_TIME_FLOOR = 0.15  # seconds
_LOAD_MEMORY, _LOAD_TIME = 96 << 20, 2.0  # what reading a submission may use
_SLACK = 0.9  # of a power, by which growth is measured too large
_SAME = 1e-12  # relative difference of equal calls: threads may sum in another order


class Fault(NamedTuple):
    """What is wrong with one part.

    Attributes
    ----------
    label : str
        ``by B``; empty where a task has one part.
    what, where : str
        Sentences for the student, for the first two levels of hints.
    hint : Hint
        The kind of mistake.
    """

    label: str
    what: str
    where: str
    hint: Hint


@dataclass(frozen=True)
class Mark:
    """What a task earned, and why.

    Attributes
    ----------
    name : str
        Of the task.
    score, points : float
        Earned, and to be had.
    problem : str
        Why there are none at all, where nothing could be judged.
    mistakes : tuple of Fault
        One for each part that is wrong.
    right : tuple of str
        Labels of the parts that are right.
    notes : tuple of str
        What else is to be said: cost, errors of other cells.
    printed : str
        What the submission printed.
    loaded : bool
        False where the submission could not be read at all, which ends every other task too.
    """

    name: str
    score: float
    points: float
    problem: str = ""
    mistakes: tuple[Fault, ...] = ()
    right: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    printed: str = ""
    loaded: bool = True

    @property
    def full(self) -> bool:
        """Whether nothing is missing."""
        return not self.problem and self.score >= self.points


@contextmanager
def _forged() -> Iterator[None]:
    """A submission may write answers of any form itself: none may stop the grader."""
    try:
        yield
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError):
        raise Offence("gives an answer that cannot be read") from None


class _Untrue(Offence):
    """A cost that was measured is not one of right values."""


class _Unloaded(Offence):
    """Reading the submission failed, whichever function is asked for."""


class Grader(NamedTuple):
    """How submissions are run."""

    mode: str
    modules: tuple[str, ...]
    limits: Limits


class _Asked:
    """A submission's function in its process."""

    def __init__(self, session: Enclosure, task: Exercise, submission: Submission) -> None:
        self.session, self.task, self.submission = session, task, submission
        self.notes: list[str] = []
        self.text: str | None = None
        self.expected = 0  # numbers of the next answer

    def load(self) -> None:
        """Read the submission; raises unless the function is there."""
        with _forged():
            self._load()

    def _load(self) -> None:
        own = self.submission
        head = {"name": self.task.name, "separate": own.separate, "sources": list(own.sources)}
        try:
            found = self.session.ask(head, {}).head
        except Offence as error:
            raise _Unloaded(f"{error}, when it is read") from None
        errors = [self._error(e) for e in _dicts(found.get("errors"))]
        if found.get("offence"):
            raise _Unloaded(f"{_clean(found['offence'])}, when it is read")
        if errors and not own.separate:
            raise _Unloaded(f"cannot be read: {errors[0]}")
        self.notes += [f"Not run to its end: {error}" for error in errors[:2]]
        if not found.get("defined"):
            names = [_clean(n) for n in found.get("names", []) if isinstance(n, str)]
            there = f"; there are {', '.join(names[:8])}" if names else "; nothing is defined"
            raise Offence(f"has no {self.task.name}{there}")
        self.text = found["text"] if isinstance(found.get("text"), str) else None
        if self.text is None and not found.get("callable"):
            raise Offence(
                f"has a {self.task.name} that is of type {_clean(found.get('is', '?'))}, not a function"
            )

    def call(self, values: Sequence[Any]) -> tuple[Any, dict[str, Array]]:
        """The tree of what the function gives, and its arrays."""
        answer = self._sent(values)
        with _forged():
            return self._value(answer.head), answer.arrays

    def counted(self, values: Sequence[Any]) -> dict[str, Any]:
        """What a call runs and takes, as its own process counts."""
        found = self._sent(values, count=True).head.get("counted")
        keys = {"lines", "bytes", "label", "line"}
        if not isinstance(found, dict) or not keys <= set(found):
            raise Offence("gives an answer that cannot be read")
        return found

    def _sent(self, values: Sequence[Any], count: bool = False) -> Answer:
        head: dict[str, Any] = {"name": self.task.name, "arguments": [], "count": count}
        arrays: dict[str, Array] = {}
        for value in values:
            if isinstance(value, np.ndarray | np.generic):
                arrays[f"a{len(arrays)}"] = np.asarray(value)
                head["arguments"].append({"array": f"a{len(arrays) - 1}"})
            else:
                head["arguments"].append({"plain": value})
        most = (1 << 16) + 64 * self.expected
        return self.session.ask(head, arrays, most)

    def _value(self, found: dict[str, Any]) -> Any:
        if found.get("offence"):
            raise Offence(_clean(found["offence"]))
        if isinstance(found.get("error"), dict):
            raise Offence(f"raises {self._error(found['error'])}")
        changed = found.get("changed")
        if isinstance(changed, list) and changed:
            names = [*self.task.before(), *self.task.draws]
            which = (
                names[changed[0]]
                if isinstance(changed[0], int) and 0 <= changed[0] < len(names)
                else "?"
            )
            raise Offence(f"changes its argument {which} in place; work on a copy of it")
        if "value" not in found:
            raise Offence("gives an answer that cannot be read")
        return found["value"]

    def _error(self, error: Mapping[str, Any]) -> str:
        kind, text = _clean(error.get("type", "an error")), _clean(error.get("text", ""))
        label, line = _clean(error.get("label", "")), error.get("line")
        words = f"{kind}: {text}" if text else kind
        if not label or not isinstance(line, int) or not line:
            return words
        code = _clean(self.submission.line(label, line), 60)
        return f"{words} ({label}, line {line}{f': {code}' if code else ''})"


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _clean(text: Any, most: int = 160) -> str:
    """One line without control characters: it came from a submission."""
    found = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * most])
    found = " ".join(found.split())
    return found if len(found) <= most else found[: most - 1] + "…"


def mark(task: Exercise, submission: Submission, grader: Grader, seed: int) -> Mark:
    """Grade one task."""
    if submission.problem:
        return Mark(task.name, 0.0, task.points, submission.problem, loaded=False)
    files = {submission.name: submission.content}
    printed = ""
    try:
        with Enclosure(grader.mode, files, grader.modules, grader.limits) as session:
            asked = _Asked(session, task, submission)
            try:
                asked.load()
                found = _judged(task, asked, seed)
                if isinstance(task, CostTask) and not found.mistakes:
                    found = _costed(task, submission, grader, seed, found)
            finally:
                printed = _clean(session.printed, 400)
        return Mark(**{**vars(found), "printed": printed})
    except _Unloaded as error:
        return Mark(task.name, 0.0, task.points, str(error), printed=printed, loaded=False)
    except Offence as error:
        return Mark(task.name, 0.0, task.points, str(error), printed=printed)


def _judged(task: Exercise, asked: _Asked, seed: int) -> Mark:
    rng = task.rng(seed)
    smallest: dict[str, int] | None = None
    wrong: dict[int, _Wrong] = {}
    first: tuple[list[Any], list[Array]] | None = None
    for point in task.at(rng):
        smallest = point.sizes if smallest is None else smallest
        number = int(point.sizes != smallest)
        for question in task.questions(point, rng):
            values = [*question.before, *point.values]
            asked.expected = sum(r.size for r in question.right)
            try:
                parts = _answers(task, asked, point, question, values)
            except Offence as error:
                if number:
                    raise Offence(f"{error}; at {point.words()}, while other shapes work") from None
                raise
            if first is None:
                first = values, parts
            for part, (given, right) in enumerate(zip(parts, question.right, strict=True)):
                if part not in wrong:
                    found = _wrong(task, point, part, given, right, number)
                    if found is not None:
                        wrong[part] = found
        if len(wrong) == len(task.labels):
            break
    if first is not None and not isinstance(task, FormulaTask):
        _same_again(asked, task, *first)
    share = task.points / len(task.labels)
    labels = task.labels
    return Mark(
        task.name,
        share * (len(labels) - len(wrong)),
        task.points,
        # The points stand now: what the submission does while its mistake is looked for changes none.
        mistakes=tuple(_explained(task, asked, wrong[n]) for n in sorted(wrong)),
        right=tuple(label for n, label in enumerate(labels) if n not in wrong),
        notes=tuple(asked.notes),
    )


def _answers(
    task: Exercise, asked: _Asked, point: Instance, question: Question, values: Sequence[Any]
) -> list[Array]:
    shapes = [r.shape for r in question.right]
    if isinstance(task, FormulaTask):
        text = asked.text
        if text is None:
            tree, _ = asked.call([])
            text = tree.get("text") if isinstance(tree, dict) else None
            if not isinstance(text, str):
                raise Offence("gives no text; a formula is a text, as in 'δ_ik x_l'")
            asked.text = text
        try:
            return [task.read(text, point)]
        except Unreadable as error:
            raise Offence(f"has a formula that cannot be read: {error}") from None
    tree, arrays = asked.call(values)
    return _parts(tree, arrays, shapes)


def _same_again(
    asked: _Asked, task: Exercise, values: Sequence[Any], before: Sequence[Array]
) -> None:
    tree, arrays = asked.call(values)
    again = _parts(tree, arrays, [b.shape for b in before], strict=False)
    for a, b in zip(before, again, strict=True):
        same = a.shape == b.shape and np.allclose(a, b, rtol=_SAME, atol=_SAME, equal_nan=True)
        if not same:
            raise Offence(
                f"gives another answer when {task.name} is called with the same once more"
            )


def _parts(
    tree: Any, arrays: Mapping[str, Array], shapes: Sequence[tuple[int, ...]], strict: bool = True
) -> list[Array]:
    """One array for each part.

    Raises
    ------
    Offence
        Where what was given is something else.
    """
    with _forged():
        return _parted(tree, dict(arrays), shapes, strict)


def _parted(
    tree: Any, arrays: dict[str, Array], shapes: Sequence[tuple[int, ...]], strict: bool
) -> list[Array]:
    count = len(shapes)
    if count == 1:
        items = tree.get("items")
        found = _array(tree, arrays)
        if isinstance(items, list) and len(items) == 1 and found.shape != shapes[0]:
            found = found[0]
        if strict and found.shape != shapes[0] and found.shape == (1,) and shapes[0] == ():
            found = found.reshape(())
        return [found]
    items = tree.get("items")
    if isinstance(items, list):
        if len(items) != count:
            raise Offence(
                f"gives {len(items)} arrays; {count} are asked for, in the order of the arguments"
            )
        return [_array(item, arrays) for item in items]
    found = _array(tree, arrays)
    if found.ndim and found.shape[0] == count and all(s == found.shape[1:] for s in shapes):
        return list(found)
    raise Offence(f"gives one array; {count} are asked for, in the order of the arguments")


def _array(tree: Any, arrays: dict[str, Array], depth: int = 0) -> Array:
    """What a tree stands for; each array is taken once, so that none can be multiplied by naming it."""
    if isinstance(tree, dict) and depth < 10:
        if tree.get("array") in arrays:
            return arrays.pop(tree["array"])
        if isinstance(tree.get("items"), list):
            inner = [_array(item, arrays, depth + 1) for item in tree["items"]]
            if inner and any(i.shape != inner[0].shape for i in inner):
                raise Offence(
                    "gives lists of different lengths; an array of real numbers is asked for"
                )
            return np.asarray(inner, float) if inner else np.zeros(0)
        if "text" in tree:
            raise Offence("gives a str; an array of real numbers is asked for")
        if "other" in tree:
            raise Offence(
                f"gives a {_clean(tree['other'])}; a NumPy array of real numbers is asked for"
            )
    raise Offence("gives an answer that cannot be read")


def one_digit(value: float) -> str:
    """A size to one digit: ``0.03``."""
    if not isfinite(value) or value == 0:
        return "0" if value == 0 else "infinity"
    power = floor(log10(abs(value)))
    rounded = round(value / 10.0**power) * 10.0**power
    return f"{rounded:.0f}" if 1 <= rounded < 1e6 else f"{rounded:.1g}"


class _Wrong(NamedTuple):
    """A part that is wrong, at which point; ``mistake`` has no hint yet where ``open`` is true."""

    point: Instance
    part: int
    given: Array
    right: Array
    mistake: Fault
    open: bool


def _wrong(
    task: Exercise,
    point: Instance,
    part: int,
    given: Array,
    right: Array,
    number: int,
) -> _Wrong | None:
    """What is wrong with an answer, if it is."""
    label = task.labels[part]
    at = f"At {point.words()}" + (" (smaller shapes are right)" if number else "")
    if given.shape != right.shape:
        what = f"The shape is {given.shape}; it should be {right.shape}."
        kind = Hint("shape", "", task.section, "")
        mistake = Fault(label, "The shape is not right.", f"{at}: {what}", kind)
        return _Wrong(point, part, given, right, mistake, open=False)
    with np.errstate(all="ignore"):
        bad = ~np.isfinite(given) & np.isfinite(right)
        size = float(np.max(np.abs(right), initial=0.0))
        difference = np.where(np.isfinite(given), np.abs(given - right), np.inf)
        wrong = difference > task.rtol * (np.abs(right) + 0.1 * size)
    if not wrong.any():
        return None
    count = f"{np.count_nonzero(wrong):,} of {wrong.size:,} entries"
    if bad.any():
        where = f"{at}: {np.count_nonzero(bad):,} of {bad.size:,} entries are nan or infinite."
        kind = Hint("nan", "", task.section, "")
        mistake = Fault(label, "There are entries that are no finite numbers.", where, kind)
        return _Wrong(point, part, given, right, mistake, open=False)
    place = np.unravel_index(int(np.argmax(difference)), difference.shape)
    index = f"[{', '.join(str(int(n)) for n in place)}]"
    largest = one_digit(float(difference[place]))
    if right.ndim:
        where = f"{at}: {count} are wrong; the worst, {index}, is off by about {largest}."
    else:
        where = f"{at}: the number is off by about {largest}."
    zeros = not np.any(given) and size > 0
    kind = Hint("zeros" if zeros else "", "It is zero everywhere." * zeros, task.section, "")
    mistake = Fault(label, "It is not right.", where, kind)
    return _Wrong(point, part, given, right, mistake, open=not zeros)


def _explained(task: Exercise, asked: _Asked, found: _Wrong) -> Fault:
    """The mistake with its kind."""
    if not found.open:
        return found.mistake
    point = found.point

    def claim(before: Sequence[Any], args: Sequence[Any]) -> list[Array]:
        tree, arrays = asked.call([*map(np.asarray, before), *_as_sent(args, point)])
        return _parts(tree, arrays, [()] * len(task.labels), strict=False)

    hint = diagnosis(task, point, found.part, claim, found.given, found.right)
    return found.mistake._replace(hint=hint)


def _as_sent(args: Sequence[Any], point: Instance) -> list[Any]:
    """Arrays as arrays, what was fixed as it was."""
    return [
        np.asarray(a) if isinstance(own, np.ndarray | np.generic) else own
        for a, own in zip(args, point.values, strict=True)
    ]


def _costed(task: CostTask, submission: Submission, grader: Grader, seed: int, found: Mark) -> Mark:
    """What right values cost, at several sizes."""
    rng = task.rng(seed)
    memory: list[float] = []
    seconds: list[float] = []
    idle: Usage | None = None
    note = ""
    for size in task.sizes:
        point, G = task.at_size(size, rng)
        try:
            if idle is None:
                idle = _used(task, submission, grader, None)
            usage = _used(task, submission, grader, [G, *point.values], (point, rng))
        except _Untrue:
            raise
        except Offence as error:
            note = f"At sizes of about {size} it {error}."
            break
        memory.append(max(0.0, usage.memory - idle.memory))
        seconds.append(max(0.0, usage.cpu - idle.cpu))
    if not note:
        sizes = list(map(float, task.sizes))
        for name, grown, most in (
            ("memory", _growth(sizes, memory, _MEMORY_FLOOR), task.memory),
            ("time", _growth(sizes, seconds, _TIME_FLOOR), task.time),
        ):
            if grown > most + _SLACK:
                note = (
                    f"The {name} that it takes grows about like n^{grown:.0f} with the size n; "
                    f"n^{most:g} is enough. Is the full tensor built?"
                )
                break
    if not note:
        return found
    notes = (*found.notes, f"The values are right, in a dear way. {note}")
    notes += _counted(task, submission, grader, rng)
    return Mark(**{**vars(found), "score": found.score * task.dear, "notes": notes})


def _used(
    task: CostTask,
    submission: Submission,
    grader: Grader,
    values: Sequence[Any] | None,
    judge: tuple[Instance, np.random.Generator] | None = None,
) -> Usage:
    """What a process uses in all that reads the submission, and calls it if there are values."""
    files = {submission.name: submission.content}
    with Enclosure(grader.mode, files, grader.modules, grader.limits) as session:
        asked = _Asked(session, task, submission)
        asked.load()
        if values is not None:
            asked.expected = sum(np.size(v) for v in values)
            tree, arrays = asked.call(values)
        usage = session.usage()
        if values is None:
            _modest(session.start, usage)
    if values is not None and judge is not None:
        point, rng = judge
        shapes = [np.shape(point.values[position]) for position in task.positions]
        if not task.holds(point, values[0], _parts(tree, arrays, shapes), rng):
            raise _Untrue(f"gives wrong values at {point.words()}, while smaller shapes are right")
    return usage


def _counted(
    task: CostTask, submission: Submission, grader: Grader, rng: np.random.Generator
) -> tuple[str, ...]:
    """What is counted inside at the smallest size: a hint, and nothing that is scored."""
    point, G = task.at_size(min(task.sizes), rng)
    files = {submission.name: submission.content}
    with suppress(Offence), Enclosure(grader.mode, files, grader.modules, grader.limits) as session:
        asked = _Asked(session, task, submission)
        asked.load()
        found = asked.counted([G, *point.values])
        lines, size, label, line = (found[key] for key in ("lines", "bytes", "label", "line"))
        if all(type(n) is int and 0 <= n < 1 << 50 for n in (lines, size, line)):
            code = _clean(submission.line(str(label), line), 60)
            return (
                f"Counted inside at {point.words()}: {lines:,} lines are run; most memory, about "
                f"{one_digit(size / 2**20)} MiB, is taken by line {line}: {code}",
            )
    return ()


def _modest(before: Usage, idle: Usage) -> None:
    """Reading a submission is no cost; so much of it that a cost could hide beside it is refused."""
    memory, cpu = idle.memory - before.memory, idle.cpu - before.cpu
    if memory > _LOAD_MEMORY or cpu > _LOAD_TIME:
        raise _Untrue(
            f"takes {memory >> 20} MiB and {cpu:.1f} s when it is read, before anything is called; what "
            "the call takes cannot be measured beside that"
        )


def _growth(sizes: Sequence[float], used: Sequence[float], floor_: float) -> float:
    """The power of the size by which use grows at its end; 0 where it is too little to be measured."""
    if used[-1] <= floor_:
        return 0.0
    before = max(used[-2], floor_ / 2) if len(used) > 1 else floor_ / 2
    ratio = sizes[-1] / sizes[-2] if len(sizes) > 1 else sizes[-1]
    return log(used[-1] / before) / log(ratio) if used[-1] > before else 0.0
