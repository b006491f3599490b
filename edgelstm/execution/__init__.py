"""Networks run by compiled kernels, or by the oracles."""
