"""``JacobianTensor``, and its matrices, sparse and Kronecker forms, slices and costs."""
