"""The command `tts`, also as `python -m tts`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C is quiet while it is still being imported, too."""
    try:
        from tts.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("tts: interrupted\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
