"""The pattern of a traced program's Jacobian by Boolean propagation: one operation after the other, densely.

An operation's own pattern is that of its rule's terms, entry by entry; constants and values count as nonzero,
and nothing cancels.
"""

from itertools import product
from math import prod

import numpy as np

import jacobians as jb
from jacobians.derivation.quotients import local
from jacobians.notation.slots import column


def entries(tensor, out_ndim):
    """The matrix that is True where a term can write, by running through every value of its letters."""
    shape = tensor.shape
    found = np.zeros(shape, bool)
    for term in tensor.terms:
        letters = sorted(term.kept)
        for values in product(*(range(term.sizes[a]) for a in letters)):
            at = dict(zip(letters, values, strict=True))
            place = tuple(
                int(slot.constant + sum(column(s, term.sizes[a])[at[a]] for a, s in slot.parts))
                for slot in term.slots
            )
            found[place] = True
    return found.reshape(prod(shape[:out_ndim]), -1)


def propagated(f, args, wrt=0):
    """Boolean matrix (output entries, input entries) of f's one result by one argument."""
    record = jb.record(f, *args)
    (output,) = record.outputs
    start = next(n for n in record.nodes if n.name == list(record_names(f))[wrt])
    known = {start: np.eye(prod(start.shape), dtype=bool)}
    for node in record.nodes:
        if node.operation is None or node in known:
            continue
        total = None
        for position, operand in enumerate(node.operands):
            if operand in known:
                own = entries(local(node, position), node.ndim)
                part = (own.astype(int) @ known[operand].astype(int)) > 0
                total = part if total is None else total | part
        if total is not None:
            known[node] = total
    return known[output]


def record_names(f):
    import inspect

    return inspect.signature(f).parameters
