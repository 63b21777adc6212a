"""`python -m sezoo`."""

from sezoo.cli.main import main

if __name__ == "__main__":
    main(command="python -m sezoo")
