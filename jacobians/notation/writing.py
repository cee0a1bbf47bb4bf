r"""Writing sums of terms as formulas, in text and in LaTeX: ``δ_ik C_lj``, ``\delta_{ik} C_{lj}``.

A letter is written with the name of its axis; a delta joins the other axes that share it; summed
letters are r, p, q. How an operand is written is the caller's: ``label(operand, letters, style,
fresh)``, where ``fresh`` gives names for letters that only the operand sums.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from fractions import Fraction
from itertools import chain, count
from math import e, inf, isqrt, log, pi, sqrt
from typing import Any, Literal, NamedTuple

from jacobians.notation.explicit import delta_axes, free_names, letter_names
from jacobians.notation.slots import Slot, Table
from jacobians.notation.terms import Coefficient, Sum, Term
from jacobians.notation.triangles import triangle_of

Style = Literal["text", "latex"]
SUM, PRODUCT, ATOM = 0, 1, 2


class Written(NamedTuple):
    """A piece of formula, and how tightly it binds: a sum, a product or an atom.

    ``entry`` says that it is a name with indices, and nothing else: what a sum over them may stand at.
    """

    text: str
    binds: float = ATOM
    entry: bool = False

    def inside(self, binds: float) -> str:
        """The text, in parentheses where it binds less tightly than asked for."""
        return self.text if self.binds >= binds else f"({self.text})"


ShapeOf = Callable[[Any], Sequence[int]]
Label = Callable[[Any, Sequence[str], Style, Iterator[str]], Written]

TABLE_NAME: ContextVar[Callable[[Table], str]] = ContextVar(
    "jacobians_table_name",
    default=lambda _: "t",
)
"""What a table of positions is called: ``t`` in ``t(i)``."""

_GREEK = {"δ": "\\delta", "−": "-", "Σ": "\\sum"}


def write(
    tensor: Sum, axes: str, label: Label, style: Style = "text", shape_of: ShapeOf | None = None
) -> Written:
    """The sum as a formula in the given axis names.

    With ``shape_of``, which gives operands' shapes, summed letters say how far they run where their
    places do not.
    """
    if not tensor.terms:
        return Written("0")
    pieces = [write_term(term, tensor.shape, axes, label, style, shape_of) for term in tensor.terms]
    return join_terms(pieces, style)


def join_terms(pieces: Sequence[Written], style: Style) -> Written:
    """``a + b − c`` from pieces that may begin with a minus sign."""
    minus = "-" if style == "latex" else "−"
    text = pieces[0].inside(SUM)
    for piece in pieces[1:]:
        inner = piece.text
        text += (
            f" {minus} {inner.removeprefix(minus)}" if inner.startswith(minus) else f" + {inner}"
        )
    return Written(text, SUM if len(pieces) > 1 or text.startswith(minus) else pieces[0].binds)


def fresh_letters(used: str) -> Iterator[str]:
    """Names for summed letters without end: single letters first."""
    return chain(free_names(used), (f"r{n}" for n in count(1)))


def write_term(
    term: Term, shape: Sequence[int], axes: str, label: Label, style: Style,
    shape_of: ShapeOf | None = None,
) -> Written:  # fmt: skip
    """One term: coefficient, deltas, factors.

    Repeated letters are summed over the product that has them all, as far as all entries exist. A
    sum sign says so where a letter stands in one factor alone, ``Σ_r exp(x_ir)``, and where it runs
    less far, ``Σ_(r<3) δ_(i,r+1) x_r``.
    """
    triangle = triangle_of(term)
    term = term if triangle is None else triangle.term
    names, homes = letter_names(term, shape, axes)
    fresh = fresh_letters(axes + "".join(names.values()))
    coefficient = term.coefficient
    pieces: list[Written] = []
    if exact_number(abs(coefficient)) is None:
        pieces.append(label(abs(coefficient), [], style, fresh))
        coefficient = -1 if coefficient < 0 else 1
    named = len(pieces)
    for axis in delta_axes(term, homes):
        if shape[axis] != 1:
            pieces.append(Written(write_delta(axes, axis, term.slots[axis], names, homes, style)))
    deltas = len(pieces)
    for factor in term.factors:
        letters = [write_slot(slot, names) for slot in factor.slots]
        pieces.append(label(factor.operand, letters, style, fresh))
    sums = write_sums(term, pieces[deltas:], names, homes, shape, style, shape_of)
    if triangle is not None:
        sign = (
            ("<" if triangle.strict else "≤")
            if style == "text"
            else ("<" if triangle.strict else "\\le")
        )
        pieces.append(Written(f"[{names[triangle.lower]} {sign} {names[triangle.upper]}]"))
    return write_product(coefficient, [*pieces[:named], *sums, *pieces[named:]], style)


def write_sums(
    term: Term, written: Sequence[Written], names: Mapping[int, str], homes: Iterable[int],
    shape: Sequence[int], style: Style, shape_of: ShapeOf | None = None,
) -> list[Written]:  # fmt: skip
    """A sum sign for the letters that need one: see ``write_term``; none for those with a home."""
    kept = term.kept
    known = set(homes)
    found = []
    for letter in range(len(term.sizes)):
        having = [n for n, factor in enumerate(term.factors) if letter in factor.letters]
        limited = shape_of is not None and letter not in known
        if (
            limited
            and shape_of is not None
            and _shown_room(term, letter, written, shape, shape_of) != term.sizes[letter]
        ):
            found.append(f"{names[letter]}<{term.sizes[letter]}")
        elif letter not in kept and len(having) == 1 and not written[having[0]].entry:
            found.append(names[letter])
    return [Written(subscript("Σ", found, style))] if found else []


def _shown_room(
    term: Term, letter: int, written: Sequence[Written], shape: Sequence[int], shape_of: ShapeOf
) -> int | None:
    """How far a letter can run by what is seen: a factor that is written out does not show its end."""
    entries = tuple(f for f, text in zip(term.factors, written, strict=True) if text.entry)
    shown = term._replace(factors=entries)
    found = room(shown, letter, shape, shape_of) if entries else None
    return room(term, letter, shape, shape_of) if found is None else found


def room(term: Term, letter: int, shape: Sequence[int], shape_of: ShapeOf) -> int | None:
    """How far a letter can run: all entries exist, a digit stays below the next, a table ends."""
    places = [*zip(term.slots, shape, strict=False)]
    for factor in term.factors:
        places += zip(factor.slots, shape_of(factor.operand), strict=True)
    rooms = []
    for slot, size in places:
        strides = dict(slot.parts)
        own = strides.pop(letter, None)
        if isinstance(own, Table):
            rooms.append(own.values.size)
        elif own is not None and not strides:
            rooms.append((size - 1 - slot.constant if own > 0 else slot.constant) // abs(own) + 1)
        elif own is not None:
            others = [abs(s) for s in strides.values() if not isinstance(s, Table)]
            rooms += [s // abs(own) for s in others if s > abs(own)]
    return min(rooms, default=None)


def write_product(coefficient: Coefficient, pieces: Sequence[Written], style: Style) -> Written:
    """``−2 a b``: the coefficient first, factors that are sums in parentheses."""
    sign, number = write_number(coefficient, style)
    if not pieces:
        return Written(sign + (number or "1"), SUM if sign else ATOM)
    if not sign and not number and len(pieces) == 1:
        return pieces[0]
    texts = ([number] if number else []) + [piece.inside(PRODUCT) for piece in pieces]
    return Written(sign + " ".join(texts), SUM if sign else PRODUCT if len(texts) > 1 else ATOM)


_VULGAR = {
    Fraction(1, 2): "½", Fraction(1, 3): "⅓", Fraction(2, 3): "⅔", Fraction(1, 4): "¼",
    Fraction(3, 4): "¾", Fraction(1, 6): "⅙", Fraction(5, 6): "⅚", Fraction(1, 9): "⅑",
}  # fmt: skip
_KNOWN = [
    (1.0, "", ""), (pi, "π", "\\pi"), (1 / pi, "/π", "\\pi"), (log(2), "log(2)", "\\log(2)"),
    (1 / log(2), "/log(2)", "\\log(2)"), (log(10), "log(10)", "\\log(10)"),
    (1 / log(10), "/log(10)", "\\log(10)"), (sqrt(2), "√(2)", "\\sqrt{2}"),
    (sqrt(pi), "√(π)", "\\sqrt{\\pi}"), (1 / sqrt(pi), "/√(π)", "\\sqrt{\\pi}"),
    (1 / sqrt(2 * pi), "/√(2 π)", "\\sqrt{2 \\pi}"), (e, "e", "e"),
]  # fmt: skip
_LARGEST = 2000  # above and below a fraction: more would be found for any number
_ROUNDING = 1e-15  # of a number that came from a few operations on exact ones


def exact_number(size: Coefficient, style: Style = "text") -> Written | None:
    """A number that is not negative, without loss: ``12``, ``0.3``, ``⅓``, ``π/180``, ``2 log(2)``.

    None where it would have to be rounded.
    """
    if size != size or size == inf:
        return Written("\\infty" if style == "latex" and size == inf else str(size))
    if isinstance(size, int) or (size.is_integer() and size < 1e15):
        return Written(str(int(size)))
    short, vulgar = f"{size:.6g}", Fraction(size).limit_denominator(9)
    if _is(size, float(short)) and not (vulgar in _VULGAR and _is(size, float(vulgar))):
        return Written(short)
    for value, name, latex in _KNOWN if 1 / _LARGEST**2 < size < _LARGEST**2 else ():
        ratio = Fraction(size / value).limit_denominator(_LARGEST)
        if 0 < ratio.numerator <= _LARGEST and _is(size, float(ratio) * value):
            return _multiple(ratio, name, latex, style)
    return _root(size, style) if 1 / _LARGEST < size < _LARGEST else None


def _root(size: float, style: Style) -> Written | None:
    """A fraction times, or over, the root of a whole number: ``1/√(5)``."""
    square = Fraction(size * size).limit_denominator(_LARGEST)
    whole = square.numerator * square.denominator
    if not 1 < whole <= _LARGEST**2 or not _is(size, sqrt(square)):
        return None
    outside = next(n for n in range(isqrt(whole), 0, -1) if whole % (n * n) == 0)
    inside = whole // outside**2
    ratio = Fraction(outside, square.denominator)
    over = "/" if ratio.numerator == 1 and ratio.denominator % inside == 0 else ""
    latex = f"\\sqrt{{{inside}}}"
    return _multiple(ratio * inside if over else ratio, f"{over}√({inside})", latex, style)


def _is(size: float, value: float) -> bool:
    return abs(size - value) <= _ROUNDING * size


def _multiple(ratio: Fraction, name: str, latex: str, style: Style) -> Written:
    """A fraction times or over a number that has a name: ``π/180``, ``½``, ``1/log(2)``."""
    if not name and style == "text" and ratio in _VULGAR:
        return Written(_VULGAR[ratio])
    known = latex if style == "latex" else name.removeprefix("/")
    above, below = ([str(n)] if n != 1 else [] for n in (ratio.numerator, ratio.denominator))
    (below if name.startswith("/") else above).extend([known] if known else [])
    over, under = " ".join(above) or "1", " ".join(below)
    if not under:
        return Written(over, PRODUCT if len(above) > 1 else ATOM)
    if style == "latex":
        return Written(f"\\tfrac{{{over}}}{{{under}}}")
    return Written(f"{over}/{f'({under})' if len(below) > 1 else under}", SUM)


def write_number(number: Coefficient, style: Style = "text") -> tuple[str, str]:
    """Sign and absolute value of a coefficient; a value of 1 is written as nothing."""
    sign = "" if not number < 0 else "-" if style == "latex" else "−"
    size = abs(number)
    if size == 1:
        return sign, ""
    written = exact_number(size, style)
    return sign, repr(float(size)) if written is None else written.inside(PRODUCT)


def write_slot(slot: Slot, names: Mapping[int, str]) -> str:
    """``2i+1``, ``o+w``, ``t(i)`` — or just the letter's name; a name may be a position itself."""
    text = ""
    constant = slot.constant
    for letter, stride in slot.parts:
        name = names[letter]
        if name.isdigit():
            at = int(name)
            constant += int(stride.values[at]) if isinstance(stride, Table) else stride * at
            continue
        plain = name.isalnum() and not name[0].isdigit()
        if isinstance(stride, Table):
            piece = f"{TABLE_NAME.get()(stride)}({name})"
        elif abs(stride) == 1:
            piece = name if stride > 0 or plain else f"({name})"
        else:
            piece = f"{abs(stride)}{name}" if plain else f"{abs(stride)}({name})"
        negative = isinstance(stride, int) and stride < 0
        text += ("−" if negative else "+" if text else "") + piece
    if constant and text:
        text = f"{constant}{text}" if text.startswith("−") else f"{text}{constant:+d}"
        return text.replace("-", "−")
    return text or str(constant)


def write_delta(
    axes: str, axis: int, slot: Slot, names: dict[int, str], homes: dict[int, int], style: Style
) -> str:
    """A delta between an axis and its slot: output letters first, summed letters last."""
    other = write_slot(slot, names)
    home = min((homes.get(a, len(axes)) for a in slot.letters), default=len(axes))
    pair = (other, axes[axis]) if home < axis else (axes[axis], other)
    return subscript("δ", pair, style)


def subscript(name: str, letters: Sequence[str], style: Style) -> str:
    """``X_ij`` or ``X_{ij}``; indices that are not single letters are parenthesised in text."""
    if not letters:
        return name
    single = all(len(p) == 1 and (not p.isdigit() or len(letters) == 1) for p in letters)
    inside = "".join(letters) if single else ",".join(letters)
    if style == "latex":
        return f"{_GREEK.get(name, name)}_{{{inside.replace('−', '-')}}}"
    return f"{name}_{inside}" if single else f"{name}_({inside})"
