"""Measurements, each a module to run: `python -m benchmarks.bench_kernels`."""
