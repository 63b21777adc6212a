"""`sezoo zoo`.

The models that come with sezoo: a table of them, the card of one, or a copy of
its files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.cli.output import print_json, print_results
from sezoo.cli.parser import Parser, add_json
from sezoo.zoo import ZooModel, copy_model, names_of_models, zoo_model, zoo_models

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add(
        "what", nargs="?", default="list", choices=("list", "show", "get"), metavar="list|show|get",
        help="list all models, show the card of one, or copy its files: float, int8, card, YAML (default: list)",
    )  # fmt: skip
    name = add("name", nargs="?", metavar="NAME", help="name of the model")
    name.known = names_of_models()  # for the shell's completion; what else is asked for has a message of its own
    add("-o", "--output", type=Path, metavar="DIR", help="with get: destination folder (default: NAME)")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """List, show or copy."""
    what, name = options.what, options.name
    if what == "list":
        if name is not None:
            raise UserError(f"{name}: unexpected argument; sezoo zoo show {name} shows its card")
        models = zoo_models()
        print_json({model.name: _facts(model) for model in models}) if options.json else _print_table(models)
        return
    if name is None:
        raise UserError(f"the name of a model is missing: sezoo zoo {what} {zoo_models()[-1].name}")
    if what == "show":
        model = zoo_model(name)
        print_json({**_facts(model), "card": model.card}) if options.json else _print_card(model)
        return
    folder = options.output or Path(name)
    copied = copy_model(name, folder)
    if options.json:
        print_json({"folder": folder, "copied": copied})
        return
    sizes = {path: f"{path.stat().st_size / 2**20:.2f} MiB" for path in copied if path.suffix == ".onnx"}
    print_results(folder, [(path, sizes.get(path, "")) for path in copied])


def _facts(model: ZooModel) -> dict[str, object]:
    return {
        "title": model.title,
        "float": model.float_model,
        "int8": model.int8,
        "int8_static": model.int8_static,
        "float_bytes": model.float_model.stat().st_size,
        "int8_bytes": model.int8.stat().st_size,
        "parameters": model.parameters,
        "macs_per_frame": model.macs_per_frame,
        "latency_ms": model.latency_ms,
        "pesq": {
            "noisy": model.pesq_noisy,
            "float": model.pesq_float,
            "int8": model.pesq_int8,
            "int8_stream": model.pesq_stream,
            "int8_board": model.pesq_board,
        },
    }


def _print_table(models: list[ZooModel]) -> None:
    from rich import box
    from rich.table import Table

    from sezoo.base.terminal import stdout_console

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for title in (
        "float\nMiB",
        "int8\nMiB",
        "MAC\na frame",
        "latency\nms",
        "PESQ\nfloat",
        "\nint8",
        "\nstream",
        "\nboard",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for model in models:
        sizes = (f"{path.stat().st_size / 2**20:.2f}" for path in (model.float_model, model.int8))
        macs = "" if model.macs_per_frame is None else f"{model.macs_per_frame / 1e6:.2f} M"
        scores = (model.pesq_float, model.pesq_int8, model.pesq_stream, model.pesq_board)
        latency = "" if model.latency_ms is None else f"{model.latency_ms:g}"
        table.add_row(model.name, *sizes, macs, latency, *("" if one is None else f"{one:.2f}" for one in scores))
    console = stdout_console()
    console.print(table)
    noisy = next((model.pesq_noisy for model in models if model.pesq_noisy is not None), None)
    console.print(
        "latency: of the stream engine with 1 frame a call, including that frame\n"
        f"PESQ on VoiceBank+DEMAND, speaker p232; the noisy recordings have {noisy:.2f}\n"
        "sezoo zoo show NAME: the card; sezoo zoo get NAME: a copy of the files",
        style="dim", soft_wrap=True,
    )  # fmt: skip


def _print_card(model: ZooModel) -> None:
    from rich.markdown import Markdown, TableElement

    from sezoo.base.terminal import stdout_console

    class CardTable(TableElement):
        """A table without its head where that is empty, as the first one of a card has it."""

        def __rich_console__(self, console, options):
            for table in super().__rich_console__(console, options):
                table.show_header = any(str(column.header).strip() for column in table.columns)
                yield table

    class Card(Markdown):
        elements = {**Markdown.elements, "table_open": CardTable}  # noqa: RUF012 - rich's own

    stdout_console().print(Card(model.card))
