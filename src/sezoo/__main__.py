"""`python -m sezoo`."""

from sezoo.cli import main

if __name__ == "__main__":
    main(command="python -m sezoo")
