"""Devices and processes: what a program runs on, and how its arrays are split."""
