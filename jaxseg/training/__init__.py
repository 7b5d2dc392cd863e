"""Training: from logits to a loss, from a gradient to a state, and on to a run."""
