"""The script behaves like the package. Each test is a row of the table in docs/bundling.md."""

import shutil
import signal
import subprocess
import tempfile

import pytest

pytestmark = pytest.mark.usefixtures("python")  # each of them on every Python

WORKER = """
    def late_square(x):
        from app import late
        return late.square(x)
"""
LATE = """
    def square(x):
        return x * x
"""


def pool_main(method: str) -> str:
    return f"""
    import multiprocessing
    from app.worker import late_square

    def main():
        with multiprocessing.get_context("{method}").Pool(2) as pool:
            print(pool.map(late_square, range(10)))
    """


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_pool_import_late(bundled, method):
    script = bundled({"main.py": pool_main(method), "worker.py": WORKER, "late.py": LATE})
    assert script.run().out == "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\n"


def test_a_child_that_leaves_through_os_fork_takes_nothing_away(bundled):
    script = bundled(
        {
            "late.py": LATE,
            "main.py": """
        import os, sys

        def main():
            child = os.fork()
            if child == 0:
                sys.exit(0)
            os.waitpid(child, 0)
            from app.late import square
            print(square(3))
    """,
        }
    )
    assert script.run().out == "9\n"


def test_a_thread_that_outlives_the_entry_imports_late(bundled):
    script = bundled(
        {
            "late.py": LATE,
            "main.py": """
        import threading, time

        def work():
            threading.main_thread().join()
            from app.late import square
            print(square(4))

        def main():
            threading.Thread(target=work).start()
    """,
        }
    )
    assert script.run().out == "16\n"


def test_an_exit_handler_imports_late(bundled):
    script = bundled(
        {
            "late.py": LATE,
            "main.py": """
        import atexit

        def work():
            from app.late import square
            print(square(5))

        def main():
            atexit.register(work)
    """,
        }
    )
    assert script.run().out == "25\n"


def test_objects_of_its_classes_are_pickled_to_other_processes_and_back(bundled):
    script = bundled(
        {
            "shapes.py": """
        from dataclasses import dataclass
        from enum import Enum

        class Colour(Enum):
            RED = 1

        @dataclass(frozen=True, slots=True)
        class Square:
            side: float
            colour: Colour = Colour.RED

            def grown(self) -> "Square":
                return Square(2 * self.side)
    """,
            "main.py": """
        import pickle
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context
        from app.shapes import Square

        def main():
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                grown = pool.submit(Square.grown, Square(2.0)).result()
            print(grown, pickle.loads(pickle.dumps(grown)) == Square(4.0))
    """,
        }
    )
    assert script.run().out == "Square(side=4.0, colour=<Colour.RED: 1>) True\n"


def test_inspect_shows_its_source(bundled):
    script = bundled(
        {
            "late.py": LATE,
            "main.py": """
        import inspect
        from app import late

        def main():
            print(inspect.getsource(late.square), end="")
            print(inspect.getsource(late).strip() == inspect.getsource(late.square).strip())
    """,
        }
    )
    assert script.run().out == "def square(x):\n    return x * x\nTrue\n"


def test_importlib_resources_reads_its_data_files(bundled):
    script = bundled(
        {
            "labels.txt": "Bark\nMeow\n",
            "data/table.bin": bytes(range(256)),
            "main.py": """
        import pkgutil
        from importlib import resources

        def main():
            files = resources.files("app")
            print(files.joinpath("labels.txt").read_text().split(), (files / "labels.txt").is_file())
            print(files.joinpath("data/table.bin").read_bytes() == bytes(range(256)))
            print(sorted(path.name for path in (files / "data").iterdir()))
            with resources.as_file(files / "labels.txt") as path:
                print(path.read_text().split())
            print(pkgutil.get_data("app", "labels.txt"))
    """,
        }
    )
    expected = ["['Bark', 'Meow'] True", "True", "['table.bin']", "['Bark', 'Meow']", r"b'Bark\nMeow\n'"]
    assert script.run().out.splitlines() == expected


def test_circular_imports_work(bundled):
    script = bundled(
        {
            "main.py": "import app.first\ndef main(): print(app.first.a())",
            "first.py": """
        import app.second
        def a(): return app.second.b() + 1
    """,
            "second.py": """
        import app.first
        def b(): return 1
    """,
        }
    )
    assert script.run().out == "2\n"


def test_each_module_has_its_own_future_imports(bundled):
    script = bundled(
        {
            "main.py": """
        \"\"\"The entry.\"\"\"
        from __future__ import annotations
        from app.plain import plain

        def main() -> NoSuchName:
            print(main.__annotations__, plain.__annotations__)
    """,
            "plain.py": "def plain(x: 1 + 1): ...",
        }
    )
    assert script.run().out == "{'return': 'NoSuchName'} {'x': 2}\n"


