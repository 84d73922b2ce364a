"""Images with boxes from all kinds of files: the same boxes, and sentences on what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from netc import netc_pb2 as pb
from netc.data import describe
from netc.errors import DataError
from tests.data.databases import write_leveldb
from tests.data.detection import scenes
from tests.data.detection.scenes import layer, opened, voc
from tests.layers.nets import about

BOXES = {  # of the pictures, as parts of the image: label, instance, corners, difficult
    0: [[1, 0, 0.1, 0.1, 0.5, 0.5, 0], [2, 0, 0.5, 0.5, 1, 1, 0], [1, 1, 0, 0, 0.25, 0.25, 0]],
    1: [[2, 0, 0.1, 0.2, 0.9, 0.8, 0]],
    2: [],
}
WRITERS = {"voc": scenes.write_voc, "coco": scenes.write_coco, "table": scenes.write_table, "lmdb": scenes.write_lmdb}


def boxes_of(label: np.ndarray) -> dict[int, list[list[float]]]:
    """The boxes of each image in a label blob, in some order of their own."""
    rows = label.reshape(-1, 8)
    return {k: sorted(row[1:].tolist() for row in rows if row[0] == k) for k in range(3)}


@about("AnnotatedData")
@pytest.mark.parametrize("kind", WRITERS)
def test_all_kinds_of_files_have_the_same_boxes(kind: str, tmp_path: Path) -> None:
    if kind == "lmdb":
        pytest.importorskip("lmdb")
    images, label = opened(WRITERS[kind](tmp_path / "set")).batch(0)
    assert images.shape == (3, 3, 20, 20) and label.shape == (1, 1, 9, 8)
    found = boxes_of(label)
    for k, wanted in BOXES.items():
        np.testing.assert_allclose(found[k], sorted(wanted), atol=1e-6)
    assert (label[label[..., 0] < 0] == -1).all() and (label[..., 0] >= 0).sum() == 4


def test_blue_comes_first_in_all_kinds(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    resize = "resize_param { height: 10 width: 10 interp_mode: LINEAR }"
    batches = [opened(write(tmp_path / kind), transform=resize).batch(0)[0] for kind, write in WRITERS.items()]
    for other in batches[1:]:
        np.testing.assert_array_equal(other, batches[0])


def test_classes(tmp_path: Path) -> None:
    folder = scenes.write_voc(tmp_path / "set")
    assert describe(layer(folder), "TRAIN").classes == ("background", "cat", "dog")
    assert describe(layer(folder, fields='classes: "dog" classes: "cat"'), "TRAIN").classes == ("background", "dog", "cat")
    (tmp_path / "map.prototxt").write_text(scenes.LABEL_MAP)
    assert describe(layer(folder, annotated=f'label_map_file: "{tmp_path}/map.prototxt"'), "TRAIN").classes == ("background", "Cat", "Dog")


def test_difficult_objects(tmp_path: Path) -> None:
    folder = scenes.write_voc(tmp_path / "set")
    (folder / "Annotations" / "b.xml").write_text(voc([("dog", (3, 6, 27, 24))], more="<difficult>1</difficult>"))
    label = opened(folder).batch(0)[1].reshape(-1, 8)
    assert label[label[:, 0] == 1][0, 7] == 1 and label[label[:, 0] == 0][:, 7].tolist() == [0, 0, 0]


def test_parts_of_voc_and_of_folders(tmp_path: Path) -> None:
    folder = scenes.write_voc(tmp_path / "set")
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    for part, names in (("trainval", "a c"), ("test", "b")):
        (folder / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(names.split()))
    assert [describe(layer(folder), phase).rows for phase in ("TRAIN", "TEST")] == [2, 1]
    for part in ("train", "valid", "test"):
        scenes.write_coco(tmp_path / "parts" / part)
    described = [describe(layer(tmp_path / "parts"), phase) for phase in ("TRAIN", "VALIDATION", "TEST")]
    assert [d.rows for d in described] == [3, 3, 3] and described[0].has_validation


def test_a_test_source_has_the_classes_of_training(tmp_path: Path) -> None:
    folder, other = scenes.write_voc(tmp_path / "set"), scenes.write_voc(tmp_path / "other")
    (other / "Annotations" / "a.xml").write_text(voc([("dog", (6, 4, 30, 20))]))
    label = opened(folder, fields=f'test_source: "{other}"').batch(0)[1].reshape(-1, 8)
    assert label[label[:, 0] == 0][:, 1].tolist() == [2]
    (other / "Annotations" / "a.xml").write_text(voc([("cow", (6, 4, 30, 20))]))
    with pytest.raises(DataError, match="1 of 2 objects have a class that is not among the 2 classes: 'cow'"):
        opened(folder, fields=f'test_source: "{other}"')


def test_notes_count_what_is_left_out(tmp_path: Path) -> None:
    folder = scenes.write_voc(tmp_path / "set")
    (folder / "Annotations" / "b.xml").write_text(voc([("dog", (3, 6, 33, 24))]))
    notes = opened(folder).notes()
    assert any("1 of 4 boxes, in 1 image" in note and "cut off at its border" in note for note in notes)
    assert any("1 of 3 images have no boxes" in note for note in notes)
    label = opened(folder).batch(0)[1].reshape(-1, 8)
    assert label[label[:, 0] == 1][0, 5] == 1


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "turned": (
        lambda f: (f / "Annotations/b.xml").write_text(voc([("dog", (27, 6, 3, 24))])),
        "1 of 4 boxes.*right side is left of the left",
    ),
    "flat": (lambda f: (f / "Annotations/b.xml").write_text(voc([("dog", (3, 6, 3, 24))])), "1 of 4 boxes, in 1 image .*the area is 0"),
    "beyond": (lambda f: (f / "Annotations/b.xml").write_text(voc([("dog", (43, 6, 50, 24))])), "the box is outside of the image"),
    "no number": (lambda f: (f / "Annotations/b.xml").write_text(voc([("dog", (np.nan, 6, 50, 24))])), "a corner is not a finite number"),
    "empty file": (lambda f: (f / "Annotations/b.xml").write_text(""), "b.xml is not an annotation of Pascal VOC: the file is empty"),
    "no xml": (lambda f: (f / "Annotations/b.xml").write_text("<annotation>"), "b.xml is not an annotation of Pascal VOC"),
    "other root": (lambda f: (f / "Annotations/b.xml").write_text("<html/>"), "its element is <html>"),
    "entities": (lambda f: (f / "Annotations/b.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'), "it defines entities"),
    "no name": (lambda f: (f / "Annotations/b.xml").write_text("<annotation><object/></annotation>"), "an <object> has no <"),
    "no image": (lambda f: (f / "JPEGImages/b.png").unlink(), "1 of 3 annotations have no image of their name"),
    "other size": (lambda f: (f / "Annotations/b.xml").write_text(voc([], (9, 9))), "1 of 3 images have another size .*b.png is 30 x 30"),
    "no boxes": (lambda f: [p.write_text(voc([])) for p in (f / "Annotations").iterdir()], "None of the 3 images has a box"),
    "no annotations": (lambda f: (f / "Annotations").rename(f / ".Annotations"), "There are no boxes in this folder"),
}


@pytest.mark.parametrize("what", WRONG)
def test_errors_of_voc(what: str, tmp_path: Path) -> None:
    folder = scenes.write_voc(tmp_path / "set")
    change, sentence = WRONG[what]
    change(folder)
    with pytest.raises(DataError, match=f"(?s){sentence}"):
        opened(folder).batch(0)


def test_all_errors_of_boxes_at_once(tmp_path: Path) -> None:
    folder = scenes.write_voc(tmp_path / "set")
    (folder / "Annotations" / "a.xml").write_text(voc([("dog", (27, 6, 3, 24)), ("dog", (3, 3, 3, 9))]))
    (folder / "Annotations" / "b.xml").write_text(voc([("dog", (3, 6, 3, 24)), ("cat", (50, 6, 60, 24))]))
    with pytest.raises(DataError) as caught:
        opened(folder)
    assert [line.split("): ")[1][:12] for line in str(caught.value).splitlines()] == ["the right si", "the area is ", "the box is o"]
    assert "2 of 4 boxes, in 2 images" in str(caught.value)


def test_boxes_are_fixed_on_request(tmp_path: Path) -> None:
    folder = scenes.write_voc(tmp_path / "set")
    (folder / "Annotations" / "b.xml").write_text(voc([("dog", (27, 6, 3, 24)), ("dog", (3, 6, 9, 24))]))
    source = opened(folder, annotated="fix_boxes: true")
    assert (source.batch(0)[1][..., 0] == 1).sum() == 1
    assert any("have no area in the image and are left out" in note for note in source.notes())


@pytest.mark.parametrize("change, sentence", [
    (lambda said: said.pop("categories"), "it has no list 'categories'"),
    (lambda said: said["annotations"][0].update(category_id=3), "1 of 4 annotations have a category .* such as 3"),
    (lambda said: said["annotations"][0].update(image_id=8), "1 of 4 annotations are of images that the file does not list"),
    (lambda said: said["annotations"][0].update(bbox=[1, 2]), "1 of 4 boxes do not have four numbers"),
    (lambda said: said["images"][0].update(file_name="z.png"), "1 of 3 images are missing, such as"),
    (lambda said: said["images"][0].pop("file_name"), "KeyError 'file_name'. Expected images with id"),
])  # fmt: skip
def test_errors_of_coco(change: Callable[[dict[str, object]], object], sentence: str, tmp_path: Path) -> None:
    folder = scenes.write_coco(tmp_path / "set")
    said = json.loads((folder / "instances.json").read_text())
    change(said)
    (folder / "instances.json").write_text(json.dumps(said))
    with pytest.raises(DataError, match=sentence):
        opened(folder)


@pytest.mark.parametrize("text, sentence", [
    ("path,label,xmin,ymin,xmax\na.png,cat,1,1,2\n", "no column 'ymax'"),
    ("path,label,xmin,ymin,xmax,ymax\na.png,cat,1,x,2,3\n", r"boxes.csv:2:13: Column 'ymin' is 'x'. Expected a number of pixels"),
    ("path,label,xmin,ymin,xmax,ymax\na.png,,1,1,2,3\n", "Column 'label' is empty. Expected the name of a class"),
    ("a.png,1,1,2,3\n", "There is no header, and 5 columns. Expected path, xmin, ymin, xmax, ymax, label"),
])  # fmt: skip
def test_errors_of_tables(text: str, sentence: str, tmp_path: Path) -> None:
    folder = scenes.write_table(tmp_path / "set")
    (folder / "boxes.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        opened(folder)


def test_a_table_without_a_header(tmp_path: Path) -> None:
    folder = scenes.write_table(tmp_path / "set")
    (folder / "boxes.csv").write_text("a.png,6,4,30,20,cat\nb.png,3,6,27,24,dog\n")
    found = boxes_of(opened(folder / "boxes.csv", batch=2).batch(0)[1])
    np.testing.assert_allclose(found[1], BOXES[1], atol=1e-6)


def test_errors_of_databases(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    whole = {name: scenes.annotated_datum(name) for name in scenes.PICTURES}
    plain = {name: value.datum.SerializeToString() for name, value in whole.items()}
    with pytest.raises(DataError, match="are plain Datum messages, images with one label each"):
        opened(scenes.write_lmdb(tmp_path / "plain", plain))
    mixed = {name: value.SerializeToString() for name, value in whole.items()} | {"z": plain["a"], "zz": plain["b"]}
    with pytest.raises(DataError, match="2 of 5 entries that netc read are plain Datum messages"):
        opened(scenes.write_lmdb(tmp_path / "mixed", mixed))
    whole["a"].ClearField("type")
    untyped = {name: value.SerializeToString() for name, value in whole.items()}
    with pytest.raises(DataError, match="do not state the type of their annotations"):
        opened(scenes.write_lmdb(tmp_path / "untyped", untyped))
    assert opened(tmp_path / "untyped", annotated="anno_type: BBOX").batch(0)[1].shape == (1, 1, 9, 8)
    whole["b"].annotation_group[0].group_label = 7
    (tmp_path / "map.prototxt").write_text(scenes.LABEL_MAP)
    named = f'anno_type: BBOX label_map_file: "{tmp_path}/map.prototxt"'
    scenes.write_lmdb(tmp_path / "labels", {name: value.SerializeToString() for name, value in whole.items()})
    with pytest.raises(DataError, match=r"1 of 4 boxes, in 1 image .*: no class has the label 7. Expected 1 to 2 \(Cat, Dog\)"):
        opened(tmp_path / "labels", annotated=named)


def test_a_database_leaves_out_boxes_without_area(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    whole = {name: scenes.annotated_datum(name) for name in scenes.PICTURES}
    whole["b"].annotation_group[0].annotation[0].bbox.xmax = 0
    source = opened(scenes.write_lmdb(tmp_path / "set", {name: value.SerializeToString() for name, value in whole.items()}))
    assert (source.batch(0)[1][..., 0] == 1).sum() == 0
    assert any("1 of 4 boxes, in 1 image" in note and "are left out" in note for note in source.notes())


@pytest.mark.parametrize("text, sentence", [
    (None, "There is no file or folder .*"),
    ("item { nam: 1 }", "is not a label map"),
    ("", "The label map has no items"),
    ("item { name: 'a' label: 1 } item { name: 'b' label: 1 }", "2 items have the label 1"),
    ("item { name: 'a' label: 1 } item { name: 'a' label: 2 }", "2 items have the name 'a'"),
    ("item { name: 'a' label: -1 }", "The label is -1. Expected 0 to 100,000"),
])  # fmt: skip
def test_errors_of_label_maps(text: str | None, sentence: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "map.prototxt").write_text(text)
    with pytest.raises(DataError, match=sentence):
        describe(layer(scenes.write_voc(tmp_path / "set"), annotated=f'label_map_file: "{tmp_path}/map.prototxt"'), "TRAIN")


def test_other_data_layers_refuse_the_fields(tmp_path: Path) -> None:
    text = 'name: "d" type: "Data" top: "d" data_param { source: "digits" batch_size: 3 } transform_param { resize_param { height: 9 } }'
    with pytest.raises(DataError, match="`resize_param` is for AnnotatedData.*Set `resize_height`"):
        describe(text_format.Parse(text, pb.LayerParameter()), "TRAIN")


@pytest.mark.parametrize("source, sentence", [
    ("digits", "'digits' has no boxes"), ("nowhere", "There is no file or folder 'nowhere'"), ("", "`source` is missing"),
])  # fmt: skip
def test_errors_of_sources(source: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        opened(source)


def test_a_leveldb_is_read_like_an_lmdb(tmp_path: Path) -> None:
    rows = [(name.encode(), scenes.annotated_datum(name).SerializeToString()) for name in scenes.PICTURES]
    write_leveldb(tmp_path / "set", [rows])
    found = boxes_of(opened(tmp_path / "set").batch(0)[1])
    for k, wanted in BOXES.items():
        np.testing.assert_allclose(found[k], sorted(wanted), atol=1e-6)
