"""Models by address: several processes that fetch one at the same time."""

import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tts import bundle
from tts.errors import CheckpointError

URL = "https://x.example/m.zip#sha256=" + "a" * 64


@pytest.mark.parametrize("late", ["before unpacking", "after unpacking"])
def test_the_slower_of_two_finds_the_model_of_the_faster(
    late: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    both, unpack, done = threading.Barrier(2), bundle.unpack, threading.Event()
    archive = tmp_path / "m.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("model.yaml", "name: x\n")

    def fetch(*given: object, **more: object) -> Path:
        both.wait(10)
        return archive

    def unpacking(source: Path, folder: Path) -> None:
        slower = threading.current_thread().name.endswith("_1")
        if slower and late == "before unpacking":
            done.wait(10)
        try:
            unpack(source, folder)
        finally:  # one may fail, where the other was faster by a hair
            if late == "after unpacking":
                both.wait(10)

    def one(_: int) -> Path:
        found = bundle.fetch_bundle(URL)
        done.set()
        return found

    monkeypatch.setattr(bundle, "fetch", fetch)
    monkeypatch.setattr(bundle, "unpack", unpacking)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, range(2))
    assert first == second and (first / "model.yaml").is_file()


def test_an_archive_that_is_lost_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(bundle, "fetch", lambda *given, **more: tmp_path / "none.zip")
    with pytest.raises(CheckpointError, match="unpacked"):
        bundle.fetch_bundle(URL)
