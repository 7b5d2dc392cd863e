"""The version of jaxseg."""

__version__ = "0.1.0"
