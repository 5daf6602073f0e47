"""Whether the bundle in a folder may go: made from what is here now, and without a secret."""

from collections.abc import Sequence
from pathlib import Path

from bundler.build import build
from bundler.project import Project
from bundler.up_to_date import differences, holds_notebook
from kernel_src.errors import KernelError
from publisher.redaction import holds_secret


def check_bundle(project: Project, folder: Path, secrets: Sequence[str]) -> None:
    """Makes the bundle anew in memory, with all its checks, and compares.

    Args:
        project: what is bundled.
        folder: the bundle.
        secrets: what must not be in it.

    Raises:
        BundleError: no bundle can be made.
        KernelError: the one in the folder is not the one that would be made now, or holds a secret.
    """
    bundle = build(project, notebook=holds_notebook(folder))
    if found := differences(bundle, folder):
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise KernelError(f"{folder} is out of date: {found[0]}{more}; make it anew with `python bundle.py`")
    for name, content in bundle.outputs.items():
        if holds_secret(content, secrets):
            raise KernelError(f"{folder / name} holds your own Kaggle key; take it out of the sources")
