"""The rows: an expression, what it is differentiated by, and the closed form that its source states.

``MC`` is K. B. Petersen and M. S. Pedersen, *The Matrix Cookbook* (15 November 2012), by its numbers; what is
about complex matrices is left out. ``N`` are the rows of the note that this package implements. A closed form
is in the language of ``jacobians derive``; of a matrix by a matrix it is ∂vec(F)/∂vec(X), row by row, where
``K(m, n)`` is the commutation matrix: K vec(X) = vec(Xᵀ) for X of m × n.
"""

from typing import NamedTuple


class Stated(NamedTuple):
    """A row as its source has it; ``mark`` says what is misprinted there, or restricted here."""

    number: str
    expression: str
    wrt: str
    shapes: str
    closed: str
    mark: str = ""
    order: int = 1
    symmetric: str = ""


_SQ = "X=3x3 A=3x3 B=3x3 C=3x3"
_S = Stated
ROWS: tuple[Stated, ...] = (
    # the note
    _S("N 0.1", "B @ C", "B", "B=2x3 C=3x4", "kron(eye(2), C')"),
    _S("N 0.1 C", "B @ C", "C", "B=2x3 C=3x4", "kron(B, eye(4))"),
    _S("N 0.2", "A @ x", "A", "A=2x3 x=3", "kron(eye(2), row(x))"),
    _S("N 0.2 x", "A @ x", "x", "A=2x3 x=3", "A"),
    _S("N 0.2.1", "0.5*norm(W @ x - t)**2", "W", "W=3x4 x=4 t=3", "outer(W @ x - t, x)"),
    _S("N transpose", "X'", "X", "X=2x3", "K(2, 3)"),
    _S("N trace", "tr(X)", "X", "X=3x3", "eye(3)"),
    _S("N determinant", "det(X)", "X", "X=3x3", "det(X) * inv(X)'"),
    _S("N inverse", "inv(X)", "X", "X=3x3", "-kron(inv(X), inv(X)')"),
    _S("N aᵀx", "inner(a, x)", "x", "a=3 x=3", "a"),
    _S("N xᵀa", "inner(x, a)", "x", "x=3 a=3", "a"),
    _S("N aᵀXb", "a @ X @ b", "X", "a=2 X=2x3 b=3", "outer(a, b)"),
    _S("N xᵀAx", "x @ A @ x", "x", "x=3 A=3x3", "(A + A') @ x",
       "the note's last line prints xᵀ A A + Aᵀ); what holds is xᵀ (A + Aᵀ)"),
    # differentials of matrix functions
    _S("MC 33", "A + 0 * X", "X", "A=2x3 X=2x3", "0 * kron(eye(2), eye(3))"),
    _S("MC 34", "c * X", "X", "c=scalar X=2x3", "c * kron(eye(2), eye(3))"),
    _S("MC 35", "X + Y", "X", "X=2x3 Y=2x3", "kron(eye(2), eye(3))"),
    _S("MC 36", "tr(A @ X)", "X", "A=3x2 X=2x3", "A'"),
    _S("MC 37", "X @ A @ X", "X", _SQ, "kron(eye(3), (A @ X)') + kron(X @ A, eye(3))"),
    _S("MC 38", "A * X", "X", "A=2x3 X=2x3", "diag(vec(A))"),
    _S("MC 40", "A @ inv(X)", "X", _SQ, "-kron(A @ inv(X), inv(X)')"),
    _S("MC 42", "det(X) + tr(X)", "X", "X=3x3", "det(X) * inv(X)' + eye(3)"),
    _S("MC 43", "log(det(X @ A))", "X", "X=3x3 A=3x3", "inv(X)'"),
    _S("MC 44", "A @ X'", "X", "A=2x3 X=4x3", "kron(A, eye(4)) @ K(4, 3)"),
    # determinants
    _S("MC 46", "det(c * A)", "c", "c=scalar A=3x3", "det(c * A) * tr(inv(c * A) @ A)"),
    _S("MC 49", "det(X)", "X", "X=3x3", "det(X) * inv(X)'"),
    _S("MC 51", "det(A @ X @ B)", "X", _SQ, "det(A @ X @ B) * inv(X)'"),
    _S("MC 52", "det(X' @ A @ X)", "X", _SQ, "2 * det(X' @ A @ X) * inv(X)'"),
    _S("MC 53", "det(X' @ A @ X)", "X", "X=4x2 A=4x4", "2 * det(X' @ A @ X) * A @ X @ inv(X' @ A @ X)", "A symmetric", symmetric="A"),  # noqa: E501
    _S("MC 54", "det(X' @ A @ X)", "X", "X=4x2 A=4x4",
       "det(X' @ A @ X) * (A @ X @ inv(X' @ A @ X) + A' @ X @ inv(X' @ A' @ X))"),
    _S("MC 55", "logdet(X' @ X)", "X", "X=4x2", "2 * X @ inv(X' @ X)", "the source writes 2 (X⁺)ᵀ"),
    _S("MC 57", "log(abs(det(X)))", "X", "X=3x3", "inv(X)'"),
    _S("MC 58", "det(X^3)", "X", "X=3x3", "3 * det(X^3) * inv(X)'"),
    # inverses
    _S("MC 59", "inv(c * A)", "c", "c=scalar A=3x3", "-inv(c * A) @ A @ inv(c * A)"),
    _S("MC 60", "inv(X)", "X", "X=2x2", "-kron(inv(X), inv(X)')"),
    _S("MC 61", "a @ inv(X) @ b", "X", "a=3 X=3x3 b=3", "-inv(X)' @ outer(a, b) @ inv(X)'"),
    _S("MC 62", "det(inv(X))", "X", "X=3x3", "-det(inv(X)) * inv(X)'"),
    _S("MC 63", "tr(A @ inv(X) @ B)", "X", _SQ, "-(inv(X) @ B @ A @ inv(X))'"),
    _S("MC 64", "tr(inv(X + A))", "X", _SQ, "-(inv(X + A) @ inv(X + A))'"),
    # first order
    _S("MC 69", "inner(x, a)", "x", "x=4 a=4", "a"),
    _S("MC 70", "a @ X @ b", "X", "a=3 X=3x2 b=2", "outer(a, b)"),
    _S("MC 71", "a @ X' @ b", "X", "a=2 X=3x2 b=3", "outer(b, a)"),
    _S("MC 72", "a @ X @ a", "X", "a=3 X=3x3", "outer(a, a)"),
    _S("MC 72 ᵀ", "a @ X' @ a", "X", "a=3 X=3x3", "outer(a, a)"),
    _S("MC 73", "X", "X", "X=2x3", "kron(eye(2), eye(3))"),
    _S("MC 74", "X @ A", "X", "X=2x3 A=3x4", "kron(eye(2), A')"),
    _S("MC 75", "X' @ A", "X", "X=3x2 A=3x4", "kron(eye(2), A') @ K(3, 2)"),
    # second order
    _S("MC 76", "sum(X)**2", "X", "X=2x3", "2 * sum(X) * outer(ones(2), ones(3))"),
    _S("MC 77", "b @ X' @ X @ c", "X", "b=2 X=3x2 c=2", "X @ (outer(b, c) + outer(c, b))"),
    _S("MC 78", "(B @ x + b) @ C @ (D @ x + d)", "x", "B=2x3 x=3 b=2 C=2x4 D=4x3 d=4",
       "B' @ C @ (D @ x + d) + D' @ C' @ (B @ x + b)"),
    _S("MC 79", "X' @ B @ X", "X", "X=3x2 B=3x3", "kron(eye(2), X' @ B') @ K(3, 2) + kron(X' @ B, eye(2))",
       "as ∂vec/∂vec; the source has its entries", ),
    _S("MC 81", "x @ B @ x", "x", "x=3 B=3x3", "(B + B') @ x"),
    _S("MC 82", "b @ X' @ D @ X @ c", "X", "b=2 X=3x2 D=3x3 c=2", "D' @ X @ outer(b, c) + D @ X @ outer(c, b)"),
    _S("MC 83", "(X @ b + c) @ D @ (X @ b + c)", "X", "X=3x2 b=2 c=3 D=3x3", "(D + D') @ outer(X @ b + c, b)"),
    _S("MC 84", "(x - A @ s) @ W @ (x - A @ s)", "s", "x=3 A=3x2 s=2 W=3x3", "-2 * A' @ W @ (x - A @ s)", "W symmetric", symmetric="W"),  # noqa: E501
    _S("MC 85", "(x - s) @ W @ (x - s)", "x", "x=3 s=3 W=3x3", "2 * W @ (x - s)", "W symmetric", symmetric="W"),
    _S("MC 86", "(x - s) @ W @ (x - s)", "s", "x=3 s=3 W=3x3", "-2 * W @ (x - s)", "W symmetric", symmetric="W"),
    _S("MC 87", "(x - A @ s) @ W @ (x - A @ s)", "x", "x=3 A=3x2 s=2 W=3x3", "2 * W @ (x - A @ s)", "W symmetric", symmetric="W"),  # noqa: E501
    _S("MC 88", "(x - A @ s) @ W @ (x - A @ s)", "A", "x=3 A=3x2 s=2 W=3x3", "-2 * outer(W @ (x - A @ s), s)", "W symmetric", symmetric="W"),  # noqa: E501
    _S("MC 90", "a @ X^2 @ b", "X", "a=3 X=3x3 b=3", "outer(a, X @ b) + outer(X' @ a, b)", "n = 2; the source has the sum for any n"),  # noqa: E501
    _S("MC 90 n", "a @ X^3 @ b", "X", "a=3 X=3x3 b=3", "outer(a, X @ X @ b) + outer(X' @ a, X @ b) + outer(X' @ X' @ a, b)", "n = 3"),  # noqa: E501
    _S("MC 91", "a @ (X')^2 @ X^2 @ b", "X", "a=3 X=3x3 b=3",
       "X @ outer(a, X @ X @ b)' * 0 + outer(X @ X @ b, X @ a) + X' @ outer(X @ X @ b, a) + outer(X @ X @ a, X @ b) + X' @ outer(X @ X @ a, b)", "n = 2"),  # noqa: E501
    _S("MC 96", "x @ A @ x + b @ x", "x", "x=3 A=3x3 b=3", "(A + A') @ x + b"),
    _S("MC 97", "x @ A @ x + b @ x", "x", "x=3 A=3x3 b=3", "A + A'", order=2),
    # traces, first order
    _S("MC 99", "tr(X)", "X", "X=4x4", "eye(4)"),
    _S("MC 100", "tr(X @ A)", "X", "X=2x3 A=3x2", "A'"),
    _S("MC 101", "tr(A @ X @ B)", "X", "A=2x3 X=3x4 B=4x2", "A' @ B'"),
    _S("MC 102", "tr(A @ X' @ B)", "X", "A=2x3 X=4x3 B=4x2", "B @ A"),
    _S("MC 103", "tr(X' @ A)", "X", "X=2x3 A=2x3", "A"),
    _S("MC 104", "tr(A @ X')", "X", "A=2x3 X=2x3", "A"),
    _S("MC 105", "tr(kron(A, X))", "X", "A=2x2 X=3x3", "tr(A) * eye(3)"),
    # traces, second order
    _S("MC 106", "tr(X^2)", "X", "X=3x3", "2 * X'"),
    _S("MC 107", "tr(X^2 @ B)", "X", _SQ, "(X @ B + B @ X)'"),
    _S("MC 108", "tr(X' @ B @ X)", "X", "X=3x2 B=3x3", "B @ X + B' @ X"),
    _S("MC 109", "tr(B @ X @ X')", "X", "X=3x2 B=3x3", "B @ X + B' @ X"),
    _S("MC 110", "tr(X @ X' @ B)", "X", "X=3x2 B=3x3", "B @ X + B' @ X"),
    _S("MC 111", "tr(X @ B @ X')", "X", "X=2x3 B=3x3", "X @ B' + X @ B"),
    _S("MC 112", "tr(B @ X' @ X)", "X", "X=2x3 B=3x3", "X @ B' + X @ B"),
    _S("MC 113", "tr(X' @ X @ B)", "X", "X=2x3 B=3x3", "X @ B' + X @ B"),
    _S("MC 114", "tr(A @ X @ B @ X)", "X", _SQ, "A' @ X' @ B' + B' @ X' @ A'"),
    _S("MC 115", "tr(X' @ X)", "X", "X=2x3", "2 * X"),
    _S("MC 116", "tr(B' @ X' @ C @ X @ B)", "X", "B=2x4 X=3x2 C=3x3", "C' @ X @ B @ B' + C @ X @ B @ B'"),
    _S("MC 117", "tr(X' @ B @ X @ C)", "X", "X=3x2 B=3x3 C=2x2", "B @ X @ C + B' @ X @ C'"),
    _S("MC 118", "tr(A @ X @ B @ X' @ C)", "X", "A=2x3 X=3x4 B=4x4 C=3x2", "A' @ C' @ X @ B' + C @ A @ X @ B"),
    _S("MC 119", "tr((A @ X @ B + C) @ (A @ X @ B + C)')", "X", "A=2x3 X=3x4 B=4x2 C=2x2", "2 * A' @ (A @ X @ B + C) @ B'"),  # noqa: E501
    _S("MC 120", "tr(kron(X, X))", "X", "X=3x3", "2 * tr(X) * eye(3)"),
    # traces, higher order
    _S("MC 121", "tr(X^4)", "X", "X=3x3", "4 * (X^3)'", "k = 4"),
    _S("MC 122", "tr(A @ X^3)", "X", _SQ, "(X @ X @ A + X @ A @ X + A @ X @ X)'", "k = 3"),
    _S("MC 123", "tr(B' @ X' @ C @ X @ X' @ C @ X @ B)", "X", "B=2x2 X=3x2 C=3x3",
       "C @ X @ X' @ C @ X @ B @ B' + C' @ X @ B @ B' @ X' @ C' @ X + C @ X @ B @ B' @ X' @ C @ X + C' @ X @ X' @ C' @ X @ B @ B'"),  # noqa: E501
    _S("MC 124", "tr(A @ inv(X) @ B)", "X", _SQ, "-inv(X)' @ A' @ B' @ inv(X)'"),
    _S("MC 125", "tr(inv(X' @ C @ X) @ A)", "X", "X=4x2 C=4x4 A=2x2",
       "-(C @ X @ inv(X' @ C @ X)) @ (A + A') @ inv(X' @ C @ X)", "C symmetric", symmetric="C"),
    _S("MC 126", "tr(inv(X' @ C @ X) @ (X' @ B @ X))", "X", "X=4x2 C=4x4 B=4x4",
       "-2 * C @ X @ inv(X' @ C @ X) @ X' @ B @ X @ inv(X' @ C @ X) + 2 * B @ X @ inv(X' @ C @ X)", "B and C symmetric", symmetric="B C"),  # noqa: E501
    _S("MC 127", "tr(inv(A + X' @ C @ X) @ (X' @ B @ X))", "X", "X=4x2 A=2x2 C=4x4 B=4x4",
       "-2 * C @ X @ inv(A + X' @ C @ X) @ X' @ B @ X @ inv(A + X' @ C @ X) + 2 * B @ X @ inv(A + X' @ C @ X)",
       "A, B and C symmetric", symmetric="A B C"),
    # norms
    _S("MC 129", "norm(x - a)", "x", "x=3 a=3", "(x - a) / norm(x - a)"),
    _S("MC 130", "(x - a) / norm(x - a)", "x", "x=3 a=3", "eye(3) / norm(x - a) - outer(x - a, x - a) / norm(x - a)**3"),  # noqa: E501
    _S("MC 131", "norm(x)**2", "x", "x=3", "2 * x"),
    _S("MC 132", "norm(X)**2", "X", "X=2x3", "2 * X"),
    # structured
    _S("MC 138", "tr(A @ X)", "X", "A=3x3 X=3x3", "0.5 * (A + A')",
       "X symmetric, projected; the source counts an entry off the diagonal twice: A + Aᵀ − A ⊙ I", symmetric="X"),
    _S("MC 142", "logdet(X)", "X", "X=3x3", "inv(X)",
       "X symmetric, projected; the source counts an entry off the diagonal twice: 2 X⁻¹ − X⁻¹ ⊙ I", symmetric="X"),  # noqa: E501
    # what users of matrix calculus ask for next
    _S("S 1", "logsumexp(x)", "x", "x=4", "softmax(x)"),
    _S("S 2", "softmax(x)", "x", "x=4", "diag(softmax(x)) - outer(softmax(x), softmax(x))"),
    _S("S 3", "logsumexp(x)", "x", "x=4", "diag(softmax(x)) - outer(softmax(x), softmax(x))", order=2),
    _S("S 4", "sum(log(1 + exp(-y * (X @ w))))", "w", "y=4 X=4x3 w=3", "-X' @ (y * sigmoid(-y * (X @ w)))"),
    _S("S 5", "tanh(W @ x)", "x", "W=2x3 x=3", "diag(1 - tanh(W @ x)**2) @ W"),
    _S("S 6", "sigmoid(x)", "x", "x=3", "diag(sigmoid(x) * (1 - sigmoid(x)))"),
    _S("S 7", "exp(-0.5 * x @ A @ x)", "x", "x=3 A=3x3", "-0.5 * exp(-0.5 * x @ A @ x) * (A + A') @ x"),
    _S("S 8", "norm(A @ x - b)**2 + c * norm(x)**2", "x", "A=4x3 x=3 b=4 c=scalar", "2 * A' @ (A @ x - b) + 2 * c * x"),  # noqa: E501
    _S("S 9", "(x @ A @ x) / (x @ x)", "x", "x=3 A=3x3", "(A + A') @ x / (x @ x) - 2 * (x @ A @ x) * x / (x @ x)**2"),  # noqa: E501
    _S("S 10", "norm(T - U @ V')**2", "U", "T=4x3 U=4x2 V=3x2", "-2 * (T - U @ V') @ V"),
    _S("S 11", "solve(A, b)", "A", "A=3x3 b=3", "-kron(inv(A), row(inv(A) @ b))"),
    _S("S 12", "solve(A, b)", "b", "A=3x3 b=3", "inv(A)"),
    _S("S 13", "outer(a, x)", "x", "a=2 x=3", "kron(column(a), eye(3))"),
    _S("S 14", "0.5 * logdet(X) + 0.5 * (a @ inv(X) @ a)", "X", "X=3x3 a=3", "0.5 * inv(X)' - 0.5 * inv(X)' @ outer(a, a) @ inv(X)'"),  # noqa: E501
)  # fmt: skip
