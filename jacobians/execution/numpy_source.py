"""The executor that prints steps as NumPy source, and compiles what it printed.

Text is only ever written here: what the steps read, write and share is known from the steps.
"""

import linecache
import textwrap
import weakref
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from jacobians.execution import numerics
from jacobians.execution.building import RESERVED
from jacobians.execution.passes import in_memory
from jacobians.execution.rolling import Repeated, rolled
from jacobians.execution.steps import OUT, Call, Kernel, Literal, Place, Program, Ref, Step, Ufunc
from jacobians.execution.varying import (
    Behind,
    Viewed,
    index_text,
    item_text,
    items_of,
    value_text,
    view_text,
)
from jacobians.graph.how import Broadcast, Index, Reshape, Strided, Transpose, View
from jacobians.ground.arguments import owned
from jacobians.notation.structure import flat_address

_numbers = count()
_HELPERS = "jacobians.execution.numerics"
_INDENT = "    "


def source(program: Program) -> str:
    """The program as a module with one function, ``derivative``, of its inputs and constants.

    Functions that no module has are parameters of their names, after the constants.
    """
    imports = ["import numpy as np"]
    homes: dict[str, list[str]] = {}
    for helper in _helpers(program):
        homes.setdefault(_HELPERS, []).append(helper)
    for call in program.calls.values():
        if call.home:
            alias = "" if call.name == call.attribute else f" as {call.name}"
            homes.setdefault(call.home, []).append(f"{call.attribute}{alias}")
    imports += [f"from {home} import {', '.join(sorted(names))}" for home, names in homes.items()]
    given = [*program.inputs, *program.constants, *parameters(program)]
    return "\n".join([*imports, "", "", *_function(program, given)]) + "\n"


def parameters(program: Program) -> dict[str, Callable[..., Any]]:
    """The functions that are handed to the printed one: those that no module has."""
    return {name: call.function for name, call in program.calls.items() if not call.home}


def compiled(program: Program) -> Callable[..., Any]:
    """The program as a function of its inputs (and ``out`` and ``clean``, where it is dense)."""
    functions = {name: call.function for name, call in program.calls.items()}
    helpers = {name: getattr(numerics, name) for name in _helpers(program)}
    # Constants become variables of an outer function: quicker than globals.
    body = [_INDENT + line for line in _function(program, program.inputs)]
    lines = [f"def bind({', '.join(program.constants)}):", *body, f"{_INDENT}return derivative"]
    name, text = f"<jacobians plan {next(_numbers)}>", "\n".join(lines) + "\n"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    space: dict[str, Any] = {"np": np, **functions, **helpers}
    exec(compile(text, name, "exec"), space)
    function: Callable[..., Any] = space["bind"](**program.constants)
    weakref.finalize(function, linecache.cache.pop, name, None)  # tracebacks show it while it lives
    return function


def described(program: Program) -> str:
    """The steps with their shapes, in 80 columns."""
    lines: list[str] = []
    for step in _as_one_writes(program):
        for line in _lines(step):
            lines += wrapped(_INDENT + line, 60)
        if step.target:
            lines[-1] = f"{lines[-1]:<60} {step.shape}"
    return "\n".join(lines)


def wrapped(line: str, width: int) -> list[str]:
    """A line of source in lines of at most this width, where it has spaces; the others indented."""
    indent = line[: len(line) - len(line.lstrip())] + _INDENT
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _function(program: Program, names: Iterable[str]) -> list[str]:
    last = [f"{OUT}=None", "clean=False"] if program.dense else []
    lines = [f"def derivative({', '.join([*names, *last])}):"]
    taken = [*RESERVED, *program.inputs, *program.constants, *program.calls]
    items, returned = rolled(_as_one_writes(program), program.returned, taken)
    body = [line for item in items for line in _written(item)]
    if program.copied:
        body += [
            f"if {OUT} is not None:", f"{_INDENT}{OUT}[...] = {returned[0]}",
            f"{_INDENT}return {OUT}",
        ]  # fmt: skip
    together = f"({''.join(f'{name}, ' for name in returned).strip()})"
    body.append(f"return {returned[0] if program.dense else together}")
    return lines + [_INDENT + line for line in body]


