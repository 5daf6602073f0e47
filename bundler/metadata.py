"""kernel-metadata.json: what the kaggle client reads, held to the client's own rules before it does.

The rules are those of `KaggleApi.kernels_push` and of its request's types (client 2.2.4). The client checks few of them
itself: some it leaves to the server, and on some it fails with exit code 0.
"""

import re
from collections.abc import Mapping
from typing import Any

from slugify import slugify

from bundler.project import KernelTable

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
IMAGE = re.compile(r"[\w./-]+@sha256:[0-9a-f]{64}")
LENGTHS = range(5, 51)
BOOLEANS = ("is_private", "enable_gpu", "enable_tpu", "enable_internet")


def kernel_metadata(kernel: KernelTable, code_file: str) -> dict[str, Any]:
    """The metadata of a kernel.

    Everything is written out where the client would otherwise fill in a value: it turns the internet on.

    Args:
        kernel: what kernel.toml says.
        code_file: the script's or notebook's name, beside the metadata.
    """
    metadata: dict[str, Any] = {
        "id": kernel.id,
        "title": kernel.title,
        "code_file": code_file,
        "language": "python",
        "kernel_type": "notebook" if code_file.endswith(".ipynb") else "script",
        "is_private": kernel.private,
        "enable_gpu": kernel.gpu,
        "enable_tpu": False,
        "enable_internet": False,
        "dataset_sources": list(kernel.datasets),
        "competition_sources": [kernel.competition] if kernel.competition else [],
        "kernel_sources": [],
        "model_sources": [],
    }
    optional = {"machine_shape": kernel.machine_shape, "docker_image": kernel.docker_image}
    return metadata | {key: value for key, value in optional.items() if value}


def metadata_problems(metadata: Mapping[str, Any]) -> list[str]:
    """What the kaggle client or its server would refuse, or misread, one sentence each; empty if nothing."""
    return [
        *_name_problems(str(metadata.get("id", "")), str(metadata.get("title", ""))),
        *(
            f"{key} = {metadata.get(key)!r}; expected true or false"
            for key in BOOLEANS
            if not isinstance(metadata.get(key), bool)
        ),
        *_source_problems(metadata),
        *_machine_problems(metadata),
    ]


def _name_problems(kernel_id: str, title: str) -> list[str]:
    owner, _, slug = kernel_id.partition("/")
    problems = []
    if not SLUG.fullmatch(owner.lower()) or not SLUG.fullmatch(slug):
        problems.append(f'id = "{kernel_id}"; expected "owner/slug" in lower-case letters, digits and hyphens')
    if len(slug) not in LENGTHS:
        problems.append(f'id = "{kernel_id}": its slug has {len(slug)} characters; expected 5 to 50')
    if not title.isprintable():
        problems.append(f"title = {title!r} has characters that cannot be printed")
    if len(title) not in LENGTHS:
        problems.append(f'title = "{title}" has {len(title)} characters; expected 5 to 50')
    if not problems and slugify(title) != slug:
        problems.append(
            f'title = "{title}" gives the slug "{slugify(title)}", but id = "{kernel_id}"; change one of them'
        )
    return problems


def _source_problems(metadata: Mapping[str, Any]) -> list[str]:
    problems = []
    for source in metadata.get("dataset_sources", []):
        owner, slug, *version = [*source.split("/"), ""][:3]
        if not (SLUG.fullmatch(owner.lower()) and SLUG.fullmatch(slug)) or source.count("/") > 2:
            problems.append(f'datasets: "{source}"; expected "owner/slug" or "owner/slug/version"')
        elif source.count("/") == 2 and not version[0].isdigit():
            problems.append(f'datasets: "{source}"; the version is no number')
    problems += [
        f'competition = "{source}"; expected its slug, such as "freesound-audio-tagging-2019"'
        for source in metadata.get("competition_sources", [])
        if not SLUG.fullmatch(source)
    ]
    return problems


def _machine_problems(metadata: Mapping[str, Any]) -> list[str]:
    problems = []
    shape, image = metadata.get("machine_shape", ""), metadata.get("docker_image", "")
    if shape and not re.fullmatch(r"[A-Za-z0-9]+", shape):
        problems.append(f'machine_shape = "{shape}"; expected a name such as "NvidiaTeslaT4", or empty')
    if shape.startswith("Nvidia") and not metadata.get("enable_gpu"):
        problems.append(f'machine_shape = "{shape}" is a GPU\'s, but gpu = false')
    if image and not IMAGE.fullmatch(image):
        problems.append(f'docker_image = "{image}"; expected "gcr.io/kaggle-images/python@sha256:…", or empty')
    return problems
