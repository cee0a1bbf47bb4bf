"""Products with an inverse become solutions of linear equations, where the inverse is not needed itself.

The rules of ``inv`` and ``solve`` are written with the inverse. Contracted with a vector,
``M b`` is ``solve(A, b)`` and ``Mᵀ b`` is ``solve(Aᵀ, b)``: a third of the work, and the function's own
solution is found again. A matrix that several nodes solve with or invert is factorised once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from jacobians.graph.node import Node, apply
from jacobians.notation.slots import letter_slot
from jacobians.notation.terms import Factor, Term, full_letter, letter_count, normal
from jacobians.operations import linalg
from jacobians.operations.factorised import lu_factors, lu_inverted, lu_solution
from jacobians.operations.index_maps import permute
from jacobians.optimising.rewriting import Change, Exchange

_NARROW = 2  # a right side of at most n / 2 columns


def solver(terms: Iterable[Term], uses: dict[Node, int]) -> Change:
    """A change of terms for inverses of which every use is a product with a narrow array."""
    products: dict[Node, int] = {}
    for term in terms:
        here: dict[Node, int] = {}
        while (found := _found(term, None)) is not None:
            inverse, _, term = found
            here[inverse] = here.get(inverse, 0) + 1
        for inverse, count in here.items():
            products[inverse] = products.get(inverse, 0) + count
    only = {inverse for inverse, count in products.items() if count == uses[inverse]}

    def change(term: Term) -> Term:
        while only and (found := _found(term, only)) is not None:
            term = found[2]
        return term

    return change


def _found(term: Term, among: set[Node] | None) -> tuple[Node, Factor, Term] | None:
    """An inverse, what it is multiplied with, and the term with the solution in their place."""
    kept = term.kept
    for n, inverse in enumerate(term.factors):
        node: Node = inverse.operand
        if node.operation is not linalg.inv or node.ndim != 2 or inverse.mask:
            continue
        if among is not None and node not in among:
            continue
        letters = [
            full_letter(s, term.sizes, size)
            for s, size in zip(inverse.slots, node.shape, strict=True)
        ]
        if None in letters or letters[0] == letters[1]:
            continue
        for m, other in enumerate(term.factors):
            for axis in (0, 1):
                summed, free = letters[axis], letters[1 - axis]
                elsewhere = kept.union(
                    *(f.letters for k, f in enumerate(term.factors) if k not in (n, m))
                )
                if summed is None or m == n or other.mask:
                    continue
                if summed in elsewhere or free in other.letters:
                    continue
                right = _right_side(term, other, summed)
                if right is None:
                    continue
                A = node.operands[0]
                matrix = A if axis == 1 else apply(permute, [A], axes=(1, 0))
                columns = other.letters - {summed}
                solution = Factor(
                    apply(linalg.solve, [matrix, right]),
                    tuple(letter_slot(a) for a in (free, *columns) if a is not None),
                )
                factors = [f for k, f in enumerate(term.factors) if k not in (n, m)]
                # The summed letter is gone from all factors, and counts once.
                sizes = [1 if a == summed else size for a, size in enumerate(term.sizes)]
                after = normal(term.coefficient, sizes, [*factors, solution], term.slots)
                return (node, other, after) if after is not None else None
    return None


def factorised_once(nodes: Iterable[Node]) -> Exchange | None:
    """A change of nodes: matrices that several of them solve with or invert are factorised once."""
    matrices = Counter(found[0] for node in nodes if (found := _matrix_of(node)) is not None)
    shared = {matrix for matrix, count in matrices.items() if count > 1}

    def exchange(node: Node, operands: Sequence[Node]) -> Node | None:
        found = _matrix_of(node)
        if found is None or found[0] not in shared:
            return None
        matrix, transposed = operands[0], found[1]
        if transposed:
            (matrix,) = matrix.operands
        factors = apply(lu_factors, [matrix])
        operation = lu_inverted if node.operation is linalg.inv else lu_solution
        turned = {"transposed": True} if transposed else {}
        return apply(operation, [factors, *operands[1:]], **turned)

    return exchange if shared else None


def _matrix_of(node: Node) -> tuple[Node, bool] | None:
    """The matrix that a node solves with or inverts, and whether it is transposed first."""
    if node.operation not in (linalg.solve, linalg.inv):
        return None
    if any(operand.ndim > 2 for operand in node.operands):
        return None
    A = node.operands[0]
    if A.operation is permute and A.ndim == 2:
        return A.operands[0], True
    return (A, False) if A.ndim == 2 else None


def _right_side(term: Term, other: Factor, summed: int) -> Node | None:
    """The array as a right side, the summed letter first; None where it is none, or wide."""
    node: Node = other.operand
    letters = [
        full_letter(s, term.sizes, size) for s, size in zip(other.slots, node.shape, strict=True)
    ]
    if summed not in letters or None in letters or len(letters) != len(set(letters)):
        return None
    if len(letters) == 1:
        return node
    columns = letter_count(term.sizes, other.letters - {summed})
    if len(letters) > 2 or _NARROW * columns > letter_count(term.sizes, [summed]):
        return None
    return node if letters[0] == summed else apply(permute, [node], axes=(1, 0))
