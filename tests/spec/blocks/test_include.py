"""Files of blocks that a net includes."""

import json
import os
from pathlib import Path

import pytest

from netc.errors import SpecError
from netc.spec import load, load_job, to_yaml
from netc.spec.blocks.definitions import MOST_BYTES, MOST_FILES

NET = "include: b.yaml\nlayers:\n  - Input: {shape: {dim: [1, 4]}}\n  - dense: {n: 3}\n"
DENSE = "blocks:\n  dense:\n    - InnerProduct: {num_output: $n}\n    - ReLU\n"


def write(folder: Path, **texts: str) -> str:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return str(folder / "n.yaml")


def errors(path: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(path)
    return [str(d).replace(str(Path(path).parent) + os.sep, "") for d in caught.value.diagnostics]


def test_an_included_block_is_used_like_one_in_the_file(tmp_path: Path) -> None:
    document = load(write(tmp_path, n=NET, b=DENSE))
    assert document.message == load(write(tmp_path, n=NET.replace("include: b.yaml\n", DENSE))).message
    assert [layer.name for layer in document.message.layer] == ["data", "dense1/ip1", "dense1/relu1"]


def test_a_file_may_include_others_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", c=DENSE, d="include: c.yaml\nblocks: {twice: [dense: {n: $n}, dense: {n: $n}]}\n")
    net = NET.replace("b.yaml", "[sub/d.yaml, sub/c.yaml]").replace("dense", "twice")
    names = [layer.name for layer in load(write(tmp_path, n=net)).message.layer]
    assert names[1:] == ["twice1/dense1/ip1", "twice1/dense1/relu1", "twice1/dense2/ip1", "twice1/dense2/relu1"]


def test_an_error_in_an_included_block_points_to_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, n=NET, b=DENSE.replace("num_output", "num_outputs"))
    assert errors(path) == [
        "b.yaml:3:22: InnerProduct has no field 'num_outputs'. Did you mean 'num_output'?\n    in block 'dense', used at n.yaml:4:5"
    ]


def test_the_text_of_an_included_file_is_part_of_the_job(tmp_path: Path) -> None:
    solver = "solver: {base_lr: 1}\n"
    before = load_job(write(tmp_path, n=NET + solver, b=DENSE))
    after = load_job(write(tmp_path, b=DENSE.replace("ReLU", "TanH")))
    assert before.sha256 != after.sha256 and before.train.sha256 != after.train.sha256
    assert before.sha256 == load_job(write(tmp_path, b=DENSE)).sha256


def test_what_a_run_and_a_model_keep_needs_no_other_file(tmp_path: Path) -> None:
    job = load_job(write(tmp_path, n=NET + "solver: {base_lr: 1}\n", b=DENSE))
    kept = tmp_path / "kept"
    kept.mkdir()
    assert load(write(kept, n=to_yaml(job.resolved(), short=False))).message == job.resolved()


@pytest.mark.parametrize("text, expected", [
    ("n.yaml", "n.yaml:1:10: Cannot include 'n.yaml': The files include each other: n.yaml -> n.yaml."),
    ("none.yaml", "n.yaml:1:10: Cannot include 'none.yaml': No such file or directory."),
    ("b.txt", "n.yaml:1:10: Cannot include 'b.txt': Expected a file that ends in .yaml or .yml."),
    ("/etc/passwd", "n.yaml:1:10: Cannot include '/etc/passwd': Expected a file that ends in .yaml or .yml."),
    ("folder.yaml", "n.yaml:1:10: Cannot include 'folder.yaml': it is a folder, not a file."),
    ("pipe.yaml", "n.yaml:1:10: Cannot include 'pipe.yaml': it is a pipe, not a file."),
    ("{a: b}", "n.yaml:1:10: `include` must be the path of a YAML file, got a mapping."),
    ("[[b.yaml]]", "n.yaml:1:11: `include` must be the path of a YAML file, got a list."),
    ('"\\0.yaml"', "n.yaml:1:10: Cannot include '\\x00.yaml': "),
    ("long.yaml", f"n.yaml:1:10: Cannot include 'long.yaml': It has more than {MOST_BYTES >> 20} MB."),
    ("broken.yaml", "broken.yaml:1:9: This '{' is not closed, or a comma is missing."),
    ("list.yaml", "list.yaml:1:1: Expected a mapping with `blocks`, got a list.\n    in a file that n.yaml:1:10 includes"),
    ("net.yaml", "net.yaml:1:1: An included file contains only `blocks` and `include`, got 'layers'."),
    ("latin.yaml", "latin.yaml:1:3: The byte 0xe9 is not UTF-8.\n    in a file that n.yaml:1:10 includes"),
    ("ring1.yaml", "ring2.yaml:1:10: Cannot include 'ring1.yaml': The files include each other: ring1.yaml -> ring2.yaml -> ring1.yaml."),
    ("[b.yaml, again.yaml]", "again.yaml:2:3: Block 'dense' is defined twice, first at b.yaml:2:3."),
])  # fmt: skip
def test_files_that_cannot_be_included(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, n=NET.replace("b.yaml", text), b=DENSE, broken="blocks: {a: b", list="[1]", net="layers: [ReLU]", again=DENSE,
                 ring1="include: ring2.yaml", ring2="include: ring1.yaml", long=f"x: {'a' * MOST_BYTES}")  # fmt: skip
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"# \xe9")
    os.mkfifo(tmp_path / "pipe.yaml")
    (found,) = errors(path)
    assert found.startswith(expected)


def test_the_number_of_files_is_bounded(tmp_path: Path) -> None:
    names = [f"f{k}" for k in range(MOST_FILES + 1)]
    write(tmp_path, **dict.fromkeys(names, ""))
    path = write(tmp_path, n=f"include: [{', '.join(f'{n}.yaml' for n in names)}]\nlayers: [Input]")
    assert errors(path) == [f"n.yaml:1:1001: Cannot include 'f{MOST_FILES}.yaml': The limit is {MOST_FILES} files."]


def test_a_published_net_includes_only_what_is_beside_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").write_text(json.dumps({"net_sha256": "", "files": {}}))
    write(tmp_path, b=DENSE)
    path = write(tmp_path / "model", n=NET.replace("b.yaml", "../b.yaml"))
    assert "It is outside of the folder of the net, which comes from a zoo." in errors(path)[0]
    write(tmp_path / "model", b=DENSE)
    assert len(load(write(tmp_path / "model", n=NET)).message.layer) == 3
