"""The commands as a user types them: what they print, what they write, what they end with."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest

from netc import api
from netc.cli import main
from netc.spec import load, load_job, parse_yaml
from netc.version import VERSION
from tests.conftest import ROOT
from tests.runtime.rows import without_cuda
from tests.small_nets import NET, netc, write_small

LENET = ROOT / "nets" / "lenet.yaml"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder with a trained and published net, and what the command printed."""
    folder = tmp_path_factory.mktemp("trained")
    path = write_small(folder)
    result = netc("train", path, "--runs", folder / "runs", "--zoo", folder / "zoo")
    assert result.exit_code == 0, result.stderr
    return folder, path, result.stdout


def test_help_needs_neither_numpy_nor_onnxruntime() -> None:
    code = (
        "import sys; from netc.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'onnx', 'onnxruntime', 'google.protobuf', 'yaml', 'rich', 'PIL') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.endswith("\n[]\n")


def test_help_is_quick() -> None:
    def seconds(*arguments: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=ROOT)
        return time.perf_counter() - begin

    assert min(seconds("-m", "netc", "--help") for _ in range(3)) < 5 * min(seconds("-c", "import click") for _ in range(3))


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help(command: str) -> None:
    result = netc(command, "--help")
    assert result.exit_code == 0 and f"Usage: netc {command}" in result.stdout
    assert len((main.commands[command].help or "").splitlines()[0]) > 15


def test_version_and_wrong_usage() -> None:
    assert netc("--version").stdout == f"netc, version {VERSION}\n"
    result = netc("trian")
    assert result.exit_code == 2 and "Did you mean 'train'?" in result.stderr
    assert netc("train").exit_code == 2 and "Missing argument 'NET'" in netc("train").stderr


def test_train_tells_what_happens(trained: tuple[Path, str, str]) -> None:
    folder, _, out = trained
    lines = out.splitlines()
    assert lines[0] == f"small: 9 layers, 1,826 parameters; run {folder}/runs/small/1"
    assert re.fullmatch(r"provider cpu \(.+\), target (portable|native), 1 thread", lines[1])
    assert re.fullmatch(r"test at iteration 0: accuracy 0\.\d{4}, loss \d\.\d{4} \(best\)", lines[2])
    assert re.fullmatch(r"iteration 1 of 60: loss \d\.\d{4}, lr 0.0199, [\d,]+ rows/s, >0:\d\d left", lines[4])
    assert f"snapshot {folder}/runs/small/1/snapshots/iter_00000020.safetensors" in lines
    assert re.fullmatch(r"after 60 iterations: accuracy 0\.\d{4}, loss \d\.\d{4}", lines[-2])
    assert lines[-1] == f"published {folder}/zoo/small/1.0.0"


def test_a_changed_run_is_published_only_if_asked(trained: tuple[Path, str, str], tmp_path: Path) -> None:
    _, path, _ = trained
    options = ["--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo", "--set", "solver.max_iter=2"]
    assert "not published (use --publish to publish this run)" in netc("train", path, *options).stdout
    assert not (tmp_path / "zoo").exists()
    assert f"published {tmp_path}/zoo/small/1.0.0" in netc("train", path, *options, "--publish").stdout


def test_the_same_run_again_is_there_already(trained: tuple[Path, str, str], tmp_path: Path) -> None:
    folder, path, _ = trained
    result = netc("train", path, "--runs", tmp_path, "--zoo", folder / "zoo")
    assert result.stdout.splitlines()[-1] == f"published {folder}/zoo/small/1.0.0 (it was there already, identical)"


def test_train_from_weights_starts_there(trained: tuple[Path, str, str], tmp_path: Path) -> None:
    folder, path, _ = trained
    options = ["--weights", folder / "zoo/small/1.0.0/start.safetensors", "--no-publish", "--runs", tmp_path]
    first = next(line for line in netc("train", path, *options).stdout.splitlines() if line.startswith("test at iteration 0: "))
    last = netc("test", path, *options[:2]).stdout
    assert (
        first
        == "test at iteration 0: "
        + ", ".join(f"{n} {float(v):.4f}" for n, v in (line.split(": ") for line in last.splitlines()))
        + " (best)"
    )


def test_test_prints_scores(trained: tuple[Path, str, str]) -> None:
    folder, path, out = trained
    result = netc("test", path, "--weights", folder / "zoo/small/1.0.0/start.safetensors")
    scores = {line.split(": ")[0]: float(line.split(": ")[1]) for line in result.stdout.splitlines()}
    assert out.splitlines()[-2] == f"after 60 iterations: accuracy {scores['accuracy']:.4f}, loss {scores['loss']:.4f}"
    fewer = netc("test", path, "--iterations", 1, "--weights", folder / "runs/small/1/snapshots/iter_00000060.safetensors")
    assert fewer.exit_code == 0 and fewer.stdout != result.stdout


def test_check_shows_lenet() -> None:
    lines = netc("check", LENET).stdout.splitlines()
    assert lines[0].split() == ["layer", "type", "output", "field", "parameters", "multiply-adds", "activations"]
    assert lines[2].split() == ["conv1", "Convolution", "64x20x24x24", "5/1", "520", "288,000", "2,880", "KiB"]
    total = next(k for k, line in enumerate(lines) if line.startswith("total"))
    assert lines[total].split()[:3] == ["total", "431,080", "2,293,000"] and len(set(map(len, lines[: total + 1]))) == 1


def test_check_needs_no_solver(tmp_path: Path) -> None:
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 5 } }\n'
    )
    assert netc("check", deploy).stdout.splitlines()[2].split() == ["ip", "InnerProduct", "1x5", "965", "960", "0", "KiB"]


