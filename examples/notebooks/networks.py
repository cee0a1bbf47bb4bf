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
# # 5  Softmax, cross-entropy, layer norm
#
# **Goals.** Write three backward passes of real networks by hand, and know every path that a gradient takes.
#
# ## Theory in brief
#
# **Softmax.** `p_i = exp(s_i)/Σ_r exp(s_r)`: each `s_k` acts on `p_k` by the numerator, and on all p by the
# denominator. So there are two terms, and only one has a delta.
#
# **Softmax, contracted.** With G, the term with the delta is a product entry by entry; the other is a sum along
# each row, the same for all entries of it.
#
# **Cross-entropy.** The logarithm undoes the exponential: what is left is the softmax minus a one-hot row, and
# the mean over rows.
#
# **Layer normalisation: three paths.** x acts on the result directly, by the mean, and by the variance; each path
# is a term. With `z = (x − mean)/σ` all three are written with z and 1/σ. gamma and beta are shared by all
# rows, so that their gradients are sums over rows.

# %% [markdown]
# ## Tasks
#
# Replace each `raise`; keep the names. Run the notebook from the top, save it, and grade the file:
# `jacobians grade examples/assignments/networks NOTEBOOK.ipynb`.

# %%
import numpy as np


# %%
def softmax(S):
    """Rows of weights that sum to 1; given."""
    weights = np.exp(S - np.max(S, axis=-1, keepdims=True))
    return weights / np.sum(weights, axis=-1, keepdims=True)


# %% [markdown]
# ### `softmax_by_s` (2 points)
#
# the full matrix `∂p_i/∂s_k`


# %%
def softmax_by_s(s):
    """∂p_i/∂s_k of p = softmax(s) of a vector."""
    raise NotImplementedError("softmax_by_s: two terms, one with a delta")


# %% [markdown]
# ### `softmax_formula` (1 point)
#
# the same as a text in p and δ

# %%
softmax_formula = ""  # the same as a text in p_i and δ_ik

# %% [markdown]
# ### `softmax_backward` (2 points)
#
# `∂L/∂S`, row by row


# %%
def softmax_backward(G, S):
    """∂L/∂S from G = ∂L/∂P, of P = softmax(S) row by row, without a full tensor."""
    raise NotImplementedError("softmax_backward: contract both terms with G")


# %% [markdown]
# ### `cross_entropy_by_S` (2 points)
#
# the gradient of the mean cross-entropy


# %%
def cross_entropy_by_S(S, kinds):
    """∂L/∂S of L = −mean_n log P[n, kinds[n]]."""
    raise NotImplementedError("cross_entropy_by_S: P minus a one-hot matrix, and the mean")


# %% [markdown]
# ### `layer_norm_backward` (6 points)
#
# the gradients by X, gamma and beta, 2 points each


# %%
def layer_norm_backward(G, X, gamma, beta):
    """(∂L/∂X, ∂L/∂gamma, ∂L/∂beta) of gamma (X − mean)/√(variance + 1e-5) + beta, row by row."""
    raise NotImplementedError("layer_norm_backward: X acts directly, by the mean, by the variance")
