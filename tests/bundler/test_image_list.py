"""The list of what Kaggle's image has."""

import json
import re
from pathlib import Path

import pytest

import bundler
from bundler.errors import BundleError
from bundler.image import read_image, write_image

REQUIREMENTS = Path(bundler.__file__).with_name("image-requirements.txt")
PROBED = {
    "source": "a probe kernel, image of 2026-05-01",
    "complete": True,
    "python": "3.12.13",
    "standard_library": ["os", "sys"],
    "packages": {"torch": {"distribution": "torch", "version": "2.10.0+cu128"}},
    "names": {"torch": "nn stack", "torch.nn": "Linear"},
}


def test_the_test_environment_has_the_versions_of_the_image():
    """Made for `make test-image`."""
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", REQUIREMENTS.read_text(), re.MULTILINE))
    assert pinned == read_image().versions


def test_every_package_of_the_list_is_in_the_test_environment():
    required = set(re.findall(r"^[\w-]+", REQUIREMENTS.read_text(), re.MULTILINE))
    if not read_image().complete:
        assert {package["distribution"] for package in read_image().packages.values()} <= required


def test_the_list_has_the_names_of_the_versions_that_it_names():
    image = read_image()
    versions = dict(part.split() for part in image.names_source.split(", "))
    assert versions == {name: image.versions[name] for name in versions}
    assert "stack" in image.names["torch"]
    assert "unstack" not in image.names["numpy"]


def test_a_probe_kernels_output_becomes_the_list(tmp_path):
    write_image(PROBED, tmp_path)
    image = read_image(tmp_path)
    assert image.complete
    assert image.versions == {"torch": "2.10.0+cu128"}
    assert (image.names["torch"], image.names_source) == ({"nn", "stack"}, "torch 2.10.0")


def test_the_names_alone_can_come_from_another_environment(tmp_path):
    write_image(PROBED, tmp_path)
    write_image({**PROBED, "python": "3.13.0", "names": {"torch": "other"}}, tmp_path, names_only=True)
    image = read_image(tmp_path)
    assert (image.python, image.names["torch"]) == ("3.12.13", {"other"})


@pytest.mark.parametrize("spoiled", [[], {}, {**PROBED, "packages": {}}, {**PROBED, "names": None}])
def test_what_is_no_output_of_the_probe_is_refused(tmp_path, spoiled):
    with pytest.raises(BundleError, match="no output of the probe kernel"):
        write_image(spoiled, tmp_path)


def test_a_broken_list_is_told_in_one_sentence(tmp_path):
    with pytest.raises(BundleError, match="the list of the image is broken"):
        read_image(tmp_path)
    (tmp_path / "image.json").write_text(json.dumps([]))
    (tmp_path / "image_names.json").write_text("{")
    with pytest.raises(BundleError, match="the list of the image is broken"):
        read_image(tmp_path)
