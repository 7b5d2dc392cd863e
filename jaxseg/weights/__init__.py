"""Weights: read from other frameworks, renamed, written back."""
