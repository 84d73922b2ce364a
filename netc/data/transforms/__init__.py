"""transform_param: cropping, augmentation and normalization of the rows of a batch.

`checks` says what a transformation does to the shape of a row, or why it does not fit. `geometry`, `color` and `erasing` are functions
of one image. `rows` puts them in order, and `mixing` mixes rows with their neighbors. Everything random is a function of the seed, the
name of the layer and the number of the row in the stream of training rows, so it depends neither on the batch size nor on threads.
"""
