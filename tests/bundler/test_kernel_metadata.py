"""kernel-metadata.json keeps the kaggle client's rules."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest

from bundler.metadata import kernel_metadata, metadata_problems
from bundler.project import KernelTable

KERNEL = KernelTable(
    id="somebody/tiny-kernel",
    title="Tiny kernel",
    entry="app.main:main",
    package="app",
    competition="some-competition",
    datasets=("somebody/some-weights",),
    gpu=True,
    machine_shape="NvidiaTeslaT4",
)


def test_everything_that_the_client_would_fill_in_is_written_out():
    metadata = kernel_metadata(KERNEL, "kernel.py")
    assert metadata["enable_internet"] is False
    assert metadata["is_private"] is True
    assert (metadata["language"], metadata["kernel_type"], metadata["code_file"]) == ("python", "script", "kernel.py")
    assert (metadata["kernel_sources"], metadata["model_sources"]) == ([], [])
    assert "docker_image" not in metadata
    assert metadata_problems(metadata) == []


def test_a_notebook_is_called_one():
    assert kernel_metadata(KERNEL, "kernel.ipynb")["kernel_type"] == "notebook"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"id": "tiny-kernel"}, 'expected "owner/slug"'),
        ({"id": "somebody/tiny-kernel/2"}, 'expected "owner/slug"'),
        ({"id": "somebody/Tiny-Kernel"}, 'expected "owner/slug"'),
        ({"id": "somebody/tiny", "title": "Tiny"}, "has 4 characters; expected 5 to 50"),
        ({"id": f"somebody/{'a' * 51}", "title": "a" * 51}, "has 51 characters; expected 5 to 50"),
        ({"title": "Tiny\0kernel"}, "has characters that cannot be printed"),
        ({"title": "Another kernel"}, 'gives the slug "another-kernel"'),
        ({"datasets": ("weights",)}, 'datasets: "weights"; expected "owner/slug"'),
        ({"datasets": ("a/b/c/d",)}, "expected"),
        ({"datasets": ("a/b/new",)}, "the version is no number"),
        ({"competition": "some/competition"}, "expected its slug"),
        ({"machine_shape": "Nvidia T4"}, "expected a name such as"),
        ({"gpu": False}, "is a GPU's, but gpu = false"),
        ({"docker_image": "newest"}, "expected"),
    ],
)
def test_what_the_client_would_refuse_or_misread_is_told(change, fault):
    problems = metadata_problems(kernel_metadata(replace(KERNEL, **change), "kernel.py"))
    assert any(fault in problem for problem in problems), problems


def test_a_number_is_no_boolean():
    metadata = kernel_metadata(KERNEL, "kernel.py") | {"enable_gpu": 1}
    assert metadata_problems(metadata) == ["enable_gpu = 1; expected true or false"]


def test_an_image_can_be_pinned():
    image = f"gcr.io/kaggle-images/python@sha256:{'0' * 64}"
    metadata = kernel_metadata(replace(KERNEL, docker_image=image), "kernel.py")
    assert metadata["docker_image"] == image
    assert metadata_problems(metadata) == []


CLIENT = """
import json, sys
from contextlib import contextmanager
from kaggle.api.kaggle_api_extended import KaggleApi

class Kaggle:
    def __enter__(self): return self
    def __exit__(self, *_): ...
    @property
    def kernels(self): return self
    @property
    def kernels_api_client(self): return self
    def save_kernel(self, request): print("request", json.dumps(request.to_dict(request)))

api = KaggleApi()
api.build_kaggle_client = Kaggle
api.kernels_push(sys.argv[1])
"""


@pytest.mark.skipif(find_spec("kaggle") is None, reason="the kaggle client is not installed")
def test_the_real_client_takes_it_and_asks_for_what_kernel_toml_says(tmp_path):
    (tmp_path / "kernel.py").write_text("print('Hello')\n")
    (tmp_path / "kernel-metadata.json").write_text(json.dumps(kernel_metadata(KERNEL, "kernel.py")))
    environment = {"HOME": str(tmp_path), "PATH": os.defpath, "KAGGLE_USERNAME": "t", "KAGGLE_KEY": "k"}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert "may result in surprising behavior" not in done.stdout
    request = json.loads(done.stdout.partition("request ")[2])
    assert request["slug"] == "somebody/tiny-kernel"
    assert request["enableInternet"] is False
    assert request["machineShape"] == "NvidiaTeslaT4"
    assert request["datasetDataSources"] == ["somebody/some-weights"]
    assert request["text"] == "print('Hello')\n"
