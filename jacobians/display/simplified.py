"""Index notation of simplified derivatives: ``δ_ik p_i − p_i p_k``, ``(X⁻¹)_lk``, ``(W x − t)_k x_l``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from jacobians.algebra.atoms import Atom, AtomAt, Expr, Function, Leaf, Monomial, Power, Whole
from jacobians.algebra.constants import Centring, Selector, Splitting, centring
from jacobians.algebra.letter_order import components
from jacobians.algebra.moments import Standardised, Std, with_moments
from jacobians.algebra.of_nodes import Reader
from jacobians.algebra.recognising import Softmax, recognised
from jacobians.algebra.remaking import atoms_within, exchanged, within, without_centring
from jacobians.algebra.slot_letters import Unread
from jacobians.display.arranging import Arranger, facing
from jacobians.display.entrywise import power_form
from jacobians.display.form_rewriting import spelled
from jacobians.display.form_statistics import (
    SIGMA,
    centring_sizes,
    deviation_of,
    hat_of,
    standardised_form,
)
from jacobians.display.forms import MatrixForm, Name, turned
from jacobians.display.formulas import Formula, listed
from jacobians.display.indices import Indexer, named_letters, over, unsaid
from jacobians.display.naming import Names
from jacobians.display.networks import NoForm
from jacobians.graph.node import Node, ordered
from jacobians.notation.terms import Sum
from jacobians.notation.writing import (
    ATOM,
    PRODUCT,
    SUM,
    Style,
    Written,
    exact_number,
    fresh_letters,
    join_terms,
    subscript,
    write_number,
)

_MOST_NODES = 60
"""Nodes of a tensor that is looked at for a simpler formula."""


def simpler(
    tensor: Sum, axes: str, operands: Mapping[Node, Any], style: Style, taken: Iterable[str]
) -> Formula | None:
    """A tensor's formula from its normal form; None where it has none."""
    nodes = ordered(tensor.operands)
    unnamed = [n for n in nodes if n.operation is None and n.shape and not n.name]
    if len(nodes) > _MOST_NODES or len(unnamed) > 1:  # c and c1 are told apart as they were derived
        return None
    names = Names(operands, taken)
    try:
        reader = Reader(names.leaf, active=frozenset(list(taken)[1:]), table=names.table)
        expr = with_moments(recognised(reader.tensor(tensor)))
    except Unread:
        return None
    if 1 in tensor.shape or not all(map(_plain, within(expr))):
        return None
    try:
        return in_index_notation(expr, axes, style)
    except NoForm:
        return None


def in_index_notation(
    expr: Expr, axes: Sequence[str], style: Style, sizes: Mapping[int, str] = MappingProxyType({})
) -> Formula:
    """An expression at letters, with what its names stand for; ``sizes`` are called by letters."""
    named, parts = _with_hats(expr, style)
    centred: set[int] = set()
    try:
        main = simplified(named, axes, style, sizes, centred).text
        parts += _centring(named, centred, style, sizes)
    except NoForm:  # means are written out
        named, parts = without_centring(expr), []
        main = simplified(named, axes, style, sizes).text
    found = [a for a, _ in atoms_within(named)]
    tables = {a.table: a.positions for a in found if isinstance(a, Selector) and a.stride is None}
    parts += [(name, listed(at, style)) for name, at in sorted(tables.items())]
    return Formula(main, tuple(parts), style)


def _centring(
    expr: Expr, centred: set[int], style: Style, sizes: Mapping[int, str]
) -> list[tuple[str, str]]:
    """What C is, where it stands in a product of matrices."""
    if not centred:
        return []
    if len(centred) > 1 or any(
        isinstance(a, Leaf) and a.name == "C" for a, _ in atoms_within(expr)
    ):
        raise NoForm("there is no one C")
    (size,) = centred
    own = AtomAt(centring(size), (0, 1))
    entry = Indexer(style, sizes=sizes).atom(own.atom, "ij", fresh_letters("ij"))
    return [(subscript("C", "ij", style), entry.text)]


