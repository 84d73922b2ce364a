"""Train a compiled net with NumPy and onnxruntime alone: `python step_in_numpy.py BUILD ARRAYS.npz STEPS`.

It prints the losses of `netc train --threads 1`. BUILD is what `netc compile NET -o BUILD` wrote;
its Data layer says `shuffle: false`, and its lr_policy is fixed or inv.
"""

import json
import sys

import numpy as np
import onnxruntime


def tensors(path):  # safetensors: the size of a JSON header, the header, the bytes of the arrays
    content = np.fromfile(path, np.uint8).tobytes()
    end = 8 + int.from_bytes(content[:8], "little")
    said = json.loads(content[8:end])
    return {n: np.frombuffer(content[end:][slice(*t["data_offsets"])], np.float32).reshape(t["shape"]) for n, t in said.items()}


def uniform(noise, step):  # two numbers of 24 bits from each word of Philox4x64-10
    size, key = int(np.prod(noise["shape"])), np.array(noise["key"], np.uint64)
    words = np.random.Philox(key=key, counter=[0, step, 0, 0]).random_raw((size + 1) // 2)
    return ((words.view(np.uint32)[:size] >> 8) * 2.0**-24).astype(np.float32).reshape(noise["shape"])


build, arrays, steps = sys.argv[1], np.load(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(f"{build}/train.onnx", options)
net = json.loads(session.get_modelmeta().custom_metadata_map["netc"])
states, lr = tensors(f"{build}/start.safetensors"), net["lr"]
for step in range(steps):
    rows = {b["name"]: range(step * b["shape"][0], (step + 1) * b["shape"][0]) for b in net["batch"]}
    feeds = {name: arrays[name.removeprefix("batch/")].take(r, axis=0, mode="wrap") for name, r in rows.items()}
    feeds |= {n["name"]: uniform(n, step) for n in net["noise"]} | {s["input"]: states[s["name"]] for s in net["states"]}
    feeds["lr"] = np.array(lr["base_lr"] * (1 + lr.get("gamma", 0) * step) ** -lr.get("power", 0), np.float32)
    results = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))
    states |= {s["name"]: results[s["output"]] for s in net["states"] if s["output"]}
    print(repr(float(results["loss"])))
