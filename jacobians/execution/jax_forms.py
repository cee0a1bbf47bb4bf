"""What the operations' functions are on JAX, one row each; those that are missing have none.

A function of NumPy's, or of ``numpy.linalg``, that JAX has under its name needs no row.
"""

from collections.abc import Callable
from typing import Any

from jacobians.errors import UnsupportedError
from jacobians.execution.steps import Call

JaxForm = Callable[..., Any]


def form_of(call: Call) -> JaxForm:
    """The function on JAX's arrays; raises UnsupportedError, naming the operation, where there is none."""
    import jax.numpy as jnp

    if call.home in ("numpy", "numpy.linalg"):
        found = getattr(jnp if call.home == "numpy" else jnp.linalg, call.attribute, None)
    else:
        found = _forms().get(call.attribute) if call.home else None
    if found is None:
        raise UnsupportedError(
            f"on='jax': the operation {call.attribute} has no form on JAX; compile it on='numpy'"
        )
    form: JaxForm = found
    return form


def _forms() -> dict[str, JaxForm]:
    import jax.numpy as jnp

    return {
        "einsum": lambda *operands, subscripts: jnp.einsum(subscripts, *operands),
    }
