"""Derivations by structured arguments: what is projected, what is by the free entries, and both in words."""

from fractions import Fraction

from jacobians.algebra.atoms import Expr
from jacobians.algebra.constants import triangle
from jacobians.algebra.letter_order import plain, sizes_of
from jacobians.algebra.normal_form import Piece, at, built, sum_of
from jacobians.display.latex import letters_in_latex
from jacobians.display.networks import NoForm
from jacobians.transforms.deriving.layouts import Arranged, linear
from jacobians.transforms.structured import DIAGONAL, LOWER, SYMMETRIC, Structured

HALF = Fraction(1, 2)


def projection(expr: Expr, structured: Structured, order: int) -> Expr:
    """The derivative with independent entries, projected on matrices of the kind.

    That of a number by a triangular matrix is as it is: it has a notation of its own.
    """
    if len(expr.shape) == 2 and structured.structure not in (SYMMETRIC, DIAGONAL):
        return expr
    end = len(expr.shape)
    for _ in range(order):
        before = len(expr.shape)
        expr = _projected(expr, structured, end)
        end -= 2 if len(expr.shape) == before else 1 + before - len(expr.shape)
    return expr


def _projected(expr: Expr, structured: Structured, end: int) -> Expr:
    """The same of the two axes before that one."""
    slots = plain(expr.shape)
    k, m = end - 2, end - 1
    if structured.structure is DIAGONAL and slots[m] is not None:  # by its n entries: k = l
        kept, shape = slots[:m] + slots[end:], expr.shape[:m] + expr.shape[end:]
        read = (*slots[:m], slots[k], *slots[end:])
        return built([(expr, read, 1)], kept, sizes_of(kept, shape), shape)
    if structured.structure is not SYMMETRIC:  # 0 where no entry is free
        if slots[m] is None:
            return expr
        ends = (slots[k], slots[m]) if structured.structure is LOWER else (slots[m], slots[k])
        sizes = sizes_of(slots, expr.shape)
        pieces: list[Piece] = [(expr, slots, 1), (triangle(expr.shape[k]), ends, 1)]
        return built(pieces, slots, sizes, expr.shape, expand=True)
    swapped = (*slots[:k], slots[m], slots[k], *slots[end:])
    return sum_of([expr, at(expr, slots, expr.shape, swapped)], [HALF, HALF])


def restricted(found: Arranged, structured: Structured, axes: int) -> Arranged:
    """The matrix notation of the projected derivative, which has so many axes."""
    kind = structured.structure
    if kind is SYMMETRIC:
        return found._replace(meaning=f"{found.meaning}; projected: ½ (G + Gᵀ)")
    if kind is DIAGONAL:
        return found._replace(meaning=f"{found.meaning}; by its diagonal")
    name = "tril" if kind is LOWER else "triu"
    if axes > 2:
        return found._replace(meaning=f"{found.meaning}; its free entries, 0 elsewhere")
    if found.form.ndim != 2 or found.left.startswith("∂vec"):
        raise NoForm("the free entries of a triangular matrix have no notation")
    form = linear(name, found.form, 2, f"np.{name}")
    return found._replace(form=form, meaning=f"{found.meaning}; its free entries, 0 elsewhere")


def explained(structured: Structured, names: tuple[str, str]) -> tuple[str, str, str]:
    """Both conventions, as a step."""
    y, x = names
    kind = structured.structure
    below, above = (letters_in_latex(n.replace("∂", "\\partial ")) for n in (x, y))
    full = f"G = \\partial {above}/\\partial {below}"
    if kind is SYMMETRIC:
        text = f"G_kl + G_lk for k < l, G_kk for k = l; projected: ½ (G_kl + G_lk); with G = ∂{y}/∂{x}, its entries independent"  # noqa: E501
        latex = f"G_{{kl}} + G_{{lk}}\\ (k < l),\\quad G_{{kk}}\\ (k = l);\\quad {full}"
    else:
        which = {DIAGONAL: "k = l", LOWER: "k ≥ l"}.get(kind, "k ≤ l")
        text = f"G_kl for {which}; projected: the same, and 0 elsewhere; with G = ∂{y}/∂{x}, its entries independent"  # noqa: E501
        latex = f"G_{{kl}},\\quad {full}"
    return f"{x} is {kind.name}: by its free entries, row by row", text, latex


def restricted_program(
    body: str, structured: Structured, name: str, order: int, shared: list[tuple[str, str]]
) -> str:
    """What turns the derivative with independent entries into that by the free ones, or projects it."""
    kind = structured.structure
    shared.append(("G", body))
    if not (kind is SYMMETRIC and structured.full):
        places = {DIAGONAL: "np.diag_indices", LOWER: "np.tril_indices"}.get(
            kind, "np.triu_indices"
        )
        shared.append(("rows, columns", f"{places}({name}.shape[0])"))
        if structured.full:
            shared.append(("mask", f"np.zeros({name}.shape)"))
            shared.append(("mask[rows, columns]", "1.0"))
    found = _of_last_axes(structured)
    if order == 1:
        return found
    # The axes of the first derivative, which come before those of the second.
    if structured.full:
        shared.append(("G", f"np.moveaxis({found}, (-4, -3), (-2, -1))"))
        return f"np.moveaxis({_of_last_axes(structured)}, (-4, -3), (-2, -1))"
    shared.append(("G", f"np.moveaxis({found}, -1, -3)"))
    return f"np.swapaxes({_of_last_axes(structured)}, -1, -2)"


def _of_last_axes(structured: Structured) -> str:
    """The derivative G, its last two axes restricted."""
    kind = structured.structure
    if structured.full:
        return "0.5 * (G + np.swapaxes(G, -1, -2))" if kind is SYMMETRIC else "G * mask"
    if kind is SYMMETRIC:
        return "np.where(rows == columns, G[..., rows, columns], G[..., rows, columns] + G[..., columns, rows])"
    return "G[..., rows, columns]"
