"""Backward passes of other libraries as claims: ``torch.autograd.Function`` and JAX's ``custom_vjp``.

Arrays are converted on the way in and out, and keep their dtypes; neither library is imported unless what
is checked is of its making.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from jacobians.ground.trees import mapped


def is_guest(thing: Any) -> bool:
    """Whether it is a function of another library that has a backward of its own."""
    return _of_torch(thing) or _of_jax(thing)


def _of_torch(thing: Any) -> bool:
    return isinstance(thing, type) and any(
        base.__module__ == "torch.autograd.function" and base.__name__ == "Function"
        for base in thing.__mro__
    )


def _of_jax(thing: Any) -> bool:
    kind = type(thing)
    return kind.__name__ == "custom_vjp" and kind.__module__.startswith("jax")


def forward_of(guest: Any) -> Callable[..., Any]:
    """The function itself, of NumPy arrays."""
    library = import_module("torch" if _of_torch(guest) else "jax.numpy")

    def forward(*args: Any) -> Any:
        if _of_jax(guest):
            return mapped(
                np.asarray, guest(*(library.asarray(a) if _array(a) else a for a in args))
            )
        found = guest.apply(*(library.tensor(a) if _array(a) else a for a in args))
        return mapped(lambda t: t.detach().numpy(), found)

    forward.__name__ = getattr(guest, "__name__", "f")
    return forward


def backward_of(guest: Any) -> Callable[..., Any]:
    """``vjp(G, *args)`` by the library's own means: a gradient for each argument, None where it has none."""
    return _backward_of_torch(guest) if _of_torch(guest) else _backward_of_jax(guest)


def _backward_of_torch(guest: Any) -> Callable[..., Any]:
    torch = import_module("torch")

    def vjp(G: Any, *args: Any) -> Any:
        given = [torch.tensor(a, requires_grad=_real(a)) if _array(a) else a for a in args]
        places = [n for n, a in enumerate(args) if _array(a) and _real(a)]
        out = guest.apply(*given)
        several = isinstance(out, tuple)
        upstream = [torch.tensor(g) for g in (G if several else (G,))]
        found = torch.autograd.grad(
            out if several else (out,), [given[n] for n in places], upstream, allow_unused=True
        )
        gradients = dict(zip(places, found, strict=True))
        every = [gradients.get(n) for n in range(len(args))]
        return tuple(None if g is None else g.detach().numpy() for g in every)

    return vjp


def _backward_of_jax(guest: Any) -> Callable[..., Any]:
    jax = import_module("jax")

    def vjp(G: Any, *args: Any) -> Any:
        out, pull = jax.vjp(guest, *(jax.numpy.asarray(a) if _array(a) else a for a in args))
        upstream = jax.tree.map(lambda g, y: jax.numpy.asarray(g, y.dtype), G, out)
        found = [np.asarray(g) for g in pull(upstream)]
        return tuple(g if g.dtype.kind == "f" else None for g in found)

    return vjp


def _array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _real(array: Any) -> bool:
    return bool(array.dtype.kind == "f")
