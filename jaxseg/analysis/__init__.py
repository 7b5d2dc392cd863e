"""Analyses of a network without a data set: receptive fields, layers, artefacts."""
