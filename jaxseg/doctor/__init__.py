"""What may be wrong with the files of a data set, found before a training."""
