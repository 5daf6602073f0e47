"""What bundling itself does and refuses. Each test is a row of the table in docs/bundling.md."""

import os
import time

import pytest

HELLO = {"main.py": "from app.words import x\ndef main(): print(x)", "words.py": "x = 'Hello'\n"}


def test_a_module_that_is_missing_is_an_error_at_bundling(bundled):
    with pytest.raises(Exception, match=r"app\.nothing"):
        bundled({"main.py": "def main(): import app.nothing"})


def test_a_syntax_error_is_an_error_at_bundling(bundled):
    with pytest.raises(Exception, match="never closed"):
        bundled({"main.py": "def main(): import app.broken", "broken.py": "x = ("})


def test_a_package_that_the_image_lacks_is_an_error_at_bundling(bundled):
    with pytest.raises(Exception, match="zict"):
        bundled({"main.py": "import zict\ndef main(): ..."})


def test_a_key_in_the_sources_is_an_error_at_bundling(bundled):
    with pytest.raises(Exception, match="AWS key"):
        bundled({"main.py": f"KEY = 'AKIA{'A' * 16}'\ndef main(): ..."})


def test_the_same_sources_give_the_same_bytes_at_any_time(bundled, project, monkeypatch):
    first = bundled(HELLO).path.read_bytes()
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    for path in project(HELLO).rglob("*"):
        os.utime(path, (later, later))
    assert bundled(HELLO).path.read_bytes() == first


def test_modules_stand_in_it_as_they_were_written(bundled):
    script = bundled({"main.py": 'def main():\n    """Doc."""\n    print("a\\tb")  # a remark\n'})
    assert 'def main():\n    """Doc."""\n    print("a\\tb")  # a remark\n' in script.text


def test_the_kaggle_client_can_read_it_as_text(bundled):
    compile(bundled(HELLO).text, "kernel.py", "exec")
