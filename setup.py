"""Packages and their data; everything else is in pyproject.toml.

`configs/` and `checkpoints/` lie at the top of the source tree and become folders of the package
`tts` in a wheel, where tts.resources finds them.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(".", include=["tts", "tts.*"]),
        *find_packages("codecs", include=["tts_codecs", "tts_codecs.*"]),
        "tts.configs",
        "tts.checkpoints",
    ],
    package_dir={
        "tts": "tts",
        "tts_codecs": "codecs/tts_codecs",
        "tts.configs": "configs",
        "tts.checkpoints": "checkpoints",
    },
    package_data={
        "tts.configs": ["**/*.yaml"],
        "tts.checkpoints": ["**/*.safetensors", "**/*.yaml", "**/*.json", "**/*.md", "**/LICENSE"],
    },
)
