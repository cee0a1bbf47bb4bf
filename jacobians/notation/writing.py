r"""Writing sums of terms as formulas, in text and in LaTeX: ``δ_ik C_lj``, ``\delta_{ik} C_{lj}``.

A letter is written with the name of its axis; a delta joins the other axes that share it; summed
letters are r, p, q. How an operand is written is the caller's: ``label(operand, letters, style,
fresh)``, where ``fresh`` gives names for letters that only the operand sums.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Any, Literal, NamedTuple

from jacobians.notation.explicit import delta_axes, free_names, letter_names
from jacobians.notation.slots import Slot, Table
from jacobians.notation.terms import Coefficient, Sum, Term

Style = Literal["text", "latex"]
SUM, PRODUCT, ATOM = 0, 1, 2


class Written(NamedTuple):
    """A piece of formula, and how tightly it binds: a sum, a product or an atom."""

    text: str
    binds: int = ATOM

    def inside(self, binds: int) -> str:
        """The text, in parentheses where it binds less tightly than asked for."""
        return self.text if self.binds >= binds else f"({self.text})"


Label = Callable[[Any, Sequence[str], Style, Iterator[str]], Written]

_GREEK = {"δ": "\\delta", "½": "\\tfrac{1}{2}", "¼": "\\tfrac{1}{4}", "−": "-"}


def write(tensor: Sum, axes: str, label: Label, style: Style = "text") -> Written:
    """The sum as a formula in the given axis names."""
    if not tensor.terms:
        return Written("0")
    pieces = [write_term(term, tensor.shape, axes, label, style) for term in tensor.terms]
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


def write_term(term: Term, shape: Sequence[int], axes: str, label: Label, style: Style) -> Written:
    """One term: coefficient, deltas, factors."""
    names, homes = letter_names(term, shape, axes)
    fresh = fresh_letters(axes + "".join(names.values()))
    pieces: list[Written] = []
    for axis in delta_axes(term, homes):
        if shape[axis] != 1:
            pieces.append(Written(write_delta(axes, axis, term.slots[axis], names, homes, style)))
    for factor in term.factors:
        letters = [write_slot(slot, names) for slot in factor.slots]
        pieces.append(label(factor.operand, letters, style, fresh))
    return write_product(term.coefficient, pieces, style)


def write_product(coefficient: Coefficient, pieces: Sequence[Written], style: Style) -> Written:
    """``−2 a b``: the coefficient first, factors that are sums in parentheses."""
    sign, number = write_number(coefficient)
    if style == "latex":
        sign, number = _GREEK.get(sign, sign), _GREEK.get(number, number)
    if not pieces:
        return Written(sign + (number or "1"), SUM if sign else ATOM)
    if not sign and not number and len(pieces) == 1:
        return pieces[0]
    texts = ([number] if number else []) + [piece.inside(PRODUCT) for piece in pieces]
    return Written(sign + " ".join(texts), SUM if sign else PRODUCT if len(texts) > 1 else ATOM)


def write_number(number: Coefficient) -> tuple[str, str]:
    """Sign and absolute value of a coefficient; a value of 1 is written as nothing."""
    sign = "−" if number < 0 else ""
    size = abs(number)
    if size == 1:
        return sign, ""
    known = {0.5: "½", 0.25: "¼"}.get(size)
    whole = size < 1e15 and (isinstance(size, int) or size.is_integer())
    return sign, known or (str(int(size)) if whole else f"{size:.6g}")


def write_slot(slot: Slot, names: Mapping[int, str]) -> str:
    """``2i+1``, ``o+w``, ``t(i)`` — or just the letter's name."""
    text = ""
    for number, (letter, stride) in enumerate(slot.parts):
        name = names[letter]
        if isinstance(stride, Table):
            piece = f"t({name})"
        elif abs(stride) == 1:
            piece = name
        else:
            piece = f"{abs(stride)}{name}"
        negative = isinstance(stride, int) and stride < 0
        text += ("−" if negative else "+" if number else "") + piece
    if slot.constant and text:
        text = f"{slot.constant}{text}" if text.startswith("−") else f"{text}{slot.constant:+d}"
        return text.replace("-", "−")
    return text or str(slot.constant)


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
