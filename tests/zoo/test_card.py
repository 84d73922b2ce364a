"""The model card: complete, harmless, and its program runs."""

import re
import subprocess
import sys
from pathlib import Path

from netc import zoo
from tests.zoo.toy import contents, onnx_bytes, stated


def test_the_card_says_what_matters(toy_zoo: Path) -> None:
    card = (toy_zoo / "toy/1.0.0/README.md").read_text()
    for text in (
        "# toy 1.0.0",
        "Adds three numbers.",
        "| accuracy | 0.9912 |",
        "netc zoo download toy@1.0.0",
        "| inputs | x | float32 | N x 3 |",
        f"| model.onnx | model | {len(onnx_bytes())} B |",
        "netc train nets/toy.yaml",
        "CC0-1.0",
        "## Licence\n\nApache-2.0",
    ):
        assert text in card, text


def test_the_program_on_the_card_runs(toy_zoo: Path) -> None:
    folder = toy_zoo / "toy/1.0.0"
    program = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert program
    done = subprocess.run([sys.executable, "-c", program[1]], cwd=folder, capture_output=True, text=True)
    assert done.stdout == "y (1, 3)\n", done.stderr


def test_no_html_and_no_broken_tables(tmp_path: Path) -> None:
    said = stated(description="<script>alert(1)</script> & more", command="netc train a|b\nrm", metrics={})
    said["parent"] = {"name": "lenet", "version": "1.0.0"}
    path = zoo.publish(tmp_path, "toy", {**contents(), "curves.png": b"png"}, said).path
    card = (path / "README.md").read_text()
    assert "<script>" not in card and "&lt;script&gt;" in card
    assert "| command | netc train a\\|b rm |" in card
    assert "lenet@1.0.0" in card and "](curves.png)" in card


def test_a_model_without_a_graph_has_no_program(tmp_path: Path) -> None:
    card = (zoo.publish(tmp_path, "toy", {"labels.txt": b"a"}, stated()).path / "README.md").read_text()
    assert "```" not in card


def test_sizes_as_people_read_them() -> None:
    sizes = [0, 999, 1000, 1_720_000, 999_949_999, 999_950_000, 5 * 10**12]
    assert [zoo.human_size(n) for n in sizes] == ["0 B", "999 B", "1.0 kB", "1.7 MB", "999.9 MB", "1.0 GB", "5.0 TB"]