def test_modules_are_imported_by_names_made_at_run_time(bundled):
    script = bundled(
        {
            "plugins/__init__.py": "",
            "plugins/one.py": "x = 1",
            "plugins/two.py": "x = 2",
            "main.py": """
        import importlib, pkgutil
        import app.plugins

        def main():
            for module in pkgutil.iter_modules(app.plugins.__path__, "app.plugins."):
                print(module.name, importlib.import_module(module.name).x)
    """,
        }
    )
    assert script.run().out == "app.plugins.one 1\napp.plugins.two 2\n"


def test_modules_know_their_names_and_can_be_reloaded(bundled):
    script = bundled(
        {
            "sub/__init__.py": "",
            "sub/part.py": "count = 0",
            "main.py": """
        import importlib
        from .sub import part

        def main():
            part.count = 7
            importlib.reload(part)
            print(part.count, part.__name__, part.__package__, part.__spec__.parent)
            print(part.__file__.endswith("app/sub/part.py"), part.__spec__.origin == part.__file__)
    """,
        }
    )
    assert script.run().out == "0 app.sub.part app.sub app.sub\nTrue True\n"


def test_folders_without_init_are_packages_too(bundled):
    script = bundled({"deep/er/work.py": "x = 3", "main.py": "from app.deep.er import work\ndef main(): print(work.x)"})
    assert script.run().out == "3\n"


def test_a_missing_module_is_an_import_error_that_can_be_caught(bundled):
    script = bundled(
        {
            "main.py": """
        import importlib

        def main():
            try:
                importlib.import_module("app." + "nothing")
            except ModuleNotFoundError as error:
                print(error)
    """
        }
    )
    assert script.run().out == "No module named 'app.nothing'\n"


def test_a_package_of_the_same_name_beside_the_script_or_in_the_working_folder_is_not_taken(bundled):
    script = bundled({"late.py": LATE, "main.py": "def main():\n  from app.late import square\n  print(square(6))"})
    for folder in (script.path.parent / "app", script.home / "working" / "app"):
        folder.mkdir()
        (folder / "__init__.py").write_text("raise SystemExit('the wrong one')")
    assert script.run(python_flags=[]).out == "36\n"


def test_a_module_of_the_package_does_not_replace_an_installed_one(bundled):
    script = bundled(
        {
            "psutil.py": "raise SystemExit('the wrong one')",
            "main.py": """
        import sys
        import psutil

        def main():
            print(psutil.x)

        if __name__ == "__main__":
            sys.exit(main())
    """,
        }
    )
    (script.home / "psutil.py").write_text("x = 'the installed one'")
    assert script.run(python_flags=[], PYTHONPATH=str(script.home)).out == "the installed one\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [("return 3", 3), ("return None", 0), ("raise SystemExit(4)", 4), ("1 / 0", 1), ("import os; os._exit(5)", 5)],
)
def test_the_exit_code_is_what_the_entry_returns(bundled, body, code):
    assert bundled({"main.py": f"def main(): {body}"}).run().code == code


def test_arguments_reach_the_entry(bundled):
    assert bundled({"main.py": "import sys\ndef main(): print(sys.argv[1:])"}).run("a", "b c").out == "['a', 'b c']\n"


def test_the_text_of_the_entry_is_not_changed(bundled):
    script = bundled(
        {
            "main.py": '''
        import sys

        TEXT = """one
          two
        three"""

        def main():
            print(TEXT)

        if __name__ == "__main__":
            sys.exit(main())
    '''
        }
    )
    assert script.run().out == "one\n  two\nthree\n"


def test_future_imports_in_the_entry_work(bundled):
    script = bundled(
        {
            "main.py": """
        from __future__ import annotations
        import sys

        def main() -> NoSuchName:
            print("Hello")

        if __name__ == "__main__":
            sys.exit(main())
    """
        }
    )
    assert script.run().out == "Hello\n"


def test_relative_imports_in_the_entry_work(bundled):
    script = bundled(
        {
            "late.py": LATE,
            "main.py": """
        import sys
        from .late import square

        def main():
            print(square(2))

        if __name__ == "__main__":
            sys.exit(main())
    """,
        }
    )
    assert script.run().out == "4\n"


HARD_TEXTS = [
    "x = '''three'''",
    'x = """three"""',
    "x = '''three''' \"\"\"three\"\"\"",
    r"x = '\\n\'' r'\d'",
    "x = 'Käse 🧀'",
    "x = 1\r\ny = 2\r\n",
    "x = 'tab\there'  # and a form feed: \x0c",
    "x = 1  # ends with a backslash \\",
    "x = 'ends with a quote'",
]


def test_texts_that_are_hard_to_carry_arrive_unchanged(bundled):
    files = {f"odd{number}.py": text.encode() for number, text in enumerate(HARD_TEXTS)}
    script = bundled(
        {
            **files,
            "main.py": """
        import importlib

        def main():
            for number in range(9):
                print(ascii(importlib.import_module(f"app.odd{number}").x))
    """,
        }
    )
    scopes = [{} for _ in HARD_TEXTS]
    for text, scope in zip(HARD_TEXTS, scopes, strict=True):
        exec(text, scope)
    assert script.run().out.splitlines() == [ascii(scope["x"]) for scope in scopes]


