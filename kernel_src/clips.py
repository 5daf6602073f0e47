"""The clips to tag and the labels to give, from sample_submission.csv, and where everything is mounted."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel_src.errors import KernelError


@dataclass(frozen=True)
class ClipList:
    """What is to be tagged, in the order in which the submission wants it."""

    fnames: tuple[str, ...]
    """The clips' names, one row of the submission each."""
    labels: tuple[str, ...]
    """The labels, one column of the submission each."""
    folder: Path
    """Where the clips' files are."""

    def path(self, fname: str) -> Path:
        """The file of one clip, which need not exist."""
        return self.folder / fname


def read_clip_list(competition: Path) -> ClipList:
    """Reads `sample_submission.csv` of a folder in the competition's layout.

    A table without rows is a clip list without clips: Kaggle runs kernels on such placeholders.

    Raises:
        KernelError: the table is missing, or has no `fname` and label columns.
    """
    table = competition / "sample_submission.csv"
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:  # tables that went through Excel begin with a mark
            rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise KernelError(f"{table}: cannot be read ({error.strerror}); it names the clips to tag") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise KernelError(f"{table}: is no csv text in UTF-8 ({error}); save it as such") from error
    if not rows or rows[0][0] != "fname" or len(rows[0]) < 2:
        found = ",".join(rows[0][:3]) if rows else "an empty file"
        raise KernelError(f"{table}: expected a header `fname,label,label,...`, got {found}")
    labels = tuple(rows[0][1:])
    fnames = tuple(row[0] for row in rows[1:])
    for kind, names in (("label", labels), ("clip", fnames)):
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise KernelError(f"{table}: the {kind} {twice!r} is there twice; each may be there once")
    return ClipList(fnames=fnames, labels=labels, folder=competition / "test")


def find_folder(root: Path, slugs: Iterable[str], marker: str) -> Path:
    """Finds a mounted data source below `root` by its slug and a file that must be in it.

    Kaggle mounts at `<slug>`, `competitions/<slug>` or `datasets/<owner>/<slug>`, by the age of the kernel's settings.
    If none of the slugs is there, any mounted folder that has the marker will do, for people rename data sets.

    Raises:
        KernelError: no folder, or more than one that no slug tells apart, has the marker.
    """
    slugs = list(slugs)
    for slug in slugs:
        name = slug.rpartition("/")[2]
        for place in (root / name, root / "competitions" / name, root / "datasets" / slug):
            if (place / marker).is_file():
                return place
    found = _folders_with(root, marker)
    if len(found) == 1:
        return found[0]
    problem = f"several folders have it: {', '.join(map(str, found))}" if found else "no folder has it"
    raise KernelError(
        f"{root}: looked for {marker} of {' or '.join(slugs) or 'a data source'}, but {problem};"
        " attach the data source to the kernel, or name it in kernel.toml"
    )


def _folders_with(root: Path, marker: str) -> Sequence[Path]:
    """Folders at most four levels below `root` (`datasets/<owner>/<slug>/<folder>`) with `marker`, none within another.

    Weights that were uploaded with all that training left beside them have weights of its earlier stages inside.
    """
    found = {path.parent for depth in ("*", "*/*", "*/*/*", "*/*/*/*") for path in root.glob(f"{depth}/{marker}")}
    return sorted(folder for folder in found if found.isdisjoint(folder.parents))
