"""TFDS builders: each writes one kind of data set as array_record files, once."""
