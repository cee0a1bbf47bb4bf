def backward(G, B, C):
    return G @ C.T, B.T @ G / 2
