"""Writes docs/schemas: of the YAML configuration, and of every JSON file that a run leaves."""

from pathlib import Path

from sezoo.base.files import write_json
from sezoo.config.schema import configuration_schema
from sezoo.results.run_results import FILES

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"


def main() -> None:
    """Write all of them."""
    write_json(FOLDER / "configuration.schema.json", configuration_schema())
    for kind in FILES:
        write_json(FOLDER / kind.schema_name(), kind.schema())


if __name__ == "__main__":
    main()
