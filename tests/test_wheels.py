"""The wheels, installed and used in an environment of their own: the code alone, then with weights.

`make slow` runs it. What the code depends on is not downloaded: the environment sees the packages
of the one that runs the test, without the checkout that is installed there.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import soundfile as sf

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
TEXT = "The birch canoe slid on the smooth planks."


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels by the name of their project, built from a copy of what they are made of."""
    source = tmp_path_factory.mktemp("source")
    skipped = shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info", "tests")
    for name in ("tts", "codecs", "configs", "checkpoints", "demo"):
        shutil.copytree(ROOT / name, source / name, ignore=skipped)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    built = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(built)]
    done = subprocess.run(
        [*command, str(source), str(source / "checkpoints")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {path.name.split("-")[0]: path for path in built.glob("*.whl")}


class Clean:
    """An environment that holds the packages of this one, but not the project."""

    def __init__(self, folder: Path):
        self.folder = folder
        venv.create(folder, with_pip=False, symlinks=True)
        purelib = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.site = folder / "lib" / purelib / "site-packages"
        # A path file of another environment is not read there, so the checkout does not come along.
        (self.site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def install(self, wheel: Path) -> None:
        """Install a wheel without what it depends on."""
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(self.folder / "bin/python"), "install",
             "-q", "--no-deps", "--force-reinstall", str(wheel)], capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command `tts`, away from the checkout and the user's folders."""
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in ("PYTHONPATH", "PYTHONHOME", "TTS_HOME", "XDG_DATA_HOME")
        }
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return subprocess.run(
            [str(self.folder / "bin" / "tts"), *arguments],
            capture_output=True,
            text=True,
            cwd=home,
            timeout=600,
            env=environment | {"HOME": str(home)},
        )


def test_code_alone_and_with_weights(wheels: dict[str, Path], tmp_path: Path) -> None:
    assert set(wheels) == {"tts", "tts_weights"}
    assert wheels["tts"].stat().st_size < 5_000_000 < wheels["tts_weights"].stat().st_size
    clean = Clean(tmp_path / "clean")
    clean.install(wheels["tts"])

    # The code alone: lists and help are there, speaking is one clear error and leaves no file.
    assert clean.run("--version").stdout.startswith("tts ")
    listed = clean.run("models")
    assert listed.returncode == 0 and "default" in listed.stdout, listed.stderr
    assert "the weights are not installed: pip install" in listed.stderr
    assert clean.run("voices").returncode == 0
    out = tmp_path / "out.wav"
    for command in (["synthesize", TEXT, "-o", str(out)], ["doctor"], ["demo"]):
        refused = clean.run(*command)
        assert refused.returncode == 1, command
        assert "the weights are not installed: pip install" in refused.stderr, command
        assert len(refused.stderr.strip().splitlines()) == 1 and not out.exists(), command

    # With the weights it speaks, from the installed files.
    clean.install(wheels["tts_weights"])
    spoken = clean.run("synthesize", TEXT, "-o", str(out), "--seed", "1")
    assert spoken.returncode == 0, spoken.stderr
    assert 1 < sf.info(out).duration < 10
    assert str(clean.site) in clean.run("doctor").stdout

    # A file of weights that was changed since is refused.
    path = clean.site / "tts_weights" / "flow" / "model.safetensors"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    refused = clean.run("synthesize", TEXT, "-o", str(tmp_path / "other.wav"))
    assert refused.returncode == 1 and "checksum" in refused.stderr
    assert not (tmp_path / "other.wav").exists()
