"""Packages and their data; everything else is in pyproject.toml.

`configs/` and `checkpoints/` lie at the top of the source tree and become folders of the package
`tts` in a wheel, where tts.resources finds them.
"""

from setuptools import find_namespace_packages, find_packages, setup

DATA = ("configs", "checkpoints")

setup(
    packages=[
        *find_packages(".", include=["tts", "tts.*"]),
        *find_packages("codecs", include=["tts_codecs", "tts_codecs.*"]),
        "tts_demo",
        *(f"tts.{folder}" for folder in DATA),
        *(f"tts.{folder}.{sub}" for folder in DATA for sub in find_namespace_packages(folder)),
    ],
    package_dir={
        "tts": "tts",
        "tts_codecs": "codecs/tts_codecs",
        "tts_demo": "demo/tts_demo",
        **{f"tts.{folder}": folder for folder in DATA},
    },
    package_data={
        "": ["*.yaml", "*.safetensors", "*.json", "*.md", "*.css", "*.js", "LICENSE", "py.typed"]
    },
)
