# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2  Matrix by matrix
#
# **Goals.** Derive both Jacobians of A = B C, contract them with an upstream gradient, and see what the
# shortcut saves.
#
# ## Theory in brief
#
# **∂(BC)/∂B: δ and a factor.** `A_ij = Σ_r B_ir C_rj`, so `∂A_ij/∂B_kl = Σ_r δ_ik δ_rl C_rj`. Do the sum over r.
#
# **∂(BC)/∂C.** The same with the other factor: which letters does `∂C_rj/∂C_kl` make equal, and what is left?
#
# **Changes: the product rule.** Along changes dB and dC of both, A changes by two terms.
#
# **Contraction with G.** A loss L behind A has `G_ij = ∂L/∂A_ij`, and `∂L/∂B_kl = Σ_ij G_ij ∂A_ij/∂B_kl`.
#
# **What the shortcut saves.** The full tensor has n⁴ numbers, of which n³ are not 0. Do the sum over the delta
# by hand, and a product of two matrices is left: n² numbers, n³ operations. `cheap_backward` is measured from
# outside: right values in a dear way have half of the points.

# %% [markdown]
# ## Tasks
#
# Replace each `raise`; keep the names. Run the notebook from the top, save it, and grade the file:
# `jacobians grade examples/assignments/products NOTEBOOK.ipynb`.

# %%
import numpy as np

# %% [markdown]
# ### `product_by_B` (2 points)
#
# the full tensor `∂A_ij/∂B_kl`


# %%
def product_by_B(B, C):
    """∂A_ij/∂B_kl, shape (m, p, m, n): one einsum of an identity and C."""
    raise NotImplementedError("product_by_B: A_ij = Σ_r B_ir C_rj; take the derivative by B_kl")


# %% [markdown]
# ### `product_by_C` (2 points)
#
# the full tensor `∂A_ij/∂C_kl`


# %%
def product_by_C(B, C):
    """∂A_ij/∂C_kl, shape (m, p, n, p)."""
    raise NotImplementedError("product_by_C: which factor is left, and which letters are equal?")


# %% [markdown]
# ### `formula_by_C` (1 point)
#
# the latter as a text

# %%
formula_by_C = ""  # the same as a text, as in "δ_ik x_l"

# %% [markdown]
# ### `forward` (1 point)
#
# the change of A along dB and dC


# %%
def forward(dB, dC, B, C):
    """The change of A along dB and dC together."""
    raise NotImplementedError("forward: the product rule has two terms")


# %% [markdown]
# ### `backward` (2 points)
#
# `∂L/∂B` and `∂L/∂C`, 1 point each


# %%
def backward(G, B, C):
    """(∂L/∂B, ∂L/∂C) from G = ∂L/∂A, by contracting G with the full tensors."""
    raise NotImplementedError("backward: sum G_ij with your tensors over i and j")


# %% [markdown]
# ### `cheap_backward` (2 points)
#
# the same without a tensor of four axes


# %%
def cheap_backward(G, B, C):
    """The same numbers, without any tensor of four axes: n² numbers and n³ operations."""
    raise NotImplementedError("cheap_backward: do the sum over the delta by hand first")
