"""Images with boxes, for detection: readers of annotations, and transformations that move the boxes with the pixels (Liu et al. 2016).

`boxes` is the form of the boxes of an image, and `annotated` that of a data set. `voc`, `coco`, `listing` and `database` read files.
`transform` makes the rows of a batch: colors (`distortion`), larger images (`expansion`), random regions (`sampling`), sizes (`resizing`)
and noise (`noise`).
"""
