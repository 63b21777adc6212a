"""The first line of pages of trainings, deployments, benchmarks, and of several runs."""

import dataclasses

import pytest

from sezoo.report.compared_judgement import comparison_judgement
from sezoo.report.compared_ranking import ranking
from sezoo.report.compared_runs import ComparedRun
from sezoo.report.formatting import ram_parts_text
from sezoo.report.rendering import balanced_columns
from sezoo.report.service_judgements import program_judgement, training_judgement
from sezoo.results.deployment import TfliteModel
from sezoo.results.run_results import ProgramSize, read_run


def test_a_training_is_judged_by_its_best_epoch(full_run):
    history = read_run(full_run).training
    assert list(training_judgement(history)) == ["The best of 3 epochs is 2, with PESQ 1.6."]
    (told,) = training_judgement(dataclasses.replace(history, noisy={"pesq": 1.2}))
    assert told == "The network improves on the noisy validation clips: PESQ 1.6 at epoch 2 of 3, 1.2 noisy."
    (told,) = training_judgement(dataclasses.replace(history, noisy={"pesq": 1.9}))
    assert told.startswith("The network does not improve on")
    at_the_end = dataclasses.replace(history.summary, best_epoch=3)
    assert "more epochs may help" in list(training_judgement(dataclasses.replace(history, summary=at_the_end)))[-1]


def test_a_training_that_ended_early_says_how_many_epochs_were_asked_for(full_run):
    history = dataclasses.replace(read_run(full_run).training, asked=8)
    assert history.epochs_text == "3 of 8 epochs"
    assert list(training_judgement(history))[1] == "The training ended after 3 of 8 epochs."
    assert dataclasses.replace(history, asked=3).epochs_text == "3 epochs"
    assert dataclasses.replace(history, asked=None).epochs_text == "3 epochs"


def test_a_program_that_fits_and_one_that_does_not(full_run):
    facts = read_run(full_run)
    fits, output = program_judgement(facts)  # 13 million instructions for 0.3 s, at 480 MHz and at 800
    assert fits.startswith("The program fits NUCLEO-H743ZI2: 1.62 MiB of 2 MiB flash, 87.9 KiB of 1 MiB RAM and")
    assert output == "The emulated cortex-m55 gives the same samples as the computation on a PC."
    board = {"hardware_setup": {"board": "NUCLEO-F401RE"}}
    small = dataclasses.replace(facts, config={**facts.config, "deployment": board})
    assert next(program_judgement(small)).startswith("NUCLEO-F401RE has too little flash")


def test_a_benchmark_on_this_computer_is_judged_by_the_slowest_call(full_run):
    facts = dataclasses.replace(read_run(full_run), deployment=None)
    one = dataclasses.replace(
        facts.benchmark.measurements[0], target="host", model="int8", what="patch", flash=None, ram=None
    )

    def judged(*milliseconds):
        calls = [dataclasses.replace(one, audio_seconds=0.3, milliseconds=each) for each in milliseconds]
        found = dataclasses.replace(facts.benchmark, measurements=calls)
        return list(program_judgement(dataclasses.replace(facts, benchmark=found)))

    (told,) = judged(15, 30)
    assert told.startswith("Int8 keeps up on this computer: 10 % of real time (patch); --on cortex-m55 or all")
    assert judged(600)[0].startswith("Int8 does not keep up on this computer: 200 % of real time")
    assert judged(None) == []


def test_a_core_that_loses_is_told(full_run):
    facts = read_run(full_run)
    emulated = dataclasses.replace(facts.deployment.emulated, waves_are_equal=False)
    made = dataclasses.replace(facts.deployment, emulated=emulated, pesq={"core": 1.4, "reference": 1.5})
    told = list(program_judgement(dataclasses.replace(facts, deployment=made)))[-1]
    assert told == "The emulated cortex-m55 is worse than a PC: PESQ 1.400, 1.500 on a PC."