class Operator(NamedTuple):
    """A kernel that is written between its operands, or before the only one."""

    symbol: str


_OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "negative": "-"}


def _as_one_writes(program: Program) -> list[Step]:
    """The steps with operators where those mean NumPy's functions: they are ten times quicker on numbers.

    Of two numbers of Python's a quotient would not mean them, nor would any of small integers and truths;
    all others are numbers of Python's again, which do not widen float32.
    """
    known, numbers = set(program.constants), set[str]()
    steps = []
    for step in program.steps:
        step = step._replace(operands=tuple([_as_it_is(one, numbers) for one in step.operands]))
        if step.target and not step.shape:
            numbers.add(step.target)
        refs = [operand for operand in step.operands if isinstance(operand, Ref)]
        arrays = any(ref.views or ref.root in known for ref in refs)
        own = step.into is None or (isinstance(step.into, Place) and _is_entry(step.into))
        sure = arrays
        if isinstance(step.kernel, Ufunc) and own and step.dtype.kind == "f":
            square = step.kernel.name == "square" and not step.shape
            symbol = "*" if square else _OPERATORS.get(step.kernel.name)
            alike = arrays or (symbol != "/" and step.target not in program.returned)
            if symbol is not None and alike and not step.shared:
                operands = step.operands * 2 if square else step.operands
                step = step._replace(kernel=Operator(symbol), operands=operands)  # type: ignore[arg-type]
            else:
                sure = True
        elif step.kernel is not Kernel.VIEW:
            sure = sure or not isinstance(step.kernel, Call) or bool(step.kernel.home)
        if sure:
            known.add(step.target)
        steps.append(step)
    return steps


def _as_it_is(operand: Ref | Literal, numbers: set[str]) -> Ref | Literal:
    """An operand; what has no axes needs no view that takes them away."""
    if isinstance(operand, Ref) and operand.root in numbers and operand.views == (Reshape(()),):
        return Ref(operand.root)
    return operand


def _is_entry(place: Place) -> bool:
    """Whether it is one entry of an array with axes."""
    return not place.letters and not place.at and not place.whole


def _written(item: Step | Repeated) -> list[str]:
    """The lines of a step, or of a loop."""
    if isinstance(item, Step):
        return _lines(item)
    body = [*item.first, *(line for step in item.body for line in _lines(step)), *item.last]
    head = f"for {item.variable} in range({item.start}, {item.stop}):"
    return [*item.before, head, *(_INDENT + line for line in body)]


def _helpers(program: Program) -> list[str]:
    found = set()
    for step in program.steps:
        refs = [operand for operand in step.operands if isinstance(operand, Ref)]
        if any(isinstance(one, Strided) for ref in refs for one in ref.views):
            found.add("strided")
        into = step.into
        if isinstance(into, Place) and not (into.at or into.whole or items_of(into)):
            found.add("view")
        if step.kernel is Kernel.EXACT:
            found.add("exact")
        if step.shared:
            found.add("parallel")
    return sorted(found)


# Operands and places


def written(operand: Ref | Literal) -> str:
    """An operand as source text."""
    if isinstance(operand, Literal):
        return value_text(operand.value)
    text = operand.root
    for one in operand.views:
        text = _through(text, one)
    return text


def _through(text: str, one: View | Behind) -> str:
    match one:
        case Behind(behind):
            return f"{text}{behind}"
        case Transpose((1, 0)):
            return f"{text}.T"
        case Transpose(axes):
            return f"{text}.transpose({axes})"
        case Index(items):
            return f"{text}{index_text([*map(item_text, items)], items)}"
        case Reshape(shape):
            return f"{text}.reshape({shape})"
        case Broadcast(shape):
            return f"np.broadcast_to({text}, {shape})"
        case Strided(starts, shape, steps):
            return f"strided({text}, {starts}, {shape}, {steps})"


