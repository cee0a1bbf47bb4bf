r"""Formulas as students type them, read as tensors: ``δ_ik C_lj``, ``\delta_{ik} C^T_{jl}``, ``(W x − t)_k x_l``.

A text is brought to one spelling, read by descent, and evaluated at once: every part is an array with a
letter for each axis, so that letters may have any names and factors any order. Letters that are not on the
left are summed. No text is ever run as code.

    sum      = [sign] product { sign product }
    product  = power { [ "*" | "/" ] power }
    power    = atom [ "^" number ]
    atom     = number | name [ "_" letters ] | function "(" sum ")" | "(" sum ")" [ "_" letters ]
"""

import re
from collections.abc import Callable, Mapping
from math import prod
from string import ascii_lowercase
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError

Array = NDArray[Any]

_LONGEST = 2000
_MOST_NUMBERS = 1 << 21  # of a product before its sums: it is made in the grader's process
_SUBSCRIPTS = dict(zip("ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "aehijklmnoprstuvx", strict=True))
_SPELLINGS = (
    (r"\$|\\left|\\right|\\,|\\;|\\!|\\:|\\quad|\\bigl|\\bigr|\\big|\\mathrm|\\mathbf|\\operatorname", " "),
    (r"\\cdot|\\times|[·⋅×@∙]", " * "),
    (r"[−–]", "-"),
    (r"\\partial|∂", "∂"),
    (r"\\delta|δ", " δ"),
    (r"\bdelta(?=_|\b)", " δ"),
    (r"(?:\\sum|∑|Σ|\bsum)\s*_\s*(?:\{[^}]*\}|[a-z]+)(?:\s*\^\s*(?:\{[^}]*\}|\w))?", " "),
    (r"\\[dt]?frac\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}", r" ((\1)/(\2)) "),
    (r"\\(tanh|exp|log|sin|cos|det|sqrt)\b", r" \1"),
    (r"\\sigma\b|σ", " sigmoid"),
    (r"\\top|\\intercal|\\mathsf\s*T|⊤", "T"),
    (r"ᵀ", "^T"), (r"⁻¹", "^-1"), (r"²", "^2"), (r"³", "^3"), (r"½", "(1/2)"), (r"¼", "(1/4)"),
    (r"\*\*", "^"),
    (r"\.T(?![a-zA-Z0-9])", "^T"),
    (r"\^\s*\{\s*([^{}]*?)\s*\}", r"^\1 "),
    (r"\^\s*\(\s*(-?\d+)\s*\)", r"^\1 "),
    (r"\^\s*-\s*(?:1\s*T|T)", "^-T"),
)  # fmt: skip
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE]-?\d+)?)|(?P<name>[^\W\d_][^\W\d_]*\d*)"
    r"|_\s*(?:\{(?P<braced>[^{}]*)\}|\[(?P<square>[^\]]*)\]|(?P<letters>[a-z]+))"
    r"|(?P<power>\^\s*(?:-?\d+|-?T|'))|(?P<mark>[()+\-*/,]))"
)
_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh, "exp": np.exp, "log": np.log, "ln": np.log, "sin": np.sin, "cos": np.cos,
    "sqrt": np.sqrt, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0.0), "sign": np.sign,
}  # fmt: skip
_MATRICES: dict[str, Callable[[Array], Any]] = {
    "det": np.linalg.det,
    "inv": np.linalg.inv,
    "tr": np.trace,
    "trace": np.trace,
}


class Unreadable(JacobiansError, ValueError):
    """A text that is no formula; the message is for the student."""


class Labelled(NamedTuple):
    """An array with a letter for each axis; a name without letters has ``None``: a matrix as a whole."""

    array: Array
    letters: str | None


class _Token(NamedTuple):
    kind: str
    text: str


