"""What would fail on Kaggle fails here, in one clear line."""

import pytest

from bundler.build import build
from bundler.errors import BundleError
from bundler.project import read_project

HELLO = {"main.py": "def main(): print('Hello')"}


def problem_of(folder) -> str:
    """The only sentence that the bundler says against a project."""
    with pytest.raises(BundleError) as caught:
        build(read_project(folder))
    [problem] = caught.value.problems
    return problem


def warnings_of(folder) -> list[str]:
    return list(build(read_project(folder)).warnings)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import app.nothing", "app/main.py:2: imports app.nothing, but the script would not carry such a module"),
        ("def f(): import app.nothing", "app/main.py:2: imports app.nothing"),
        ("from app.nothing import x", "app/main.py:2: imports app.nothing"),
        ("from app.words import nothing", "app/main.py:2: imports nothing from app.words, which has neither"),
        ("from . import nothing", "app/main.py:2: imports nothing from app,"),
        ("from .. import nothing", "app/main.py:2: the relative import leads out of the package app"),
        ("from .words import x, nothing", "app/main.py:2: imports nothing from app.words"),
        ("import importlib; importlib.import_module('app.nothing')", "app/main.py:2: imports app.nothing"),
        ("try:\n  import app.nothing\nexcept ImportError: pass", "app/main.py:3: imports app.nothing"),
    ],
)
def test_an_import_of_a_module_that_is_not_there(project, text, fault):
    assert problem_of(project({"main.py": f"def main(): ...\n{text}", "words.py": "x = 1"})).startswith(fault)


@pytest.mark.parametrize(
    "words",
    [
        "x = 1",
        "x: int = 1",
        "def x(): ...",
        "class x: ...",
        "import os as x",
        "if True:\n  x = 1",
        "for x in []: ...",
        "with open('f') as x: ...",
        "(a, [b, *x]) = f()",
        "if (x := 1): ...",
        "try:\n  x = 1\nexcept OSError: x = 2",
        "def f():\n  global x\n  x = 1",
        "from os import *",
        "def __getattr__(name): ...",
        "globals()['x'] = 1",
        "match 1:\n  case x: ...",
        "from os import*",
        "from os import  *",
        "vars()['x'] = 1",
        "exec('x = 1')",
        "import sys\nsetattr(sys.modules[__name__], 'x', 1)",
    ],
)
def test_a_name_is_found_however_the_module_makes_it(project, words):
    build(read_project(project({"main.py": "from app.words import x\ndef main(): ...", "words.py": words})))


def test_an_import_that_is_neither_pythons_nor_in_the_image(project):
    folder = project({"main.py": "import zict\ndef main(): ..."})
    assert problem_of(folder).startswith("app/main.py:1: imports zict, which is neither in Python 3.12")


@pytest.mark.parametrize(
    "text",
    [
        "try:\n  import zict\nexcept ImportError:\n  import zict2",
        "try:\n  import numpy\nexcept ImportError:\n  import zict2",
        "try:\n  import tomllib\nexcept OSError:\n  import zict2",
        "from contextlib import suppress\nwith suppress(OSError):\n  import zict2",
    ],
)
def test_an_import_is_needed_where_what_it_stands_in_for_may_be_missing(project, text):
    assert "imports zict2, which is neither" in problem_of(project({"main.py": f"{text}\ndef main(): ..."}))


def test_a_module_that_the_images_python_no_longer_has(project):
    assert "imports distutils.core, which is neither" in problem_of(
        project({"main.py": "import distutils.core\ndef main(): ..."})
    )


def test_an_import_from_beside_the_package(project):
    folder = project({"main.py": "def main(): import helper"}, **{"helper.py": "x = 1"})
    assert problem_of(folder).endswith("which lies beside the package app; only the package goes into the script")