def _place(place: Ref | Place) -> str:
    if isinstance(place, Ref):
        return written(place)
    if place.at:
        return f"{place.root}[{', '.join(map(written, place.at))}]"
    if place.whole:
        return place.root
    if isinstance(place.root, Viewed):
        return place.root.text
    items = items_of(place)
    if items is not None:
        return f"{place.root}{index_text([*map(item_text, items)], items)}"
    start, _ = flat_address(place.slots, place.sizes, place.letters, place.shape)
    return view_text(place.root, place, start)


# Steps


def _lines(step: Step) -> list[str]:
    """The lines of a step."""
    if step.given:
        made = _expression(step)
        lines = [f"if {OUT} is None:", f"{_INDENT}{step.target} = {made}", "else:"]
        lines.append(f"{_INDENT}{step.target} = {OUT}")
        if step.kernel is Kernel.ZEROS:
            lines += [f"{_INDENT}if not clean:", f"{_INDENT * 2}{step.target}.fill(0)"]
        return lines
    if step.kernel in (Kernel.STORE, Kernel.ADD_TO, Kernel.CLEAR):
        return [_writing(step)]
    if isinstance(step.into, Place) and _is_entry(step.into):
        return [f"{_place(step.into)} = {_expression(step._replace(into=None))}"]
    text = _expression(step)
    return [f"{step.target} = {text}" if step.target else text]


def _writing(step: Step) -> str:
    place = step.into
    assert isinstance(place, Place)
    at, root = _place(place), place.root
    indexed = bool(place.at or items_of(place))
    if step.kernel is Kernel.CLEAR:
        return f"if clean: {at} = 0" if indexed else f"if clean: np.copyto({at}, 0)"
    value = written(step.operands[0])
    if place.at and not place.once:
        return f"np.add.at({root}, ({''.join(f'{written(ref)}, ' for ref in place.at)}), {value})"
    if step.kernel is Kernel.ADD_TO:
        direct = place.at or place.whole or _is_entry(place)
        return f"{at} += {value}" if direct else f"part = {at}; part += {value}"
    if step.shared and not place.at:
        return f"parallel(np.positive, {value}, out={at})"
    if indexed:
        return f"{at} = {value}"
    return f"np.copyto({at}, {value})"


def _expression(step: Step) -> str:
    texts = [written(operand) for operand in step.operands]
    into = f", out={_place(step.into)}" if step.into is not None else ""
    listed = ", ".join(texts)
    if isinstance(step.kernel, Operator):
        return _operation(step.kernel.symbol, texts)
    if isinstance(step.kernel, Ufunc):
        name = f"np.{step.kernel.name}"
        called = f"parallel({name}, " if step.shared else f"{name}("
        return f"{called}{listed}{into})"
    if isinstance(step.kernel, Call):
        given = [f"{key}={value_text(value)}" for key, value in step.parameters]
        return f"{step.kernel.name}({', '.join([*texts, *given])})"
    dtype = f"np.{step.dtype.name}"
    match step.kernel:
        case Kernel.VIEW:
            return listed
        case Kernel.COPY:
            return f"np.array({listed}, {dtype}, order='C')"
        case Kernel.CAST:
            return f"{texts[0]}.astype({dtype})"
        case Kernel.DOT:
            return f"{texts[0]}.dot({texts[1]}{into})"
        case Kernel.MATMUL:
            return f"np.matmul({listed}{into})"
        case Kernel.ADD_UP:
            (axes,) = step.parameters
            return f"np.add.reduce({listed}, {axes[0] if len(axes) == 1 else axes})"
        case Kernel.SELECT:
            return f"np.where({listed}, 0)"
        case Kernel.TAKE:
            return f"{texts[0]}[{', '.join(texts[1:])}]"
        case Kernel.STACK:
            rows = f"({listed}{',' if len(texts) == 1 else ''})"
            if len(step.shape) == 1:  # of numbers
                return f"np.array({rows}, {dtype})"
            return f"np.stack({rows}, dtype={dtype})"
        case Kernel.ZEROS:
            return f"np.zeros({step.shape}, {dtype})"
        case Kernel.EMPTY:
            return f"np.empty({step.shape}, {dtype})"
        case Kernel.EXACT:
            return _exact(step, texts)
    raise AssertionError(step.kernel)


