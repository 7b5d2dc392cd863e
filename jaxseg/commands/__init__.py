"""What can be done with a trained run, a command a file."""
