"""What `sezoo demo` leaves and says, checked where a document runs it."""

from pathlib import Path

VERSIONS = ("noisy", "float", "int8")


def check_demo(folder: Path, said: str) -> None:
    """Check the results in a folder of the working directory, and what was written to standard output."""
    lines = said.splitlines()
    rows = {name: next(line.split()[1:] for line in lines if line.startswith(f" {name}  ")) for name in VERSIONS}
    noisy, float32, int8 = (float(rows[name][0]) for name in VERSIONS)
    assert 1 < noisy < float32 < 4.6
    assert noisy < int8 < 4.6
    for name in ("saved_models/quantized_model_int8.onnx", "saved_models/quantized_model_int8_static.onnx"):
        assert (folder / name).is_file()
        assert str(Path(folder.name, name)) in said
    assert (folder / "comparison.png").read_bytes().startswith(b"\x89PNG")
    listen = folder / "listen"
    assert {path.name for path in listen.iterdir()} - {"board"} == {"index.json", "best", "median", "worst"}
    assert sorted(path.name for path in (listen / "median").glob("*.flac")) == [
        *("1_noisy.flac", "2_float.flac", "3_int8.flac", "4_int8_stream.flac", "5_clean.flac"),
    ]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio") == len(list(listen.glob("*/masks.npz"))) * 5
    assert str(Path(folder.name, "report.html")) in said
