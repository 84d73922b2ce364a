"""Threads that decode and transform: the same results in the same order, whatever their number."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc import data
from netc.data.pixels import read_image
from netc.data.sources import image_folder
from netc.data.workers import Workers
from netc.errors import DataError
from tests.data.layers import data_layer


@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_results_are_in_the_order_of_the_items(number: int) -> None:
    assert Workers(number).apply(lambda k: k * k, range(100)) == [k * k for k in range(100)]


def test_one_worker_stays_in_the_calling_thread_and_several_do_not() -> None:
    own = threading.current_thread().name
    assert set(Workers(1).apply(lambda _: threading.current_thread().name, range(4))) == {own}
    meeting = threading.Barrier(2, timeout=20)
    assert all(Workers(2).apply(lambda _: meeting.wait() >= 0, range(2)))  # two at the same time
    assert Workers(2).apply(lambda _: threading.current_thread().name.startswith("netc-worker"), range(4)) == [True] * 4


def test_an_error_reaches_the_caller_and_the_threads_go_on() -> None:
    with pytest.raises(ZeroDivisionError):
        Workers(2).apply(lambda k: 1 // k, [1, 0, 2])
    assert Workers(2).apply(abs, [-1, -2]) == [1, 2]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of JPEG files that are decoded on demand; one is damaged."""
    monkeypatch.setattr(image_folder, "MEMORY", 0)
    random = np.random.default_rng(0)
    for k in range(12):
        path = tmp_path / "photos" / "ab"[k % 2] / f"{k}.jpg"
        path.parent.mkdir(exist_ok=True, parents=True)
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((120, 90), Image.Resampling.BICUBIC).save(path)
    (tmp_path / "photos/a/4.jpg").write_bytes(path.read_bytes()[:700])
    return tmp_path


PARAM = "resize_height: 40 resize_width: 48 crop_size: 32 mirror: true mixup_alpha: 1 on_error: SKIP "
PARAM += "color_jitter { hue: 0.1 contrast: 0.3 }"


def test_workers_do_not_change_a_batch(photos: Path) -> None:
    first = None
    for number in (1, 2, 4):
        source = data.open(data_layer("photos", 5, transform=f"{PARAM} workers: {number}"), "TRAIN", 0, photos)
        batches = [array for k in range(6) for array in source.batch(k)]
        first = first or batches
        assert len(source.skipped()) == 1 and "4.jpg" in source.skipped()[0]
        assert all(np.array_equal(a, b) for a, b in zip(first, batches, strict=True))


def test_an_image_that_cannot_be_decoded_ends_in_one_error(photos: Path) -> None:
    param = PARAM.replace("SKIP", "STOP")
    for number in (1, 3):
        source = data.open(data_layer("photos", 12, transform=f"{param} workers: {number}"), "TRAIN", 0, photos)
        with pytest.raises(DataError, match=r"Cannot decode .*4\.jpg"):
            source.batch(0)


def test_a_draft_is_nearly_the_image(photos: Path) -> None:
    path = photos / "photos/a/0.jpg"
    exact, draft = (read_image(path, 3, 16, 20, draft=drafted) for drafted in (False, True))
    assert not np.array_equal(exact, draft) and np.abs(exact.astype(int) - draft).mean() < 1.5
    assert np.array_equal(read_image(path, 3, draft=True), read_image(path, 3))
    assert np.array_equal(read_image(path, 3, 60, 70, draft=True), read_image(path, 3, 60, 70))  # half the size would be too small


def test_a_draft_is_for_images_that_are_resized(photos: Path) -> None:
    np.savez(photos / "x.npz", data=np.zeros((2, 3, 4, 4)), label=np.arange(2))
    for source, param in (("photos", ""), ("x.npz", "")):
        with pytest.raises(DataError, match="`draft` is for folders and tables of images that are resized") as caught:
            data.describe(data_layer(source, transform=f"draft: true on_error: SKIP {param}"), "TRAIN", photos)
        assert caught.value.diagnostics[0].field == "draft"
    layer = data_layer("photos", 2, transform="draft: true on_error: SKIP resize_height: 20 resize_width: 20")
    assert data.open(layer, "TRAIN", 0, photos).batch(0)[0].shape == (2, 3, 20, 20)
