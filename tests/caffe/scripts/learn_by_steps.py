"""Writes a net as Python, trains it a step at a time, and tests it by hand, as pycaffe's users do in notebooks."""

import netc.caffe as caffe
from netc.caffe import layers as L
from netc.caffe import params as P
from netc.caffe.proto import caffe_pb2
from netc.netc_pb2 import NetParameter


def net(batch_size: int) -> NetParameter:
    n = caffe.NetSpec()
    n.data, n.label = L.Data(source="small.npz", batch_size=batch_size, ntop=2)
    n.conv1 = L.Convolution(
        n.data, kernel_size=5, num_output=4, weight_filler=dict(type="xavier"), param=[dict(lr_mult=1), dict(lr_mult=2, decay_mult=0)]
    )
    n.pool1 = L.Pooling(n.conv1, pool=P.Pooling.AVE, kernel_size=2, stride=2)
    n.relu1 = L.ReLU(n.pool1, in_place=True)
    n.score = L.InnerProduct(n.relu1, num_output=10, weight_filler=dict(type="xavier"))
    n.accuracy = L.Accuracy(n.score, n.label)
    n.loss = L.SoftmaxWithLoss(n.score, n.label)
    return n.to_proto()


for name, batch_size in (("train", 20), ("test", 50)):
    with open(f"{name}.prototxt", "w") as f:
        f.write(str(net(batch_size)))

s = caffe_pb2.SolverParameter()
s.train_net = "train.prototxt"
s.test_net.append("test.prototxt")
s.test_iter.append(4)
s.base_lr = 0.1
s.momentum = 0.9
s.lr_policy = "fixed"
s.max_iter = 100
s.snapshot_prefix = "net"
with open("solver.prototxt", "w") as f:
    f.write(str(s))

caffe.set_mode_cpu()
solver = caffe.SGDSolver("solver.prototxt")
shapes = [(k, v.data.shape) for k, v in solver.net.blobs.items()]
weights = [(k, v[0].data.shape) for k, v in solver.net.params.items()]

losses = []
for _ in range(60):
    solver.step(1)
    losses.append(float(solver.net.blobs["loss"].data))

correct = 0
for _ in range(4):
    solver.test_nets[0].forward()
    correct += sum(solver.test_nets[0].blobs["score"].data.argmax(1) == solver.test_nets[0].blobs["label"].data)
accuracy = correct / 200

before, shown = (solver.test_nets[0].blobs[name].data.copy() for name in ("score", "data"))
solver.step(1)
solver.test_nets[0].forward(start="conv1")  # on the same images, without loading new ones
after = solver.test_nets[0].blobs["score"].data.copy()
images = solver.test_nets[0].blobs["data"].data.copy()
other = solver.test_nets[0].forward(blobs=["data"])["data"].copy()

gradient = solver.net.params["conv1"][0].diff.copy()
solver.net.save("by_hand.caffemodel")
solver.snapshot()
again = caffe.get_solver("solver.prototxt")
again.restore("net_iter_61.solverstate")
solver.step(3)
again.step(3)
