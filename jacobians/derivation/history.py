"""The record of a derivation: what was done to which terms, step by step.

The functions of ``chain_rule`` append to a list of :class:`Taken` where they are handed one. A step
holds references to terms that exist anyway, and no text: it is written only for who reads it.
"""

from enum import Enum
from typing import NamedTuple, TypeAlias

from jacobians.graph.node import Node
from jacobians.notation.terms import Sum


class Action(Enum):
    """What a step does; the value says it in words."""

    CHAIN = "the chain rule: composed with the operation's own Jacobian"
    ADD = "the paths through a node add up"
    CANCEL = "quotients cancel, and sums that exist already are read"
    TIDY = "letters are summed, factors multiplied, equal terms merged"
    STACK = "terms that look alike become one, which says by a letter which of them is meant"
    COLLAPSE = "terms with the same deltas become one"
    GATHER = "all terms become one array"
    MASK = "masked terms become one array, and one mask of where they reach"
    LIST = "the entries that the terms reach are listed"
    JOIN = "both sides of a node that every path crosses are composed"


class Taken(NamedTuple):
    """One step of a derivation.

    Attributes
    ----------
    node : Node
        Where it happens: the operation whose Jacobian is composed with (CHAIN), the node that the
        carried terms are a derivative of or by (all others).
    rule : Action
        What is done.
    before : tuple of Sum
        The terms before. For CHAIN and JOIN the two that are composed, in the order of the product;
        for ADD the parts, one for each path; else one.
    after : Sum
        The terms after.
    operand : Node or None
        For CHAIN the operand by which the operation's Jacobian is taken.
    """

    node: Node
    rule: Action
    before: tuple[Sum, ...]
    after: Sum
    operand: Node | None = None


Record: TypeAlias = list[Taken]
"""The steps of a derivation, in the order in which they were taken."""


def changed(before: Sum, after: Sum) -> bool:
    """Whether a rewrite did anything; unchanged terms are the same objects."""
    return len(before.terms) != len(after.terms) or any(
        old is not new for old, new in zip(before.terms, after.terms, strict=True)
    )
