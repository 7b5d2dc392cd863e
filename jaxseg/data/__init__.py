"""Data: from image and mask files to samples and batches of arrays; no JAX here."""