def _operation(symbol: str, texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return f"{symbol}{texts[0]}"
    first, second = texts
    if symbol in "+-" and second.startswith("-"):
        symbol, second = "-+"["+-".index(symbol)], second[1:]
    return f"{first} {symbol} {second}"


def _exact(step: Step, texts: Sequence[str]) -> str:
    coefficient, letters, masks = step.parameters
    names = ["".join(chr(97 + a if a < 26 else 166 + a) for a in own) for own in letters]
    pairs = [f"({text}, {name!r})" for text, name in zip(texts, names, strict=True)]
    chosen, factors = ", ".join(pairs[1 : 1 + masks]), ", ".join(pairs[1 + masks :])
    number = written(coefficient)
    return f"exact({texts[0]}, {names[0]!r}, {number}, [{chosen}], [{factors}])"


_WARNING = {
    "divide",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "power",
    "reciprocal",
    "arctanh",
    "exp",
}


def warns(program: Program) -> bool:
    """Whether a step may warn about a value (log 0, 1 / 0) that a mask may rule out later."""
    return bool(program.calls) or any(
        step.kernel is Kernel.EXACT
        or (isinstance(step.kernel, Ufunc) and step.kernel.name in _WARNING)
        for step in program.steps
    )


class NumpyProgram:
    """A program printed and compiled: the executor ``on="numpy"``, and what others have in common with it.

    Attributes
    ----------
    program : Program
        As it is printed: passes that save memory are done.
    run : callable
        A function of the inputs' values; ``out`` and ``clean`` by name, where the program is dense.
    ahead : bool
        Whether programs are made when a derivative is compiled, so that what the executor cannot do
        raises there, and not when they are first needed; and called once, so that what compiles them
        does so there.
    """

    ahead = False

    def __init__(self, program: Program) -> None:
        self.program = in_memory(program)
        self.run = self.load(program)

    def load(self, program: Program) -> Callable[..., Any]:  # noqa: ARG002
        """The function that runs it."""
        function = compiled(self.program)
        if not warns(self.program):
            return function

        def silently(*arrays: Any, **how: Any) -> Any:
            with np.errstate(all="ignore"):
                return function(*arrays, **how)

        return silently

    @property
    def source(self) -> str:
        """The text that runs."""
        return source(self.program)

    @property
    def described(self) -> str:
        """The steps with their shapes."""
        return described(self.program)

    @property
    def constants(self) -> dict[str, Any]:
        """What the printed function takes besides the inputs."""
        return {**self.program.constants, **parameters(self.program)}

    def fresh(
        self, made: Iterable[Any], dtypes: Iterable[np.dtype[Any]], given: Sequence[Any]
    ) -> list[Any]:
        """Results as arrays that are nobody else's: no input, no constant, no other result."""
        seen = [*given, *self.program.constants.values()]
        found: list[Any] = []
        for array, dtype in zip(made, dtypes, strict=True):
            found.append(owned(array, seen, dtype))
            seen.append(found[-1])
        return found

    @staticmethod
    def check_installed() -> None:
        """Raise where the library that it runs on is not there."""

    @staticmethod
    def native(value: Any) -> bool:  # noqa: ARG004
        """Whether a value is an array of another library, which this executor takes as it is."""
        return False

    @staticmethod
    def traced(value: Any) -> bool:  # noqa: ARG004
        """Whether such an array has no value yet, because that library is tracing."""
        return False

    @classmethod
    def example(cls, value: Any) -> Any:
        """A value that a function can be traced with."""
        return value

    @classmethod
    def like(cls, results: Any, args: Sequence[Any]) -> Any:  # noqa: ARG003
        """Results of NumPy's as the arguments' library has them."""
        return results
