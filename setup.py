"""Packages and their data; everything else is in pyproject.toml.

`configs/` lies at the top of the source tree and becomes a folder of the package `tts` in a wheel,
where tts.resources finds it. The weights are a wheel of their own: `checkpoints/pyproject.toml`.
"""

from setuptools import find_namespace_packages, find_packages, setup

setup(
    packages=[
        *find_packages(".", include=["tts", "tts.*"]),
        *find_packages("codecs", include=["tts_codecs", "tts_codecs.*"]),
        "tts_demo",
        "tts.configs",
        *(f"tts.configs.{sub}" for sub in find_namespace_packages("configs")),
    ],
    package_dir={
        "tts": "tts",
        "tts_codecs": "codecs/tts_codecs",
        "tts_demo": "demo/tts_demo",
        "tts.configs": "configs",
    },
    package_data={
        "": ["*.yaml", "scores/*.json", "*.md", "*.css", "*.js", "*.tsv", "LICENSE", "py.typed"]
    },
)
