"""Forms taken apart, and put together again with some of their parts changed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from jacobians.display.form_products import Mul
from jacobians.display.forms import MatrixForm


def subforms(form: MatrixForm) -> Iterator[MatrixForm]:
    """The form and all inside it, the outermost first."""
    yield form
    for field in fields(form):
        value = getattr(form, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, MatrixForm):
                yield from subforms(part)


def replaced(form: MatrixForm, table: Mapping[MatrixForm, MatrixForm]) -> MatrixForm:
    """The form with others in the place of some of its parts."""
    if form in table:
        return table[form]
    return _over_parts(form, lambda f: replaced(f, table))


def rebuilt(form: MatrixForm, change: Callable[[MatrixForm], MatrixForm]) -> MatrixForm:
    """The form with every part changed, the innermost first."""
    return change(_over_parts(form, lambda f: rebuilt(f, change)))


def _over_parts(form: MatrixForm, change: Callable[[MatrixForm], MatrixForm]) -> MatrixForm:
    """The form with what it is made of changed."""
    changes: dict[str, Any] = {}
    for field in fields(form):
        value = getattr(form, field.name)
        if isinstance(value, tuple) and any(isinstance(v, MatrixForm) for v in value):
            changes[field.name] = tuple(
                change(v) if isinstance(v, MatrixForm) else v for v in value
            )
        elif isinstance(value, MatrixForm):
            changes[field.name] = change(value)
    return replace(form, **changes) if changes else form


def spelled(form: MatrixForm) -> MatrixForm:
    """The form with the powers of matrices as products, as beside letters, where ``X²`` is ambiguous."""
    return rebuilt(form, lambda f: replace(f, apart=True) if isinstance(f, Mul) else f)
