"""Tables of foreign names, one file a family of networks.

A table's paths are inside the backbone or head that it is for, such as
`stage#_block#/conv#`; `jaxseg.weights.names` puts them together into whole models.
"""
