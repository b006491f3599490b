"""Which network, on which device: spaces of candidates, and what each of them costs."""