@pytest.mark.parametrize(
    "text",
    [
        "try:\n  import zict\nexcept ImportError:\n  zict = None",
        "try:\n  import zict\nexcept (KeyError, ModuleNotFoundError):\n  zict = None",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import zict",
        "import typing\nif typing.TYPE_CHECKING:\n  import zict",
        "from contextlib import suppress\nwith suppress(ImportError):\n  import zict",
        "import contextlib\nwith open('x'), contextlib.suppress(OSError, ModuleNotFoundError):\n  import zict",
        "try:\n  import tomllib\nexcept ModuleNotFoundError:\n  import tomli as tomllib",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  from app.types_only import T\n  from .. import x",
        "import numpy, torch.nn, sklearn.metrics, psutil",
    ],
)
def test_imports_that_may_fail_or_are_in_the_image_pass(project, text):
    build(read_project(project({"main.py": f"{text}\ndef main(): ..."})))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def main(: ...", "app/main.py:1: "),
        ("def main(): ...\nreturn 1", "app/main.py:2: 'return' outside function"),
        ("x = 1\0", "app/main.py:"),
        (b"x = '\xff'", "app/main.py cannot be read: "),
    ],
)
def test_what_is_no_python(project, text, fault):
    assert problem_of(project({"main.py": text})).startswith(fault)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("app.main", 'expected "module:function" with a module of the package app'),
        ("os:getcwd", 'expected "module:function" with a module of the package app'),
        ("app.other:main", "but there is no app/other.py"),
        ("app.main:other", "but app/main.py has no such function"),
        ("app.main:needs", "needs arguments (one, two)"),
        ("app.main:waits", "is async"),
        ("app.my-words:main", '"my-words" is no name that Python can import; rename it'),
        ("app.1st.main:main", '"1st" is no name that Python can import'),
        ("app.main:None", '"None" is no name that Python can import'),
    ],
)
def test_an_entry_that_cannot_be_called(project, entry, fault):
    text = "def main(): ...\ndef needs(one, zero=0, *, two): ...\nasync def waits(): ..."
    folder = project({"main.py": text})
    toml = folder / "kernel.toml"
    toml.write_text(toml.read_text().replace("app.main:main", entry))
    assert fault in problem_of(folder)


def test_an_entry_may_come_from_another_module_or_be_any_callable(bundled):
    assert bundled({"main.py": "from app.words import main", "words.py": "main = lambda: print(1)"}).run().out == "1\n"


@pytest.mark.parametrize(
    "text",
    [
        "def given(function): return lambda: function(3)\n@given\ndef main(x): print(x)",
        "from functools import partial\ndef main(x): print(x)\nmain = partial(main, 3)",
        "def main(x): ...\ndef main(): print(3)",
    ],
)
def test_an_entry_whose_arguments_are_given_by_the_module_can_be_called(bundled, text):
    assert bundled({"main.py": text}).run().out == "3\n"


@pytest.mark.parametrize(
    ("package", "fault"),
    [
        ("queue", "Python has a module of this name, which the script's would hide"),
        ("numpy", "the image has a package of this name"),
        ("class", "expected the name of a folder here, as Python imports it"),
    ],
)
def test_a_package_whose_name_cannot_be_its_own(project, package, fault):
    folder = project({}, **{f"{package}/main.py": "def main(): ..."})
    toml = folder / "kernel.toml"
    toml.write_text(toml.read_text().replace("app.main", f"{package}.main").replace('"app"', f'"{package}"'))
    assert fault in problem_of(folder)


def test_a_script_that_is_too_large_names_what_takes_the_most(project):
    folder = project({**HELLO, "large.py": f"x = '{'y' * 650_000}'", "small.py": f"x = '{'y' * 50_000}'"})
    problem = problem_of(folder)
    assert problem.startswith("kernel.py has 7")
    assert "The most of it: app/large.py 650,006, app/small.py 50,006, app/main.py" in problem


def test_several_faults_are_told_together(project):
    with pytest.raises(BundleError) as caught:
        build(read_project(project({"main.py": "import zict, app.nothing\ndef main(): ..."})))
    assert len(caught.value.problems) == 2


def test_a_use_of_file_is_noted(project):
    folder = project({"main.py": "from pathlib import Path\ndef main(): return Path(__file__)"})
    assert warnings_of(folder)[0].startswith("app/main.py:2: __file__ names no file in the script")


def test_a_doubtful_escape_is_noted(project):
    assert "invalid escape sequence" in warnings_of(project({"main.py": "x = '\\d'\ndef main(): ..."}))[0]


def test_a_module_that_no_import_names_is_noted_and_carried(project):
    [warning] = warnings_of(project({**HELLO, "alone.py": "x = 1"}))
    assert warning.startswith("app/alone.py: no import names it")


def test_a_package_named_like_an_old_module_of_python_is_found(project):
    """It is none: stickytape takes `user` for a module of the standard library and leaves it out."""
    folder = project(
        {"main.py": "def main(): ..."}, **{"user/__init__.py": "x = 1", "user/run.py": "def main(): import user"}
    )
    toml = folder / "kernel.toml"
    toml.write_text(toml.read_text().replace("app.main", "user.run").replace('"app"', '"user"'))
    bundle = build(read_project(folder))
    assert [file.path for file in bundle.files] == ["user/__init__.py", "user/run.py"]
    assert not bundle.warnings


def test_a_long_chain_of_imports_is_followed(project):
    chain = {f"m{i}.py": f"import app.m{i + 1}" for i in range(400)} | {"m400.py": ""}
    assert len(build(read_project(project({"main.py": "import app.m0\ndef main(): ...", **chain}))).files) == 403
