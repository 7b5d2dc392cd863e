"""Layers that know no task: convolution, normalisation, resizing."""
