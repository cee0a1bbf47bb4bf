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
# # 1  Deltas and einsum
#
# **Goals.** Read and write index notation; see a derivative by a matrix as an array with four axes.
#
# ## Theory in brief
#
# **Sums: repeated letters.** A letter that stands on the right and not on the left is summed:
# `s = a_i X_ij b_j` is `np.einsum("i,ij,j->", a, X, b)`.
#
# **Deltas.** `δ_ij` is 1 where i = j, else 0: the identity matrix. A summed delta selects: `Σ_r δ_lr C_rj = C_lj`.
# The entries of a matrix are independent, so `∂X_ij/∂X_kl = δ_ik δ_jl`: 1 where both letters agree.
#
# **Output axes first.** `J_ijkl = ∂A_ij/∂X_kl` has the axes of A, then those of X. Before you write an einsum,
# ask: which entries of X does `A_ij` depend on at all? Everything else is 0, and deltas say so.
#
# **Formulas** are texts: `δ_ik x_l`, `delta_ik x_l` or `\delta_{ik} x_l`. Without a left side the letters are
# i j for the output and k l for the argument; with one (`∂A_ab/∂X_cd = …`) they are yours.

# %% [markdown]
# ## Tasks
#
# Replace each `raise`; keep the names. Run the notebook from the top, save it, and grade the file:
# `jacobians grade examples/assignments/deltas NOTEBOOK.ipynb`.

# %%
import numpy as np

# %% [markdown]
# ### `bilinear` (1 point)
#
# the number `a_i X_ij b_j`


# %%
def bilinear(a, X, b):
    """The number Σ_ij a_i X_ij b_j."""
    raise NotImplementedError("bilinear: write one np.einsum with the letters i and j")


# %% [markdown]
# ### `identity_by_X` (2 points)
#
# `∂A_ij/∂X_kl` of A = X


# %%
def identity_by_X(X):
    """∂A_ij/∂X_kl of A = X: shape (m, n, m, n)."""
    raise NotImplementedError("identity_by_X: which entries of X does A_ij depend on?")


# %% [markdown]
# ### `transpose_by_X` (2 points)
#
# the same of A = Xᵀ


# %%
def transpose_by_X(X):
    """∂A_ij/∂X_kl of A = Xᵀ: shape (n, m, m, n)."""
    raise NotImplementedError("transpose_by_X: A_ij is X_ji; write the deltas, then the einsum")


# %% [markdown]
# ### `outer_by_x` (2 points)
#
# `∂A_ij/∂a_k` of `A_ij = a_i b_j`


# %%
def outer_by_x(a, b):
    """∂A_ij/∂a_k of A_ij = a_i b_j: shape (m, n, m)."""
    raise NotImplementedError("outer_by_x: one delta, and one factor that is left")


# %% [markdown]
# ### `trace_formula` (1 point)
#
# `∂t/∂X_kl` of the trace, as a text

# %%
trace_formula = ""  # ∂t/∂X_kl of t = Σ_i X_ii

# %% [markdown]
# ### `outer_formula` (1 point)
#
# `∂A_ij/∂y_k` of `A_ij = x_i y_j`, as a text

# %%
outer_formula = ""  # ∂A_ij/∂y_k of A_ij = x_i y_j
