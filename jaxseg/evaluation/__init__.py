"""Evaluation: from a model to predictions, from predictions to metrics."""
