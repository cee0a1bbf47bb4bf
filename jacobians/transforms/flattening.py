"""A function of trees as a function of their arrays, for what takes one array by one."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

from jacobians.errors import ShapeError
from jacobians.ground.trees import TreeDef, flatten, is_tree, leaf_names, parameters
from jacobians.tracing.running import Wanted, Wrt, moves_in_tree, parameter_names, positions_of


class Flattened(NamedTuple):
    """A function of arrays, and how its arguments are those of a function of trees.

    Attributes
    ----------
    function : callable
        Of the leaves of all arguments.
    leaves : list
        The arguments' leaves.
    names : list of str
        Of the leaves, as the function's signature has them.
    trees : tuple of TreeDef
        The arguments' structures.
    wrt : tuple of int
        The places of the leaves to differentiate by.
    wanted : Wanted
        How they stand in the arguments to differentiate by.
    positions : tuple of int
        The places of these arguments.
    """

    function: Callable[..., Any]
    leaves: list[Any]
    names: list[str]
    trees: tuple[TreeDef, ...]
    wrt: tuple[int, ...]
    wanted: Wanted
    positions: tuple[int, ...]

    def arguments(self, leaves: Sequence[Any]) -> list[Any]:
        """The arguments with other leaves."""
        return _restored(self.trees, leaves)

    def vjp(self, claim: Callable[..., Any]) -> Callable[..., Any]:
        """A backward of the trees as one of the leaves."""

        @functools.wraps(claim)
        def backward(G: Any, *leaves: Any, **kwargs: Any) -> Any:
            found = claim(G, *self.arguments(leaves), **kwargs)
            chosen = found
            if isinstance(found, tuple) and len(found) == len(self.trees) and not self.fits(found):
                each = tuple(found[n] for n in self.positions)  # it gives one for each argument
                chosen = each[0] if self.wanted.one else each
            return tuple(self.wanted.leaves_of(chosen, "vjp"))

        return backward

    def fits(self, found: Any) -> bool:
        """Whether it has arrays, and nothing else, in the places of those to differentiate by."""
        try:
            return not any(map(is_tree, self.wanted.leaves_of(found, "vjp")))
        except ShapeError:
            return False

    def gradient(self, claim: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the trees that gives gradients, as one of the leaves."""

        @functools.wraps(claim)
        def gradient(*leaves: Any) -> Any:
            found = self.wanted.leaves_of(claim(*self.arguments(leaves)), "the gradient")
            return found[0] if len(found) == 1 else tuple(found)

        return gradient

    def jvp(self, claim: Callable[..., Any]) -> Callable[..., Any]:
        """A forward of the trees as one of the leaves."""

        @functools.wraps(claim)
        def forward(*leaves: Any, **kwargs: Any) -> Any:
            count = len(self.wrt)
            found = self.wanted.restore(leaves[:count])
            directions = [found] if self.wanted.one else found
            return claim(*directions, *self.arguments(leaves[count:]), **kwargs)

        return forward

    def jacobian(self, claim: Any, result: TreeDef, what: str) -> Any:
        """Jacobians by the trees, or a function that gives them, as those by the leaves."""

        def by_leaves(found: Any) -> Any:
            rows = result.leaves_of(found, what, "the result")
            return result.restore([tuple(self.wanted.leaves_of(row, what)) for row in rows])

        if not callable(claim):
            return by_leaves(claim)
        return functools.wraps(claim)(
            lambda *leaves, **kwargs: by_leaves(claim(*self.arguments(leaves), **kwargs))
        )

    def result(self, kwargs: Mapping[str, Any]) -> TreeDef:
        """The structure of what the function returns."""
        return flatten(self.function(*self.leaves, **kwargs))[1]


def flattened(f: Callable[..., Any], args: Sequence[Any], wrt: Wrt) -> Flattened | None:
    """The function as one of arrays; None where no argument is a tree."""
    if not any(map(is_tree, args)):
        return None
    known = parameter_names(f, args, {})
    names: list[str] = []
    leaves: list[Any] = []
    trees = []
    places: list[range] = []
    for value, name in zip(args, known, strict=True):
        part, tree = parameters(value)
        places.append(range(len(leaves), len(leaves) + tree.size))
        leaves += part
        trees.append(tree)
        names += leaf_names(tree, name, [*known, *names] if tree.kind is not None else ())
    positions = positions_of(f, args, wrt)
    by = [place for n in positions for place in places[n]]
    alone = {places[n][0] for n in positions if trees[n].kind is None}
    moving = tuple(place in alone or moves_in_tree(leaves[place]) for place in by)
    wanted = Wanted(isinstance(wrt, Integral | str), tuple(trees[n] for n in positions), moving)
    structures = tuple(trees)

    @functools.wraps(f)
    def function(*leaves: Any, **kwargs: Any) -> Any:
        return f(*_restored(structures, leaves), **kwargs)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in names]
    )
    chosen = tuple(place for place, moves in zip(by, moving, strict=True) if moves)
    return Flattened(function, leaves, names, structures, chosen, wanted, tuple(positions))


def _restored(trees: Sequence[TreeDef], leaves: Sequence[Any]) -> list[Any]:
    given = iter(leaves)
    return [tree.restore([next(given) for _ in range(tree.size)]) for tree in trees]
