"""The package and the shipped weights of codecs, which lie beside it at the top of the source tree.

Everything else is in pyproject.toml. In a wheel the weights become folders of the package, where
tts_codecs.registry finds them.
"""

from pathlib import Path

from setuptools import find_packages, setup

SHIPPED = ("rvq", "spectral", "vocoder", "vocoder_24k")
CHECKPOINTS = Path("..", "checkpoints")

setup(
    packages=[
        *find_packages(".", include=["tts_codecs", "tts_codecs.*"]),
        *(f"tts_codecs.checkpoints.{name}" for name in SHIPPED),
    ],
    package_dir={
        "tts_codecs": "tts_codecs",
        **{f"tts_codecs.checkpoints.{name}": str(CHECKPOINTS / name) for name in SHIPPED},
    },
    package_data={"": ["*.yaml", "*.safetensors", "*.md", "py.typed"]},
)
