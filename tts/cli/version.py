"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version


def version_number() -> str:
    """The version of the installed package, or "(not installed)"."""
    try:
        return version("tts")
    except PackageNotFoundError:
        return "(not installed)"
