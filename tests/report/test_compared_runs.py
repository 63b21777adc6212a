"""What runs are called beside each other, and how their scores, costs and sounds are compared."""

import pytest
import yaml

from sezoo.report.blocks import Table, Text
from sezoo.report.compared_runs import compared_runs, configuration_differences
from sezoo.report.compared_scores import scores_section
from sezoo.report.compared_sounds import sounds_section
from sezoo.results.run_results import read_run


@pytest.fixture
def sweep(bare_run, writers):
    """Make runs in numbered folders, as a sweep does: a key's values, and what int8 scored on the board."""

    def made(values, scores=(), key="calibration_method"):
        config = yaml.safe_load((bare_run / "resolved_config.yaml").read_text(encoding="utf-8"))
        folders = []
        for index, value in enumerate(values):
            folder = bare_run.parent / str(index)
            folder.mkdir()
            config["quantization"][key] = value
            (folder / "resolved_config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
            folders.append(folder)
        for folder, score in zip(folders, scores, strict=False):
            writers["evaluation"](folder, board=score)
        return folders

    return made


def compared(folders):
    return compared_runs([read_run(folder) for folder in folders])


def test_runs_of_a_sweep_are_called_by_what_differs(sweep):
    assert [run.name for run in compared(sweep(["MinMax", "Entropy"]))] == [
        "calibration_method=MinMax",
        "calibration_method=Entropy",
    ]


def test_runs_of_a_sweep_that_do_not_differ_keep_their_folders(sweep):
    assert [run.name for run in compared(sweep(["MinMax", "MinMax"]))] == ["0", "1"]


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["a/utcn.onnx", "b/ugru.onnx"], ["utcn", "ugru"]),
        (["a/utcn.onnx", "b/utcn.onnx"], ["0", "1"]),  # the models do not tell them apart
    ],
)
@pytest.mark.parametrize("others", [0, 9])
def test_runs_in_numbered_folders_are_called_by_their_models(sweep, models, names, others):
    """Whether they differ in that alone, or in more keys than a name can have."""
    folders = sweep(["MinMax", "MinMax"])
    for folder, model in zip(folders, models, strict=True):
        path = folder / "resolved_config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        config["model"] = {"onnx_path": model}
        config["quantization"] |= {f"key_{index}": model for index in range(others)}
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
    assert [run.name for run in compared(folders)] == names


def test_models_and_few_settings_are_both_in_the_names(sweep):
    folders = sweep(["MinMax", "Entropy"])
    for folder, model in zip(folders, ("utcn", "ugru"), strict=True):
        path = folder / "resolved_config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        config["model"] = {"onnx_path": f"models/{model}.onnx"}
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
    names = {run.name for run in compared(folders)}
    assert names == {"utcn, calibration_method=MinMax", "ugru, calibration_method=Entropy"}


def test_a_section_that_one_run_lacks_stands_for_its_keys(sweep):
    folders = sweep(["MinMax", "Entropy", "MinMax"])
    path = folders[0] / "resolved_config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    del config["quantization"]
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    facts = [read_run(folder) for folder in folders]
    assert configuration_differences(facts) == {
        "quantization": [None, "present", "present"],
        "quantization.calibration_method": [None, "Entropy", "MinMax"],
    }
    assert configuration_differences(facts[::2]) == {"quantization": [None, "present"]}


def test_lists_are_written_as_in_a_file(sweep):
    folders = sweep([["Conv", "Add"], ["Conv"]], key="op_types_to_quantize")
    found = configuration_differences([read_run(folder) for folder in folders])
    assert found == {"quantization.op_types_to_quantize": ["[Conv, Add]", "[Conv]"]}


def test_differences_are_paired_by_clip_with_their_interval(sweep):
    folders = sweep(["MinMax", "Entropy"], scores=(1.7, 1.75))
    table = scores_section(compared(folders)).blocks[2]
    assert table.headings[:3] == ["run", "clips in common", "PESQ"]
    (row,) = table.rows
    assert [row[0].text, row[0].detail] == ["calibration_method=Entropy", "int8 on the board"]
    assert row[1].text == "6"
    # Every clip gains the same: the interval of the difference is a point, those of the means overlap.
    assert (row[2].text, row[2].detail, row[2].tone) == ("+0.050", "+0.050 to\N{NO-BREAK SPACE}+0.050", "good")


def test_clips_of_the_same_name_that_are_others_are_not_paired(sweep):
    folders = sweep(["MinMax", "Entropy"], scores=(1.7, 1.75))
    table = folders[1] / "scores_float" / "detailed_metrics.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",12,1.5,", ",12,1.4,"), encoding="utf-8")
    table = scores_section(compared(folders)).blocks[2]
    assert table.rows[0][1].text == "1"  # the one without PESQ
    assert "PESQ" not in table.headings


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"pesq": "stoi", "sisnr": "snr"}, "No metric in common with calibration_method=MinMax: "),
        ({"clip": "another", "<": "another<"}, "No clips in common with calibration_method=MinMax: "),
    ],
)
def test_a_run_that_cannot_be_paired_is_left_out_with_the_reason(sweep, names, told):
    folders = sweep(["MinMax", "Entropy", "Percentile"], scores=(1.7, 1.75, 1.8))
    for table in folders[1].glob("scores_*/detailed_metrics.csv"):
        content = table.read_text(encoding="utf-8")
        for old, new in names.items():
            content = content.replace(old, new)
        table.write_text(content, encoding="utf-8")
    _, _, reason, table, *_ = scores_section(compared(folders)).blocks
    assert reason == Text(f"{told}calibration_method=Entropy.")
    assert [row[0].text for row in table.rows] == ["calibration_method=Percentile"]
    # Alone, the two have nothing to make a table of.
    blocks = scores_section(compared(folders[:2])).blocks
    assert [block for block in blocks if isinstance(block, Text)] == [Text(f"{told}calibration_method=Entropy.")]
    assert [block.headings[:3] for block in blocks if isinstance(block, Table)] == [["run", "version", "clips"]]


def test_scores_are_drawn_against_sizes_that_differ(sweep):
    folders = sweep(["MinMax", "Entropy", "Percentile"], scores=(1.7, 1.75, 1.8))

    def titles():
        return [picture.title for picture in scores_section(compared(folders)).blocks[0].pictures]

    assert titles() == ["PESQ of each run"]
    for index, folder in enumerate(folders):
        (folder / "saved_models").mkdir()
        (folder / "saved_models" / "quantized_model_int8.onnx").write_bytes(bytes(1000 * (1 + index)))
    assert titles() == ["PESQ of each run", "PESQ against model size"]
    alt = scores_section(compared(folders)).blocks[0].pictures[1].svg
    assert "calibration_method=Percentile 1.800 at 2.93" in alt


def test_a_clip_that_both_runs_kept_is_played_across_models(sweep, writers):
    folders = sweep(["MinMax", "Entropy"], scores=(1.7, 1.75))
    writers["listening"](folders[0], clips=("worst",))
    writers["listening"](folders[1], clips=("best", "worst"))
    (_, player) = sounds_section(compared(folders)).blocks
    assert [version.label for version in player.versions] == [
        "noisy",
        "calibration_method=MinMax",
        "calibration_method=Entropy",
        "clean",
    ]
    assert player.chosen == 1
    assert player.seconds == pytest.approx(3.0)


def test_no_player_where_runs_kept_different_clips(sweep, writers):
    folders = sweep(["MinMax", "Entropy"], scores=(1.7, 1.75))
    writers["listening"](folders[0], clips=("best",))
    writers["listening"](folders[1], clips=("worst",))
    assert sounds_section(compared(folders)) is None
