"""Formulas read and computed again: what a person who knows index notation would get from the text.

Nothing here knows terms, nodes or operations: a formula and arrays by name go in, numbers come out.
The rules are those of the formula's docstring. Letters of the tensor's axes are free. Any other letter
is summed, over the product that has all its places, or where it stands if that is one entry; ``Σ_r``
sums over all that follows. ``[k ≤ i]`` is 1 where that holds, else 0.
Names without letters are whole arrays, and side by side they are matrix
products. A letter runs as far as all entries that it reads exist, over its table, and as a digit
beside a larger stride (``3k+r``) up to that stride; ``Σ_(r<3)`` says what else. What cannot be read
so raises ``Unread``.
"""

import re
from collections.abc import Iterable, Mapping
from math import pi
from typing import Any, NamedTuple

import numpy as np


class Unread(Exception):
    """The formula needs more than index notation: a function or a range that is not known here."""


_NUMBERS = {"½": 1 / 2, "⅓": 1 / 3, "⅔": 2 / 3, "¼": 1 / 4, "¾": 3 / 4, "⅙": 1 / 6, "⅚": 5 / 6,
            "⅑": 1 / 9, "π": pi, "inf": np.inf, "nan": np.nan}  # fmt: skip


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Any) -> Any:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


_ENTRYWISE: dict[str, Any] = {
    name: getattr(np, name)
    for name in (
        "exp", "exp2", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "arcsin", "arccos",
        "arctan", "sinh", "cosh", "tanh", "sign", "hypot", "cbrt", "reciprocal", "trunc", "copysign",
        "where", "clip", "isnan", "isinf", "isfinite", "signbit", "logaddexp", "logaddexp2",
        "logical_and", "logical_or", "logical_xor", "nextafter",
    )
} | {"√": np.sqrt, "σ": _sigmoid, "relu": lambda x: np.maximum(x, 0)}  # fmt: skip
_WHOLE: dict[str, Any] = {
    "det": np.linalg.det, "chol": np.linalg.cholesky, "softmax": _softmax,
    "sum": np.sum, "tr": np.trace, "centered": lambda x: x - x.mean(-1, keepdims=True),
    "sign det": lambda x: np.linalg.slogdet(x)[0], "σ": lambda x: np.linalg.svd(x, compute_uv=False),
    "λ": np.linalg.eigvalsh, "eigenvectors": lambda x: np.linalg.eigh(x)[1],
    ".U": lambda x: np.linalg.svd(x, full_matrices=False)[0],
    ".Vᵀ": lambda x: np.linalg.svd(x, full_matrices=False)[2],
    ".Q": lambda x: np.linalg.qr(x)[0], ".R": lambda x: np.linalg.qr(x)[1],
}  # fmt: skip
_COMPARED = {"=": np.equal, "≠": np.not_equal, "<": np.less, ">": np.greater, "≤": np.less_equal,
             "≥": np.greater_equal}  # fmt: skip


class Node(NamedTuple):
    """A piece of a formula: what it is, a name or number, and what stands in it."""

    kind: str
    value: Any = None
    parts: tuple["Node", ...] = ()
    index: tuple["Affine", ...] = ()


class Affine(NamedTuple):
    """A position: a constant, strides by letters, and tables (stride, name, position)."""

    constant: int = 0
    strides: tuple[tuple[str, int], ...] = ()
    tables: tuple[tuple[int, str, "Affine"], ...] = ()

    @property
    def letters(self) -> list[str]:
        """All letters, those inside tables too."""
        return [a for a, _ in self.strides] + [
            a for *_, inner in self.tables for a in inner.letters
        ]

    @property
    def plain(self) -> str | None:
        """The letter, where there is nothing else."""
        alone = self.constant == 0 and not self.tables and len(self.strides) == 1
        return self.strides[0][0] if alone and self.strides[0][1] == 1 else None


