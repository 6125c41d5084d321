"""`python -m tts`."""

from tts.cli.main import main

if __name__ == "__main__":
    main()
