"""The one NumPy function of a derivation: signature, docstring, and the body that fits best."""

import re
from textwrap import wrap

from jacobians.display.networks import NoForm
from jacobians.errors import UnsupportedError
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.deriving.literal_terms import TermsProgram
from jacobians.transforms.deriving.problem import Problem
from jacobians.transforms.deriving.programs import Programmer, function_text, literal
from jacobians.transforms.deriving.read_problem import ReadProblem
from jacobians.transforms.deriving.restricting import restricted_program
from jacobians.transforms.structured import Structured

_WIDTH = 90  # of the docstring
Statements = list[tuple[str, str]]
"""Names, and the code of what they are."""


def derivative_program(
    subject: Problem,
    read: ReadProblem,
    structured: Structured | None,
    shown: JacobianTensor,
    index: str,
) -> str:
    """The text of a function of the arguments that computes the derivative.

    Raises
    ------
    UnsupportedError
        Where NumPy has no short text for it.
    """
    shared, body = _body(subject, read)
    if structured is not None:
        name = subject.jacobian.names[1]
        body = restricted_program(body, structured, name, subject.order, shared)
    sizes = ", ".join(f"{n} {shape}" for n, shape in read.shapes.items() if shape)
    result = f"{shown.title} = {index}".replace("\\", "\\\\")
    docs = [
        f"{shown.title} of shape {shown.shape}.",
        *wrap(f"Shapes: {sizes or 'numbers'}.", _WIDTH),
        "",
        *wrap(result, _WIDTH),
    ]
    signature = [*subject.parameters, *_captured(read)]
    taken = {*subject.parameters, *read.others}
    for name in sorted([n for n in read.others if not n.isidentifier()], key=len, reverse=True):
        safe = re.sub(r"[^A-Za-z0-9_]", "_", name)
        while safe in taken:
            safe += "_"
        taken.add(safe)
        signature = [n.replace(name, safe) for n in signature]
        shared = [(n, code.replace(name, safe)) for n, code in shared]
        body = body.replace(name, safe)
    return function_text("derivative", signature, docs, shared, body)


def _body(subject: Problem, read: ReadProblem) -> tuple[Statements, str]:
    """What is computed first, and the result: by whole arrays, or entry by entry where these do not do."""
    try:
        if read.derivative is None:
            raise NoForm("entries move by other than whole axes")
        programmer = Programmer(read.shapes, read.arranger)
        return programmer.shared, programmer.body(read.derivative)
    except NoForm:
        pass
    terms = TermsProgram(read.leaf)
    try:
        return terms.lines, terms.tensor(subject.plain_terms)
    except NoForm as error:
        raise UnsupportedError(
            f"derive: {subject.title}'s derivative has no short NumPy text ({error}); its compiled program is "
            "jb.jacobian(f).compile(*args).source"
        ) from None


def _captured(read: ReadProblem) -> list[str]:
    """Parameters for what the function closes over: those without a value first."""
    texts = {n: None if v is None else literal(v) for n, v in read.others.items()}
    required = [n for n, text in texts.items() if text is None]
    return [*required, *(f"{n}={text}" for n, text in texts.items() if text is not None)]
