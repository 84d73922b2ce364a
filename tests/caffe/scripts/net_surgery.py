"""Turns a classifier's inner products into convolutions, and runs it on a larger image, as the notebook on net surgery does."""

from typing import Any

import numpy as np

import netc.caffe as caffe

net = caffe.Net("classifier.prototxt", "classifier.caffemodel", caffe.TEST)
full = caffe.Net("fully_convolutional.prototxt", caffe.TEST, weights="classifier.caffemodel")

params = ["ip"]
fc = {pr: (net.params[pr][0].data, net.params[pr][1].data) for pr in params}
conv: dict[str, Any] = {pr: (full.params[pr + "-conv"][0].data, full.params[pr + "-conv"][1].data) for pr in params}
for pr in params:
    conv[pr + ""][0].flat = fc[pr][0].flat
    conv[pr][1][...] = fc[pr][1]
full.save("fully_convolutional.caffemodel")

image = np.random.RandomState(0).rand(3, 20, 24).astype(np.float32)
full.blobs["data"].reshape(1, *image.shape)
full.reshape()
full.blobs["data"].data[...] = image
scores = full.forward()["prob"]

net.blobs["data"].data[...] = image[:, :8, :8]
corner = net.forward()["prob"][0]

net.blobs["data"].reshape(2, 3, 8, 8)
both = net.forward_all(data=np.stack([image[:, :8, :8], image[:, 4:12, 2:10], image[:, :8, :8]]))["prob"]

net.blobs["prob"].diff[...] = 0
net.backward(prob=np.eye(2, 5, dtype=np.float32))
saliency = net.blobs["data"].diff
