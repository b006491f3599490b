"""Vector values for numba: types, memory, int16 arithmetic and matrix products.

A `Vec` is a numba type whose value is one LLVM vector; everything above this folder is ordinary
Python on such values. How wide they are follows the code generator, see target.py.
"""
