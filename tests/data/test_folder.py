"""Own pictures: what is found, how it is split and labelled, and what a fingerprint notices."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.folder import FolderCollection, open_folder
from gan_jax.errors import DataError, UsageError


def draw(root: Path, *files: str) -> Path:
    """Writes one small picture a name, each of another colour."""
    for number, file in enumerate(files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (number * 7 % 256, 9, 9)).save(root / file)
    return root


def opened(root: Path, split: str = "all", labels="auto") -> FolderCollection:
    return open_folder(str(root), split=split, labels=labels)


def labelled(collection: FolderCollection) -> dict[str, str]:
    assert collection.class_names is not None
    return {
        file: collection.class_names[int(collection.read(i).fields["label"])]
        for i, file in enumerate(collection.files)
    }


def test_pictures_are_found_at_any_depth_in_the_order_of_their_names(tmp_path):
    draw(tmp_path, "b.PNG", "a/z.jpg", "a/deep/er/y.webp", "c.gif")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "a" / "README").write_text("x")
    (tmp_path / "b.heic").write_bytes(b"x")
    (tmp_path / "._b.png").write_bytes(b"resource fork")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "b.png").write_bytes(b"rubbish")
    collection = opened(tmp_path)
    assert collection.files == ("a/deep/er/y.webp", "a/z.jpg", "b.PNG", "c.gif")
    assert collection.passed_over == {".txt": 1, "no suffix": 1, ".heic": 1, ".png": 1}
    assert collection.name(1) == str(tmp_path / "a" / "z.jpg")
    assert collection.read(2).image.shape == (4, 6, 3)


def test_links_are_followed_but_not_in_circles(tmp_path):
    draw(tmp_path / "elsewhere", "a.png")
    root = draw(tmp_path / "root", "b.png")
    os.symlink(tmp_path / "elsewhere", root / "linked")
    os.symlink(root, root / "circle")
    assert opened(root).files == ("b.png", "linked/a.png")


def test_missing_and_empty_folders(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("x")
    for path, reason in (
        (tmp_path / "gone", "no such folder"),
        (tmp_path / "empty", "no pictures"),
    ):
        with pytest.raises(DataError, match=reason) as caught:
            opened(path)
        assert str(path) in str(caught.value) and caught.value.exit_code == 5
    draw(tmp_path / "one", "a.png")
    with pytest.raises(DataError, match="split 'test' is empty"):
        opened(tmp_path / "one", "test")
    with pytest.raises(UsageError, match="validate"):
        opened(tmp_path / "one", "validate")


def test_a_tenth_is_held_out_and_stays_out_when_pictures_are_added(tmp_path):
    draw(tmp_path, *(f"{i}.png" for i in range(200)))
    train, test = opened(tmp_path, "train"), opened(tmp_path, "test")
    assert sorted(train.files + test.files) == list(opened(tmp_path).files)
    assert 8 <= len(test) <= 32
    draw(tmp_path, *(f"new{i}.png" for i in range(50)))
    assert set(opened(tmp_path, "test").files) >= set(test.files)
    assert set(opened(tmp_path, "train").files) >= set(train.files)


def test_split_folders_are_the_splits_and_their_class_folders_the_classes(tmp_path):
    draw(tmp_path, "train/cat/1.png", "train/dog/2.png", "test/cat/3.png", "val/cat/4.png")
    assert opened(tmp_path, "train").files == ("train/cat/1.png", "train/dog/2.png")
    test = opened(tmp_path, "test")
    assert labelled(test) == {"test/cat/3.png": "cat", "val/cat/4.png": "cat"}
    assert test.class_names == ("cat", "dog"), "the classes are those of all splits"
    assert len(opened(tmp_path, "all")) == 4


def test_class_folders_become_labels(tmp_path):
    draw(tmp_path, "dog/1.png", "cat/deep/2.png", "cat/3.png")
    collection = opened(tmp_path, labels="required")
    assert collection.class_names == ("cat", "dog")
    assert labelled(collection) == {"dog/1.png": "dog", "cat/deep/2.png": "cat", "cat/3.png": "cat"}
    assert collection.read(0).fields["label"].dtype == np.int32
    unlabelled = opened(tmp_path, labels="none")
    assert unlabelled.class_names is None and unlabelled.read(0).fields == {}


def test_loose_pictures_have_no_labels(tmp_path):
    draw(tmp_path, "dog/1.png", "loose.png")
    assert opened(tmp_path).class_names is None
    with pytest.raises(DataError, match="loose.png"):
        opened(tmp_path, labels="required")


def test_a_labels_file_wins_over_folders(tmp_path):
    draw(tmp_path, "a/1.png", "a/2.png", "b/3.png")
    text = "file,label\na/1.png,red hair\n./a/2.png,blue\nb\\3.png,blue\n"
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8-sig")
    collection = opened(tmp_path, labels="required")
    assert collection.class_names == ("blue", "red hair")
    assert labelled(collection) == {"a/1.png": "red hair", "a/2.png": "blue", "b/3.png": "blue"}
    assert ".csv" not in collection.passed_over


def test_whole_numbers_are_taken_as_they_are(tmp_path):
    draw(tmp_path, "1.png", "2.png")
    (tmp_path / "labels.csv").write_text("file,label\n1.png,3\n2.png,0\n")
    collection = opened(tmp_path)
    assert collection.class_names == ("0", "1", "2", "3")
    assert [int(collection.read(i).fields["label"]) for i in range(2)] == [3, 0]
    (tmp_path / "labels.csv").write_text("file,label\n1.png,03\n2.png,0\n")
    assert opened(tmp_path).class_names == ("0", "03")
    (tmp_path / "labels.csv").write_text("file,label\n1.png,1000000000\n2.png,0\n")
    with pytest.raises(DataError, match="labels.csv: label 1000000000"):
        opened(tmp_path)


def test_numbered_class_folders_are_in_the_order_of_their_numbers(tmp_path):
    draw(tmp_path, "2/a.png", "10/b.png", "2019/c.png")
    assert opened(tmp_path).class_names == ("2", "10", "2019")


def test_stylegan_labels(tmp_path):
    draw(tmp_path, "00000/img0.png", "00000/img1.png")
    rows = [["00000/img0.png", 1], ["00000/img1.png", 0]]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": rows}))
    assert labelled(opened(tmp_path)) == {"00000/img0.png": "1", "00000/img1.png": "0"}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": None}))
    assert opened(tmp_path).class_names is None
    with pytest.raises(DataError, match="dataset.json: no labels"):
        opened(tmp_path, labels="required")


@pytest.mark.parametrize(
    "file, content, reason",
    [
        ("labels.csv", "file,label\n1.png,x\n", "no label for 2.png"),
        ("labels.csv", "file,label\n1.png,x\n2.png,y\n3.png,y\n", "3.png is not there"),
        ("labels.csv", "name;class\n1.png;x\n", "first line must be"),
        ("labels.csv", "", "first line must be"),
        ("labels.csv", "file,label\n1.png,\n2.png,y\n", "line 2 has no file or no label"),
        ("labels.csv", "file,label\n1.png\n", "line 2 has no file or no label"),
        ("labels.csv", "file,label\n\xff.png,x\n", "cannot be read"),
        ("dataset.json", "{", "not StyleGAN's dataset.json"),
        ("dataset.json", '{"labels": [["1.png", 0.5]]}', "whole numbers"),
        ("dataset.json", '{"labels": [["1.png", -1]]}', "whole numbers"),
        ("dataset.json", "[]", "not StyleGAN's dataset.json"),
    ],
)
def test_bad_labels_files_are_named(tmp_path, file, content, reason):
    draw(tmp_path, "1.png", "2.png")
    (tmp_path / file).write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=reason) as caught:
        opened(tmp_path)
    assert str(tmp_path / file) in str(caught.value) and "\n" not in str(caught.value)
    assert len(opened(tmp_path, labels="none")) == 2


def test_the_fingerprint_survives_a_copy_and_notices_a_change(tmp_path):
    root = draw(tmp_path / "one", *(f"{i}/{i}.png" for i in range(30)))
    before = opened(root).fingerprint
    copy = shutil.copytree(root, tmp_path / "two")
    os.utime(copy / "3/3.png", (0, 0))
    (copy / "notes.txt").write_text("x")
    assert opened(copy).fingerprint == before
    assert opened(copy, "train").fingerprint != before
    assert opened(copy, labels="none").fingerprint != before
    os.rename(copy / "3/3.png", copy / "3/4.png")
    assert opened(copy).fingerprint != before
    os.rename(copy / "3/4.png", copy / "3/3.png")
    (copy / "3/3.png").write_bytes((copy / "3/3.png").read_bytes() + b"x")
    assert opened(copy).fingerprint != before


def test_a_broken_link_is_a_bad_picture_not_a_crash(tmp_path):
    draw(tmp_path, "a.png")
    os.symlink(tmp_path / "gone.png", tmp_path / "b.png")
    collection = opened(tmp_path)
    with pytest.raises(DataError, match="b.png: cannot be read: No such file"):
        collection.read(1)