def tensor_of(
    text: str, names: Mapping[str, Array], shape: tuple[int, ...], out_ndim: int, result: str = ""
) -> Array:
    """The tensor that a formula stands for.

    Parameters
    ----------
    text : str
        The formula, with or without ``∂A_ij/∂B_kl =``.
    names : mapping
        Arrays by name.
    shape : tuple of int
        Of the tensor, output axes first.
    out_ndim : int
        How many axes the output has.
    result : str
        A name of the output that may stand in the formula, given by ``names``.

    Raises
    ------
    Unreadable
        Naming what cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians.course.typed import tensor_of
    >>> C = np.arange(12.0).reshape(3, 4)
    >>> T = tensor_of("dA_ab/dB_cd = C^T_bd I_ac", {"C": C}, (2, 4, 2, 3), 2)
    >>> np.array_equal(T, np.einsum("ik,lj->ijkl", np.eye(2), C))
    True
    """
    if len(text) > _LONGEST:
        raise Unreadable(f"it has more than {_LONGEST} letters")
    spelled = text
    for pattern, instead in _SPELLINGS:
        spelled = re.sub(pattern, instead, spelled)
    spelled = re.sub(
        f"[{''.join(_SUBSCRIPTS)}]+",
        lambda m: "_{" + "".join(_SUBSCRIPTS[c] for c in m[0]) + "}",
        spelled,
    )
    left, equals, right = spelled.rpartition("=")
    letters = _left(left, len(shape), out_ndim) if equals else _usual(len(shape), out_ndim)
    known = dict(names)
    if equals and result in names:
        named = re.match(r"[\s({]*(?:∂|d)?\s*([^\W\d_]+)", left)
        if named and named[1] not in known and len(named[1]) <= 2:
            known[named[1]] = names[result]
    # Whatever is typed, NumPy's own errors (a determinant of no square) are the student's.
    try:
        with np.errstate(all="ignore"):
            return _Reader(_tokens(right), known, letters, shape).whole()
    except Unreadable:
        raise
    except (ArithmeticError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise Unreadable(f"it cannot be computed ({error})") from None


def _usual(count: int, out_ndim: int) -> str:
    """I j, then k l: as the formulas of this package."""
    inner = count - out_ndim
    if out_ndim <= 2 and inner <= 2:
        return "ij"[:out_ndim] + "kl"[:inner]
    return "ijklmnpq"[:count]


def _left(text: str, count: int, out_ndim: int) -> str:
    found = re.findall(r"_\s*(?:\{([^{}]*)\}|([a-z]+))", text)
    letters = "".join(re.sub(r"[^a-z]", "", "".join(group)) for group in found)
    if len(letters) != count or len(set(letters)) != count:
        raise Unreadable(
            f"the left side needs {count} different letters, {out_ndim} of the output and then "
            f"{count - out_ndim} of the argument; it has {' '.join(letters) or 'none'}"
        )
    return letters


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position, text = 0, text.rstrip().rstrip(".;,")
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or token.end() == position:
            raise Unreadable(f"{text[position : position + 20]!r} cannot be read")
        position = token.end()
        kind = str(token.lastgroup)
        value = token[kind]
        if kind in ("braced", "square", "letters"):
            kind, value = "letters", re.sub(r"[\s,]", "", value)
            if not re.fullmatch(r"[a-z]*", value):
                raise Unreadable(f"indices are lower-case letters, not {value[:20]!r}")
        found.append(_Token(kind, re.sub(r"[\s^]", "", value) if kind == "power" else value))
    return found


class _Reader:
    """Reads tokens by descent, and computes as it reads."""

    def __init__(
        self, tokens: list[_Token], names: Mapping[str, Array], letters: str, shape: tuple[int, ...]
    ) -> None:
        self._tokens, self._names, self._result = tokens, names, letters
        self._at = self._depth = 0
        self._sizes = dict(zip(letters, shape, strict=True))
        self._measure()

    def _measure(self) -> None:
        """Sizes of summed letters: from arrays, and through deltas."""
        pairs = []
        ends = [_Token("", "")] * 2
        following = [*self._tokens, *ends]
        for n, name in enumerate(self._tokens):
            power, after = following[n + 1], following[n + 2]
            if name.kind != "name":
                continue
            letters = power if power.kind == "letters" else after if power.kind == "power" else None
            if letters is None or letters.kind != "letters":
                continue
            array = self._array(name.text)
            if array is None:
                pairs.append(letters.text)
            elif array.ndim == len(letters.text):
                turned = power.text in ("T", "'", "-T")
                shape = array.shape[::-1] if turned else array.shape
                for letter, size in zip(letters.text, shape, strict=True):
                    self._sizes.setdefault(letter, size)
        for _ in pairs:
            for pair in pairs:
                for a, b in ((pair[0], pair[-1]), (pair[-1], pair[0])):
                    if a in self._sizes:
                        self._sizes.setdefault(b, self._sizes[a])

    def _array(self, name: str) -> Array | None:
        return self._names.get(name)

    def whole(self) -> Array:
        if not self._tokens:
            raise Unreadable("it is empty")
        total = np.zeros([self._sizes[a] for a in self._result])
        for part in self._addends():
            part = self._closed(part, self._result)
            total = total + self._spread(part, self._result)
        if self._at < len(self._tokens):
            raise Unreadable(f"{self._tokens[self._at].text!r} stands where it cannot be read")
        return total

    def _spread(self, part: Labelled, letters: str) -> Array:
        """Over all letters, in their order."""
        own = part.letters or ""
        array = np.transpose(part.array, [own.index(a) for a in letters if a in own])
        return array.reshape([self._sizes[a] if a in own else 1 for a in letters])

    def _closed(self, part: Labelled, kept: str) -> Labelled:
        """Letters that are not kept summed."""
        if part.letters is None:
            if part.array.ndim:
                raise Unreadable("a matrix or vector stands without indices")
            return Labelled(part.array, "")
        own = "".join(a for a in part.letters if a in kept)
        return Labelled(_einsum([part], own), own)

    def _mark(self, *texts: str) -> bool:
        if self._at >= len(self._tokens):
            return False
        here = self._tokens[self._at]
        return here.kind == "mark" and here.text in texts

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _addends(self) -> list[Labelled]:
        """The products of a sum, signs included."""
        found: list[Labelled] = []
        sign = 1.0
        while True:
            while self._mark("+", "-"):
                sign = -sign if self._take().text == "-" else sign
            product = self._product()
            found.append(Labelled(sign * product.array, product.letters))
            sign = 1.0
            if not self._mark("+", "-"):
                return found

    def _sum(self) -> Labelled:
        """A sum in parentheses: letters that stand twice in one product alone are summed there."""
        self._depth += 1
        if self._depth > 20:
            raise Unreadable("it has too many parentheses")
        start = self._at
        parts = self._addends()
        self._depth -= 1
        if any(p.letters is None and p.array.ndim for p in parts):
            if any(p.letters for p in parts):
                raise Unreadable("indices stand in one part of a sum and not in another")
            shapes = {p.array.shape for p in parts}
            if len(shapes) > 1:
                raise Unreadable("arrays of different shapes are added")
            return Labelled(np.asarray(sum(p.array for p in parts)), None)
        outside = {
            a for n, t in enumerate(self._tokens) if t.kind == "letters" and not start <= n < self._at
            for a in t.text
        }  # fmt: skip
        kept = outside | set(self._result)
        closed = []
        for part in parts:
            own = "".join(a for a in part.letters or "" if a in kept)
            closed.append(Labelled(_einsum([part], own), own))
        letters = "".join(sorted({a for p in closed for a in p.letters or ""}))
        if not letters:
            return Labelled(np.asarray(sum(p.array for p in closed)), "")
        spread = [
            np.broadcast_to(self._spread(p, letters), [self._sizes[a] for a in letters])
            for p in closed
        ]
        return Labelled(np.asarray(sum(spread)), letters)

    def _product(self) -> Labelled:
        found: Labelled | None = None
        while self._at < len(self._tokens):
            here = self._tokens[self._at]
            divide = False
            if here.kind == "mark" and here.text in "*/":
                if found is None:
                    raise Unreadable(f"{here.text!r} has nothing before it")
                divide = self._take().text == "/"
            elif here.kind == "mark" and here.text != "(":
                break
            factor = self._power()
            if divide:
                if factor.letters is None and factor.array.ndim:
                    raise Unreadable("it divides by a matrix or vector without indices")
                factor = Labelled(1 / factor.array, factor.letters)
            found = factor if found is None else self._times(found, factor)
        if found is None:
            raise Unreadable("a factor is missing")
        return found

    def _times(self, a: Labelled, b: Labelled) -> Labelled:
        if a.letters is None and b.letters is None and a.array.ndim and b.array.ndim:
            try:
                return Labelled(np.asarray(a.array @ b.array), None)
            except ValueError:
                raise Unreadable("it multiplies arrays whose shapes do not fit") from None
        if not (a.array.ndim and b.array.ndim):
            scalar, other = (a, b) if not a.array.ndim else (b, a)
            return Labelled(scalar.array * other.array, other.letters)
        if a.letters is None or b.letters is None:
            raise Unreadable("indices stand at one factor and not at another")
        letters = "".join(dict.fromkeys(a.letters + b.letters))
        if len(letters) > 8:
            raise Unreadable("it has more than eight letters")
        if prod(self._sizes[letter] for letter in letters) > _MOST_NUMBERS:
            raise Unreadable(
                "a product has too many different letters; sum some of them in parentheses"
            )
        return Labelled(_einsum([a, b], letters), letters)

    def _power(self) -> Labelled:
        found = self._atom()
        while self._at < len(self._tokens) and self._tokens[self._at].kind == "power":
            text = self._take().text
            if not re.fullmatch(r"-?\d+", text):
                raise Unreadable("a transpose stands at something that is not a matrix")
            if found.letters is None and found.array.ndim:
                raise Unreadable("a power of a matrix without indices; write a product")
            found = Labelled(found.array ** float(text), found.letters)
        return found

    def _atom(self) -> Labelled:
        if self._at >= len(self._tokens):
            raise Unreadable("a factor is missing at its end")
        token = self._take()
        if token.kind == "number":
            return Labelled(np.asarray(float(token.text)), "")
        if token.kind == "mark" and token.text == "(":
            inner = self._sum()
            self._close()
            return self._indexed(inner, "the parenthesis")
        if token.kind != "name":
            raise Unreadable(f"{token.text!r} stands where a name is expected")
        name = token.text
        array = self._array(name)
        if array is not None:
            return self._indexed(
                Labelled(np.asarray(array, float), None if array.ndim else ""), name
            )
        if name == "δ" or name in ("I", "eye", "Id"):
            return self._delta()
        if self._mark("(") and (name in _FUNCTIONS or name in _MATRICES):
            self._take()
            inner = self._sum()
            self._close()
            if name in _FUNCTIONS:
                return self._indexed(Labelled(_FUNCTIONS[name](inner.array), inner.letters), name)
            if inner.letters is not None or inner.array.ndim != 2:
                raise Unreadable(f"{name} needs a matrix without indices, as in {name}(X)")
            made = np.asarray(_MATRICES[name](inner.array))
            return self._indexed(Labelled(made, None if made.ndim else ""), name)
        single = [c for c in name if c in self._names]
        if len(single) == len(name) > 1:  # Wx for W x
            self._tokens[self._at : self._at] = [_Token("name", c) for c in name[1:]]
            self._tokens[self._at - 1] = _Token("name", name[0])
            self._at -= 1
            return self._atom()
        there = ", ".join(n for n in self._names) or "none"
        raise Unreadable(f"{name!r} is none of the names here: {there}, and δ")

    def _close(self) -> None:
        if not self._mark(")"):
            raise Unreadable("a parenthesis is not closed")
        self._take()

    def _delta(self) -> Labelled:
        if self._at >= len(self._tokens) or self._tokens[self._at].kind != "letters":
            raise Unreadable("δ needs two letters, as in δ_ik")
        letters = self._take().text
        if len(letters) != 2:
            raise Unreadable(f"δ needs two letters, as in δ_ik, not {letters!r}")
        a, b = (self._sizes.get(letter) for letter in letters)
        if a is None or b is None:
            raise Unreadable(f"the letters of δ_{letters} stand nowhere else")
        if a != b:
            raise Unreadable(
                f"δ_{letters} makes two letters equal that run over axes of different sizes"
            )
        if letters[0] == letters[1]:
            return Labelled(np.ones(a), letters[0])
        return Labelled(np.eye(a), letters)

    def _indexed(self, found: Labelled, name: str) -> Labelled:
        """With its powers T and −1, and its letters."""
        array, letters = found
        while self._at < len(self._tokens) and letters is None:
            token = self._tokens[self._at]
            if token.kind == "letters":
                self._at += 1
                if array.ndim != len(token.text):
                    raise Unreadable(
                        f"{name} has {array.ndim} axes, and {len(token.text)} letters: {token.text!r}"
                    )
                turned = self._transposed()
                array, letters = self._named(array.T if turned else array, token.text, name)
            elif token.kind == "power" and token.text in ("T", "'", "-T", "-1"):
                self._at += 1
                array = self._turned(array, token.text, name)
            else:
                break
        return Labelled(array, letters)

    def _transposed(self) -> bool:
        """Whether ``^T`` comes after the letters, as in ``C_{lj}^T``."""
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind == "power" and token.text in ("T", "'"):
                self._at += 1
                return True
        return False

    def _turned(self, array: Array, power: str, name: str) -> Array:
        if array.ndim == 1 and power in ("T", "'"):
            return array
        if array.ndim != 2:
            raise Unreadable(f"{name} is no matrix, and has no transpose or inverse")
        if power != "T" and power != "'":
            try:
                array = np.linalg.inv(array)
            except np.linalg.LinAlgError:
                raise Unreadable(f"{name} has no inverse") from None
        return array.T if power != "-1" else array

    def _named(self, array: Array, letters: str, name: str) -> Labelled:
        for letter, size in zip(letters, array.shape, strict=True):
            if self._sizes.setdefault(letter, size) != size:
                raise Unreadable(
                    f"the letter {letter} at {name} runs over an axis of another size than elsewhere; "
                    "are two letters swapped?"
                )
        unique = "".join(dict.fromkeys(letters))
        return Labelled(_einsum([Labelled(array, letters)], unique), unique)


def _einsum(parts: list[Labelled], letters: str) -> Array:
    subscripts = ",".join(p.letters or "" for p in parts)
    assert set(subscripts) <= set(ascii_lowercase + ",")
    return np.asarray(np.einsum(f"{subscripts}->{letters}", *(p.array for p in parts)))
