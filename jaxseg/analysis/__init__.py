"""What a network sees and how it is built, read from the network without a data set."""
