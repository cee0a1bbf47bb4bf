"""All steps of a derivation: those of its story, and what the result is called."""

from collections.abc import Mapping
from contextlib import suppress

from jacobians.algebra.atoms import Leaf
from jacobians.algebra.slot_letters import Unread
from jacobians.derivation.chain_rule import reverse
from jacobians.display.networks import NoForm
from jacobians.graph.node import Node, ordered
from jacobians.notation.explicit import axis_names
from jacobians.notation.writing import subscript
from jacobians.transforms.deriving.problem import Problem
from jacobians.transforms.deriving.product_rule import is_polynomial
from jacobians.transforms.deriving.read_problem import ReadProblem
from jacobians.transforms.deriving.story import StepTaken, Story

_READABLE = 14  # terms of a value, and of a derivative that is differentiated again


def told(subject: Problem, read: ReadProblem, letters: Mapping[int, Leaf]) -> list[StepTaken]:
    """The steps before the result."""
    J = subject.jacobian
    story = Story(J.names, J.axes, J.out_ndim, letters)
    try:
        if subject.order == 2:
            _twice(story, subject, read, letters)
        else:
            _once(story, subject, read)
    except (Unread, NoForm):
        story.steps = []
        own = subscript(subject.title, axis_names(subject.output.ndim, 0), "text")
        count = len(ordered([subject.output]))
        story.add("coordinate form", f"{own} as recorded: {count} operations", "")
        story.add("derivative", f"{J.title}, the chain rule along the record", "")
    return story.steps


def _once(story: Story, subject: Problem, read: ReadProblem) -> None:
    """The derivative, by the product rule or by the chain rule."""
    argument = subject.jacobian.names[1]
    if read.value is not None and is_polynomial(read.value, argument):
        story.by_factors(read.value, argument)
    else:
        story.by_chain(subject.output, subject.start, _local_names(subject), read.reader)


def _twice(story: Story, subject: Problem, read: ReadProblem, letters: Mapping[int, Leaf]) -> None:
    """The derivative, in a line where it fits one, and its own."""
    output, start, J = subject.output, subject.start, subject.jacobian
    axes = axis_names(output.ndim, start.ndim)
    first = Story((subject.title, J.names[1]), axes, output.ndim, letters)
    try:
        if read.value is not None:
            line = first.value(subject.title, axis_names(output.ndim, 0), read.value, _READABLE)
            first.add("coordinate form", *line)
        (tensor,) = reverse(output, [start])
        first.add("derivative", *first.derivative(read.reader().tensor(tensor), _READABLE))
    except NoForm:
        first.steps = []
        first.by_chain(output, start, _local_names(subject), read.reader)
    story.steps += first.steps
    if read.numbered is not None:
        with suppress(NoForm):  # it is too long
            line = story.both(read.numbered, J.axes, _READABLE)
            story.add("differentiated again", f"{J.title} = {line.text}", f"= {line.latex}")


def _local_names(subject: Problem) -> dict[Node, str]:
    """The user's names of intermediate results, as far as nothing else is called so."""
    taken = {*subject.parameters, *subject.jacobian.names}
    return {
        n: name
        for n, name in subject.locals.items()
        if n is not subject.output and name not in taken
    }
