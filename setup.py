"""Packages of the distribution: jaxseg, and the experiments as jaxseg.experiments."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["jaxseg*"]), "jaxseg.experiments"],
    package_dir={"jaxseg.experiments": "experiments"},
)
