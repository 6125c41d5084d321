"""The manual page of the command, from the same texts as `--help`."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import typer

from tts.cli.version import version_number


def _plain(text: str) -> str:
    """Escape text for roff, with `code` in bold."""
    text = " ".join(text.replace("\b", "").split())
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text)
    return re.sub(r"^(['.])", r"\\&\1", text)


def _paragraphs(text: str) -> Iterator[str]:
    for part in re.split(r"\n\s*\n", text.strip()):
        yield ".PP\n" + _plain(part)


def _commands(command: Any, path: str, context: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each visible command with its path, depth first."""
    for name, each in sorted(getattr(command, "commands", {}).items()):
        if each.hidden:
            continue
        inner = type(context)(each, info_name=name, parent=context)
        yield f"{path} {name}", each, inner
        yield from _commands(each, f"{path} {name}", inner)


def _option(parameter: Any, context: Any) -> str:
    found = parameter.get_help_record(context)
    if found is None:
        return ""
    name, said = found
    return f".TP\n\\fB{_plain(name)}\\fR\n{_plain(said) or name}"


def manual_page(command: Any, version: str, day: date | None = None) -> str:
    """Make the manual page in roff, for section 1.

    Args:
        command: the click command of all of `tts`.
        day: in its foot; none is shown without.
    """
    context = typer.Context(command, info_name="tts", **command.context_settings)
    lines = [
        f'.TH TTS 1 "{day or ""}" "tts {version}" "User Commands"', ".SH NAME",
        f"tts \\- {_plain((command.help or '').rstrip('.'))}", ".SH SYNOPSIS",
        "\\fBtts\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGS\\fR]...", ".SH OPTIONS",
        *(_option(each, context) for each in command.get_params(context)), ".SH COMMANDS",
    ]  # fmt: skip
    for path, each, inner in _commands(command, "tts", context):
        usage = " ".join(each.collect_usage_pieces(inner))
        lines += [f".SS {_plain(path)}", f"\\fB{_plain(path)}\\fR {_plain(usage)}"]
        lines += _paragraphs(each.help or "")
        lines += [_option(p, inner) for p in each.get_params(inner) if p.name != "help"]
    if command.epilog:
        lines += [".SH EXAMPLES"]
        for part in re.split(r"\n\s*\n", command.epilog.strip())[1:]:
            lines += [".PP", f"\\fB{_plain(part)}\\fR"]
    lines += [
        ".SH EXIT STATUS",
        "0 done, 1 failed, 2 wrong usage, 130 Ctrl\\-C, 141 the reader closed the pipe, "
        "143 terminated.",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def man(context: typer.Context) -> None:
    """Print the manual page: `tts man > tts.1`, then `man ./tts.1`."""
    from tts.cli.common import show

    show(manual_page(context.find_root().command, version_number()).removesuffix("\n"))
