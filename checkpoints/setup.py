"""Every folder here as a package of data; everything else is in pyproject.toml."""

from setuptools import find_namespace_packages, setup

FOLDERS = [
    folder
    for folder in find_namespace_packages(".")
    if folder.split(".")[0] not in ("build", "dist") and not folder.endswith("egg-info")
]

setup(
    packages=[f"tts_weights.{folder}" for folder in FOLDERS],
    package_dir={"tts_weights": "."},
    package_data={"": ["*.safetensors", "*.yaml", "*.json", "*.md", "LICENSE"]},
)
