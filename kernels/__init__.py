"""Kernels: arrays in, arrays out; they know nothing of edgelstm.

Each file stands alone: numba's cache does not notice an edit in a file that a kernel imports.
"""
