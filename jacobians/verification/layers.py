"""``jb.check_layer``: layers that keep a cache, written as two functions or as an object.

A layer becomes a function of its inputs and parameters, and a backward of it that runs the forward on
plain arrays first; both are then checked as any other (``checking``).
"""

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any, NamedTuple

import numpy as np

from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.ground.trees import flatten
from jacobians.tracing.running import name_of, parameter_names
from jacobians.verification.checking import check
from jacobians.verification.claims import drawn
from jacobians.verification.randomness import distance
from jacobians.verification.reasoning import Finding, sentence
from jacobians.verification.report import Report
from jacobians.verification.subject import copied, leaves_of

Pull = Callable[[Any], Sequence[Any]]
Gradients = Callable[[Any], Mapping[str, Any]]


def check_layer(
    layer: Any,
    *inputs: Any,
    parameters: Sequence[str] = (),
    gradients: Gradients | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> Report:
    """Verify the backward of a layer that keeps what its forward saw.

    Parameters
    ----------
    layer : object or (callable, callable)
        An object with methods ``forward(*inputs)`` and ``backward(G)`` that keeps in itself what
        backward needs, or a pair of functions, ``forward(*inputs) -> (out, cache)`` and
        ``backward(G, cache)``. Nothing of it is changed.
    *inputs : array_like
        What forward takes. An input that is no array of floats (a mode, labels) is not differentiated by.
    parameters : sequence of str
        Attributes of the layer (of a pair: names of forward's inputs that are parameters, which changes
        nothing) by which it is differentiated too.
    gradients : callable, optional
        ``gradients(layer)`` gives a dict of the parameters' gradients after a backward. By default a
        parameter's gradient is what backward returns for it after the inputs' gradients, else the
        layer's ``d<name>``, else ``layer.grads[name]`` (or ``["d<name>"]``).
    rtol, atol, seed
        As for :func:`jacobians.check`.

    Returns
    -------
    Report
        As of :func:`jacobians.check`. A cache that backward changes is WRONG: a second backward with it
        answers otherwise.

    Raises
    ------
    UnsupportedError
        Where the layer has no forward and backward.
    JacobiansError
        Where it has no such parameter, or no gradient of one.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> class Affine:
    ...     def __init__(self, W):
    ...         self.W = W
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x @ self.W
    ...     def backward(self, G):
    ...         self.dW = self.x.T @ G
    ...         return G @ self.W.T
    >>> x, W = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    >>> report = jb.check_layer(Affine(W), x, parameters=("W",))
    >>> report.ok, [part.wrt for part in report.parts]
    (True, ['x', 'W'])
    """
    parameters = (parameters,) if isinstance(parameters, str) else tuple(parameters)
    two = isinstance(layer, tuple | list)
    own = _of_functions(layer) if two else _of_object(layer, parameters, gradients)
    names = [*parameter_names(own.named_by, inputs, {}), *own.values]
    values = [*copied(list(inputs)), *copied(list(own.values.values()))]
    real = [n for n, value in enumerate(values) if _is_real(value)]
    if not real:
        raise UnsupportedError(f"{own.name}: no input and no parameter is an array of floats")
    returned = own.gradients_for_random(values, seed)
    places = [n for n in real if returned[n] is not None]
    if not places:
        raise UnsupportedError(f"{own.name}: backward gives no gradient at all, only None")
    changed: list[str] = []
    forward, backward = (
        _as_function(own, names, layer),
        _as_backward(own, places, len(inputs), changed),
    )
    report = check(
        forward, *values, wrt=tuple(places), vjp=backward, rtol=rtol, atol=atol, seed=seed
    )
    return _with_findings(report, changed, [names[n] for n in real if returned[n] is None])


def _as_function(own: "_Layer", names: Sequence[str], layer: Any) -> Callable[..., Any]:
    """The forward of inputs and parameters, with their names."""

    def forward(*values: Any) -> Any:
        return own.run(*values)[0]

    made: Any = forward
    made.__name__, made.layer = own.name, layer
    kind = Parameter.POSITIONAL_ONLY
    made.__signature__ = Signature([Parameter(name, kind) for name in names])
    return forward


def _as_backward(
    own: "_Layer", places: Sequence[int], count: int, changed: list[str]
) -> Callable[..., Any]:
    """Gradients after a forward of its own; of ``count`` inputs, it notes once whether a second one answers so."""

    def backward(G: Any, *values: Any) -> Any:
        again = copied(G)
        _, pull = own.run(*values)
        first = copied(_of(pull(G), places))
        if not changed:
            changed.extend(_second(pull, again, first, places, count))
        return tuple(first)

    return backward


class _Layer(NamedTuple):
    """A layer as functions."""

    name: str  # of the layer
    named_by: Callable[..., Any]  # whose parameters name the inputs
    values: dict[str, Any]  # the parameters
    # Takes inputs and parameters, gives the result, and what pulls an upstream back to all of them.
    run: Callable[..., tuple[Any, Pull]]

    def gradients_for_random(self, values: Sequence[Any], seed: int) -> Sequence[Any]:
        """The gradients for a random upstream, None among them."""
        out, pull = self.run(*copied(list(values)))
        leaves, treedef = flatten(out)
        random = np.random.default_rng(seed)
        upstream = [drawn(random, np.shape(leaf)).astype(np.asarray(leaf).dtype) for leaf in leaves]
        return pull(treedef.restore(upstream))


def _of(found: Sequence[Any], places: Sequence[int]) -> list[Any]:
    return [found[n] for n in places]


def _second(
    pull: Pull, G: Any, first: Sequence[Any], places: Sequence[int], count: int
) -> list[str]:
    """What a second backward with one cache says: in words where it differs (parameters may add up)."""
    inputs = [place for place in places if place < count]
    if not inputs:
        return []
    try:
        again = _of(pull(G), inputs)
    except Exception as error:  # of the user's own code
        return [f"a second backward after the same forward raises {type(error).__name__}: {error}"]
    kept = first[: len(inputs)]
    apart = distance(leaves_of(list(kept)), leaves_of(again))
    if apart <= 1e-9 * _size(kept):
        return []
    return [
        "backward changes the cache: a second backward after the same forward answers otherwise, by "
        f"{apart:.2g}"
    ]


def _size(arrays: Any) -> float:
    sizes = [float(np.max(np.abs(a), initial=0.0)) for a in leaves_of(arrays)]
    return max((s for s in sizes if np.isfinite(s)), default=0.0)


def _of_functions(layer: Sequence[Any]) -> _Layer:
    if len(layer) != 2 or not all(map(callable, layer)):
        raise UnsupportedError(
            "check_layer takes an object with forward and backward, or a pair of functions (forward, "
            "backward) with forward(*inputs) -> (out, cache) and backward(G, cache)"
        )
    forward, backward = layer

    def run(*values: Any) -> tuple[Any, Pull]:
        found = forward(*values)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise ShapeError(
                f"{name_of(forward)} must return (out, cache), two things, not {type(found).__name__}"
                + (f" of {len(found)}" if isinstance(found, tuple | list) else "")
            )
        out, cache = found

        def pull(G: Any) -> Sequence[Any]:
            names = parameter_names(forward, values, {})
            return _by_input(backward(G, cache), names, name_of(backward))

        return out, pull

    return _Layer(name_of(forward), forward, {}, run)


def _of_object(layer: Any, parameters: tuple[str, ...], gradients: Gradients | None) -> _Layer:
    if not (
        callable(getattr(layer, "forward", None)) and callable(getattr(layer, "backward", None))
    ):
        raise UnsupportedError(
            f"a {type(layer).__name__} has no methods forward and backward; pass an object that has "
            "both, or a pair of functions (forward, backward)"
        )
    for name in parameters:
        if not hasattr(layer, name):
            raise JacobiansError(
                f"{type(layer).__name__} has no attribute {name!r}: parameters={parameters}"
            )

    def run(*values: Any) -> tuple[Any, Pull]:
        count = len(values) - len(parameters)
        own = _twin(layer)
        for name, value in zip(parameters, values[count:], strict=True):
            setattr(own, name, value)
            _emptied(own, name, value)
        out = own.forward(*values[:count])

        def pull(G: Any) -> Sequence[Any]:
            found = own.backward(G)
            return _gradients(own, found, count, parameters, gradients)

        return out, pull

    values = {name: getattr(layer, name) for name in parameters}
    return _Layer(type(layer).__name__, layer.forward, values, run)


def _twin(layer: Any) -> Any:
    """The same layer with a dict of its own, so that the user's keeps what it holds."""
    try:
        own = object.__new__(type(layer))
        own.__dict__.update({k: copied(v) for k, v in vars(layer).items()})
    except TypeError:  # without a dict, or made by another's means
        return layer
    return own


def _emptied(own: Any, name: str, value: Any) -> None:
    """Set what is left of an earlier gradient to zero: some layers add theirs to it."""
    left = getattr(own, f"d{name}", None)
    if isinstance(left, np.ndarray) and left.shape == np.shape(value):
        setattr(own, f"d{name}", np.zeros_like(left))
    kept = getattr(own, "grads", None)
    if isinstance(kept, dict):
        for key in {name, f"d{name}"} & kept.keys():
            kept[key] = np.zeros_like(kept[key])


def _gradients(
    own: Any, found: Any, count: int, parameters: Sequence[str], gradients: Gradients | None
) -> list[Any]:
    """For each input and parameter its gradient."""
    several = list(found) if isinstance(found, tuple | list) else [found]
    if isinstance(found, list) and count == 1 and not parameters and np.ndim(found) == 1:
        several = [found]
    table = dict(gradients(own)) if gradients is not None else {}
    inputs, extra = several[:count], several[count:]
    if len(inputs) < count:
        raise ShapeError(
            f"{type(own).__name__}.backward gives {len(several)} gradients for {count} inputs"
        )
    kept = getattr(own, "grads", None)
    for place, name in enumerate(parameters):
        told = [
            t.get(key)
            for t in (table, kept)
            if isinstance(t, Mapping)
            for key in (name, f"d{name}")
        ]
        own_words = [
            *told[:2],
            *extra[place : place + 1],
            getattr(own, f"d{name}", None),
            *told[2:],
        ]
        gradient = next((g for g in own_words if g is not None), None)
        if gradient is None and place >= len(extra):
            raise JacobiansError(
                f"{type(own).__name__}.backward leaves no gradient of {name}: return it after the inputs', "
                f"keep it as self.d{name} or self.grads[{name!r}], or pass gradients="
            )
        inputs.append(gradient)
    return inputs


def _by_input(found: Any, names: Sequence[str], who: str) -> list[Any]:
    """What a backward returns, in the order of the inputs."""
    if isinstance(found, Mapping):
        return [found.get(name, found.get(f"d{name}")) for name in names]
    several = list(found) if isinstance(found, tuple) else [found]
    if isinstance(found, list) and len(found) == len(names) > 1:
        several = found
    if any(extra is not None for extra in several[len(names) :]):
        raise ShapeError(f"{who} gives {len(several)} gradients for {len(names)} inputs")
    return [*several, *[None] * (len(names) - len(several))][: len(names)]


def _is_real(value: Any) -> bool:
    return np.asarray(value).dtype.kind == "f" if not isinstance(value, str | bytes) else False


def _with_findings(report: Report, changed: Sequence[str], skipped: Sequence[str]) -> Report:
    """The report, WRONG where backward changes its cache or forward its inputs."""
    texts = list(map(sentence, changed))
    texts += [
        f"Forward writes to its input: {note.split(';')[0]}."
        for note in report.notes
        if note.startswith(f"{report.name} changes its argument")
    ]
    notes = report.notes
    if skipped:
        notes = (
            *notes,
            f"not judged, since backward gives None: the gradient by {', '.join(skipped)}",
        )
    first, *rest = report.parts
    findings = (*(Finding("changed", text, 0.0) for text in texts), *first.findings)
    parts = (first._replace(findings=findings), *rest)
    return Report(report.name, parts, notes, report.seed, report.unjudged)