def _with_hats(expr: Expr, style: Style) -> tuple[Expr, list[tuple[str, str]]]:
    """With x̂ for the one column that is standardised, and σ for its deviation; and what these are."""
    of = {a.of for a, _ in atoms_within(expr) if isinstance(a, Standardised)}
    if len(of) != 1 or len((column := of.pop()).shape) != 1:
        return expr, []
    form = Arranger().form(column)
    hat = hat_of(form)
    names: dict[Atom, Atom] = {
        Standardised(column): Leaf(hat.name, column.shape),
        Std(column): Leaf(SIGMA.name, (), positive=True),
    }
    pairs = ((SIGMA, deviation_of(form)), (hat, standardised_form(form)))
    parts = [(name.write(style).text, meaning.write(style).text) for name, meaning in pairs]
    return exchanged(expr, names), parts


def _plain(expr: Expr) -> bool:
    """Whether index notation has a sign for all that stands in it, and a number for each coefficient."""
    for t in expr.terms:
        if exact_number(abs(float(t.coefficient))) is None:
            return False
        for f, _ in t.factors:
            atom = f.atom
            if isinstance(atom, Power) or (isinstance(atom, Leaf) and 1 in atom.shape):
                return False
            if isinstance(atom, Softmax) and not _is_along_one(atom):
                return False
            if isinstance(atom, Function | Whole) and not atom.operation.notation:
                return False
            if isinstance(atom, Splitting) or (
                isinstance(atom, Selector) and not _ends_with_axis(atom)
            ):
                return False
    return True


def _is_along_one(softmax: Softmax) -> bool:
    """Whether it is of a column, of rows or of columns, or along the last axis of more."""
    axes = len(softmax.of.shape)
    return axes < 2 or (len(softmax.axes) == 1 and (axes == 2 or softmax.axes == (axes - 1,)))


def _ends_with_axis(slice_: Selector) -> bool:
    """Whether a slice ends where the axis does: else it is written with how far its letter runs."""
    if slice_.stride is None:
        return True
    after = slice_.positions[-1] + slice_.stride
    return not 0 <= after < slice_.shape[1]


def simplified(
    expr: Expr, axes: Sequence[str], style: Style = "text",
    sizes: Mapping[int, str] = MappingProxyType({}), centred: set[int] | None = None,
) -> Written:  # fmt: skip
    """An expression at the letters of its axes: parts that are matrices and columns written whole.

    ``centred`` is told the sizes of centring matrices that stand in them.
    """
    if not expr.terms:
        return Written("0")
    inner = partial(simplified, sizes=sizes, centred=centred)
    arranger, indexer = Arranger(), Indexer(style, inner, sizes)
    terms = sorted(expr.terms, key=lambda t: t.coefficient < 0)
    written = [_term(t, axes, style, arranger, indexer, centred) for t in terms]
    return join_terms(written, style)


class _Here(NamedTuple):
    """What the parts of one term are written with."""

    term: Monomial
    names: Mapping[int | None, str]
    exponents: Mapping[AtomAt, Fraction]
    arranger: Arranger
    indexer: Indexer
    style: Style
    fresh: Iterator[str]
    centred: set[int] | None


def _term(
    t: Monomial, axes: Sequence[str], style: Style, arranger: Arranger, indexer: Indexer,
    centred: set[int] | None,
) -> Written:  # fmt: skip
    t = facing(t, from_numbers=False)
    fresh = fresh_letters("".join(axes))
    named = named_letters(t, axes, fresh, style, summed=False)
    names, exponents = named.letters, dict(named.factors)
    here = _Here(t, names, exponents, arranger, indexer, style, fresh, centred)
    above: list[tuple[tuple[str, ...], Written]] = []
    below: list[Written] = []
    dummies = {a for a in range(len(t.sizes)) if a not in names}
    for part in components(exponents, dummies):
        free = sorted({a for f in part for a in f.letters if a in names and a is not None})
        if len(part) == 1 and exponents[part[0]] < 0:
            below.append(_single(part[0], -exponents[part[0]], here))
        else:
            written, under = _part(part, free, here)
            above.append((tuple(names[a] for a in free), written))
            below += under
    above.sort(key=lambda pair: pair[0])
    number: Any = t.coefficient
    bottom = ""
    if isinstance(number, Fraction):
        if below and number.denominator != 1:
            number, bottom = Fraction(number.numerator), str(number.denominator)
        number = int(number) if number.denominator == 1 else float(number)
    sign, size = write_number(number, style)
    several = len(above) + len(named.deltas) > 1  # (xᵀ y) z_k
    factors = [w.inside(PRODUCT if at or not several else ATOM) for at, w in above if w.text]
    pieces = ([size] if size else []) + named.deltas + factors
    return over(sign, pieces, [bottom] if bottom else [], below, style)


