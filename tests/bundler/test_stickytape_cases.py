"""Every case that stickytape's own tests cover, in our words, bundled by ours."""

import subprocess
import sys

import pytest


def assert_says_hello(bundled, files, **others):
    assert bundled(files, **others).run().out == "Hello\n"


def test_a_single_module_works(bundled):
    assert_says_hello(bundled, {"main.py": "def main(): print('Hello')"})


def test_imports_of_the_standard_library_stay_as_they_are(bundled):
    script = bundled({"main.py": "import hashlib\ndef main(): print(hashlib.sha1(b'Hello').hexdigest())"})
    assert script.run().out == "f7ff9e8b7bb2e09b70935a5d785e0cc5d9d0abf0\n"


def test_a_module_in_a_package_of_the_standard_library_is_not_carried(bundled):
    script = bundled({"main.py": "import xml.etree.ElementTree as tree\ndef main(): print(tree.__name__)"})
    assert script.run().out == "xml.etree.ElementTree\n"
    assert "class ElementTree" not in script.text


def test_a_module_can_be_imported(bundled):
    assert_says_hello(
        bundled, {"main.py": "import app.words\ndef main(): print(app.words.x)", "words.py": "x = 'Hello'"}
    )


def test_a_package_can_be_imported(bundled):
    files = {"main.py": "import app.words\ndef main(): print(app.words.x)", "words/__init__.py": "x = 'Hello'"}
    assert_says_hello(bundled, files)


def test_a_module_of_a_package_can_be_imported(bundled):
    files = {"words/__init__.py": "", "words/greeting.py": "x = 'Hello'"}
    assert_says_hello(
        bundled, files | {"main.py": "import app.words.greeting\ndef main(): print(app.words.greeting.x)"}
    )


def test_a_value_can_be_imported_from_a_module(bundled):
    assert_says_hello(bundled, {"main.py": "from app.words import x\ndef main(): print(x)", "words.py": "x = 'Hello'"})


def test_several_values_can_be_imported_from_a_module(bundled):
    main = "from app.words import x, show\ndef main(): show(x)"
    assert_says_hello(bundled, {"main.py": main, "words.py": "x = 'Hello'\nshow = print"})


def test_a_module_can_be_imported_from_a_package(bundled):
    main = "from app.words import greeting\ndef main(): print(greeting.x)"
    assert_says_hello(bundled, {"main.py": main, "words/greeting.py": "x = 'Hello'"})


def test_several_modules_can_be_imported_from_a_package(bundled):
    main = "from app.words import greeting, printer\ndef main(): printer.show(greeting.x)"
    files = {"words/__init__.py": "", "words/greeting.py": "x = 'Hello'", "words/printer.py": "show = print"}
    assert_says_hello(bundled, files | {"main.py": main})


def test_imports_of_imported_modules_are_followed(bundled):
    files = {"words/__init__.py": "from app.words.english import x", "words/english.py": "x = 'Hello'"}
    assert_says_hello(bundled, files | {"main.py": "from app import words\ndef main(): print(words.x)"})


def test_circular_imports_end(bundled):
    files = {"one.py": "import app.two\nx = 'Hello'", "two.py": "import app.one\ndef show(): print(app.one.x)"}
    assert_says_hello(bundled, files | {"main.py": "from app import one, two\ndef main(): two.show()"})


@pytest.mark.parametrize(
    "files",
    [
        {
            "words/__init__.py": "",
            "words/greeting.py": "from . import texts\nx = texts.x",
            "words/texts.py": "x = 'Hello'",
        },
        {"words/__init__.py": "from . import greeting", "words/greeting.py": "x = 'Hello'"},
        {
            "words/__init__.py": "",
            "words/greeting/__init__.py": "from ..texts import x",
            "words/texts.py": "x = 'Hello'",
        },
        {"words/__init__.py": "", "words/greeting.py": "from .texts import x", "words/texts.py": "x = 'Hello'"},
        {"words/__init__.py": "from .greeting import x", "words/greeting.py": "x = 'Hello'"},
    ],
    ids=["one dot", "one dot in init", "two dots", "a name after the dot", "a name after the dot in init"],
)
def test_relative_imports_are_followed(bundled, files):
    assert_says_hello(bundled, files | {"main.py": "from app.words import greeting\ndef main(): print(greeting.x)"})


def test_the_init_of_a_package_runs_though_nobody_imports_it_by_name(bundled):
    files = {"words/__init__.py": "print('Hello')", "words/other.py": ""}
    assert_says_hello(bundled, files | {"main.py": "def main(): from app.words import other"})


def test_a_value_is_found_under_another_name(bundled):
    main = "from app.words import x as y\ndef main(): print(y)"
    assert_says_hello(bundled, {"main.py": main, "words.py": "x = 'Hello'"})


def test_a_module_is_found_under_another_name(bundled):
    main = "from app.words import greeting as g\ndef main(): print(g.x)"
    assert_says_hello(bundled, {"main.py": main, "words/__init__.py": "", "words/greeting.py": "x = 'Hello'"})


def test_the_path_of_an_interpreter_does_not_change_the_bundle(project, tmp_path):
    """Stickytape can look along it; ours never does, for what lies there is not the package's."""
    folder = project({"main.py": "from app.words import x\ndef main(): print(x)", "words.py": "x = 'Hello'"})
    elsewhere = tmp_path / "elsewhere" / "app"
    elsewhere.mkdir(parents=True)
    (elsewhere / "words.py").write_text("x = 'the wrong one'")
    environment = {"PYTHONPATH": f"{elsewhere.parent}:."}
    subprocess.run([sys.executable, "bundle.py", "--project", str(folder)], env=environment, check=True)
    assert "the wrong one" not in (folder / "build" / "kernel.py").read_text()


def test_a_first_line_for_the_shell_stays_as_it_is(bundled):
    first = "#!/usr/bin/env -S python -u\n"
    script = bundled({"main.py": f"{first}def main(): print('Hello')"})
    assert first in script.text
    assert script.run().out == "Hello\n"


def test_triple_quotes_in_a_module_arrive(bundled):
    main = "from app.words import a, b\ndef main(): print('Hello', a, b)"
    script = bundled({"main.py": main, "words.py": "a = \"'''\"\nb = '\"\"\"'"})
    assert script.run().out == "Hello ''' \"\"\"\n"


def test_a_module_that_is_imported_by_a_made_up_name_is_carried(bundled):
    main = "import importlib\ndef main(): print(importlib.import_module('.'.join(['app', 'words'])).x)"
    assert_says_hello(bundled, {"main.py": main, "words.py": "x = 'Hello'"})
