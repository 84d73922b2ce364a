"""An autoencoder's code of 30 numbers against 30 principal components, on the test images of MNIST; and what the net files share."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import api
from netc.data.named.images import idx
from netc.data.named.lookup import unpacked
from netc.runtime.session import Session
from tests.conftest import DATA, ROOT
from tests.data.named.records import builtin
from tests.small_nets import netc, write_small

COMPONENTS = 30
# Smaller than the nets in nets/, and with ReLU, so that seconds are enough.
NET = """\
name: quick
layers:
  - Data: {source: mnist, top: data, batch_size: 100, scale: 0.00392156862745098}
  - InnerProduct: {name: encode1, num_output: 256, weight_filler: xavier}
  - ReLU
  - InnerProduct: {name: encode2, num_output: 30, weight_filler: xavier}
  - Split: {top: [codes, code]}
  - InnerProduct: {name: decode2, num_output: 256, weight_filler: xavier}
  - ReLU
  - InnerProduct: {name: decode1, num_output: 784, weight_filler: xavier}
  - SigmoidCrossEntropyLoss: {bottom: [decode1, data], name: loss}
  - Sigmoid: {bottom: decode1, top: reconstruction}
  - EuclideanLoss: {bottom: [reconstruction, data], top: error, loss_weight: 0}
solver: {type: Adam, base_lr: 0.003, momentum: 0.9, lr_policy: cosine, max_iter: 900}
licence: unknown
"""


@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="MNIST is not in NETC_DATA")
def test_thirty_numbers_beat_thirty_principal_components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition", reason="pip install scikit-learn")
    monkeypatch.setenv("NETC_DATA", str(DATA))
    path = write_small(tmp_path, NET)
    assert netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo").exit_code == 0
    raw = idx(unpacked(builtin("mnist"), builtin("mnist").files[2]))
    rows = raw.reshape(-1, 784) / np.float32(255)
    found = Session(tmp_path / "zoo/quick/1.0.0/model.onnx").run({"data": raw[:, None].astype(np.float32)})
    assert {n: a.shape for n, a in found.items()} == {"code": (10000, COMPONENTS), "reconstruction": (10000, 784)}
    training = idx(unpacked(builtin("mnist"), builtin("mnist").files[0]))[:20000].reshape(-1, 784) / np.float32(255)
    pca = decomposition.PCA(COMPONENTS, svd_solver="covariance_eigh").fit(training)
    of_net, of_pca = (((rows - made) ** 2).sum(1).mean() for made in (found["reconstruction"], pca.inverse_transform(pca.transform(rows))))
    assert of_pca == pytest.approx(13.9, abs=0.1)  # 13.87 in Hinton and Salakhutdinov (2006), of 60,000 rows
    assert of_net <= 0.6 * of_pca


@pytest.mark.parametrize("name, shared", [
    ("autoencoder", {"encode.weight": 2}),
    ("denoising_autoencoder", {"encode.weight": 2}),
    ("deep_autoencoder", {}),
    ("deep_autoencoder_pretrained", {f"encode{k}.{blob}": 2 for k in (1, 2, 3, 4) for blob in ("weight", "visible_bias")}),
])  # fmt: skip
def test_what_the_net_files_share_and_give(name: str, shared: Any) -> None:
    """Tied blobs are one parameter that encoder and decoder read; a deployed net gives code and reconstruction."""
    program = api.load(str(ROOT / f"nets/{name}.yaml"))
    lowered = program.train
    readers = {
        p.node.name: {n.origin.layer for n in lowered.graph.nodes if p in n.inputs} | {p.node.state.layer} for p in lowered.parameters
    }
    assert {n: len(layers) for n, layers in readers.items() if len(layers) > 1} == shared
    assert list(program.deploy[0].graph.outputs) == ["out/code", "out/reconstruction"]
    sizes = {n: v.shape[1] for n, v in program.deploy[0].graph.outputs.items()}
    assert sizes["out/reconstruction"] == 784 and (sizes["out/code"] == COMPONENTS or "deep" not in name)
