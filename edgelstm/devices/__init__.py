"""Devices: a file each, and their reader."""
