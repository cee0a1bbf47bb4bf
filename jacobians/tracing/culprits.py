"""What the user's line does that cannot be traced, and what to write in its place.

Python knows the place in the source of the instruction that runs; what is called there is looked up by
its name, never evaluated. Where there is no source, only the line is named.
"""

import ast
import linecache
import math
from collections.abc import Iterator, Mapping
from types import FrameType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from jacobians.tracing.handle import holds_traced
from jacobians.tracing.session import place_of, user_frame

_LONGEST = 60  # characters of source in a message

_WITHOUT = "leave {function} out: {first} is an array already (write jb.array([...]) for a list)"
_INNER = "make each list of numbers in it an array with jb.array([...])"
_SCIPYS = {"erf": "erf", "erfc": "erfc", "gamma": "gamma", "lgamma": "gammaln"}
_MATHS = {"fabs": "absolute", "fsum": "sum", "ldexp": "ldexp", "dist": "linalg.norm"}

INSTEAD: dict[Any, str] = {
    np.array: "write jb.array{arguments}",
    **dict.fromkeys(
        (np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.require), _WITHOUT
    ),
    **dict.fromkeys(
        (np.stack, np.concatenate, np.vstack, np.hstack, np.dstack, np.column_stack, np.append), _INNER
    ),
    np.vectorize: "call the function with the whole array, or write jb.array([f(v) for v in x])",
    np.fromiter: "write jb.array([... for ... in ...])",
    np.full: "write jb.full{arguments}",
    **dict.fromkeys(
        (np.copyto, np.fill_diagonal, np.put, np.place, np.putmask, np.put_along_axis),
        "make {first} with jb.zeros(shape) in place of np.zeros(shape)",
    ),
    np.full_like: "write jb.full({first}.shape, ...)",
    np.arange: "its length would depend on a value; write start + step * np.arange(count)",
    np.matrix: "write it with arrays and @",
    float: "leave float() out: an array without axes works like a number",
    complex: "leave complex() out: Jacobians here are real",
}  # fmt: skip
"""What to write, by what is called; ``{arguments}`` stands for its arguments as they are written."""

FRAMEWORKS = {
    "jax": "JAX", "jaxlib": "JAX", "torch": "PyTorch", "numba": "Numba", "tensorflow": "TensorFlow",
    "cupy": "CuPy", "autograd": "Autograd",
}  # fmt: skip


class Culprit(NamedTuple):
    """What runs on the user's line.

    Attributes
    ----------
    place : str
        ``file.py:12``.
    text : str
        The source of the instruction that runs: a call, or what is assigned into; empty if unknown.
    assigns : str
        What is assigned into, as it is written; empty for a call.
    function : object
        What is called; None if unknown.
    root : object
        What its name begins with: ``np`` of ``np.linalg.inv``.
    names : mapping of str to str
        The source of its parts: ``function``, ``arguments`` (with parentheses), ``first``, ``object``
        and ``method``.
    touches_traced : bool
        Whether a variable that it reads is a traced array.
    """

    place: str
    text: str = ""
    assigns: str = ""
    function: Any = None
    root: Any = None
    names: Mapping[str, str] = {}
    touches_traced: bool = False

    @property
    def framework(self) -> str:
        """Which other array package the called function is of: ``PyTorch``; empty for none."""
        of = type(self.function).__module__, getattr(self.function, "__module__", None)
        root = self.root.__name__ if isinstance(self.root, ModuleType) else ""
        found = (str(name).partition(".")[0] for name in (*of, root))
        return next((FRAMEWORKS[name] for name in found if name in FRAMEWORKS), "")

    @property
    def instead(self) -> str:
        """What to write in place of the call; empty if nothing is known."""
        function, names = self.function, self.names
        advice = _looked_up(function) or _looked_up(type(function))
        if advice:
            return advice.format_map(names)
        if names.get("method") in ("tolist", "item"):
            return (
                f"leave .{names['method']}() out: an array can be gone through and indexed as it is"
            )
        if isinstance(function, type) and issubclass(function, np.generic):
            return f"leave {names['function']} out, or write {names['first']}.astype(...)"
        name, owner = getattr(function, "__name__", ""), getattr(function, "__self__", None)
        if function is None and hasattr(np.ndarray, names.get("method", "")):
            name = names["method"]  # of what is computed on the line: (M + 1).dot(x)
        if isinstance(owner, np.ndarray) or (function is None and name):
            if name in ("dot", "__matmul__"):
                return f"write {names['object']} @ {names['first']}"
            known = hasattr(np, name)
            return f"write np.{name}({names['object']}, {names['arguments'][1:]}" if known else ""
        if type(owner).__module__.startswith("numpy.random"):
            return "scale a draw: mean + scale * rng.normal(size=shape), with plain numbers inside"
        if isinstance(owner, ModuleType) and owner is math:
            return _of_math(name, names["arguments"])
        return ""