@pytest.mark.parametrize(
    ("pesq", "compared", "words"),
    [
        (
            1.922,
            3000,
            ["TFLite Micro's arithmetic denoises as well as onnxruntime's: PESQ 1.922, 1.925 by onnxruntime's."],
        ),
        (1.8, 3000, ["TFLite Micro's arithmetic is worse than onnxruntime's: PESQ 1.800, 1.925 by onnxruntime's."]),
        (
            1.922,
            None,
            [
                "TFLite Micro's arithmetic denoises as well as onnxruntime's: PESQ 1.922, 1.925 by onnxruntime's.",
                "The file was not run: that takes pip install 'sezoo[litert]', or 'sezoo[tflm]'.",
            ],
        ),
    ],
)
def test_a_tflite_file_is_judged(full_run, pesq, compared, words):
    facts = read_run(full_run)
    file = TfliteModel(integers_compared_with_litert=compared)
    made = dataclasses.replace(facts.deployment, emulated=None, tflite=file, pesq={"tflite": pesq, "reference": 1.925})
    told = list(program_judgement(dataclasses.replace(facts, deployment=made)))
    assert told[-len(words) :] == words


@pytest.mark.parametrize(
    ("emulate", "why"),
    [(True, "no compiler or no emulator was found (sezoo doctor)"), (False, "deployment.emulate is False")],
)
def test_a_program_that_was_not_run_says_why(full_run, emulate, why):
    facts = read_run(full_run)
    made = dataclasses.replace(facts.deployment, emulated=None, tflite=None, application=None)
    config = {**facts.config, "deployment": {**facts.config.get("deployment", {}), "emulate": emulate}}
    told = list(program_judgement(dataclasses.replace(facts, deployment=made, config=config)))
    assert told[-1] == f"The program was not run: {why}."


def test_the_best_run_against_the_second(make_full_run, writers, tmp_path):
    runs = [ComparedRun(name, read_run(make_full_run(tmp_path / name))) for name in ("one", "two")]
    assert comparison_judgement(runs) == "one and two have the same PESQ on every clip."
    (tmp_path / "bare").mkdir()
    better = make_full_run(tmp_path / "better")
    for path in better.glob("scores_int8_board/*.csv"):
        path.write_text(path.read_text(encoding="utf-8").replace("1.7", "1.9"), encoding="utf-8")
    text = (better / "evaluation.json").read_text(encoding="utf-8")
    assert "1.7" in text
    (better / "evaluation.json").write_text(text.replace("1.7,", "1.9,"), encoding="utf-8")
    runs.append(ComparedRun("better", read_run(better)))
    told = comparison_judgement(runs)
    assert told.startswith("better is better than one, the second best: PESQ +0.200 (95 % interval +0.")
    assert comparison_judgement(runs[:1]) == ""


def test_a_run_of_few_easy_clips_is_compared_over_those(make_full_run, tmp_path):
    folders = [make_full_run(tmp_path / name) for name in ("all", "few")]
    for path in folders[1].glob("scores_*/*.csv"):
        lines = path.read_text(encoding="utf-8").replace("1.7", "1.6").splitlines(keepends=True)
        path.write_text("".join(lines[:3]), encoding="utf-8")
    path = folders[1] / "evaluation.json"
    path.write_text(path.read_text(encoding="utf-8").replace("1.7,", "1.9,"), encoding="utf-8")
    runs = [ComparedRun(folder.name, read_run(folder)) for folder in folders]
    assert runs[1].version.means["pesq"].value == 1.9
    found = ranking(runs, "pesq")
    assert ([run.name for run, _ in found.runs], found.clips, found.are_all) == (["all", "few"], 2, False)
    assert [value for _, value in found.runs] == pytest.approx([1.7, 1.6], abs=0.02)
    assert comparison_judgement(runs).startswith("all is better than few, the second best: PESQ +0.1")


@pytest.mark.parametrize("count", range(1, 40))
@pytest.mark.parametrize("most", [4, 7])
def test_tiles_fill_rows_without_an_orphan(count, most):
    columns = balanced_columns(count, most)
    rows = -(-count // columns)
    last = count - (rows - 1) * columns
    assert columns <= most and (rows == 1 or last > 1 or all(count % each == 1 for each in range(2, most + 1)))


def test_the_ram_is_the_sum_of_its_parts():
    size = ProgramSize("cortex-m55", 100, 61 * 1024, None, 22 * 1024, 33 * 1024, 1024)
    assert ram_parts_text(size) == "22 KiB working memory, 33 KiB state, 1 KiB stack, 5 KiB buffers"
    assert ram_parts_text(dataclasses.replace(size, arena=None, state=None)) == "1 KiB stack"
