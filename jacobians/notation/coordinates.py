"""Coordinate form: tensors written as text, ``A_ij = B_ir C_rj``, and read as sums of terms.

    equation   = tensor "=" expression
    expression = [sign] product { sign product }
    product    = [number] { tensor | "δ_" two letters }
    tensor     = name [ "_" letters ]

A letter is one lower-case letter; letters on the right that are not on the left are summed. ``…``
(or ``...``) among the letters stands for any number of axes, which broadcast against each other as
in NumPy. Letters may stand in braces. Numbers are decimals (``0.5``, ``1e-3``), fractions ``1/2``
or ``½``. A power is written as a product: ``B_i B_i``.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

from jacobians.errors import JacobiansError, ShapeError
from jacobians.notation.slots import ZERO, Slot, letter_slot
from jacobians.notation.terms import Coefficient, Factor, Sum, Term, normal, total

ELLIPSIS = "…"
DELTA = "δ"
_TOKEN = re.compile(
    r"\s*(?:(?P<sign>[+−-])|(?P<number>½|¼|[0-9]+(?:\.[0-9]+)?"
    r"(?:[eE][+−-]?[0-9]+(?!\w))?(?:/[0-9]+)?)"
    r"|(?P<name>[^\W\d_][^\W_]*)(?:_(?P<letters>(?:[a-z]|…|\.\.\.)+"
    r"|\{(?:[a-z]|…|\.\.\.)*\}))?)\s*"
)
_FRACTIONS = {"½": 0.5, "¼": 0.25}


class Indexed(NamedTuple):
    """A name with letters, ``B_ir``; the letters are single characters, ``…`` among them."""

    name: str
    letters: str

    def __str__(self) -> str:
        return f"{self.name}_{self.letters}" if self.letters else self.name


class Product(NamedTuple):
    """A number times indexed names."""

    coefficient: Coefficient
    factors: tuple[Indexed, ...]


class Equation(NamedTuple):
    """``result = Σ products``, and the text it was read from."""

    text: str
    result: Indexed
    products: tuple[Product, ...]


class NotationError(JacobiansError, ValueError):
    """A text that is not coordinate notation."""


@lru_cache(maxsize=4096)
def parse_equation(text: str) -> Equation:
    """Read ``"A_ij = B_ir C_rj"``."""
    left, equals, right = text.partition("=")
    if not equals:
        raise NotationError(f"{text!r} is no equation; write it as in 'A_ij = B_ir C_rj'")
    try:
        result = parse_name(left, text)
    except NotationError as error:
        raise NotationError(
            f"{text!r} needs one name left of '=', as in 'A_ij = B_ir C_rj': {error}"
        ) from None
    return Equation(text, result, parse_expression(right))


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> tuple[Product, ...]:
    """Read ``"-Y_ik Y_lj + 2 δ_ik x_l"``; an empty text or ``0`` is no term at all."""
    if text.strip() in ("", "0"):
        return ()
    return tuple(_products(text, text))


def parse_product(text: str, whole: str = "") -> Product:
    """Read one product, ``"−½ A_ir x_r"``."""
    found = _products(text, whole or text)
    if len(found) != 1:
        raise NotationError(f"{text.strip()!r} in {whole or text!r} is a sum; write one product")
    return found[0]


def parse_name(text: str, whole: str = "") -> Indexed:
    """Read one name with its letters, ``"A_ij"``: no number, no sign, no product."""
    found = parse_product(text, whole)
    if found.coefficient != 1 or len(found.factors) != 1 or found.factors[0].name == DELTA:
        raise NotationError(f"{text.strip()!r} in {whole or text!r} is not one name, as in A_ij")
    return found.factors[0]


def _products(text: str, whole: str) -> list[Product]:
    """The products that signs separate, token by token."""
    found: list[Product] = []
    coefficient: Coefficient = 1
    factors: list[Indexed] = []
    position = 0
    signed = complete = False
    touching = ""  # the name with letters that ends right before this place
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or token.end() == position:
            raise NotationError(
                f"cannot read {text[position:]!r} in {whole!r}: expected a sign, a number, "
                "or a name with lower-case letters as in B_ir or δ_ik"
            )
        if touching and token["number"]:
            raise NotationError(
                f"cannot read {touching + token['number']!r} in {whole!r}: axes are named by letters, "
                "not by digits; write a number before the names"
            )
        position = token.end()
        touching = ""
        if token["sign"]:
            if signed and not complete:
                raise NotationError(f"a name is missing between two signs in {whole!r}")
            if complete:
                found.append(Product(coefficient, tuple(factors)))
            coefficient, factors = 1 if token["sign"] == "+" else -1, []
            signed, complete = True, False
            continue
        complete = True
        if token["number"]:
            coefficient *= _number(token["number"])
            continue
        factors.append(_indexed(token, whole))
        ended = token["letters"] and not token[0][-1].isspace()
        touching = token[0].strip() if ended else ""
    if not complete:
        raise NotationError(f"a name is missing in {whole!r}; write 'A_ij = B_ir C_rj'")
    return [*found, Product(coefficient, tuple(factors))]


def _indexed(token: "re.Match[str]", whole: str) -> Indexed:
    name, letters = token["name"], (token["letters"] or "").strip("{}").replace("...", ELLIPSIS)
    if any(unicodedata.decomposition(a).startswith("<super>") for a in name):
        raise NotationError(
            f"cannot read {name!r} in {whole!r}: a superscript is no part of a name; write a power as a "
            "product, B_i B_i, and a transpose by its letters, B_ji"
        )
    if not name.isidentifier():
        raise NotationError(f"cannot read {name!r} in {whole!r}: a name begins with a letter")
    if name == DELTA and (len(letters) != 2 or ELLIPSIS in letters):
        raise NotationError(f"δ needs two letters as in δ_ik, not {letters!r}, in {whole!r}")
    return Indexed(name, letters)


def _number(text: str) -> Coefficient:
    if text in _FRACTIONS:
        return _FRACTIONS[text]
    above, slash, below = text.replace("−", "-").partition("/")
    if slash and not int(below):
        raise NotationError(f"cannot divide by zero in {text!r}")
    value = float(above) / float(below) if slash else float(above)
    if not isfinite(value):
        raise NotationError(f"the number {text!r} is too large for a float")
    return int(value) if value == int(value) else value


class Axes(NamedTuple):
    """Letters of axes together with the shape they have."""

    name: str
    letters: str
    shape: tuple[int, ...]


class _Letters:
    """Numbers and sizes of letters, read off the shapes of what they index."""

    def __init__(self, context: str, same: Mapping[str, str]):
        self.context = context
        self.same = same
        self.numbers: dict[object, int] = {}
        self.sizes: list[int] = []
        self.source: list[Axes] = []

    def read(self, axes: Axes) -> tuple[Slot, ...]:
        """The slots by which the axes are read; sizes that clash raise."""
        named = axes.letters.replace(ELLIPSIS, "")
        batch = len(axes.shape) - len(named)
        has_batch = ELLIPSIS in axes.letters
        if batch < 0 or (batch and not has_batch):
            at_least = "at least " if has_batch else ""
            raise ShapeError(
                f"{self.context}: {axes.name} has {at_least}{len(named)} axes "
                f"({axes.letters or 'a number'}), but its shape is {axes.shape}; "
                f"pass an array with {at_least}{len(named)} axes"
            )
        keys: list[object] = []
        for letter in axes.letters:
            if letter == ELLIPSIS:
                keys += range(-batch, 0)  # aligned on the right, as NumPy broadcasts
            else:
                keys.append(self.same.get(letter, letter))
        return tuple(self._slot(k, n, axes) for k, n in zip(keys, axes.shape, strict=True))

    def spread(self, products: Sequence[Product]) -> None:
        """Give a letter that only deltas name the size of the letter that it equals."""
        pairs = [tuple(f.letters) for p in products for f in p.factors if f.name == DELTA]
        for _ in pairs:
            for first, second in (*pairs, *((b, a) for a, b in pairs)):
                if first in self.numbers:
                    self.numbers.setdefault(second, self.numbers[first])

    def _slot(self, key: object, size: int, axes: Axes) -> Slot:
        number = self.numbers.get(key)
        if number is None:
            self.numbers[key] = number = len(self.sizes)
            self.sizes.append(size)
            self.source.append(axes)
            return letter_slot(number)
        known = self.sizes[number]
        broadcasts = isinstance(key, int)
        if known == size:
            return letter_slot(number)
        if broadcasts and size == 1:
            return ZERO
        if broadcasts and known == 1:
            # Slots of size 1 that were read before are read again, see _term().
            self.sizes[number] = size
            self.source[number] = axes
            return letter_slot(number)
        first = self.source[number]
        if first is axes:
            raise ShapeError(
                f"{self.context}: letter {key} stands twice in {axes.name}, so these axes must be equal, "
                f"but its shape is {axes.shape}: {known} and {size}"
            )
        what = f"letter {key}" if isinstance(key, str) else f"broadcast axis {key}"
        allowed = "equal, or one of them 1" if broadcasts else "equal"
        raise ShapeError(
            f"{self.context}: {what} is {known} in {first.name} of shape {first.shape} "
            f"but {size} in {axes.name} of shape {axes.shape}; these sizes must be {allowed}"
        )


def instantiate(
    products: Sequence[Product],
    axes: Sequence[Axes],
    operands: Mapping[str, Axes],
    context: str,
    *,
    result: Sequence[str] | None = None,
) -> Sum:
    """The sum of terms that products stand for, at given shapes.

    Parameters
    ----------
    products : sequence of Product
        What is added. Every name must be in ``operands`` or be a delta.
    axes : sequence of Axes
        The tensor's axes with known shapes (for a Jacobian: outputs, then inputs).
    operands : mapping
        The shape of each named operand; the letters there are ignored.
    context : str
        How an error message begins: the operation and its equation.
    result : sequence of str, optional
        Instead of ``axes``: letters only, whose sizes follow from the operands.

    Raises
    ------
    ShapeError
        Where sizes or numbers of axes clash; both shapes are named.
    """
    terms: list[Term | None] = []
    # Letters get their sizes from every operand of every product first: shapes must agree overall.
    everywhere = _Letters(context, {})
    for product in products:
        for factor in product.factors:
            if factor.name != DELTA:
                everywhere.read(operands[factor.name]._replace(letters=factor.letters))
    everywhere.spread(products)
    named = set("".join(a.letters for a in axes))
    for factor in (f for product in products for f in product.factors if f.name == DELTA):
        if not named & set(factor.letters) and not everywhere.numbers.keys() & set(factor.letters):
            raise NotationError(
                f"{context}: the letters of {factor} stand nowhere else, so nothing gives their sizes"
            )
    if result is not None:
        axes = [_sized(letters, everywhere, context) for letters in result]
    for product in products:
        same: dict[str, str] = {}
        for factor in product.factors:
            if factor.name != DELTA:
                continue
            new, old = (same.get(letter, letter) for letter in factor.letters)
            same = {**{k: new if v == old else v for k, v in same.items()}, old: new}
        terms.append(_term(product, axes, operands, context, same))
    return total([n for a in axes for n in a.shape], terms)


def _term(
    product: Product,
    axes: Sequence[Axes],
    operands: Mapping[str, Axes],
    context: str,
    same: Mapping[str, str],
) -> Term | None:
    letters = _Letters(context, same)
    known = [
        operands[f.name]._replace(letters=f.letters) for f in product.factors if f.name != DELTA
    ]
    for everything in (*axes, *known):
        letters.read(everything)
    # Read again: now each letter has its final size, and size-1 axes that broadcast are constant.
    slots = [slot for a in axes for slot in letters.read(a)]
    factors = [Factor(a.name, letters.read(a)) for a in known]
    return normal(product.coefficient, letters.sizes, factors, slots)


def _sized(letters: str, known: _Letters, context: str) -> Axes:
    shape: list[int] = []
    for letter in letters:
        if letter == ELLIPSIS:
            depth = -min([k for k in known.numbers if isinstance(k, int)], default=0)
            shape += [known.sizes[known.numbers[k]] for k in range(-depth, 0)]
        elif letter in known.numbers:
            shape.append(known.sizes[known.numbers[letter]])
        else:
            raise NotationError(f"{context}: letter {letter} of the result is in no operand")
    return Axes("the result", letters, tuple(shape))
