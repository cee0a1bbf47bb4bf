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
# # 4  Identities
#
# **Goals.** Derive the identities of functions of a matrix: trace, quadratic form, determinant, inverse.
#
# ## Theory in brief
#
# **The trace.** `tr(A X) = Σ_ir A_ir X_ri`: the derivative by `X_kl` picks one entry of A. Which?
#
# **Quadratic forms.** In `xᵀ A x = Σ_ij x_i A_ij x_j` the vector stands twice, so there are two terms, and they
# are equal only if A is symmetric.
#
# **The determinant.** `∂ det X/∂X_kl` is the cofactor of `X_kl`, which is `det X (X⁻¹)_lk`: mind the order.
#
# **The inverse.** Differentiate `Σ_r X_ir Y_rj = δ_ij` by `X_kl`, and solve for `∂Y_ij/∂X_kl`. Along a change dX:
# the same with dX in the middle.
#
# **The inverse, contracted.** Sum `G_ij` with the formula over i and j; two transposes appear. Why?

# %% [markdown]
# ## Tasks
#
# Replace each `raise`; keep the names. Run the notebook from the top, save it, and grade the file:
# `jacobians grade examples/assignments/identities NOTEBOOK.ipynb`.

# %%
import numpy as np

# %% [markdown]
# ### `trace_of_product` (2 points)
#
# `∂ tr(A X)/∂X`


# %%
def trace_of_product(A, X):
    """∂ tr(A X)/∂X, shape of X."""
    raise NotImplementedError("trace_of_product: tr(A X) = Σ_ir A_ir X_ri")


# %% [markdown]
# ### `quadratic_by_x` (2 points)
#
# `∂(xᵀ A x)/∂x`


# %%
def quadratic_by_x(A, x):
    """∂(xᵀ A x)/∂x, shape of x; A is not symmetric."""
    raise NotImplementedError("quadratic_by_x: x stands twice, so there are two terms")


# %% [markdown]
# ### `det_by_X` (2 points)
#
# `∂ det X/∂X`


# %%
def det_by_X(X):
    """∂ det X/∂X, shape of X."""
    raise NotImplementedError("det_by_X: det X times a transposed matrix")


# %% [markdown]
# ### `inverse_formula` (1 point)
#
# `∂(X⁻¹)_ij/∂X_kl` as a text

# %%
inverse_formula = ""  # ∂Y_ij/∂X_kl of Y = X⁻¹; write Y_ik or X^{-1}_{ik}

# %% [markdown]
# ### `inverse_forward` (1 point)
#
# the change of X⁻¹ along dX


# %%
def inverse_forward(dX, X):
    """The change of X⁻¹ along dX."""
    raise NotImplementedError("inverse_forward: differentiate X X⁻¹ = I")


# %% [markdown]
# ### `inverse_backward` (2 points)
#
# `∂L/∂X` from the gradient by X⁻¹


# %%
def inverse_backward(G, X):
    """∂L/∂X from G = ∂L/∂X⁻¹."""
    raise NotImplementedError("inverse_backward: contract your formula with G_ij")
