"""``jacobians demo``: full tensors beside shortcuts for a single-layer network on Fisher's irises."""

import argparse
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.cli.growth import Growth, measure_growth
from jacobians.cli.growth import text as growth_text
from jacobians.cli.iris import SPECIES, Iris, load_iris
from jacobians.cli.layout import emit_json, entries
from jacobians.contraction import Comparison, chain, compare
from jacobians.display.numbers import human_bytes, human_seconds
from jacobians.graph.node import Node, evaluate, input_node
from jacobians.ground.progress import progress
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.transforms.library import ops

Array = NDArray[np.float64]

_STEPS = 2000
_SHOWN = (0, 10, 100, 1000, _STEPS)


class Layer(NamedTuple):
    """The Jacobians of one layer with a squared error, ``L = ½‖W X − T‖²``.

    Attributes
    ----------
    output : JacobianTensor
        ∂Y/∂W, of the layer's output.
    loss : JacobianTensor
        ∂L/∂Y.
    gradient : JacobianTensor
        ∂L/∂W, by the chain.
    """

    output: JacobianTensor
    loss: JacobianTensor
    gradient: JacobianTensor


def single_layer(W: Array, X: Array, T: Array) -> Layer:
    """The layer's Jacobians at a flower (vectors x and t) or a batch (matrices, a flower a column)."""
    x_name, t_name, y_name = ("x", "t", "y") if X.ndim == 1 else ("X", "T", "Y")
    arrays = {"W": W, x_name: X, t_name: T}
    inputs = {name: input_node(name, a.shape, a.dtype) for name, a in arrays.items()}
    values = {inputs[name]: array for name, array in arrays.items()}
    product = ops.matvec if X.ndim == 1 else ops.matmul
    # On nodes the operations build the network's graph, so that formulas speak of W, x and t.
    y = product(inputs["W"], inputs[x_name])
    L = ops.squared_error(y, inputs[t_name])

    def jacobian(node: Node, names: tuple[str, str]) -> JacobianTensor:
        assert node.operation is not None
        terms = node.operation.local(node, 0)
        found = evaluate(terms.operands, values)
        return JacobianTensor(terms, node.ndim, found, dtype=node.dtype, names=names)

    output, loss = jacobian(y, (y_name, "W")), jacobian(L, ("L", y_name))
    return Layer(output, loss, chain(loss, output))


class Checkpoint(NamedTuple):
    """How good the weights are after some steps."""

    step: int
    loss: float
    training_accuracy: float
    held_out_accuracy: float


def train(iris: Iris, W: Array, steps: int = _STEPS) -> tuple[Array, list[Checkpoint]]:
    """Gradient descent with the contracted gradient.

    ∂Y/∂W does not contain W, so it is made once; each step contracts it with W X − T.
    """
    X, T = iris.features[:, iris.training], iris.targets[:, iris.training]
    J = single_layer(W, X, T).output
    rate = 1 / np.linalg.eigvalsh(X @ X.T)[-1]  # the loss curves by X Xᵀ, no more than this
    found = []
    for step in range(steps + 1):
        if step in _SHOWN or step == steps:
            found.append(_checkpoint(iris, W, step))
        if step < steps:
            W = W - rate * J.vjp(W @ X - T)
    return W, found


def _checkpoint(iris: Iris, W: Array, step: int) -> Checkpoint:
    Y = W @ iris.features
    right = Y.argmax(axis=0) == iris.targets.argmax(axis=0)
    residual = (Y - iris.targets)[:, iris.training]
    loss = 0.5 * float(np.sum(residual**2)) / residual.shape[1]
    return Checkpoint(
        step, loss, float(right[iris.training].mean()), float(right[~iris.training].mean())
    )


class Demo(NamedTuple):
    """All that the demo finds."""

    iris: Iris
    flower: Layer
    batch: Layer
    comparison: Comparison
    closed_form_difference: float
    checkpoints: list[Checkpoint]
    least_squares: Checkpoint
    growth: Growth


def run(options: argparse.Namespace) -> int:
    """Run the demo; 1 if a gradient differs from the others by more than rounding."""
    found = find()
    if options.json:
        emit_json(describe(found))
    else:
        print("\n".join(text(found)))
    agree = found.closed_form_difference <= found.comparison.tolerance
    return 0 if found.comparison.ok and agree else 1


