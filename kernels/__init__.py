"""Kernels: arrays in, arrays out; they know nothing of edgelstm.

docs/kernels.md goes through the files in the order in which a weight and an input meet them.
"""
