"""The script as a person reads it."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.build import build
from bundler.project import read_project
from bundler.script import literal, loader_text

HELLO = {"main.py": '"""What it is."""\n\n\ndef main():\n    print("Hello")\n'}


def script_of(folder) -> str:
    return build(read_project(folder)).outputs["kernel.py"].decode()


@given(st.text(st.one_of(st.sampled_from("'\\\"\n\r\x00a"), st.characters())))
def test_any_text_comes_out_of_its_literal_again(text):
    assert ast.literal_eval(literal(text)) == text


@given(st.text(st.characters(blacklist_characters="'\\\r\0", blacklist_categories=["Cs"]), min_size=1))
def test_a_text_without_quotes_stands_in_its_literal_unchanged(text):
    assert literal(text) == f"r'''{text}'''"


def test_each_file_stands_as_it_was_written_under_its_heading(project):
    script = script_of(project({**HELLO, "labels.txt": "Bark\nMeow\n"}))
    module, data = "# ===== app.main: app/main.py ".ljust(64, "="), "# ===== data: app/labels.txt ".ljust(64, "=")
    assert f"\n{module}\ncarried.add('app/main.py', r'''\n{HELLO['main.py']}''')\n" in script
    assert f"\n{data}\ncarried.add('app/labels.txt', r'''\nBark\nMeow\n''')\n" in script


def test_the_loader_stands_in_it_word_for_word(project):
    assert loader_text() in script_of(project(HELLO))


def test_modules_stand_in_the_order_in_which_a_person_reads_them(project):
    files = {
        "main.py": "from app import first, second\ndef main(): ...",
        "second.py": "",
        "first.py": "import app.deep",
    }
    bundle = build(read_project(project({**files, "deep.py": "", "a.txt": "data"})))
    assert [file.path for file in bundle.files] == [
        "app/__init__.py", "app/main.py", "app/first.py", "app/deep.py", "app/second.py", "app/a.txt",
    ]  # fmt: skip


def test_the_header_says_what_it_is_how_to_rebuild_it_and_under_which_licence(project):
    licence = "MIT License\n\nCopyright (c) 2026 Somebody\n\nPermission is hereby granted\n"
    script = script_of(project(HELLO, LICENSE=licence))
    header = script.partition("\n\n")[0]
    assert header.startswith(
        "# Tiny kernel\n#\n# One script, made of the package app and kernel.toml by `python bundle.py`"
    )
    assert "# Sources: 2 files, sha256 " in header
    assert "# Licence: MIT License. Copyright (c) 2026 Somebody\n" in header
    assert "# In this order: __init__.py, main.py" in header


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_licence_as_windows_writes_it_is_read(project, encoding):
    licence = "MIT License\r\n\r\nCopyright (c) 2026 Somebody\r\n".encode(encoding)
    assert "\n# Licence: MIT License. Copyright (c) 2026 Somebody\n" in script_of(project(HELLO, LICENSE=licence))


@pytest.mark.parametrize("title", ["Sparse coding: latin-1", "Sparse coding: audio"])
def test_a_title_is_not_taken_for_the_encoding_of_the_script(bundled, title):
    slug = title.lower().replace(": ", "-").replace(" ", "-")
    toml = f'[kernel]\nid = "me/{slug}"\ntitle = "{title}"\nentry = "app.main:main"\npackage = "app"\n'
    script = bundled({"main.py": "def main(): print(ascii('ä'))"}, **{"kernel.toml": toml})
    assert script.run().out == "'\\xe4'\n"


def test_what_cannot_be_printed_does_not_get_into_the_header(project):
    script = script_of(project(HELLO, LICENSE="MIT\0 License\n"))
    assert "\n# Licence: MIT? License\n" in script


def test_without_a_licence_file_the_header_claims_none(project):
    assert "Licence" not in script_of(project(HELLO)).partition("\n\n")[0]


def test_the_script_costs_little_beside_its_sources(project):
    files = {f"m{i}.py": "\n".join(f"x{j} = {j}" for j in range(300)) for i in range(40)}
    bundle = build(read_project(project({**HELLO, **files})))
    sources = sum(len(file.content) for file in bundle.files)
    assert len(bundle.outputs["kernel.py"]) < 1.2 * sources
