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
# # 3  One layer
#
# **Goals.** See why the gradient of a layer is an outer product, and train one with it.
#
# ## Theory in brief
#
# **Vector by matrix.** `y_i = Σ_r A_ir x_r` depends on row i of A only: a delta, and a factor that is left.
#
# **The outer product.** With `G_i = ∂L/∂y_i`, the sum `Σ_i G_i ∂y_i/∂A_kl` has one term per k, so that the
# gradient by A is a column times a row. By x it is Aᵀ G.
#
# **The loss.** `L = ½‖W x − t‖²`: the square's derivative is the residual `r = W x − t`, and r is the upstream
# gradient of y. Mind its sign.
#
# **Many examples: a mean.** Over rows `x_n` of X, gradients add up, and a product of two matrices adds them:
# N examples, divided by N once.
#
# **A step downhill.** `W − rate · ∂L/∂W`, in a new array. Then run the file: it trains on Fisher's irises, and
# finds the kind of some 85 % of them.

# %% [markdown]
# ## Tasks
#
# Replace each `raise`; keep the names. Run the notebook from the top, save it, and grade the file:
# `jacobians grade examples/assignments/layer NOTEBOOK.ipynb`.

# %%
import numpy as np

# %% [markdown]
# ### `layer_by_W` (2 points)
#
# the full tensor `∂y_i/∂W_kl`


# %%
def layer_by_W(W, x):
    """∂y_i/∂W_kl, shape (m, m, n)."""
    raise NotImplementedError("layer_by_W: y_i = Σ_r W_ir x_r; only row i of W matters")


# %% [markdown]
# ### `layer_formula` (1 point)
#
# the same as a text, of y = A x

# %%
layer_formula = ""  # the same as a text; the arguments are called A and x there: y = A x

# %% [markdown]
# ### `backward` (2 points)
#
# the gradients by the matrix and by x, 1 point each


# %%
def backward(G, W, x):
    """(∂L/∂W, ∂L/∂x) from G = ∂L/∂y."""
    raise NotImplementedError("backward: the first is an outer product")


# %% [markdown]
# ### `loss_by_W` (2 points)
#
# `∂L/∂W` for one example


# %%
def loss_by_W(W, x, t):
    """∂L/∂W of L = ½‖W x − t‖², shape of W."""
    raise NotImplementedError("loss_by_W: the residual is the upstream gradient of y")


# %% [markdown]
# ### `mean_loss_by_W` (2 points)
#
# the same for a mean over examples


# %%
def mean_loss_by_W(W, X, T):
    """The same for the mean over rows x of X and t of T: L = 1/(2N) Σ_n ‖W x_n − t_n‖²."""
    raise NotImplementedError("mean_loss_by_W: one product of two matrices, and N")


# %% [markdown]
# ### `step` (1 point)
#
# W after a step of gradient descent


# %%
def step(W, X, T, rate):
    """W after one step of gradient descent."""
    raise NotImplementedError("step: against the gradient")