def test_set_changes_the_net(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    changes = {
        "layers.conv1.num_output": "7",
        "layers.ip1.weight_filler": "{type: gaussian, std: 0.5}",
        "layers.drop1.dropout_ratio": "0.25",
        "layers.ip2.param": "[{lr_mult: 2}, {lr_mult: 3}]",
        "solver.lr_policy": "fixed",
        "name": "other",
        "layers.ip1.bottom": "data",
    }
    job = api.load(path, *(f"{k}={v}" for k, v in changes.items())).job
    layers = {layer.name: layer for layer in job.train.message.layer}
    assert layers["conv1"].convolution_param.num_output == 7 and list(layers["conv1"].convolution_param.kernel_size) == [3]
    assert (layers["ip1"].inner_product_param.weight_filler.type, layers["ip1"].inner_product_param.weight_filler.std) == ("gaussian", 0.5)
    assert layers["drop1"].dropout_param.dropout_ratio == 0.25 and [p.lr_mult for p in layers["ip2"].param] == [2, 3]
    assert (job.solver.lr_policy, job.name, list(layers["ip1"].bottom)) == ("fixed", "other", ["data"])
    assert job.sha256 != api.load(path).job.sha256 and job.resolved().layer[1].convolution_param.num_output == 7


def test_compile_writes_models(tmp_path: Path) -> None:
    out = netc("compile", write_small(tmp_path), "-o", tmp_path / "build").stdout.splitlines()
    models = ("train.onnx", "gradient.onnx", "update.onnx", "test.onnx", "model.onnx", "open.onnx")
    assert out == [str(tmp_path / "build" / name) for name in ("train.json", *models, "start.safetensors")]
    assert len(onnx.load(out[1]).functions) > 3
    assert netc("compile", write_small(tmp_path), "-o", tmp_path / "plain", "--inline").exit_code == 0
    assert all(not onnx.load(tmp_path / "plain" / name).functions for name in models)
    assert netc("compile", write_small(tmp_path), "-o", tmp_path / "cuda", "--target", "cuda").exit_code == 0
    assert (tmp_path / "cuda/train.onnx").read_bytes() != (tmp_path / "build/train.onnx").read_bytes()
    (tmp_path / "file").touch()
    result = netc("compile", write_small(tmp_path), "-o", tmp_path / "file")
    assert result.exit_code == 1 and "Cannot write" in result.stderr


@pytest.mark.parametrize(("mode", "why"), [("CPU", "asked for"), ("GPU", "no device today")])
def test_a_solver_may_ask_for_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, why: str) -> None:
    without_cuda(monkeypatch, "no device today")
    options = ("--runs", tmp_path / "runs", "--no-publish", "--set", "solver.max_iter=1", "--set", f"solver.solver_mode={mode}")
    result = netc("train", write_small(tmp_path), *options)
    assert result.exit_code == 0 and f"provider cpu ({why})" in result.stdout


