"""What the user calls the values of a function: its local variables, seen as it returns."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from jacobians.graph.node import Node
from jacobians.tracing.traced import Traced

_INFIX = {
    "add": "+", "subtract": "−", "multiply": "·", "divide": "/", "ratio": "/", "matmul": "@", "power": "**",
}  # fmt: skip
_SAME_ENTRIES = (
    "alias", "astype", "reshape", "broadcast", "broadcast_to", "squeeze", "expand_dims",
)  # fmt: skip
_OURS = str(Path(__file__).parent.parent)
UNNAMED = "a constant"  # what is said of an array that no variable holds
Arrays = dict[int, list[tuple[Any, str]]]  # with their names, by the ids of what owns their memory
_DEEP = 5  # operations that are written out, of a value without a name
_LONGEST = 48


@contextmanager
def variables_seen(known: dict[Node, str], arrays: Arrays) -> Iterator[None]:
    """Fill in the names of traced values, and other arrays, from the local variables of the user's functions.

    A name that several values have is told of none, but of that in the outermost function.
    """
    if sys.getprofile() is not None:  # a profiler is at work, and cannot be put back
        yield
        return
    seen: dict[Node, tuple[int, str]] = {}

    def see(frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event != "return" or file.startswith(_OURS) or "site-packages" in file:
            return
        for name, value in frame.f_locals.items():
            if isinstance(value, Traced):
                place = _depth(frame), name
                seen[value.node] = min(seen.get(value.node, place), place)
            elif isinstance(value, np.ndarray):
                arrays.setdefault(id(_owner(value)), []).append((value, name))

    sys.setprofile(see)
    try:
        yield
    finally:
        sys.setprofile(None)
    places = Counter(seen.values())
    outermost: dict[str, int] = {}
    for depth, name in places:
        outermost[name] = min(depth, outermost.get(name, depth))
    for node, (depth, name) in seen.items():
        if depth == outermost[name] and places[depth, name] == 1:
            known[node] = name


def variable_of(value: Any, arrays: Arrays, closed: dict[int, str]) -> str:
    """What the user calls an array, or one that has the same entries in memory."""
    if not isinstance(value, np.ndarray):
        return ""
    owner = _owner(value)
    known = [*arrays.get(id(owner), ()), (owner, closed.get(id(owner), ""))]
    alike = [name for one, name in known if np.array_equal(np.ravel(one), np.ravel(value))]
    return closed.get(id(value)) or next(filter(None, alike), "")


def _owner(array: Any) -> Any:
    """Whose memory it is."""
    return array if array.base is None else array.base


def _depth(frame: FrameType | None) -> int:
    count = 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


def brief(
    node: Node, names: dict[Node, str], formula: Callable[[Node], str], deep: int = _DEEP
) -> str:
    """A value in a few words: its name, or the operation on what has names."""
    if node in names:
        return names[node]
    if node.operation is None:
        if node.name:
            return node.name
        return f"{node.value:g}" if node.ndim == 0 and node.value is not None else UNNAMED
    if deep == 0:
        return "…"
    parts = [brief(n, names, formula, deep - 1) for n in node.operands]
    name = node.operation.name
    if name in ("slice", "take", "gather", "index") and formula(node):
        return formula(node)
    if name == "negative" and len(parts) == 1:
        text = f"−{parts[0]}" if " " not in parts[0] else f"−({parts[0]})"
    elif name == "square":
        text = f"{parts[0]}²" if " " not in parts[0] or parts[0].endswith(")") else f"({parts[0]})²"
    elif name in _INFIX and len(parts) == 2:
        own = [p if " " not in p or "(" in p[:1] else f"({p})" for p in parts]
        text = f" {_INFIX[name]} ".join(own)
    elif len(parts) == 1 and name in _SAME_ENTRIES:
        text = parts[0]
    else:
        name = name.removesuffix("_over")
        text = f"{name}({', '.join(parts)})"
    if len(text) <= _LONGEST:
        return text
    return brief(node, names, formula, deep - 1) if deep > 1 else f"{name}(…)"
