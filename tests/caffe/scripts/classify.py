"""Classifies a picture: read, resized, turned into what the net takes, over ten crops, as the first notebook does."""

import numpy as np

import netc.caffe as caffe

net = caffe.Net("classifier.prototxt", caffe.TEST, weights="classifier.caffemodel")
blob = caffe.proto.caffe_pb2.BlobProto()
with open("mean.binaryproto", "rb") as f:
    blob.ParseFromString(f.read())
mean = caffe.io.blobproto_to_array(blob)[0]

transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
transformer.set_transpose("data", (2, 0, 1))
transformer.set_mean("data", mean.mean(1).mean(1))
transformer.set_raw_scale("data", 255)
transformer.set_channel_swap("data", (2, 1, 0))

picture = caffe.io.load_image("picture.png")
fed = transformer.preprocess("data", picture)
shown = transformer.deprocess("data", fed)

net.blobs["data"].reshape(1, *fed.shape)
out = net.forward_all(data=np.asarray([fed]))
best = int(out["prob"][0].argmax())

crops = caffe.io.oversample([caffe.io.resize_image(picture, (12, 12))], (8, 8))
net.blobs["data"].reshape(len(crops), *fed.shape)
prediction = net.forward(data=np.array([transformer.preprocess("data", crop) for crop in crops]))["prob"].mean(0)
