"""Layers of nets that find objects: SSD, Fast and Faster R-CNN, R-FCN.

Boxes are (..., 4): xmin, ymin, xmax, ymax. SSD's are shares of the image's width and height, those of the others pixels.
"""

from netc.layers.detection import evaluate, multibox, output, priors, proposal, regions  # noqa: F401
