"""The same sources give the same bytes, wherever, whenever and with whatever they are bundled."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import slugify
import stickytape
import text_unidecode
from interpreters import find_python

FILES = {
    "main.py": "from app import a, b\ndef main(): ...",
    "a.py": "x = {'ä', 'b'}",
    "b.py": "import app.c",
    "c.py": "",
    "z/data.txt": "1",
    "y.bin": bytes(range(256)),
    "kernel_toml.py": "",
}
CHECKOUT = Path(__file__).parents[2]


def command(folder: Path, python: str) -> list[str]:
    return [python, str(CHECKOUT / "bundle.py"), "--project", str(folder)]


def environment_for(**others: str) -> dict[str, str]:
    """In which any Python finds the libraries that the bundler needs; they are pure Python."""
    libraries = {Path(module.__file__).parents[1] for module in (stickytape, slugify, text_unidecode)}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, libraries)), **others}


def bundle(folder: Path, python: str = sys.executable, **environment: str) -> bytes:
    """The script and its metadata, bundled by a process of its own."""
    subprocess.run(command(folder, python), env=environment_for(**environment), check=True)
    return (folder / "build" / "kernel.py").read_bytes() + (folder / "build" / "kernel-metadata.json").read_bytes()


def test_the_folder_the_time_the_locale_and_the_hash_seed_do_not_matter(project, tmp_path):
    folder = project(FILES, toml='[limits]\nb = "1"\na = "2"\n')
    first = bundle(folder, PYTHONHASHSEED="1", LC_ALL="C", TZ="UTC")
    copy = tmp_path / "elsewhere ä"
    copy.mkdir()
    for path in sorted(folder.rglob("*"), reverse=True):  # other order on the disk, other times
        if path.is_file() and "build" not in path.parts:
            target = copy / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            os.utime(target, (0, 0))
    assert bundle(copy, PYTHONHASHSEED="2", LC_ALL="C.UTF-8", TZ="Asia/Tokyo", PYTHONUTF8="0") == first


def test_the_python_that_bundles_does_not_matter(project, python):
    folder = project(FILES)
    assert bundle(folder) == bundle(folder, python)


def test_a_commit_does_not_change_the_script_and_stands_in_bundle_json(project):
    folder = project(FILES)
    first = bundle(folder)
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    assert '"commit": null' in (folder / "build" / "bundle.json").read_text()
    for command in (["init", "-q"], ["add", "app", "kernel.toml"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert bundle(folder) == first
    assert f'"commit": "{commit}"' in (folder / "build" / "bundle.json").read_text()
    shutil.copy(folder / "app" / "a.py", folder / "app" / "d.py")
    bundle(folder)
    assert f'"commit": "{commit}+"' in (folder / "build" / "bundle.json").read_text()


def test_a_change_of_a_single_module_or_of_the_licence_is_marked_at_the_commit(project):
    toml = '[kernel]\nid = "me/tiny-kernel"\ntitle = "Tiny kernel"\nentry = "solo:main"\npackage = "solo"\n'
    folder = project({}, **{"kernel.toml": toml, "solo.py": "def main(): ...\n", "LICENSE": "MIT\n", "notes.txt": ""})
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)

    def is_marked(changed: str) -> bool:
        (folder / changed).write_text((folder / changed).read_text() + "# more\n")
        bundle(folder)
        subprocess.run([*git, "checkout", "-q", "."], check=True)
        return '+"\n' in (folder / "build" / "bundle.json").read_text()

    assert [is_marked(name) for name in ("notes.txt", "solo.py", "LICENSE")] == [False, True, True]


def test_syntax_that_the_images_python_does_not_know_is_refused(project):
    """A newer Python that bundles must not let it through."""
    newer = find_python("3.13")
    if newer is None:
        pytest.skip("no Python 3.13 here")
    folder = project({"main.py": "def main[T = int]() -> T: ..."})
    done = subprocess.run(command(folder, newer), env=environment_for(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "app/main.py:1: Type parameter defaults are only supported in Python 3.13 and greater" in done.stderr
