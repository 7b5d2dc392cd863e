"""What replaces XLA's own operations on a CPU; `nn.lowering` says where it is used."""
