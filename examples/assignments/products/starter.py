"""Assignment 2: matrix by matrix, A = B C. Replace each `raise`; keep the names."""


def product_by_B(B, C):
    """∂A_ij/∂B_kl, shape (m, p, m, n): one einsum of an identity and C."""
    raise NotImplementedError("product_by_B: A_ij = Σ_r B_ir C_rj; take the derivative by B_kl")


def product_by_C(B, C):
    """∂A_ij/∂C_kl, shape (m, p, n, p)."""
    raise NotImplementedError("product_by_C: which factor is left, and which letters are equal?")


formula_by_C = ""  # the same as a text, as in "δ_ik x_l"


def forward(dB, dC, B, C):
    """The change of A along dB and dC together."""
    raise NotImplementedError("forward: the product rule has two terms")


def backward(G, B, C):
    """(∂L/∂B, ∂L/∂C) from G = ∂L/∂A, by contracting G with the full tensors."""
    raise NotImplementedError("backward: sum G_ij with your tensors over i and j")


def cheap_backward(G, B, C):
    """The same numbers, without any tensor of four axes: n² numbers and n³ operations."""
    raise NotImplementedError("cheap_backward: do the sum over the delta by hand first")
