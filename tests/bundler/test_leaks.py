"""No key and no personal path leaves with a bundle."""

import pytest

from bundler.build import build
from bundler.errors import BundleError
from bundler.leaks import find_leaks
from bundler.project import read_project
from bundler.sources import CarriedFile

SECRETS = [
    "-----BEGIN RSA PRIVATE KEY-----",
    '{"username": "somebody", "key": "0123456789abcdef0123456789abcdef"}',
    "KGAT_" + "0123456789abcdef" * 2,
    'os.environ["KAGGLE_KEY"] = "0123456789abcdef0123456789abcdef"',
    'os.environ.setdefault("KAGGLE_KEY", "0123456789abcdef0123456789abcdef")',
    "kaggle_key=0123456789abcdef0123456789abcdef",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghp_" + "a1B2" * 9,
    "hf_" + "a1B2" * 9,
    "AIza" + "a1B2c" * 7,
    "sk-" + "a1B2" * 10,
    "xoxb-" + "1234567890-abc",
    'PASSWORD = "correct horse"'.replace(" horse", "-horse"),
    'password: str = "correct-horse"',
    'os.environ["WANDB_API_KEY"] = "0123456789"',
    "DATA = '/home/somebody/data'",
    "DATA = '/Users/somebody/data'",
    "/root/.kaggle",
    r"C:\Users\somebody",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_an_error_with_its_place(project, text):
    with pytest.raises(BundleError, match=r"^app/notes\.txt:2: .* must not leave this machine"):
        build(read_project(project({"main.py": "def main(): ...", "notes.txt": f"first\n{text}\n"})))


@pytest.mark.parametrize("text", SECRETS)
def test_a_line_that_says_so_is_let_through(text):
    assert not list(find_leaks(CarriedFile("app/x.py", f"{text}  # bundle: no secret\n".encode())))


@pytest.mark.parametrize(
    "text",
    [
        "folder = '/kaggle/working'",
        "key = sorted(rows, key=len)",
        "password = ''",
        "sha256 = '" + "0" * 64 + "'",
        "the task-sk-level of it",
        "path = home / 'home' / 'data'",
        "secret = read_secret()",
        "password: str = ''",
        "kaggle_key = sha256('0123456789abcdef0123456789abcdef0123')",
    ],
)
def test_harmless_lines_pass(text):
    assert not list(find_leaks(CarriedFile("app/x.py", text.encode())))


def test_a_secret_is_not_repeated_in_the_message():
    [message] = find_leaks(CarriedFile("app/x.py", ("AKIA" + "ABCDEFGHIJKLMNOP").encode()))
    assert "MNOP" not in message


def test_kernel_toml_is_searched_too(project):
    files = {"main.py": "def main(): import app.kernel_toml", "kernel_toml.py": ""}
    with pytest.raises(BundleError, match=r"app/kernel_toml\.py:.*; take it out of kernel\.toml$"):
        build(read_project(project(files, toml='[data]\nfolder = "/home/somebody/data"\n')))