_NAME = re.compile(r"sign det|[a-z]+_[a-z]+\d?(?=\()|[^\W\d_½⅓⅔¼¾⅙⅚⅑](?:\w(?<![_ᵀ²¹³⁴]))*['′]*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class _Parser:
    """A text from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def takes(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def needs(self, sign: str) -> None:
        if not self.takes(sign):
            raise Unread(f"{sign!r} expected at {self.text[self.at :]!r} of {self.text!r}")

    def sum(self) -> Node:
        parts = [self.quotient()]
        while True:
            if self.takes(" + "):
                parts.append(self.quotient())
            elif self.takes(" − ") or self.takes("−"):
                parts.append(Node("minus", parts=(self.quotient(),)))
            else:
                return parts[0] if len(parts) == 1 else Node("sum", parts=tuple(parts))

    def quotient(self) -> Node:
        if self.takes("−"):
            return Node("minus", parts=(self.quotient(),))
        found = self.product()
        while True:
            if self.takes(" / "):
                found = Node("over", parts=(found, self.product()))
            elif self.takes(" mod "):
                found = Node("call", "mod", (found, self.product()))
            else:
                return found

    def product(self) -> Node:
        parts: list[Node] = []
        letters = ""
        while True:
            if self.takes("Σ_"):
                letters += self.letters_run() + ";"
            else:
                parts.append(self.factor())
            here = self.at
            if (
                not self.takes(" ")
                or self.at == len(self.text)
                or self.text[self.at] in "+−/=≠<>≤≥,;"
            ):
                self.at = here
                break
            if self.text.startswith("mod ", self.at):
                self.at = here
                break
        if len(parts) == 1 and not letters:
            return parts[0]
        limits = dict(re.findall(r"(\w)<(\d+)", letters))
        plain = re.sub(r"<\d+|;", "", letters)
        return Node("product", (plain, tuple(limits.items())), tuple(parts))

    def letters_run(self) -> str:
        if self.takes("("):
            inside = self.text[self.at : self.text.index(")", self.at)]
            self.at += len(inside) + 1
            return inside.replace(",", "")
        found = re.compile(r"[a-zA-Z]+").match(self.text, self.at)
        assert found
        self.at = found.end()
        return found[0]

    def factor(self) -> Node:
        found = self.atom()
        while True:
            if found.value == "‖" and re.match(r"_[\d(−]", self.text[self.at :]):
                raise Unread("a p-norm")
            if self.takes("_"):
                found = Node("entry", parts=(found,), index=self.index())
            elif self.takes("⁻¹"):
                found = Node("call", "⁻¹", (found,))
            elif self.takes("⁻ᵀ"):
                found = Node("call", "ᵀ", (Node("call", "⁻¹", (found,)),))
            elif self.takes("⁺"):
                found = Node("call", "⁺", (found,))
            elif (power := next((p for p in "²³⁴" if self.takes(p)), None)) is not None:
                found = Node("call", power, (found,))
            elif self.takes("ᵀ"):
                found = Node("call", "ᵀ", (found,))
            elif self.takes("^"):
                found = Node("call", "^", (found, self.exponent()))
            elif self.text.startswith("/", self.at):  # 1/7, π/180
                self.at += 1
                found = Node("over", parts=(found, self.atom()))
            else:
                return found

    def exponent(self) -> Node:
        found = self.atom()
        return Node("entry", parts=(found,), index=self.index()) if self.takes("_") else found

    def atom(self) -> Node:
        if self.takes("("):
            found = self.sum()
            self.needs(")")
            return found
        if self.takes("["):
            return self.bracket()
        for left, right in (("|", "|"), ("⌊", "⌋"), ("‖", "‖")):
            if self.takes(left):
                found = self.sum()
                self.needs(right)
                return Node("call", left, (found,))
        number = _NUMBER.match(self.text, self.at)
        if number:
            self.at = number.end()
            return Node("number", float(number[0]))
        if self.text[self.at : self.at + 1] in _NUMBERS:
            self.at += 1
            return Node("number", _NUMBERS[self.text[self.at - 1]])
        if self.takes("√("):
            self.at -= 1
            return Node("call", "√", self.arguments())
        name = _NAME.match(self.text, self.at)
        if not name:
            raise Unread(f"{self.text[self.at :]!r} in {self.text!r}")
        self.at = name.end()
        if name[0] in _NUMBERS:
            return Node("number", _NUMBERS[name[0]])
        if self.text.startswith("(", self.at):
            found = Node("call", name[0], self.arguments())
            if self.takes("."):
                return Node("call", "." + self.letters_run() + "ᵀ" * self.takes("ᵀ"), found.parts)
            return found
        return Node("name", name[0])

    def arguments(self) -> tuple[Node, ...]:
        self.needs("(")
        found = [self.sum()]
        while self.takes(", "):
            found.append(self.sum())
        self.needs(")")
        return tuple(found)

    def bracket(self) -> Node:
        if self.takes("not "):
            found = Node("call", "not", (self.sum(),))
            self.needs("]")
            return found
        order = re.compile(r"([a-zA-Z]) ([≤<]) ([a-zA-Z])\]").match(self.text, self.at)
        if order:  # of letters; of numbers, where there are no such letters
            self.at = order.end()
            left, right = Node("name", order[1]), Node("name", order[3])
            index = _position(order[1]), _position(order[3])
            return Node("ordered", (order[2],), (left, right), index)
        parts, signs = [self.sum()], []
        while not self.takes("]"):
            sign = next((s for s in _COMPARED if self.takes(f" {s} ")), None)
            if sign is None:
                raise Unread(self.text)
            signs.append(sign)
            parts.append(self.sum())
        return Node("compared", tuple(signs), tuple(parts))

    def index(self) -> tuple[Affine, ...]:
        if not self.takes("("):
            found = re.compile(r"[a-zA-Z]+|\d+").match(self.text, self.at)
            if not found:
                raise Unread(self.text)
            self.at = found.end()
            return tuple(_position(letter) for letter in found[0])
        start, depth = self.at, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(self.text[self.at], 0)
            self.at += 1
        return tuple(map(_position, _split(self.text[start : self.at - 1], ",")))


def _split(text: str, by: str) -> list[str]:
    """At signs outside of parentheses."""
    found, depth = [""], 0
    for sign in text:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == by and not depth:
            found.append("")
        else:
            found[-1] += sign
    return found


def _position(text: str) -> Affine:
    result = Affine()
    for piece in re.sub(r"([+−])", r" \1", _outside(text)).split():
        sign = -1 if piece.startswith("−") else 1
        found = re.match(r"(\d*)(.*)", piece.lstrip("+−"))
        assert found
        factor = sign * (int(found[1]) if found[1] else 1)
        rest = found[2].replace("⊕", "+").replace("⊖", "−")
        if not rest:
            result = result._replace(constant=result.constant + factor)
        elif rest.startswith("("):
            inner = _position(rest[1:-1])
            result = Affine(
                result.constant + factor * inner.constant,
                result.strides + tuple((a, factor * s) for a, s in inner.strides),
                result.tables + tuple((factor * s, n, i) for s, n, i in inner.tables),
            )
        elif "(" in rest:
            name, _, inside = rest[:-1].partition("(")
            table = (factor, name, _position(inside))
            result = result._replace(tables=(*result.tables, table))
        else:
            result = result._replace(strides=(*result.strides, (rest, factor)))
    return result


def _outside(text: str) -> str:
    """Signs inside parentheses hidden."""
    found, depth = "", 0
    for sign in text:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        found += {"+": "⊕", "−": "⊖"}.get(sign, sign) if depth else sign
    return found


def entries(node: Node) -> Iterable[Node]:
    """All entries in a piece, its own included."""
    if node.kind == "entry":
        yield node
    for part in node.parts:
        yield from entries(part)


def places(node: Node, letter: str) -> int:
    """How often a letter stands in a piece."""
    own = sum(letter in position.letters for position in node.index)
    return own + sum(places(part, letter) for part in node.parts)


class Reader:
    """A formula with its parts, over arrays by name."""

    def __init__(self, arrays: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.arrays, self.shapes = dict(arrays), shapes
        self.pending: dict[str, tuple[str, str]] = {}

    def tensor(self, formula: str, axes: str, shape: tuple[int, ...]) -> np.ndarray:
        """The array that the formula is, at these axes."""
        main, _, rest = formula.partition(", where ")
        for part in _split(rest, ";") if rest else []:
            left, _, right = part.strip().partition(" = ")
            found = _Parser(left).factor()
            name = found.value if found.kind == "name" else found.parts[0].value
            letters = "".join(position.plain or "?" for position in found.index)
            self.pending[name] = (letters, right)
        return self.at(_parsed(main), axes, shape)

    def at(self, node: Node, axes: str, shape: tuple[int, ...]) -> np.ndarray:
        result = np.zeros(shape)
        for term in node.parts if node.kind == "sum" else (node,):
            result = result + _Term(self, term, dict(zip(axes, shape, strict=True))).value()
        return result

    def whole(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            if name not in self.pending:
                raise Unread(f"{name} is not known")
            letters, right = self.pending[name]
            if right.startswith("(") and re.fullmatch(r"\([-\d, ]*\)", right):
                self.arrays[name] = np.array([int(n) for n in right[1:-1].split(",")])
            elif right.startswith("(") and "…" in right:
                raise Unread("a table that is cut")
            else:
                node = _parsed(right)
                mean = re.search(r"− 1/(\d+)$", right)  # C, which takes a mean over so many away
                square = (int(mean[1]),) * len(letters) if mean else ()
                self.arrays[name] = self.at(node, letters, self.shapes.get(name, square))
        return np.asarray(self.arrays[name])


def _parsed(text: str) -> Node:
    parser = _Parser(text)
    found = parser.sum()
    if parser.at != len(text):
        raise Unread(f"{text[parser.at :]!r} is left of {text!r}")
    return found


class _Term:
    """One term of a sum: its letters, their sizes, and its value over the free ones."""

    def __init__(self, reader: Reader, node: Node, free: dict[str, int]) -> None:
        self.reader, self.node, self.free = reader, node, free
        self.read: dict[Node, np.ndarray] = {}
        found = [*entries(node)]
        for entry in found:
            base = entry.parts[0]
            if base != Node("name", "δ"):
                self.read[entry] = self.whole(base)
        self.sizes = {**dict(self._limits(node)), **free}
        for letter in dict.fromkeys(a for e in found for p in e.index for a in p.letters):
            if letter not in self.sizes:
                self.sizes[letter] = self._size(letter, found)
        self.order = list(self.sizes)

    def _limits(self, node: Node) -> Iterable[tuple[str, int]]:
        """How far letters run where a sum sign says it."""
        if node.kind == "product":
            yield from ((a, int(n)) for a, n in node.value[1])
        for part in node.parts:
            yield from self._limits(part)

    def _size(self, letter: str, found: list[Node]) -> int:
        """What the letter runs over: as far as all that it reads exists."""
        known = []
        for entry in found:
            shape = self.read[entry].shape if entry in self.read else None
            if shape is not None and len(shape) != len(entry.index):
                raise Unread(f"{entry} of shape {shape}")
            for axis, position in enumerate(entry.index):
                known += [*self._inside(position, letter)]
                size = shape[axis] if shape is not None else self._delta(entry, axis)
                known += [*self._fitting(position, letter, size)]
        if not known:
            raise Unread(f"nothing says what {letter} runs over")
        return min(known)

    def _delta(self, entry: Node, axis: int) -> int | None:
        """The size of what the other side of a delta runs over, where it is an axis."""
        other = entry.index[1 - axis].plain
        return self.free.get(other) if other else None

    def _fitting(self, position: Affine, letter: str, size: int | None) -> Iterable[int]:
        """How many values fit into an axis of that size, where no other letter stands there."""
        if size is None or position.tables or [a for a, _ in position.strides] != [letter]:
            return
        ((_, stride),) = position.strides
        room = size - 1 - position.constant if stride > 0 else position.constant
        yield room // abs(stride) + 1

    def _inside(self, position: Affine, letter: str) -> Iterable[int]:
        for _, name, inner in position.tables:
            if inner.plain == letter:
                yield len(self.reader.whole(name))
            yield from self._inside(inner, letter)
        own = dict(position.strides).get(letter)
        larger = [abs(s) for a, s in position.strides if a != letter and own and abs(s) > abs(own)]
        if larger and own:
            yield min(larger) // abs(own)

    def value(self) -> np.ndarray:
        """Over the free letters, in their order."""
        summed = [a for a in self.order if a not in self.free]
        with np.errstate(all="ignore"):
            found = np.asarray(self.at(self.node, frozenset(summed)), float)
        full = np.broadcast_to(found, [self.sizes[a] if a in self.free else 1 for a in self.order])
        return full.reshape([self.sizes[a] for a in self.order if a in self.free])

    # With letters: arrays that have an axis for each letter of the term.

    def position(self, position: Affine) -> np.ndarray:
        result = np.full([1] * len(self.order), position.constant)
        for letter, stride in position.strides:
            shape = [-1 if a == letter else 1 for a in self.order]
            result = result + stride * np.arange(self.sizes[letter]).reshape(shape)
        for stride, name, inner in position.tables:
            result = result + stride * self.reader.whole(name)[self.position(inner)]
        return result

    def _sum(self, array: Any, letters: Iterable[str]) -> Any:
        for letter in letters:
            axis = self.order.index(letter)
            array = np.asarray(array)
            array = array.sum(axis, keepdims=True) * (
                self.sizes[letter] if array.shape[axis] == 1 else 1
            )
        return array

    def at(self, node: Node, summed: frozenset[str]) -> Any:
        """The value of a piece; these letters are summed in it."""
        if node.kind == "number":
            return np.full([1] * len(self.order), node.value)
        if node.kind == "entry":
            at = tuple(self.position(p) for p in node.index)
            found = self.read[node][at] if node in self.read else (at[0] == at[1]) * 1.0
            return self._sum(found, summed)
        if node.kind == "ordered":
            if not all(letter in self.sizes for p in node.index for letter in p.letters):
                return self.at(node._replace(kind="compared", index=()), summed)
            left, right = map(self.position, node.index)
            return self._sum(_COMPARED[node.value[0]](left, right) * 1.0, summed)
        if not any(True for _ in entries(node)) and node.kind in ("name", "call", "product"):
            if node.kind == "product":  # of numbers, or of matrices
                try:
                    return _combined(node, [self.at(part, frozenset()) for part in node.parts])
                except Unread:
                    pass
            found = np.asarray(self.whole(node, number=True))
            if found.shape != ():
                raise Unread(f"{node} has no letters, and shape {found.shape}")
            return found.reshape([1] * len(self.order))
        explicit = frozenset(node.value[0] if node.kind == "product" else "")
        counts = {a: sum(bool(places(part, a)) for part in node.parts) for a in summed}
        here = explicit | {a for a in summed if counts[a] != 1}
        parts = [
            self.at(part, frozenset(a for a in summed - here if places(part, a)))
            for part in node.parts
        ]
        return self._sum(_combined(node, parts), here)

    # Without letters: whole arrays.

    def whole(self, node: Node, number: bool = False) -> np.ndarray:
        if node.kind == "number":
            return np.asarray(node.value)
        if node.kind == "name":
            return self.reader.whole(node.value)
        if node.kind == "entry":
            raise Unread(f"letters inside a whole: {node}")
        if node.kind == "product":
            return self._matrix_product(node)
        parts = [self.whole(part) for part in node.parts]
        if (
            node.kind == "call"
            and node.value in _WHOLE
            and not (node.value in _ENTRYWISE and parts[0].ndim < 2)
        ):
            return np.asarray(_WHOLE[node.value](*parts))
        if node.kind == "call" and node.value == "‖":
            along = None if number else -1
            return np.asarray(np.sqrt(np.sum(parts[0] ** 2, axis=along)))
        if node.kind == "call" and node.value in ("max", "min") and len(parts) == 1:
            along = None if number else -1
            return np.asarray(getattr(np, node.value)(parts[0], axis=along))
        if node.kind == "call" and node.value in ("⁻¹", "⁺", "ᵀ"):
            if node.value == "ᵀ":
                return np.swapaxes(parts[0], -1, -2) if parts[0].ndim > 1 else parts[0]
            return (np.linalg.inv if node.value == "⁻¹" else np.linalg.pinv)(parts[0])
        return np.asarray(_combined(node, parts))

    def _matrix_product(self, node: Node) -> np.ndarray:
        result: Any = None
        scale: Any = 1.0
        first_row = last_column = False
        for part in node.parts:
            found = self.whole(part)
            if found.ndim == 0:
                scale = scale * found
                continue
            vector = found.ndim == 1
            row = part.kind == "call" and part.value == "ᵀ"
            if vector:
                found = found[None, :] if row else found[:, None]
            if result is None:
                first_row = vector and row
            result = found if result is None else result @ found
            last_column = vector and not row
        if result is None:
            return np.asarray(scale)
        if first_row:
            result = result[..., 0, :]
        if last_column:
            result = result[..., 0]
        return np.asarray(scale * result)


def _combined(node: Node, parts: list[Any]) -> Any:
    if node.kind == "sum":
        return sum(parts[1:], parts[0])
    if node.kind == "minus":
        return -parts[0]
    if node.kind == "over":
        return np.where(parts[1] == 0, np.where(parts[0] == 0, 0, np.inf), parts[0] / parts[1])
    if node.kind == "product":
        # What a mask or a delta rules out is 0, whatever stands beside it.
        result = parts[0] * 1.0
        for part in parts[1:]:
            result = np.where((result == 0) | (part == 0), 0.0, result * part)
        return result
    if node.kind == "compared":
        if not node.value:
            return parts[0] != 0
        result = True
        for sign, left, right in zip(node.value, parts, parts[1:], strict=False):
            result = result & _COMPARED[sign](left, right)
        return result
    simple = {
        "²": lambda x: x**2, "³": lambda x: x**3, "⁴": lambda x: x**4, "^": lambda x, p: np.power(x, p), "|": np.abs, "⌊": np.floor,  # noqa: E501
        "max": np.maximum, "min": np.minimum, "not": lambda x: x == 0, "mod": np.mod,
    }  # fmt: skip
    function = simple.get(node.value) or _ENTRYWISE.get(node.value)
    if function is None:
        raise Unread(f"the function {node.value}")
    return function(*parts)