def test_a_text_in_another_encoding_arrives_unchanged(bundled):
    text = "# coding: latin-1\nx = 'Käse'\n"
    script = bundled(
        {"odd.py": text.encode("latin-1"), "main.py": "import app.odd\ndef main(): print(ascii(app.odd.x))"}
    )
    assert script.run().out == "'K\\xe4se'\n"


BOOM = """
    def boom():
        raise ValueError("boom")  # the line that failed
"""


def assert_shows_source(err: str) -> None:
    assert 'app/work.py", line 3, in boom\n    raise ValueError("boom")  # the line that failed\n' in err
    assert "ValueError: boom" in err


def test_an_uncaught_error_shows_path_line_and_source(bundled):
    script = bundled({"work.py": BOOM, "main.py": "from app.work import boom\ndef main(): boom()"})
    assert_shows_source(script.run().err)


def test_an_error_in_a_thread_shows_its_source(bundled):
    script = bundled(
        {
            "work.py": BOOM,
            "main.py": """
        import threading
        from app.work import boom

        def main():
            threading.Thread(target=boom, name="my-thread").start()
    """,
        }
    )
    outcome = script.run()
    assert_shows_source(outcome.err)
    assert "Exception in thread my-thread" in outcome.err


def test_an_error_in_a_spawned_worker_shows_its_source(bundled):
    script = bundled(
        {
            "work.py": BOOM,
            "main.py": """
        import multiprocessing
        from app.work import boom

        def main():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(boom)
    """,
        }
    )
    assert_shows_source(script.run().err)


def test_an_error_that_nobody_can_catch_shows_its_source(bundled):
    script = bundled(
        {
            "work.py": BOOM,
            "main.py": """
        import atexit
        from app.work import boom

        class Closing:
            def __del__(self):
                boom()

        def main():
            Closing()
            atexit.register(boom)
    """,
        }
    )
    outcome = script.run()
    assert_shows_source(outcome.err)
    assert outcome.err.count("# the line that failed") == 2


def test_an_error_while_a_module_is_imported_shows_no_lines_of_the_loader(bundled):
    script = bundled({"main.py": "def main():\n    import app.broken", "broken.py": "x = 1\n1 / 0  # here\n"})
    err = script.run().err
    assert 'app/broken.py", line 2, in <module>\n    1 / 0  # here\n' in err
    assert "importlib" not in err
    assert err.count("  File ") == 3


def test_a_warning_shows_its_source(bundled):
    script = bundled({"main.py": "import warnings\ndef main():\n    warnings.warn('careful')  # this line"})
    assert "app/main.py:3: UserWarning: careful\n  warnings.warn('careful')  # this line\n" in script.run().err


def test_it_runs_where_no_byte_can_be_written_to_disk(bundled):
    script = bundled({"late.py": LATE, "main.py": "from app.late import square\ndef main(): print(square(7))"})
    process = script.start(no_disk=True)
    assert process.communicate(timeout=60)[0] == "49\n"


READ_ONLY = """
for folder in "$1" /var/tmp; do mount -o bind,ro "$folder" "$folder" && ! touch "$folder/x" 2>&- || exit 99; done
shift; cd "$PWD" && exec "$@"
"""


@pytest.mark.root
def test_it_runs_where_every_temporary_folder_is_read_only(bundled):
    unshare = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", tempfile.gettempdir()]
    script = bundled({"late.py": LATE, "main.py": "from app.late import square\ndef main(): print(square(8))"})
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root can make a folder read-only for one process")
    assert script.run(before=unshare).out == "64\n"


def test_nothing_is_left_behind_however_it_ends(bundled):
    script = bundled(
        {
            "late.py": LATE,
            "main.py": """
        import os, sys, time
        from app import late

        def main():
            if sys.argv[1] == "leave":
                os._exit(0)
            print("ready", flush=True)
            while sys.argv[1] == "wait":
                time.sleep(0.1)
    """,
        }
    )
    assert script.run("return").left == []
    assert script.run("leave").left == []
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with script.start("wait") as process:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal_number)
        assert script.files_left() == []


def test_a_person_can_read_search_and_patch_it(bundled):
    script = bundled({"main.py": "from app.late import square\ndef main(): print(square(3))", "late.py": LATE})
    assert "    return x * x\n" in script.text
    script.path.write_text(script.text.replace("    return x * x\n", "    return x * x + 1\n"))
    assert script.run().out == "10\n"


def test_it_runs_without_an_environment_and_without_a_warning(bundled):
    script = bundled({"main.py": "def main(): print('Hello')"})
    outcome = script.run(python_flags=["-I", "-b", "-W", "error", "-X", "dev"], PATH="", HOME="", TMPDIR="")
    assert (outcome.out, outcome.err) == ("Hello\n", "")
