"""Databases that netc writes have the boxes of their source, and folders, files and databases with boxes are told from others."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from netc.cli import main
from netc.data import describe, open, plain_layer
from netc.data.detection.kinds import has_boxes, lists_boxes
from netc.errors import DataError
from tests.data.detection import scenes
from tests.data.detection.scenes import layer, opened
from tests.data.detection.test_sources import boxes_of


def run(*words: str | Path) -> str:
    """The output of a command that succeeds."""
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("options", [[], ["--encoded"], ["--shuffle", "--seed", "3"], ["--resize-height", "30", "--resize-width", "40"]])
def test_a_database_has_the_images_and_boxes_of_its_source(options: list[str], tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    source = scenes.write_voc(tmp_path / "set")
    names = tmp_path / "map.prototxt"
    said = run("data", "convert-annoset", source, tmp_path / "lmdb", "--label-map", names, *options)
    assert "3 images with 4 boxes of 2 classes" in said
    mapped = f'label_map_file: "{names}"'
    assert describe(layer(tmp_path / "lmdb", annotated=mapped), "TRAIN").classes == ("background", "cat", "dog")
    resize = "resize_param { height: 10 width: 10 interp_mode: LINEAR }"
    images, label = opened(tmp_path / "lmdb", annotated=mapped, transform=resize).batch(0)
    plain, wanted = opened(source, transform=resize).batch(0)
    found, boxes = boxes_of(label), boxes_of(wanted)
    for k in range(3):  # each image has another number of boxes
        number = next(n for n in range(3) if len(found[n]) == len(boxes[k]))
        np.testing.assert_allclose(found[number], boxes[k], atol=1e-6)
        if "--resize-height" not in options:
            np.testing.assert_array_equal(images[number], plain[k])


def test_show_names_the_classes_of_a_database(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    scenes.write_lmdb(tmp_path / "lmdb")
    (tmp_path / "map.prototxt").write_text(scenes.LABEL_MAP)
    assert "Cat" in run("data", "show", tmp_path / "lmdb", "--label-map", tmp_path / "map.prototxt")
    result = CliRunner().invoke(main, ["data", "show", "digits", "--label-map", str(tmp_path / "map.prototxt")])
    assert result.exit_code == 2 and "'digits' has none" in result.output


def test_a_label_map_that_is_there_numbers_the_classes(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    names = tmp_path / "map.prototxt"
    names.write_text('item { name: "dog" label: 1 } item { name: "cat" label: 5 }')
    run("data", "convert-annoset", scenes.write_voc(tmp_path / "set"), tmp_path / "lmdb", "--label-map", names)
    label = opened(tmp_path / "lmdb").batch(0)[1].reshape(-1, 8)
    assert sorted(label[label[:, 0] >= 0][:, 1].tolist()) == [1, 1, 5, 5] and "label: 5" in names.read_text()


def test_nothing_is_written_for_wrong_boxes(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    folder = scenes.write_voc(tmp_path / "set")
    (folder / "Annotations" / "b.xml").write_text(scenes.voc([("dog", (27, 6, 3, 24))]))
    result = CliRunner().invoke(main, ["data", "convert-annoset", str(folder), str(tmp_path / "lmdb")])
    assert result.exit_code == 2 and "1 of 4 boxes" in result.output and not (tmp_path / "lmdb").exists()
    assert "3 images with 3 boxes" in run("data", "convert-annoset", folder, tmp_path / "lmdb", "--fix-boxes")


def test_what_has_boxes(tmp_path: Path) -> None:
    for kind, write in {"voc": scenes.write_voc, "coco": scenes.write_coco, "table": scenes.write_table}.items():
        assert has_boxes(write(tmp_path / kind))
    assert has_boxes(tmp_path / "coco" / "instances.json") and lists_boxes(tmp_path / "table" / "boxes.csv")
    scenes.write_images(tmp_path / "cat")
    (tmp_path / "other.csv").write_text("path,label\na.png,cat\n")
    (tmp_path / "other.json").write_text("{}")
    assert not has_boxes(tmp_path / "cat") and not lists_boxes(tmp_path / "other.csv") and not has_boxes(tmp_path / "other.json")
    assert plain_layer(str(tmp_path / "voc")).type == "AnnotatedData" and plain_layer(str(tmp_path / "cat")).type == "Data"


def test_a_data_layer_refuses_a_database_of_boxes(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    scenes.write_lmdb(tmp_path / "lmdb")
    assert has_boxes(tmp_path / "lmdb") and plain_layer(str(tmp_path / "lmdb")).type == "AnnotatedData"
    data_layer = plain_layer(str(tmp_path / "lmdb"))
    data_layer.type = "Data"
    data_layer.transform_param.Clear()
    with pytest.raises(
        DataError, match="The entries are AnnotatedDatum messages, images with boxes. Read the database with an AnnotatedData"
    ):
        open(data_layer, "TRAIN", 0)


def test_show_counts_boxes_and_draws_them(tmp_path: Path) -> None:
    folder = scenes.write_voc(tmp_path / "set")
    said = run("data", "show", folder)
    assert "4 boxes in 3 images" in said and "1 of 3 images have no boxes" in said
    assert [line.split()[:3] for line in said.splitlines() if line.startswith(("cat  ", "dog  "))] == [["cat", "2", "1"], ["dog", "2", "2"]]
    run("data", "show", folder, "-o", tmp_path / "boxes.png")
    assert (tmp_path / "boxes.png").stat().st_size > 1000
