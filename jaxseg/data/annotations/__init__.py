"""Annotations of images as annotation tools write them, read as masks."""
