"""The chain rule through running sums: what is carried is summed along the axis, in linear time.

The Jacobian of ``cumsum`` has n (n + 1) / 2 ones. Where what is carried is dense along the axis, its product
with them is a running sum again: from the end for what comes from above, from the start for what comes
from below. Where it is a delta, the ones are the result, and their places are listed.
"""

from jacobians.graph.node import Node, apply
from jacobians.notation.rewrite import Make, join_factors
from jacobians.notation.terms import Factor, Sum, Term, full_letter, normal, total
from jacobians.operations.declare import Multilinear
from jacobians.operations.reductions import cumsum, suffix_sums


def summed(tensor: Sum, node: Node, start: int, make: Make, *, backwards: bool) -> Sum | None:
    """The tensor composed with the node's own Jacobian; None where that is no running sum of it.

    ``start`` is the first of the tensor's axes that are the node's; ``backwards`` for a tensor that is a
    derivative by the node.
    """
    operation = node.operation
    if operation not in (cumsum, suffix_sums):
        return None
    along: int = dict(node.parameters)["axis"]
    axis = start + along
    running = cumsum if (operation is suffix_sums) is backwards else suffix_sums
    terms = [_summed(term, axis, node.shape[along], running, make) for term in tensor.terms]
    found = [term for term in terms if term is not None]
    return total(tensor.shape, found) if len(found) == len(terms) else None


def _summed(term: Term, axis: int, size: int, running: Multilinear, make: Make) -> Term | None:
    if size == 1:
        return term
    letter = full_letter(term.slots[axis], term.sizes, size)
    if letter is None or sum(letter in slot.letters for slot in term.slots) != 1:
        return None
    group = [f for f in term.factors if letter in f.letters]
    rest = [f for f in term.factors if letter not in f.letters]
    if any(f.mask for f in group):
        return None
    outside = term.kept.union(*(f.letters for f in rest))
    keep = sorted({letter, *(a for f in group for a in f.letters if a in outside)})
    core = join_factors(group, keep, term.sizes, make)
    made = apply(running, [core.operand], axis=keep.index(letter))
    used = {a for f in (*rest, core) for a in f.letters} | term.kept
    sizes = [n if a in used else 1 for a, n in enumerate(term.sizes)]  # summed inside the core
    factors = [*rest, Factor(made, core.slots)]
    return normal(term.coefficient, sizes, factors, term.slots)