def find() -> Demo:
    """Do the work."""
    iris = load_iris()
    X, T = iris.features[:, iris.training], iris.targets[:, iris.training]
    W = np.random.default_rng(0).normal(scale=0.5, size=(len(SPECIES), len(X)))
    flower = single_layer(W, X[:, 0], T[:, 0])
    with progress("comparing full tensors with the shortcut", both=True):
        batch = single_layer(W, X, T)
        comparison = compare(batch.output, batch.loss.dense())
    shortcut = batch.output.vjp(batch.loss.dense())
    by_hand = (W @ X - T) @ X.T
    with progress("training", both=True):
        _, checkpoints = train(iris, W)
    best: Array = np.asarray(np.linalg.lstsq(X.T, T.T, rcond=None)[0].T, float)
    growth = measure_growth()
    return Demo(
        iris,
        flower,
        batch,
        comparison,
        float(np.max(np.abs(shortcut - by_hand))),
        checkpoints,
        _checkpoint(iris, best, _STEPS),
        growth,
    )


def text(found: Demo) -> list[str]:
    """What the demo prints."""
    flowers = int(found.iris.training.sum())
    held_out = len(found.iris.training) - flowers
    return [
        f"Fisher's irises: 4 measurements of each of {flowers + held_out} flowers of 3 species.",
        "A single layer y = W x is to say which: W is 3 × 5, x holds the standardised",
        f"measurements and a 1, t is one-hot. {held_out} flowers are held out.",
        "",
        *_flower_text(found.flower),
        "",
        *_batch_text(found, flowers),
        "",
        *_training_text(found),
        "",
        *growth_text(found.growth),
    ]


def _flower_text(layer: Layer) -> list[str]:
    output, loss, gradient = layer
    return [
        "1  One flower: L = ½ ‖W x − t‖², differentiated by the chain",
        "",
        f"   {output.title:<11}= {output.formula():<18}the full tensor, {output.nnz} of "
        f"{output.size} entries nonzero",
        f"   {loss.title:<11}= {loss.formula():<18}the residual",
        f"   {gradient.title:<11}= {gradient.formula():<18}residual times input: an outer product",
        "",
        "   The full tensor, a block for each output; each holds x once (· is 0):",
        "",
        *(f"   {line}".rstrip() for line in entries(output, lambda place: f"∂y_{place[0]}/∂W")),
    ]


def _batch_text(found: Demo, flowers: int) -> list[str]:
    output, _, gradient = found.batch
    comparison = found.comparison
    lines = [
        f"2  A batch of {flowers} flowers, the columns of X: full tensor and shortcut",
        "",
        f"   {output.title} = {output.formula()}, shape {output.shape}",
        f"   {gradient.title} = {gradient.formula()}, by contracting the terms",
        "",
        f"   {'':<12}{'time':>9}{'flops':>10}{'memory':>12}",
    ]
    ways = (
        (comparison.explicit, "tensor by identities, summed"),
        (comparison.dense, "tensor by nonzeros, summed"),
        (comparison.contracted, f"{comparison.shortcut}, G = W X − T"),
    )
    for way, what in ways:
        time = "not run" if way.seconds is None else human_seconds(way.seconds)
        memory = human_bytes(way.bytes if way.peak_bytes is None else way.peak_bytes)
        lines.append(f"   {way.name:<12}{time:>9}{way.flops:>10,}{memory:>12}   {what}")
    verdict = "rounding" if comparison.ok else "MORE THAN ROUNDING"
    return [
        *lines,
        "",
        f"   largest difference between them {comparison.largest_difference:.1e}: {verdict}",
        f"   from (W X − T) Xᵀ by NumPy      {found.closed_form_difference:.1e}",
    ]


def _training_text(found: Demo) -> list[str]:
    lines = [
        "3  Gradient descent with the shortcut",
        "",
        f"   {'step':>13}{'loss per flower':>18}{'right':>10}{'right, held out':>18}",
    ]
    for point in (*found.checkpoints, found.least_squares):
        name = "least squares" if point is found.least_squares else f"{point.step:,}"
        lines.append(
            f"   {name:>13}{point.loss:>18.6f}{point.training_accuracy:>10.1%}"
            f"{point.held_out_accuracy:>18.1%}"
        )
    return [
        *lines,
        "",
        f"   accuracy reached: {found.checkpoints[-1].training_accuracy:.1%} in training, "
        f"{found.checkpoints[-1].held_out_accuracy:.1%} on the flowers held out;",
        "   least squares, solved directly, is the best that any W can do for this loss.",
    ]


def describe(found: Demo) -> dict[str, Any]:
    """The same as fields, for JSON."""

    def layer(jacobians: Layer) -> dict[str, Any]:
        return {
            name: {"title": J.title, "formula": J.formula(), "shape": J.shape, "nnz": J.nnz}
            for name, J in jacobians._asdict().items()
        }

    return {
        "flowers": len(found.iris.training),
        "held_out": int(np.sum(~found.iris.training)),
        "flower": layer(found.flower),
        "batch": layer(found.batch),
        "comparison": found.comparison.to_dict(),
        "closed_form_difference": found.closed_form_difference,
        "training": [point._asdict() for point in found.checkpoints],
        "least_squares": found.least_squares._asdict(),
        "growth": found.growth.to_dict(),
    }