def _looked_up(function: Any) -> str:
    try:
        return INSTEAD.get(function, "")
    except TypeError:  # what has no hash
        return ""


def _of_math(name: str, arguments: str) -> str:
    if name in _SCIPYS:
        return f"write scipy.special.{_SCIPYS[name]}{arguments}"
    name = _MATHS.get(name, name)
    return f"write np.{name}{arguments}" if hasattr(np, name.partition(".")[0]) else ""


def culprit(frame: FrameType | None = None, instruction: int | None = None) -> Culprit:
    """What runs now in the innermost frame of the user's code, or in a frame of a traceback."""
    frame = frame or user_frame()
    if frame is None:
        return Culprit("an unknown line")
    at = frame.f_lasti if instruction is None else instruction
    text, line = source_of(frame, at)
    place = place_of(frame, line)
    try:
        running = ast.parse(f"({text}\n)", mode="eval").body if text else None
    except SyntaxError:  # a statement, ``y += x``
        return Culprit(place, _short(text))
    read = {node.id for node in ast.walk(running) if isinstance(node, ast.Name)} if running else ()
    touched = any(holds_traced(variable(frame, name)) for name in read)
    if isinstance(running, ast.Subscript):
        return Culprit(place, _short(text), ast.unparse(running.value), touches_traced=touched)
    if not isinstance(running, ast.Call):
        return Culprit(place, _short(text), touches_traced=touched)
    called = running.func.func if isinstance(running.func, ast.Call) else running.func
    function, root = _resolved(frame, called)  # of np.vectorize(f)(x), the vectorize
    names = {
        "function": ast.unparse(running.func),
        "arguments": f"({', '.join(_arguments(running))})",
        "first": ast.unparse(running.args[0]) if running.args else "x",
        "object": _operand(running.func),
        "method": running.func.attr if isinstance(running.func, ast.Attribute) else "",
    }
    short = {name: _short(written) for name, written in names.items()}
    return Culprit(place, _short(text), "", function, root, short, touched)


def _arguments(call: ast.Call) -> Iterator[str]:
    yield from map(ast.unparse, call.args)
    for keyword in call.keywords:
        value = ast.unparse(keyword.value)
        yield f"{keyword.arg}={value}" if keyword.arg else f"**{value}"


def _operand(function: ast.expr) -> str:
    """``X`` of ``X.dot``, in parentheses unless it is one word or a call."""
    if not isinstance(function, ast.Attribute):
        return ""
    plain = isinstance(function.value, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return ast.unparse(function.value) if plain else f"({ast.unparse(function.value)})"


def source_of(frame: FrameType, instruction: int) -> tuple[str, int]:
    """The source of an instruction, and its first line; empty where there is none."""
    positions = list(frame.f_code.co_positions())
    line, last, start, end = positions[instruction // 2]
    if line is None or last is None or start is None or end is None:
        return "", line or frame.f_lineno
    lines = [
        text.encode() for text in linecache.getlines(frame.f_code.co_filename, frame.f_globals)
    ][line - 1 : last]
    if len(lines) != last - line + 1:
        return "", line
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return b"".join(lines).decode(errors="replace"), line


def _resolved(frame: FrameType, name: ast.expr) -> tuple[Any, Any]:
    """What a dotted name stands for, and what it begins with: looked up, without running anything."""
    if isinstance(name, ast.Name):
        found = variable(frame, name.id)
        return found, found
    if not isinstance(name, ast.Attribute):
        return None, None
    value, root = _resolved(frame, name.value)
    if isinstance(value, ModuleType | type | np.ndarray | np.random.Generator):
        return getattr(value, name.attr, None), root
    return getattr(value, "__dict__", {}).get(name.attr), root  # never what would be computed


def variable(frame: FrameType, name: str) -> Any:
    """What a name stands for in a frame, None where there is no such."""
    for names in (frame.f_locals, frame.f_globals, frame.f_builtins):
        if name in names:
            return names[name]
    return None


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _LONGEST else f"{one_line[: _LONGEST - 1]}…"


def framework_message(found: Culprit) -> str:
    """That a function of another array package is called."""
    return (
        f"{found.names.get('function') or found.text} at {found.place} is {found.framework}'s, which works on "
        "arrays of its own and cannot be traced here; write the function with NumPy, hold a derivative that it "
        "has with jb.check(f, ..., vjp=...) against numbers, or take jb.numerical.jacobian(f, ...)"
    )
