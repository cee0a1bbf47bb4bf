"""All passes over the nodes of a result before they are lowered; those that can do nothing are left out."""

from collections.abc import Sequence

from jacobians.graph.node import Node, ordered
from jacobians.operations.linalg import inv, solve
from jacobians.operations.products import contraction
from jacobians.optimising.gram import halved
from jacobians.optimising.inlining import inliner
from jacobians.optimising.rewriting import all_terms, changed, exchanged, uses_of
from jacobians.optimising.solving import factorised_once, solver


def optimised(results: Sequence[Node]) -> list[Node]:
    """Nodes with the same values that are cheaper to compute."""
    nodes = ordered(results)
    if any(node.operation is contraction for node in nodes):
        results = changed(results, inliner(uses_of(nodes, results)))
        nodes = ordered(results)
    terms = all_terms(nodes)
    uses = uses_of(nodes, results)
    if any(len(term.factors) > 2 for term in terms):
        results = changed(results, halved)
    if any(node.operation is inv for node in nodes):
        results = changed(results, solver(terms, uses))
    if any(node.operation in (inv, solve) for node in nodes):
        exchange = factorised_once(ordered(results))
        results = results if exchange is None else exchanged(results, exchange)
    return list(results)
