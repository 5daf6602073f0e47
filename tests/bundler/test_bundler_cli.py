"""`python bundle.py` as a person meets it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bundler.cli import main
from bundler.probe_kernel import packages, public_names

CHECKOUT = Path(__file__).parents[2]
HELLO = {"main.py": "from app.words import x\ndef main(): print(x)", "words.py": "x = 'Hello'"}


def bundle(folder: Path, *options: str) -> int:
    return main(["--project", str(folder), *options])


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_writes_the_script_its_metadata_and_its_account(project, capsys):
    folder = project(HELLO)
    assert bundle(folder) == 0
    assert sorted(contents_of(folder / "build")) == ["bundle.json", "kernel-metadata.json", "kernel.py"]
    assert "from 3 files, the largest app/main.py" in capsys.readouterr().out


def test_the_account_tells_modules_sizes_hashes_versions_and_the_image(project):
    folder = project(HELLO)
    bundle(folder)
    account = json.loads((folder / "build" / "bundle.json").read_text())
    assert account["files"]["app/words.py"] == {
        "module": "app.words",
        "bytes": 11,
        "sha256": hashlib.sha256(b"x = 'Hello'").hexdigest(),
    }
    assert len(account["outputs"]["kernel.py"]["sha256"]) == 64
    assert account["versions"]["stickytape"]
    assert account["image"]["python"].startswith("3.12")
    assert account["image"]["packages"]["torch"] == "2.10.0"


def test_a_failure_leaves_the_old_bundle_whole_and_says_one_line(project):
    folder = project(HELLO)
    bundle(folder)
    before = contents_of(folder / "build")
    (folder / "app" / "words.py").write_text("x = (")
    command = [sys.executable, str(CHECKOUT / "bundle.py"), "--project", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bundle: app/words.py:1: '(' was never closed")
    assert done.stderr.count("\n") == 1
    assert contents_of(folder / "build") == before


@pytest.mark.parametrize("blocked", ["kernel.py", "bundle.json"])
def test_a_folder_in_the_way_leaves_the_old_bundle_whole(project, capsys, blocked):
    folder = project(HELLO)
    (folder / "build" / blocked).mkdir(parents=True)
    assert bundle(folder) == 2
    assert [path.name for path in (folder / "build").iterdir()] == [blocked]
    assert f"{blocked} is a folder; what lay there is as it was" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_bundle_whole(project):
    folder = project(HELLO)
    bundle(folder)
    before = contents_of(folder / "build")
    (folder / "app" / "words.py").write_text("x = 'Hi'")
    limited = """if True:
        import resource, sys
        from bundler.cli import main
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
        sys.exit(main())
    """
    command = [sys.executable, "-c", limited, "--project", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be written to: [Errno 27]" in done.stderr
    assert contents_of(folder / "build") == before


def test_check_says_that_a_bundle_is_up_to_date(project, capsys):
    folder = project(HELLO)
    bundle(folder)
    assert bundle(folder, "--check") == 0
    assert capsys.readouterr().out.endswith("build is up to date\n")


def test_check_says_what_differs_and_writes_nothing(project, capsys):
    folder = project(HELLO)
    bundle(folder)
    before = contents_of(folder / "build")
    (folder / "app" / "words.py").write_text("x = 'Hi'\ny = 1")
    (folder / "app" / "more.py").write_text("z = 1")
    toml = folder / "kernel.toml"
    toml.write_text(toml.read_text() + "gpu = true\n")
    capsys.readouterr()
    assert bundle(folder, "--check") == 1
    out = capsys.readouterr().out.splitlines()
    assert "kernel.py: app/words.py has 2 other lines" in out
    assert "kernel.py: app/more.py is not in it yet" in out
    assert "kernel-metadata.json: enable_gpu false, true if it were made now" in out
    assert out[-1].endswith("build is out of date")
    assert contents_of(folder / "build") == before


@pytest.mark.parametrize(("text", "lines"), [("x = 'Hello'\n", 1), ("++1\nx = 'Hello'\n", 2), ("--1\n++1\nx = 2", 3)])
def test_check_counts_the_lines_that_differ(project, capsys, text, lines):
    folder = project(HELLO)
    bundle(folder)
    (folder / "app" / "words.py").write_text(text)
    assert bundle(folder, "--check") == 1
    assert f"kernel.py: app/words.py has {lines} other lines\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "difference"),
    [
        (lambda script: script.unlink(), "kernel.py is missing"),
        (lambda script: script.write_text("print("), "kernel.py: it is no script that the bundler made"),
        (lambda script: script.write_text(script.read_text().replace("'Hello'", "'Bye'")), "has 1 other lines"),
        (lambda script: script.write_text(script.read_text() + "#\n"), "its header, its loader, its start"),
    ],
)
def test_check_finds_a_script_that_was_changed_by_hand(project, capsys, spoil, difference):
    folder = project(HELLO)
    bundle(folder)
    spoil(folder / "build" / "kernel.py")
    assert bundle(folder, "--check") == 1
    assert difference in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ('"is_private": true', '"is_private": 1', "kernel-metadata.json: is_private 1, true if it were made now"),
        ('"title"', '"docker_image": null, "title"', "docker_image null, nothing if it were made now"),
        ('"enable_internet": false,', "", "enable_internet nothing, false if it were made now"),
        ('"title": "Tiny kernel"', f'"title": "{"T" * 60}"', "kernel-metadata.json: title is another"),
        ("{", "[", "kernel-metadata.json: it is no JSON"),
        (None, "[]", "kernel-metadata.json: it is no JSON object"),
    ],
)
def test_check_finds_metadata_that_were_changed_by_hand(project, capsys, before, after, difference):
    folder = project(HELLO)
    bundle(folder)
    metadata = folder / "build" / "kernel-metadata.json"
    text = metadata.read_text()
    metadata.write_text(text.replace(before, after, 1) if before else after)
    assert bundle(folder, "--check") == 1
    assert difference in capsys.readouterr().out


def test_check_knows_a_notebook_when_it_sees_one(project, capsys):
    folder = project(HELLO)
    bundle(folder, "--notebook")
    assert bundle(folder, "--check") == 0
    bundle(folder)
    assert not (folder / "build" / "kernel.ipynb").exists()
    assert bundle(folder, "--check") == 0
    assert bundle(folder, "--check", "--notebook") == 1
    assert "kernel.ipynb is missing" in capsys.readouterr().out


def test_a_notebook_that_the_bundler_did_not_make_is_left_alone(project):
    folder = project(HELLO, **{"build/kernel.ipynb": "my own"})
    assert bundle(folder) == 0
    assert (folder / "build" / "kernel.ipynb").read_text() == "my own"
    assert bundle(folder, "--check") == 0


@pytest.mark.parametrize("out", ["app", "app/build"])
def test_the_package_is_no_place_for_the_bundle(project, capsys, out):
    folder = project(HELLO)
    assert bundle(folder, "--out", str(folder / out)) == 2
    assert "holds the sources of app; give the bundle a folder of its own" in capsys.readouterr().err
    assert not (folder / out / "kernel.py").exists()


def test_a_single_module_called_kernel_is_not_replaced_by_its_bundle(project, capsys):
    toml = '[kernel]\nid = "me/tiny-kernel"\ntitle = "Tiny kernel"\nentry = "kernel:main"\npackage = "kernel"\n'
    folder = project({}, **{"kernel.toml": toml, "kernel.py": "def main(): ..."})
    assert bundle(folder, "--out", str(folder)) == 2
    assert "holds the sources of kernel" in capsys.readouterr().err
    assert (folder / "kernel.py").read_text() == "def main(): ..."
    assert bundle(folder) == 0


def test_other_files_of_the_project_may_lie_beside_the_bundle(project):
    folder = project(HELLO)
    assert bundle(folder, "--out", str(folder)) == 0
    assert bundle(folder, "--check", "--out", str(folder)) == 0


def test_no_room_for_temporary_files_is_one_line(project):
    limited = """if True:
        import resource, sys
        from bundler.cli import main
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        sys.exit(main())
    """
    command = [sys.executable, "-c", limited, "--project", str(project(HELLO))]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("bundle: No usable temporary directory found")
    assert done.stderr.count("\n") == 1


def test_an_interruption_is_one_line_and_leaves_the_old_bundle_whole(project):
    folder = project(HELLO)
    bundle(folder)
    before = contents_of(folder / "build")
    (folder / "app" / "words.py").write_text("x = 'Hi'")
    interrupted = """if True:
        import sys, bundler.output
        from bundler.cli import main

        def interrupted(*_):
            raise KeyboardInterrupt
        bundler.output.Path.replace = interrupted
        sys.exit(main())
    """
    command = [sys.executable, "-c", interrupted, "--project", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "bundle: interrupted\n")
    assert contents_of(folder / "build") == before


def test_probe_writes_a_kernel_that_runs_and_describes_where_it_ran(project, tmp_path):
    folder = project(HELLO)
    assert bundle(folder, "--probe") == 0
    probe = folder / "build" / "probe"
    metadata = json.loads((probe / "kernel-metadata.json").read_text())
    assert (metadata["id"], metadata["title"]) == ("somebody/image-probe", "Image probe")
    # Without site-packages, for importing torch takes seconds.
    subprocess.run([sys.executable, "-IS", str(probe / "kernel.py")], cwd=tmp_path, check=True, capture_output=True)
    description = json.loads((tmp_path / "image.json").read_text())
    assert (description["complete"], description["packages"], description["names"]) == (True, {}, {})
    assert "tomllib" in description["standard_library"]


def test_the_probe_knows_the_packages_and_names_of_its_environment():
    assert packages()["pytest"] == {"distribution": "pytest", "version": pytest.__version__}
    assert "loads" in public_names("json")
    assert "decoder" in public_names("json")
    assert public_names("no_such_module") is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["--project", "/nowhere"],
        ["--smoke", "--check"],
        ["--unknown"],
        ["--check", "--weights", "weights"],
        ["--weights", "weights"],
        ["--probe", "--notebook"],
    ],
)
def test_wrong_use_is_exit_code_2_without_a_traceback(arguments):
    command = [sys.executable, str(CHECKOUT / "bundle.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_this_projects_own_runtime_can_be_bundled(tmp_path):
    assert main(["--project", str(CHECKOUT), "--out", str(tmp_path)]) == 0
    command = [sys.executable, "-I", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())"]
    subprocess.run([*command, str(tmp_path / "kernel.py")], check=True)
