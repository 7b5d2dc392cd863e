"""The training loop and its parts: data, evaluation, callbacks, stopping."""
