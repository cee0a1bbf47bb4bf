"""JAX, PyTorch, autograd and asdex, each with all its ways to the same derivative.

They are imported when a contender is built. ``build()`` of each form makes a function that the peer
has not seen, so that its first result includes tracing and compiling.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import numpy as np

from jacobians.ground.stopwatch import Thunk
from jacobians.measuring.task import Task
from jacobians.measuring.translation import TorchAsNumpy, written_for

Variant = tuple[str, Callable[[], Thunk]]


class Peer:
    """One package; ``forms`` gives the names of its ways and how to build each."""

    package: str

    def forms(self, task: Task) -> Iterator[Variant]:
        """The ways it has."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """What its first call of all would pay for."""

    def float64(self) -> AbstractContextManager[Any]:
        """A context in which it computes in float64."""
        return nullcontext()


class _Jax(Peer):
    package = "jax"

    def float64(self) -> AbstractContextManager[Any]:
        jax = import_module("jax")
        # It was at home in jax.experimental before.
        home = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")
        context: AbstractContextManager[Any] = home.enable_x64(True)
        return context

    def warm_up(self) -> None:
        jax = import_module("jax")
        jax.jit(jax.grad(lambda x: (x @ x).sum()))(np.ones((2, 2))).block_until_ready()

    def arrays(self, task: Task) -> tuple[Any, ...]:
        numpy = import_module("jax.numpy")
        return tuple(numpy.asarray(a) for a in task.args)

    def forms(self, task: Task) -> Iterator[Variant]:
        jax = import_module("jax")
        args = self.arrays(task)
        wrt = task.wrt
        G = None if task.G is None else import_module("jax.numpy").asarray(task.G)

        def pulled(f: Any) -> Any:
            place = task.place

            def gradient(upstream: Any, *given: Any) -> Any:
                def of_one(x: Any) -> Any:
                    return f(*given[:place], x, *given[place + 1 :])

                return jax.vjp(of_one, given[place])[1](upstream)[0]

            return gradient

        def timed(transform: Callable[[Any], Any], *leading: Any) -> Callable[[], Thunk]:
            def build() -> Thunk:
                made = jax.jit(transform(written_for(task.function, jax.numpy)))
                return lambda: jax.block_until_ready(made(*leading, *args))

            return build

        if task.what == "vjp":
            yield "jit vjp", timed(pulled, G)
        elif task.what == "grad":
            yield "jit grad", timed(lambda f: jax.grad(f, wrt))
        elif task.what == "jacobian":
            yield "jit jacfwd", timed(lambda f: jax.jacfwd(f, wrt))
            yield "jit jacrev", timed(lambda f: jax.jacrev(f, wrt))
        else:
            yield "jit hessian", timed(lambda f: jax.hessian(f, wrt))
            yield "jit jacrev jacrev", timed(lambda f: jax.jacrev(jax.jacrev(f, wrt), wrt))


class _Torch(Peer):
    package = "torch"

    def warm_up(self) -> None:
        torch = import_module("torch")
        x = torch.ones(64, 64, dtype=torch.float64)
        torch.func.jacrev(lambda y: y @ x)(x[:2])

    def forms(self, task: Task) -> Iterator[Variant]:
        torch = import_module("torch")
        args = tuple(torch.tensor(a) for a in task.args)
        wrt = task.wrt
        G = None if task.G is None else torch.tensor(task.G)

        def timed(transform: Callable[[Any], Any]) -> Callable[[], Thunk]:
            def build() -> Thunk:
                made = transform(written_for(task.function, TorchAsNumpy(), array=torch.tensor))
                return lambda: made(*args)

            return build

        def pulled(f: Any) -> Any:
            place = task.place

            def gradient(*given: Any) -> Any:
                def of_one(x: Any) -> Any:
                    return f(*given[:place], x, *given[place + 1 :])

                return torch.func.vjp(of_one, given[place])[1](G)[0]

            return gradient

        def backward(f: Any) -> Any:
            places = (wrt,) if isinstance(wrt, int) else wrt

            def gradient(*given: Any) -> Any:
                leaves = [x.detach().requires_grad_(n in places) for n, x in enumerate(given)]
                found = torch.autograd.grad(f(*leaves), [leaves[n] for n in places], G)
                return found[0] if isinstance(wrt, int) else found

            return gradient

        if task.what == "vjp":
            yield "func.vjp", timed(pulled)
            yield "autograd.grad", timed(backward)
        elif task.what == "grad":
            yield "func.grad", timed(lambda f: torch.func.grad(f, wrt))
            yield "autograd.grad", timed(backward)
        elif task.what == "jacobian":
            yield "jacfwd", timed(lambda f: torch.func.jacfwd(f, wrt))
            yield "jacrev", timed(lambda f: torch.func.jacrev(f, wrt))
        else:
            yield "hessian", timed(lambda f: torch.func.hessian(f, wrt))
            yield (
                "jacrev jacrev",
                timed(lambda f: torch.func.jacrev(torch.func.jacrev(f, wrt), wrt)),
            )


class _Autograd(Peer):
    package = "autograd"

    def forms(self, task: Task) -> Iterator[Variant]:
        autograd = import_module("autograd")
        numpy = import_module("autograd.numpy")
        wrt = task.wrt

        def build() -> Thunk:
            f = written_for(task.function, numpy)
            if task.what == "vjp":
                vjp = import_module("autograd.core").make_vjp
                vspace = import_module("autograd.wrap_util").unary_to_nary(vjp)
                return lambda: vspace(f, wrt)(*task.args)[0](task.G)
            made = getattr(autograd, task.what)(f, wrt)
            return lambda: made(*task.args)

        yield "", build


class _Asdex(_Jax):
    package = "asdex"

    def forms(self, task: Task) -> Iterator[Variant]:
        jax = import_module("jax")
        asdex = import_module("asdex")
        args = self.arrays(task)

        def build() -> Thunk:
            f = written_for(task.function, jax.numpy)
            make = getattr(asdex, task.what)
            made = jax.jit(make(f, *args, argnums=task.wrt, output_format="dense"))
            return lambda: jax.block_until_ready(made(*args))

        if task.full:
            yield "jit, dense", build


PEERS: dict[str, Peer] = {
    "jax": _Jax(),
    "torch": _Torch(),
    "autograd": _Autograd(),
    "asdex": _Asdex(),
}
