"""PyTorch: `.safetensors`, `.pt` and modules. Nothing of a file is executed."""
