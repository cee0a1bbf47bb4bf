"""What a function computes of arrays that it closes over, read from the source of the line that runs.

``A + B`` of ``x @ (A + B) @ x`` is no traced array, and has no variable. Its source says what it is: names are
looked up, and NumPy's functions that have a Jacobian here run again on them; nothing else is ever called.
Contract: a node that is found has the value that was met, bit by bit.
"""

import ast
import operator
from collections.abc import Iterator
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from jacobians.graph.node import Node
from jacobians.tracing.culprits import source_of, variable
from jacobians.tracing.handle import Handle
from jacobians.tracing.session import Session, user_frame
from jacobians.tracing.tables import entry_of
from jacobians.tracing.traced import Traced

_BINARY: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.MatMult: operator.matmul, ast.Pow: operator.pow,
}  # fmt: skip

_OPERANDS: dict[tuple[CodeType, int], tuple[ast.expr, ...]] = {}
_REMEMBERED = 512  # instructions


class _Unknown(Exception):
    """What the source says is not known without running it."""


def expressed(here: Session, value: Any) -> Node | None:
    """The node of an array that the user's line computes, or that a variable holds; None where neither is seen."""
    frame = user_frame()
    if _is_identity(value):
        return _identity(here, value)
    if frame is None:
        return None
    reading = _Reading(here, frame)
    for part in _operands(frame):
        try:
            found = reading.value(part)
        except Exception:  # not known, or not at these values
            continue
        if isinstance(found, Traced) and _same(found.value, value):
            return found.node
    return None


def _is_identity(value: Any) -> bool:
    """Whether it is a multiple of an identity matrix."""
    square = value.ndim == 2 and value.shape[0] == value.shape[1] > 1 and value.dtype.kind == "f"
    return square and value[0, 0] and np.array_equal(value, value[0, 0] * np.eye(len(value)))


def _identity(here: Session, value: Any) -> Node:
    """``I`` under its name, and times its number."""
    identity = np.eye(len(value), dtype=value.dtype)
    here.names[id(identity)] = "I"
    found = Traced(here.constant_node(identity), identity)
    return found.node if value[0, 0] == 1 else (float(value[0, 0]) * found).node


def _same(found: Any, value: Any) -> bool:
    described = (found.dtype, found.shape) == (value.dtype, value.shape)
    return described and np.array_equal(found, value)


def _operands(frame: FrameType) -> tuple[ast.expr, ...]:
    """What the instruction that runs in a frame works on."""
    key = frame.f_code, frame.f_lasti
    known = _OPERANDS.get(key)
    if known is None:
        if len(_OPERANDS) >= _REMEMBERED:
            _OPERANDS.clear()
        text, _ = source_of(frame, frame.f_lasti)
        known = _OPERANDS[key] = tuple(_parts(_parsed(text)))
    return known


def _parsed(text: str) -> ast.AST | None:
    for shown in (f"({text}\n)", text):  # an expression of several lines; a statement
        try:
            return ast.parse(shown).body[0]
        except (SyntaxError, ValueError, IndexError):
            continue
    return None


def _parts(node: ast.AST | None) -> Iterator[ast.expr]:
    if isinstance(node, ast.Expr):
        yield from _parts(node.value)
    elif isinstance(node, ast.AugAssign):
        yield node.value
    elif isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
    elif isinstance(node, ast.Compare):
        yield from (node.left, *node.comparators)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            yield node.func.value
        for part in (*node.args, *(k.value for k in node.keywords)):
            yield from part.elts if isinstance(part, ast.List | ast.Tuple) else (part,)


class _Reading:
    """Expressions read in a frame."""

    def __init__(self, here: Session, frame: FrameType) -> None:
        self._here, self._frame = here, frame

    def value(self, part: ast.expr) -> Any:
        """What it stands for: arrays as traced ones, under their names; raises ``_Unknown``."""
        if isinstance(part, ast.Constant):
            return part.value
        if isinstance(part, ast.Name):
            return self._named(variable(self._frame, part.id), part.id)
        if isinstance(part, ast.Attribute):
            return self._attribute(part)
        if isinstance(part, ast.Subscript):
            return self._entry(self.value(part.value), part)
        if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub):
            return -self._operand(part.operand)
        if isinstance(part, ast.BinOp) and type(part.op) in _BINARY:
            return _BINARY[type(part.op)](self._operand(part.left), self._operand(part.right))
        if isinstance(part, ast.Tuple):
            return tuple(map(self.value, part.elts))
        if isinstance(part, ast.Slice):
            ends = (part.lower, part.upper, part.step)
            return slice(*(None if end is None else self.value(end) for end in ends))
        if isinstance(part, ast.Call):
            return self._call(part)
        raise _Unknown

    def _operand(self, part: ast.expr) -> Any:
        value = self.value(part)
        if not isinstance(value, Traced | int | float | np.generic | np.ndarray):
            raise _Unknown
        return value

    def _named(self, value: Any, name: str) -> Any:
        if isinstance(value, np.ndarray):
            self._here.names.setdefault(id(value), name)
            node = self._here.constant_node(value)
            return Traced(node, self._here.values[node])  # the value as it is now
        if value is None or isinstance(value, Handle):  # what depends on the inputs is no constant
            raise _Unknown
        return value

    def _attribute(self, part: ast.Attribute) -> Any:
        owner = self.value(part.value)
        if isinstance(owner, Traced):
            if part.attr != "T":
                raise _Unknown
            return owner.T
        if isinstance(owner, ModuleType):
            return getattr(owner, part.attr)
        return self._named(getattr(owner, "__dict__", {}).get(part.attr), part.attr)

    def _entry(self, owner: Any, part: ast.Subscript) -> Any:
        at = self.value(part.slice)
        if isinstance(owner, Traced):
            return owner[at]
        if type(owner) not in (dict, list, tuple):
            raise _Unknown
        base = part.value.id if isinstance(part.value, ast.Name) else "c"
        return self._named(
            owner[at], at if isinstance(at, str) and at.isidentifier() else f"{base}{at}"
        )

    def _call(self, part: ast.Call) -> Any:
        function = self.value(part.func)
        if entry_of(function) is None:
            raise _Unknown
        keywords = {str(k.arg): self.value(k.value) for k in part.keywords}
        return function(*map(self.value, part.args), **keywords)
