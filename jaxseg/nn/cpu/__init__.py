"""Replacements of XLA's operations on a CPU; `nn.lowering` says where they are used."""
