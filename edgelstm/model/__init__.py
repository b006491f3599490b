"""Networks in float32: layers, sizes, precisions, plans, the equations run."""