def _single(f: AtomAt, power: Fraction, here: _Here) -> Written:
    """A factor by itself, to a power."""
    if any(a not in here.names for a in f.letters):
        raise NoForm("a letter is summed in a place of its own")
    if not [a for a in f.letters if a is not None]:
        try:
            form = here.arranger.atom(f.atom)
            if _is_said(form, here):
                return power_form(form, power).write(here.style)
        except NoForm:
            pass
    return here.indexer.powered(f.atom, [here.names[a] for a in f.letters], power, here.fresh)


def _part(part: list[AtomAt], free: list[int], here: _Here) -> tuple[Written, list[Written]]:
    """Factors that share summed letters, written whole where they are a matrix or a column; and what is below."""
    first, names = part[0], here.names
    plain = len(part) == 1 and all(a in names for a in first.letters)
    if plain and not (here.exponents[first] == 1 and _better_whole(first)):
        return _single(first, here.exponents[first], here), []
    letters = [names[a] for a in free]
    try:
        factors = [(f, here.exponents[f]) for f in part]
        form = here.arranger.network_form(free, factors, here.term)
        if len(free) == 2:
            other = turned(form)
            if (other.text.count("ᵀ"), other.text) < (form.text.count("ᵀ"), form.text):
                form, letters = other, letters[::-1]
        if _is_said(form, here):
            return _at(form, letters, here.style), []
        if len(part) == 1:
            return _single(first, here.exponents[first], here), []
    except NoForm:
        pass
    return _letter_by_letter(part, here)


def _is_said(form: MatrixForm, here: _Here) -> bool:
    """Whether index notation has signs for all of a form; C has one, where it is told what that is."""
    if unsaid(form):
        return False
    sizes = centring_sizes(form)
    if here.centred is None:
        return not sizes
    here.centred.update(sizes)
    return True


def _letter_by_letter(part: list[AtomAt], here: _Here) -> tuple[Written, list[Written]]:
    """Factors that share summed letters, with names for these; what one alone has is summed where it stands."""
    if any(isinstance(f.atom, Centring) for f in part):
        raise NoForm("a mean is rather written out")
    own = dict(here.names)
    letters = {f: [a for a in f.letters if a is not None] for f in part}
    new = sorted({a for f in part for a in letters[f]} - own.keys())
    own.update((a, next(here.fresh)) for a in new)
    texts: list[str] = []
    below: list[Written] = []
    for f in part:
        e = here.exponents[f]
        written = here.indexer.powered(f.atom, [own[a] for a in f.letters], abs(e), here.fresh)
        alone = [own[a] for a in letters[f] if a in new and sum(a in letters[g] for g in part) < 2]
        if alone and e < 0:
            raise NoForm("something is summed over what stands below")
        if alone:
            sign = subscript("Σ", alone, here.style)
            written = Written(f"{sign} {written.inside(PRODUCT)}", SUM)
        if e < 0:
            below.append(written)
        else:
            texts.append(written.inside(PRODUCT))
    return Written(" ".join(texts), ATOM), below


def _better_whole(f: AtomAt) -> bool:
    """Whether a factor at letters is better written whole: a sum, or a function, of products."""
    if not any(a is not None for a in f.letters) or not f.atom.inner:
        return False
    return all(sum(n != 1 for n in e.shape) <= 2 for e in f.atom.inner)


def _at(form: MatrixForm, letters: Sequence[str], style: Style) -> Written:
    written = spelled(form).write(style)
    if not letters:
        return written
    text = written.text
    if (isinstance(form, Name) and len(text) == 1) or (
        text.endswith(")") and written.binds == ATOM
    ):
        return Written(subscript(text, letters, style))
    return Written(subscript(f"({text})", letters, style))
