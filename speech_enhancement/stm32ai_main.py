"""The model zoo's command since version 3.1, run from this folder: `python stm32ai_main.py [SECTION.KEY=VALUE ...]`."""

from pathlib import Path

from sezoo.cli.main import main

if __name__ == "__main__":
    main(config_folder=Path(__file__).parent, command="python stm32ai_main.py")
