"""TFDS builders, each of which writes one kind of data set as array_record files."""
