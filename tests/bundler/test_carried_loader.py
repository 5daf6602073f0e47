"""The loader that stands at the top of each script; the rest of it is shown by the scripts that run."""

import pytest

from bundler.loader import CarriedFiles, CarriedFolder


@pytest.fixture
def carried() -> CarriedFiles:
    files = CarriedFiles("/kernel.py")
    files.add("app/__init__.py", "\n")
    files.add("app/words.py", "\nx = 1\n")
    files.add("app/sub/labels.txt", "\nKäse\n")
    files.add_base64("app/sub/table.bin", "AAEC\n/w==\n")
    return files


def test_modules_packages_and_folders_are_found_and_nothing_else(carried):
    assert carried.find_spec("app.words").origin == "/kernel.py/app/words.py"
    assert carried.find_spec("app").submodule_search_locations == ["/kernel.py/app"]
    assert carried.find_spec("app.sub").submodule_search_locations == ["/kernel.py/app/sub"]
    assert carried.find_spec("app.nothing") is None
    assert carried.find_spec("words") is None


def test_a_module_comes_before_a_folder_of_its_name(carried):
    carried.add("app/words/list.txt", "\none")
    assert carried.find_spec("app.words").origin == "/kernel.py/app/words.py"


def test_data_files_are_read_as_text_and_as_bytes(carried):
    folder = carried.find_spec("app").loader.files() / "sub"
    assert (folder / "labels.txt").read_text(encoding="utf-8") == "Käse\n"
    with (folder / "labels.txt").open(encoding="utf-8") as file:
        assert list(file) == ["Käse\n"]
    assert folder.joinpath("table.bin").read_bytes() == b"\x00\x01\x02\xff"
    assert str(folder / "table.bin") == "/kernel.py/app/sub/table.bin"


def test_what_is_not_there_is_an_error(carried):
    loader = carried.find_spec("app").loader
    with pytest.raises(FileNotFoundError, match="no such file in this script"):
        loader.get_data("/kernel.py/app/nothing.txt")
    with pytest.raises(FileNotFoundError):
        (loader.files() / "nothing.txt").read_bytes()
    assert not (loader.files() / "nothing.txt").is_file()
    for path in ("/kernel.py/elsewhere", "app"):
        with pytest.raises(ImportError, match="is no carried folder"):
            CarriedFolder(carried, path)


def test_folders_list_what_lies_in_them(carried):
    names = [path.name for path in carried.find_spec("app").loader.files().iterdir()]
    assert sorted(names) == ["__init__.py", "sub", "words.py"]
    listed = list(CarriedFolder(carried, "/kernel.py/app").iter_modules("app."))
    assert listed == [("app.sub", True), ("app.words", False)]
