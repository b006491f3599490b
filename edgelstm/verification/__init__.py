"""Whether files and quantized networks compute what they should."""
