"""The record of a derivation: every step keeps the tensor that it says, and leads to the result."""

import numpy as np
import pytest

from jacobians.derivation.chain_rule import jacobians, reverse
from jacobians.derivation.history import Action, Record, Taken
from jacobians.graph.node import evaluate
from jacobians.notation.explicit import axis_names, explicit
from jacobians.notation.terms import Sum
from jacobians.tracing.running import output_node, traced

RNG = np.random.default_rng(5)
W, X, x = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3)), RNG.normal(size=3)


def softmax(x):
    powers = np.exp(x - np.max(x))
    return powers / np.sum(powers)


FUNCTIONS = {
    "layer": (lambda W, x: np.tanh(W @ x), (W, x)),
    "paths that add up": (lambda X: np.sin(X) * X + X @ (X.T @ X), (X,)),
    "quotients": (softmax, (x,)),
    "a waist": (lambda X: np.tanh(np.outer(np.sum(X**2) * x, x)), (X,)),
    "many terms": (lambda x: np.stack([x * x, x[::-1], 3 * x]).reshape(9) ** 2, (x,)),
}


class Case:
    """A traced function with the values of all its nodes."""

    def __init__(self, name: str) -> None:
        f, arguments = FUNCTIONS[name]
        with traced(f, arguments, {}, 0) as run:
            self.output, self.start = output_node(run.outputs[0]), run.inputs[0]
            self.values = dict(run.here.values)

    def dense(self, tensor: Sum) -> np.ndarray:
        values = evaluate(tensor.operands, self.values)
        return explicit(tensor, axis_names(len(tensor.shape), 0), values.__getitem__, float)


@pytest.mark.parametrize("strategy", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_step_is_what_it_says(name: str, strategy: str) -> None:
    case = Case(name)
    record: Record = []
    (found,) = jacobians(case.output, [case.start], strategy, record)  # type: ignore[arg-type]
    assert record
    assert any(step.after == found for step in record)
    for step in record:
        before, after = [case.dense(tensor) for tensor in step.before], case.dense(step.after)
        if step.rule in (Action.CHAIN, Action.JOIN):
            after_too = np.tensordot(before[0], before[1], middle(step))
        else:
            after_too = sum(before)
            assert (len(before) > 1) == (step.rule is Action.ADD)
        np.testing.assert_allclose(after, after_too, rtol=1e-9, atol=1e-12, err_msg=str(step.rule))


def middle(step: Taken) -> int:
    """How many axes the two tensors share: those of the node where one ends and the other begins."""
    left, right = (tensor.shape for tensor in step.before)
    shared = (len(left) + len(right) - len(step.after.shape)) // 2
    assert step.after.shape == left[: len(left) - shared] + right[shared:]
    assert left[len(left) - shared :] == right[:shared]
    return shared


def test_the_rules_are_named() -> None:
    seen = set()
    for name in FUNCTIONS:
        case = Case(name)
        for strategy in ("auto", "forward", "reverse"):
            record: Record = []
            jacobians(case.output, [case.start], strategy, record)  # type: ignore[arg-type]
            seen |= {step.rule for step in record}
    assert {Action.CHAIN, Action.ADD, Action.CANCEL, Action.TIDY, Action.JOIN} <= seen


def test_only_the_chosen_order_is_recorded() -> None:
    case = Case("a waist")
    record: Record = []
    (found,) = jacobians(case.output, [case.start], "auto", record)
    joins = [step for step in record if step.rule is Action.JOIN]
    assert len(joins) == 1
    assert joins[0].node.shape == ()
    assert joins[0].after is record[-1].after is found


def test_a_record_changes_nothing() -> None:
    case = Case("paths that add up")
    record: Record = []
    assert reverse(case.output, [case.start], record=record) == reverse(case.output, [case.start])


def test_steps_are_values() -> None:
    case = Case("layer")
    record: Record = []
    reverse(case.output, [case.start], record=record)
    first = record[0]
    assert first.rule is Action.CHAIN
    assert first.node is case.output
    assert first.operand is not None
    assert first.before[0].shape == (4, 4)
    with pytest.raises(AttributeError):
        first.rule = Action.ADD  # type: ignore[misc]
