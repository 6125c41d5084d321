"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version


def version_number() -> str:
    """Of the installed package."""
    try:
        return version("tts")
    except PackageNotFoundError:
        return "(not installed)"