def test_time_has_a_row_for_each_layer(tmp_path: Path) -> None:
    lines = netc("time", write_small(tmp_path), "--iterations", 3).stdout.splitlines()
    names = [line.split()[0] for line in lines[1:-1]]
    assert names == ["data", "conv1", "pool1", "ip1", "relu1", "drop1", "ip2", "accuracy", "loss", "(other)"]
    figures = {line.split()[0]: list(map(float, line.split()[1:])) for line in lines[1:-1]}
    assert all(v > 0 for v in figures["conv1"]) and figures["pool1"][1] > 0 and figures["pool1"][2] == 0 and figures["ip2"][2] > 0
    assert re.fullmatch(r"one step: \d+\.\d{3} ms; with the profiler \d+\.\d{3} ms", lines[-1])


def test_time_without_solver_loss_and_data(tmp_path: Path) -> None:
    net = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [4, 3, 20, 20] } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 8 kernel_size: 5 } }
"""
    loss = 'layer { name: "loss" type: "EuclideanLoss" bottom: "conv" bottom: "conv" top: "loss" }\n'
    for text, learns in ((net, False), (net + loss, True)):
        (tmp_path / "n.prototxt").write_text(text)
        result = netc("time", tmp_path / "n.prototxt", "--iterations", 3)
        assert result.exit_code == 0, result.stderr
        row = next(line for line in result.stdout.splitlines() if line.startswith("conv")).split()
        assert float(row[1]) > 0 and (float(row[2]) > 0) == learns and float(row[3]) == 0


def test_devices() -> None:
    lines = netc("devices").stdout.splitlines()
    assert lines[0].startswith("onnxruntime 1.") and re.fullmatch(r"cpu: \d+ cores?", lines[1])
    assert lines[2].startswith("native kernels: ") and lines[3].startswith("cuda: ")


def test_cuda_that_is_not_there_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch)
    for option in ("--provider", "--target"):
        result = netc("train", write_small(tmp_path), option, "cuda")
        assert result.exit_code == 2 and "Cannot use the provider cuda: no NVIDIA driver is loaded" in result.stderr
    result = netc("train", write_small(tmp_path), "--target", "cuda", "--provider", "cpu")
    assert result.exit_code == 2 and "target cuda needs the provider cuda" in result.stderr


def test_convert_prints_the_other_spelling(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    text = netc("convert", path).stdout
    assert text.startswith('name: "small"\nlayer {') and "solver {\n" in text
    (tmp_path / "small.prototxt").write_text(text)
    back = netc("convert", tmp_path / "small.prototxt").stdout
    assert parse_yaml(back).message == load(path).message and "  - Dropout\n" in back
    assert "name: drop1" in netc("convert", tmp_path / "small.prototxt", "--full").stdout


def test_convert_joins_a_solver_and_its_net(tmp_path: Path) -> None:
    result = netc("convert", ROOT / "nets/lenet_solver.prototxt", "-o", tmp_path / "lenet.yaml")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/lenet.yaml is written\n")
    assert load(tmp_path / "lenet.yaml").message == api.load(str(ROOT / "nets/lenet_solver.prototxt")).job.resolved()
    whole, two = (netc("check", p).stdout for p in (tmp_path / "lenet.yaml", ROOT / "nets/lenet_solver.prototxt"))
    assert whole == two


def test_convert_joins_two_nets_of_a_solver(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    text = netc("convert", path).stdout.split("solver {")[0]
    (tmp_path / "a.prototxt").write_text(text)
    (tmp_path / "b.prototxt").write_text(text.replace('name: "data"', 'name: "test data"').replace("batch_size: 16", "batch_size: 8"))
    (tmp_path / "solver.prototxt").write_text('train_net: "a.prototxt" test_net: "b.prototxt" base_lr: 0.1 max_iter: 5')
    assert netc("convert", tmp_path / "solver.prototxt", "-o", tmp_path / "both.yaml").exit_code == 0
    joined, two = api.load(str(tmp_path / "both.yaml")), api.load(str(tmp_path / "solver.prototxt"))
    assert [layer.name for layer in joined.job.train.message.layer] == [
        "data",
        "test data",
        "conv1",
        "pool1",
        "ip1",
        "relu1",
        "drop1",
        "ip2",
        "accuracy",
        "loss",
    ]
    for net in ("train_net", "test_net"):
        assert [(x.name, x.batch_size) for x in getattr(joined, net).layers] == [(x.name, x.batch_size) for x in getattr(two, net).layers]


def test_convert_to_binary_and_what_it_cannot(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    assert netc("convert", path, "-o", tmp_path / "small.caffemodel").exit_code == 0
    assert load(tmp_path / "small.caffemodel").message == load(path).message
    result = netc("convert", path, "-o", tmp_path / "small.json")
    assert result.exit_code == 2 and ".yaml" in result.stderr
    result = netc("convert", path, "-o", tmp_path / "no/small.yaml")
    assert result.exit_code == 1 and "Cannot write" in result.stderr


def test_schema_is_json() -> None:
    assert json.loads(netc("schema").stdout)["title"] == "netc net"


def test_zoo(trained: tuple[Path, str, str], tmp_path: Path) -> None:
    zoo = trained[0] / "zoo"
    row = r"small@1.0.0  [\d.]+ kB  accuracy 0\.\d+, loss \d\.\d+  small, trained by netc on small.npz\n"
    assert re.fullmatch(row, netc("zoo", "list", "--from", zoo).stdout)
    assert netc("zoo", "list", NETC_ZOO=str(zoo)).stdout == netc("zoo", "list", "--from", zoo).stdout
    shown = json.loads(netc("zoo", "show", "small", "--from", zoo).stdout)
    assert shown["command"].startswith("netc ") and shown["version"] == "1.0.0"
    assert netc("zoo", "download", "small@1.0.0", "--from", zoo, "--to", tmp_path).stdout == f"{tmp_path}/small/1.0.0\n"
    assert "(was there already)" in netc("zoo", "download", "small", "--from", zoo, "--to", tmp_path).stdout
    result = netc("zoo", "verify", "--from", zoo)
    assert (result.exit_code, result.stdout) == (0, "intact\n")


def test_a_damaged_zoo_is_told(trained: tuple[Path, str, str], tmp_path: Path) -> None:
    shutil.copytree(trained[0] / "zoo", tmp_path / "zoo")
    (tmp_path / "zoo/small/1.0.0/metrics.json").write_text("{}")
    result = netc("zoo", "verify", "small", "--from", tmp_path / "zoo")
    assert (result.exit_code, result.stdout) == (1, "damaged\n") and "metrics.json" in result.stderr
    for command in (["show", "smal"], ["download", "smal"], ["show", "small@2.0.0"]):
        result = netc("zoo", *command, "--from", trained[0] / "zoo")
        assert result.exit_code == 2 and ("Did you mean 'small'?" in result.stderr or "it has 1.0.0" in result.stderr)


def test_the_net_file_of_the_run_is_the_whole_job(trained: tuple[Path, str, str]) -> None:
    folder, path, _ = trained
    written, given = load(folder / "runs/small/1/net.yaml").message, load(path).message
    assert written.layer[0].data_param.source == "../../../small.npz"  # from where it lies
    written.layer[0].data_param.source = given.layer[0].data_param.source
    assert written == given and written.solver.max_iter == 60
    assert (folder / "zoo/small/1.0.0/net.yaml").read_text() == netc("convert", netc_prototxt(folder, path)).stdout


def netc_prototxt(folder: Path, path: str) -> str:
    assert netc("convert", path, "-o", folder / "small.prototxt").exit_code == 0
    return str(folder / "small.prototxt")


def test_a_net_of_two_losses_trains(tmp_path: Path) -> None:
    second = "  - SoftmaxWithLoss: {loss_weight: 0.5}\n  - {type: SoftmaxWithLoss, bottom: [ip1, label], loss_weight: 2}"
    path = write_small(tmp_path, NET.replace("  - SoftmaxWithLoss", second))
    result = netc("train", path, "--no-publish", "--runs", tmp_path)
    assert result.exit_code == 0 and "loss2" in result.stdout


def test_one_length_on_the_command_line_takes_the_place_of_the_other() -> None:
    job = load_job("nets/mlp.yaml", ["solver.max_iter=5"])
    assert job.solver.max_iter == 5 and not job.solver.HasField("max_epoch")
