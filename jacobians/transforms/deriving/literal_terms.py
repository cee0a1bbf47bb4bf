"""NumPy of a derivative whose entries move by more than whole axes: its terms, written out one by one."""

import re
from collections.abc import Callable

from jacobians.display.networks import NoForm
from jacobians.display.numpy_names import code_of, softmax_code
from jacobians.graph.node import Node, ordered
from jacobians.notation.slots import Slot, Table
from jacobians.notation.terms import Sum, relabelled
from jacobians.operations.by_terms import Multilinear
from jacobians.operations.reductions import logsumexp_last, softmax_last
from jacobians.transforms.deriving.programs import literal

_MORE = {
    "divide": "{0} / {1}", "ratio": "{0} / {1}", "quotient": "{0} / {1}", "power": "{0} ** {1}", "sqrt": "np.sqrt",
    "square": "{0} ** 2", "reciprocal": "1 / {0}", "root": "np.sqrt", "inv": "np.linalg.inv", "det": "np.linalg.det",  # noqa: E501
    "solve": "np.linalg.solve", "norm": "np.linalg.norm", "alias": "{0}", "positive": "{0}", "nonzero_log": "np.log",  # noqa: E501
    "logaddexp": "np.logaddexp", "hypot": "np.hypot",
    "cofactor": "np.linalg.det({0})[..., None, None] * np.swapaxes(np.linalg.inv({0}), -1, -2)",
    "float_power": "{0} ** {1}", "log_abs_det": "np.linalg.slogdet({0})[1]", "row_norm": "np.linalg.norm({0}, axis=-1)",  # noqa: E501
    "fabs": "np.abs", "portion": "{0} / {2}", "p_norm": "np.sum(np.abs({0}) ** {1}, axis=-1) ** (1 / {1})",
    "left_vectors": "np.linalg.svd({0}, full_matrices=False)[0]", "is_positive": "1.0 * ({0} > 0)",
    "right_vectors": "np.linalg.svd({0}, full_matrices=False)[2]",
    "inverse_gram": "np.linalg.inv(np.swapaxes({0}, -1, -2) @ {0})", "singular_values": "np.linalg.svd({0}, compute_uv=False)",  # noqa: E501
    "cholesky": "np.linalg.cholesky", "pinv": "np.linalg.pinv",
    "eigenvalues": "np.linalg.eigvalsh", "eigenvectors": "np.linalg.eigh({0})[1]",
    "reciprocal_det": "1 / np.linalg.det({0})", "sign_det": "np.linalg.slogdet({0})[0]",
 "power_slope1": "{1} * {0} ** ({1} - 1)",
    "cumprod": "np.cumprod({0}, axis=-1)", "transitions": "_transitions", "transitions_before": "np.pad(_transitions({0})[..., :-1, :], [(0, 0)] * ({0}.ndim - 1) + [(1, 0), (0, 0)])",  # noqa: E501
    "products_before": "_products_before", "running_others": "_transitions({0}) * _products_before({0})[..., None, :]",  # noqa: E501
    "recurrence": "_recurrence", "recurrence_back": "_recurrence(np.roll({0}[..., ::-1], 1, -1), {1}[..., ::-1])[..., ::-1]",  # noqa: E501
}  # fmt: skip

_ROWS: dict[object, str] = {softmax_last: ", axis=-1, keepdims=True", logsumexp_last: ", axis=-1"}


