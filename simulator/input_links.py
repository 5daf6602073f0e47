"""Links among the inputs: a sandbox shows what they lead to only where it is told to."""

from collections.abc import Iterable
from pathlib import Path

from simulator.kernel_folders import KAGGLE_VIEW


def leads_out(folder: Path) -> bool:
    """Whether a link in a folder leads to something that is not seen where the folder alone is shown elsewhere."""
    return bool(_links_out(folder))


def linked_copy(original: Path, folder: Path) -> Path:
    """A folder with the same content as another one: each file is a link to where it lies at last."""
    folder.mkdir(parents=True)
    for path in sorted(original.rglob("*")):
        copy = folder / path.relative_to(original)
        if path.is_dir() and not path.is_symlink():
            copy.mkdir()
        elif path.exists():
            copy.symlink_to(path.resolve())
    return folder


def led_to(folders: Iterable[Path]) -> tuple[Path, ...]:
    """The folders that links in some folders lead to."""
    return tuple(sorted({_place_of(link.resolve()) for folder in folders for link in _links_out(folder)}))


def _links_out(folder: Path) -> list[Path]:
    inside = folder.resolve()
    links = [path for path in folder.rglob("*") if path.is_symlink() and path.exists()]
    return [link for link in links if link.readlink().is_absolute() or not link.resolve().is_relative_to(inside)]


def _place_of(target: Path) -> Path:
    """What must be shown for a target to be seen: its folder, unless that would hide a folder of the kernel's own."""
    place = target if target.is_dir() else target.parent
    return target if any(own.is_relative_to(place) for own in (KAGGLE_VIEW.temporary, KAGGLE_VIEW.working)) else place
