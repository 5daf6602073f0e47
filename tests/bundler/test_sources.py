"""Which files of a package go into the script, and how."""

import datetime as dt

import pytest

from bundler.build import build
from bundler.errors import BundleError
from bundler.project import read_project
from bundler.sources import constants_text, read_sources, sources_sha256

HELLO = {"main.py": "def main(): print('Hello')"}


def paths_of(folder) -> list[str]:
    return [file.path for file in read_sources(read_project(folder))]


def problem_of(folder) -> str:
    with pytest.raises(BundleError) as caught:
        read_sources(read_project(folder))
    return str(caught.value)


def test_what_python_and_editors_leave_is_not_carried(project):
    junk = ["__pycache__/main.cpython-311.pyc", ".hidden", "main.py~", "py.typed", "main.pyi", ".git/config"]
    folder = project({**HELLO, "labels.txt": "a", **dict.fromkeys(junk, "x")})
    assert paths_of(folder) == ["app/__init__.py", "app/labels.txt", "app/main.py"]


def test_a_large_data_file_is_an_error(project):
    problem = problem_of(project({**HELLO, "weights.bin": bytes(100_001)}))
    assert problem.startswith("app/weights.bin has 100,001 bytes; a script carries data files of up to 100,000")


def test_compiled_code_is_an_error(project):
    assert problem_of(project({**HELLO, "fast.so": b"x"})).startswith("app/fast.so is compiled")


def test_files_can_be_left_out(project):
    folder = project(
        {**HELLO, "tests/test_main.py": "", "weights.bin": bytes(100_001)}, toml='leave_out = ["tests/*", "*.bin"]'
    )
    assert paths_of(folder) == ["app/__init__.py", "app/main.py"]


def test_a_pattern_that_leaves_nothing_out_is_noted(project):
    files = {**HELLO, "tests/test_main.py": "", "a.bin": b"a"}
    folder = project(files, toml='leave_out = ["app/tests/*", "*.bin", "main.pyc"]')
    notes = [note for note in build(read_project(folder)).warnings if "leave_out" in note]
    assert [note.split("'")[1] for note in notes] == ["app/tests/*", "main.pyc"]
    assert "paths begin in the package" in notes[0]


def test_a_file_name_that_would_break_a_heading_is_an_error(project):
    assert "characters" in problem_of(project({**HELLO, "a\nb.txt": "x"}))


def test_line_ends_of_modules_do_not_matter(project):
    unix, windows = ({"main.py": f"def main():{end}    return 0{end}".encode()} for end in ("\n", "\r\n"))
    hashes = [sources_sha256(read_sources(read_project(project(files)))) for files in (unix, windows)]
    assert hashes[0] == hashes[1]


def test_any_change_of_a_file_changes_the_hash_of_the_sources(project):
    hashes = {
        sources_sha256(read_sources(read_project(project(files))))
        for files in (HELLO, {"main.py": "def main(): print('hello')"}, {**HELLO, "data.txt": ""})
    }
    assert len(hashes) == 3


def test_a_single_module_may_be_the_package(bundled):
    toml = '[kernel]\nid = "me/tiny-kernel"\ntitle = "Tiny kernel"\nentry = "solo:main"\npackage = "solo"\n'
    files = {"kernel.toml": toml, "solo.py": "def main(): print(__name__)"}
    assert bundled({}, **files).run().out == "solo\n"


def test_kernel_toml_arrives_as_constants(bundled):
    script = bundled(
        {
            "kernel_toml.py": "KERNEL_TOML = open('kernel.toml')",
            "main.py": "from app.kernel_toml import KERNEL_TOML\ndef main(): print(KERNEL_TOML['limits'])",
        },
        toml='[limits]\ntime = "1h"\nmany = [1, 2.5, true]\n',
    )
    assert script.run().out == "{'time': '1h', 'many': [1, 2.5, True]}\n"


def test_constants_are_written_for_people():
    text = constants_text({"kernel": {"id": "a/b", "gpu": True}})
    assert text.endswith("KERNEL_TOML = {\n    'kernel': {\n        'id': 'a/b',\n        'gpu': True,\n    },\n}\n")


@pytest.mark.parametrize("value", [dt.date(2026, 1, 1), float("nan"), float("inf")])
def test_what_no_constant_can_say_is_an_error(value):
    with pytest.raises(BundleError, match="the script can carry"):
        constants_text({"x": value})


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", "kernel.toml [kernel]: the table is missing; known keys are id, title"),
        ('id = "a/b"', "title is missing"),
        ("gpu = 1", "gpu = 1; expected true or false"),
        ("competition = 1", "competition = 1; expected a text in quotes"),
        ('datasets = "one"', 'datasets = \'one\'; expected a list of texts, such as ["one", "two"]'),
        ("colour = 1", "unknown key colour; known are id"),
        ("[smoke]\ntime_s = true", "[smoke]: time_s = True; expected a number"),
        ("[smoke]\ntime_s = 0", "[smoke]: time_s = 0; expected a number above zero"),
        ("[smoke]\ntime_s = nan", "[smoke]: time_s = nan; expected a number above zero"),
        ("[smoke.environment]\nX = 1", "expected a table of texts"),
        ("[kernel", "kernel.toml cannot be read: "),
        ('[limit]\ntime = "1h"', "kernel.toml: nothing reads a table [limit]; is it [limits]?"),
        ("[Smoke]", "kernel.toml: nothing reads a table [Smoke]; is it [smoke]?"),
    ],
)
def test_a_wrong_kernel_toml_says_what_where_and_what_was_expected(project, line, fault):
    folder = project(HELLO)
    toml = folder / "kernel.toml"
    toml.write_text("[kernel]\n" + line if line in {"", 'id = "a/b"'} else toml.read_text() + line)
    with pytest.raises(BundleError) as caught:
        read_project(folder)
    assert fault in str(caught.value)


def test_a_table_of_the_projects_own_is_left_to_it(project):
    assert read_project(project(HELLO, toml="[limits]\n[limit]\n[networks]\n")).tables["networks"] == {}


def test_a_kernel_toml_as_windows_writes_it_is_read(project):
    folder = project(HELLO)
    toml = folder / "kernel.toml"
    toml.write_text(toml.read_text(), encoding="utf-8-sig", newline="\r\n")
    assert read_project(folder).kernel.package == "app"


def test_a_table_all_of_whose_keys_have_defaults_may_be_empty(project):
    assert read_project(project(HELLO, toml="[smoke]\n")).smoke.time_s == 120


def test_a_missing_kernel_toml_or_package_is_named(project, tmp_path):
    with pytest.raises(BundleError, match=r"kernel\.toml is missing"):
        read_project(tmp_path)
    folder = project(HELLO, toml="")
    (folder / "app").rename(folder / "other")
    assert problem_of(folder).endswith("has no folder app, which kernel.toml gives as the package")