class TermsProgram:
    """Statements that build the arrays of nodes and the tensor.

    Parameters
    ----------
    leaf : callable
        The name of a leaf.
    """

    def __init__(self, leaf: Callable[[Node], str]) -> None:
        self._leaf = leaf
        self._names: dict[Node, str] = {}
        self.lines: list[tuple[str, str]] = []

    def tensor(self, tensor: Sum) -> str:
        """The variable that holds a sum of terms; raises NoForm where a node has no NumPy here."""
        for node in ordered(tensor.operands):
            self._names[node] = self._node(node)
        return self._terms(tensor, lambda n: self._names[n])

    def _variable(self, code: str) -> str:
        name = f"v{len(self.lines)}"
        self.lines.append((name, code))
        return name

    def _node(self, node: Node) -> str:
        if node.operation is None:
            unnamed = node.is_number or (not node.name and node.shape == ())
            return str(literal(node.value)) if unnamed else self._leaf(node)
        operands = [self._names[n] for n in node.operands]
        if isinstance(node.operation, Multilinear) and node.operation.spelled:
            tensor = node.operation.structure(
                tuple(n.shape for n in node.operands), node.parameters
            )
            return self._terms(
                relabelled(tensor, lambda k: node.operands[k]), lambda n: self._names[n]
            )
        name = node.operation.name
        code = self._along_last(node) or code_of(name, node.parameters) or _MORE.get(name)
        if code is None:
            raise NoForm(f"{name} has no name in NumPy")
        text = code.format(*operands) if "{0}" in code else f"{code}({', '.join(operands)})"
        return self._variable(text)

    @staticmethod
    def _along_last(node: Node) -> str | None:
        """Operations along the last axis, or over all of an array."""
        name, whole = getattr(node.operation, "name", ""), node.ndim == 0
        inner = node.operands[0].ndim
        product = re.fullmatch(r"prod(\d*)", name)
        if product:
            return f"_without({{0}}, {product[1] or 0})"
        if name in ("cumsum", "suffix_sums"):
            axis = dict(node.parameters)["axis"]
            if name == "cumsum":
                return f"np.cumsum({{0}}, axis={axis})"
            return f"np.flip(np.cumsum(np.flip({{0}}, {axis}), axis={axis}), {axis})"
        if name in ("max", "min", "sum", "norm") and inner > node.ndim:
            function = "np.linalg.norm" if name == "norm" else f"np.{name}"
            return f"{function}({{0}})" if whole else f"{function}({{0}}, axis=-1)"
        if name in ("softmax", "logsumexp"):
            rows = _ROWS.get(node.operation, "")
            return (
                softmax_code(rows) if name == "softmax" else f"np.log(np.sum(np.exp({{0}}){rows}))"
            )
        if name == "order":
            k = dict(node.parameters)["k"]
            return (
                f"np.sort({{0}}, axis=None)[{k}]" if whole else f"np.sort({{0}}, axis=-1)[..., {k}]"
            )
        if name == "attains" and node.operands[1].ndim and node.operands[1].ndim < inner:
            return "({0} == {1}[..., None])"
        if name == "share" and inner > node.ndim:
            return "1 / np.sum({0})" if whole else "1 / np.sum({0}, axis=-1)"
        return None

    def _terms(self, tensor: Sum, name_of: Callable[[Node], str]) -> str:
        result = self._variable(f"np.zeros({tensor.shape})")
        for term in tensor.terms:
            grid = ""
            if term.sizes:
                grid = self._variable(f"np.indices({term.sizes})")

            def slot(s: Slot, grid: str = grid) -> str:
                parts = [str(s.constant)] if s.constant or not s.parts else []
                for letter, stride in s.parts:
                    at = f"{grid}[{letter}]"
                    if isinstance(stride, Table):
                        parts.append(f"np.array({stride.values.tolist()})[{at}]")
                    else:
                        parts.append(at if stride == 1 else f"{stride} * {at}")
                return " + ".join(parts)

            pieces = [repr(float(term.coefficient))]
            for f in term.factors:
                at = ", ".join(slot(s) for s in f.slots)
                pieces.append(f"{name_of(f.operand)}[{at}]" if f.slots else name_of(f.operand))
            placed = ", ".join(slot(s) for s in term.slots)
            value = " * ".join(pieces)
            if term.slots:
                self.lines.append(("", f"np.add.at({result}, ({placed},), {value})"))
            else:
                self.lines.append((result, f"{result} + np.sum({value})"))
        return result
