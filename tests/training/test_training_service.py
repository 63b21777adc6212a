"""Training from a configuration to its files: on the demo's recordings, killed, interrupted, resumed, and misused."""

import csv
import os
import signal
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from builders import evaluation_config, write_clips, write_yaml
from sezoo.cli.main import main
from sezoo.models.contract import check_contract
from sezoo.models.mask_model import MaskModel
from warm_sezoo import TRAINING

torch = pytest.importorskip("torch")
from sezoo.models.torch.networks.stft_tcnn import StftTcnn  # noqa: E402
from sezoo.models.torch.networks.ugru import Ugru  # noqa: E402
from sezoo.training import trainer  # noqa: E402
from sezoo.training.identity import recordings_in_detail  # noqa: E402

torch.set_num_threads(1)  # the tests share the cores; another number of threads would sum in another order

SMALL = {"n_blocks": 1, "num_layers": 2, "in_channels": 257, "tcn_latent_dim": 16}


def training_config(**changes):
    """A training of a tiny network on four recordings of noise in noisy/ and clean/."""
    raw = evaluation_config(
        operation_mode="training", model=None, dataset={"num_validation_samples": 2, "random_seed": 1}
    )
    raw |= {"model": {"model_type": "STFTTCNN"}, "model_specific": SMALL}
    raw["training"] = {
        "device": "cpu", "epochs": 3, "batch_size": 2, "num_dataloader_workers": 0, "reference_metric": "snr",
        "save_every": 1,
    }  # fmt: skip
    for section, entries in changes.items():
        raw[section] = {**raw.get(section, {}), **entries} if isinstance(entries, dict) else entries
    return raw


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, " ".join(f"{index}.wav" for index in range(8)), seconds=0.6)
    write_yaml(tmp_path / "user_config.yaml", training_config())
    return tmp_path


def history(folder):
    return (folder / "training_logs" / "training_logs.csv").read_bytes()


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_of_a_training(project, run, drawn_curves):
    pytest.importorskip("tensorboard")
    words = ("training.sound_examples_every=3", "training.tensorboard=True", f"mlflow.uri={project / 'mlruns'}")
    code, err = run("hydra.run.dir=out", *words)
    assert code == 0, err
    out = project / "out"
    logs = {path.name for path in (out / "training_logs").iterdir()}
    assert logs == {
        *(
            "training_logs.csv",
            "training_metrics.png",
            "training_snapshot.pth",
            "noisy_validation.json",
            "training.json",
            "sounds",
            "tensorboard",
        ),
    }
    assert "the noisy validation clips: wave_mse" in err
    assert {path.name for path in (out / "ckpts").iterdir()} == {
        *(f"epoch_000{epoch}.pth" for epoch in (1, 2, 3)),
        "best.pth",
    }
    assert len(history(out).splitlines()) == 4
    for name in ("trained_model.onnx", "best_trained_model.onnx"):
        path = out / "saved_models" / name
        check_contract(onnx.load(path), path, n_fft=512)
    sounds = {path.name for path in (out / "training_logs" / "sounds" / "epoch_0003").iterdir()}
    assert sounds >= {"1_noisy.wav", "1_denoised.wav", "1_clean.wav"}
    assert list((out / "training_logs" / "sounds").iterdir()) == [out / "training_logs" / "sounds" / "epoch_0003"]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(out / "training_logs" / "tensorboard")).Reload()
    assert [each.step for each in shown.Scalars("validation/snr")] == [1, 2, 3]
    assert [each.step for each in shown.Audio("validation example 1/denoised")] == [1, 3]
    assert shown.Images("curves")
    tracked = {path.name for path in (project / "mlruns").glob("*/*/artifacts/**/*") if path.is_file()}
    assert tracked >= {"best_trained_model.onnx", "training_metrics.png", "1_denoised.wav"}


def test_the_same_seed_gives_the_same_history_with_any_number_of_workers(project, run):
    for name, words in (("a", ()), ("b", ("training.num_dataloader_workers=2",)), ("c", ("dataset.random_seed=2",))):
        code, err = run(f"hydra.run.dir={name}", *words)
        assert code == 0, err
    assert history(project / "a") == history(project / "b") != history(project / "c")


@pytest.mark.parametrize("words", [(), ("training.weight_averaging=0.9",)])
def test_a_training_goes_on_with_more_epochs(words, project, run):
    assert run("hydra.run.dir=whole", *words)[0] == 0
    assert run("hydra.run.dir=first", "training.epochs=1", *words)[0] == 0
    snapshot = "training.snapshot_path=first/training_logs/training_snapshot.pth"
    code, err = run("hydra.run.dir=rest", snapshot, *words)
    assert code == 0, err
    assert history(project / "rest") == history(project / "whole")


def test_the_jobs_of_a_sweep_are_not_each_others(project, run):
    words = ("-m", "hydra.sweep.dir=sweep", "training.optimizer_arguments.lr=0.001,0.01", "training.resume=auto")
    assert run(*words, "training.epochs=1")[0] == 0
    assert run(*words)[0] == 0
    for job, rate in enumerate(("0.001", "0.01")):
        assert run(f"hydra.run.dir=alone{job}", f"training.optimizer_arguments.lr={rate}")[0] == 0
        assert history(project / "sweep" / str(job)) == history(project / f"alone{job}")


def test_the_best_weights_are_kept(project, run):
    assert run("hydra.run.dir=out", "training.save_every=3")[0] == 0
    rows = list(csv.DictReader(history(project / "out").decode().splitlines()))
    best = max(rows, key=lambda row: float(row["snr"]))["epoch"]
    assert run("hydra.run.dir=short", f"training.epochs={best}", "training.save_every=1")[0] == 0
    weights = (
        torch.load(project / path, weights_only=True)
        for path in ("out/ckpts/best.pth", f"short/ckpts/epoch_000{best}.pth")
    )
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_shards_train_as_their_files_do(project, run):
    assert run("hydra.run.dir=folders", "training.epochs=2")[0] == 0
    with tarfile.open(project / "0.tar", "w") as tar:
        for path in sorted((project / "noisy").iterdir()):
            for kind in ("noisy", "clean"):
                tar.add(project / kind / path.name, f"{path.stem}.{kind}.wav")
    words = ("dataset.name=shards", "+dataset.shards_path=0.tar", "training.num_dataloader_workers=2")
    code, err = run("hydra.run.dir=shards", "training.epochs=2", *words)
    assert code == 0, err
    assert "dataset.shards_path: 8 examples in 1 shard" in err
    columns = [len(row) for row in csv.DictReader(history(project / "shards").decode().splitlines())]
    assert columns == [len(row) for row in csv.DictReader(history(project / "folders").decode().splitlines())]


def test_the_snapshot_is_the_last_to_be_written(project, run, monkeypatch):
    """A training that is killed in between does the epoch again: no checkpoint is missing for good."""
    there, save = [], trainer.save_snapshot

    def noted(snapshot, path):
        folder = path.parent.parent / "ckpts"
        there.append({f"epoch_{snapshot.epoch:04d}.pth", "best.pth"} <= {each.name for each in folder.iterdir()})
        save(snapshot, path)

    monkeypatch.setattr(trainer, "save_snapshot", noted)
    assert run("hydra.run.dir=out")[0] == 0
    assert len(there) >= 3
    assert all(there)


def test_averaged_weights_are_validated_and_written(project, run):
    assert run("hydra.run.dir=plain")[0] == 0
    assert run("hydra.run.dir=averaged", "training.weight_averaging=0.9")[0] == 0
    plain, averaged = (
        {row["epoch"]: row for row in csv.DictReader(history(project / name).decode().splitlines())}
        for name in ("plain", "averaged")
    )
    for epoch, row in averaged.items():  # the training is the same, the network that is measured another
        assert row["train_loss"] == plain[epoch]["train_loss"]
        assert row["snr"] != plain[epoch]["snr"]
    snapshot = torch.load(project / "averaged" / "training_logs" / "training_snapshot.pth", weights_only=True)
    written = torch.load(project / "averaged" / "ckpts" / "epoch_0003.pth", weights_only=True)
    torch.testing.assert_close(written, snapshot["average"]["network"], rtol=0, atol=0)
    assert not torch.equal(written["net.0.c.weight"], snapshot["network"]["net.0.c.weight"])
    model = MaskModel(project / "averaged" / "saved_models" / "trained_model.onnx")
    network = StftTcnn(**SMALL).eval()
    network.load_state_dict(written)
    magnitude = np.random.default_rng(0).random((1, 257, 30), np.float32)
    np.testing.assert_allclose(model(magnitude), network(torch.tensor(magnitude)).detach().numpy(), atol=1e-5)


NOTED = """
import os, pathlib, runpy

pathlib.Path("process.txt").write_text(str(os.getpid()), encoding="utf-8")
runpy.run_module("sezoo", run_name="__main__", alter_sys=True)
"""
"""Runs sezoo in a process that can be found."""


def stopped(project, pythons, name, end):
    """A training of many epochs in a process of its own, which a signal ends when the third of them is done."""
    (project / "noted.py").write_text(NOTED, encoding="utf-8")
    words, one_thread = ["noted.py", f"hydra.run.dir={name}", *LONG], {**os.environ, "OMP_NUM_THREADS": "1"}
    log, until = project / name / "training_logs" / "training_logs.csv", time.monotonic() + 120
    with ThreadPoolExecutor() as threads:
        ended = threads.submit(pythons.run, words, project, one_thread, imported=TRAINING)
        while not (log.is_file() and log.read_bytes().count(b"\n") > 3):
            assert not ended.done() and time.monotonic() < until, "the training did not reach its third epoch"
            time.sleep(0.02)
        os.kill(int((project / "process.txt").read_text(encoding="utf-8")), end)
        return ended.result()


LONG = ("training.epochs=15", "training.early_stopping=false")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_training_that_was_stopped_at_any_moment_goes_on_as_if_it_had_not_been(project, run, pythons):
    assert run("hydra.run.dir=whole", *LONG)[0] == 0
    for end in (signal.SIGKILL, signal.SIGINT):
        ended = stopped(project, pythons, f"stopped_{end.name}", end)
        if end is signal.SIGINT:
            assert ended.returncode == 130
            assert "training.snapshot_path=" in ended.stderr
        snapshot = f"training.snapshot_path=stopped_{end.name}/training_logs/training_snapshot.pth"
        code, err = run(f"hydra.run.dir=resumed_{end.name}", snapshot, *LONG)
        assert code == 0, err
        assert "resuming after epoch" in err
        assert history(project / f"resumed_{end.name}") == history(project / "whole")


@pytest.mark.parametrize(
    ("when", "numbers"),
    [("after the last epoch", (signal.SIGTERM,)), ("after an interrupt", (signal.SIGINT, signal.SIGTERM))],
)
def test_a_signal_while_the_epochs_are_saved_loses_none(when, numbers, project, run, monkeypatch):
    save, validate, validated = torch.save, trainer.Trainer._one_epoch, []

    def save_under_signals(content, path):
        for number in numbers:
            signal.raise_signal(number)
        save(content, path)

    def one_epoch(self, epoch):
        validate(self, epoch)
        validated.append(epoch)
        if when == "after an interrupt" and epoch == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(torch, "save", save_under_signals)
    monkeypatch.setattr(trainer.Trainer, "_one_epoch", one_epoch)
    code, err = run("hydra.run.dir=out", "training.save_every=100")
    assert code == 130
    assert "training.snapshot_path=" in err
    finished = 3 if when == "after the last epoch" else 2
    assert validated == [*range(1, finished + 1)]
    monkeypatch.undo()
    monkeypatch.chdir(project)
    snapshot = torch.load(project / "out" / "training_logs" / "training_snapshot.pth", weights_only=True)
    assert snapshot["epoch"] == finished
    assert {path.name for path in (project / "out" / "ckpts").iterdir()} == {f"epoch_000{finished}.pth", "best.pth"}
    assert not [path for path in (project / "out").rglob("*") if ".part" in path.name]


def test_resume_auto_takes_the_newest_run_beside_it(project, run):
    assert "a new training" in run("hydra.run.dir=runs/a", "training.resume=auto", "training.epochs=1")[1]
    code, err = run("hydra.run.dir=runs/b", "training.resume=auto")
    assert code == 0, err
    assert "resuming after epoch 1 of 3" in err
    assert len(history(project / "runs" / "b").splitlines()) == 4


def test_a_training_is_not_overwritten(project, run):
    assert run("hydra.run.dir=runs/a", "training.epochs=1")[0] == 0
    assert run("hydra.run.dir=runs/b", "training.epochs=1")[0] == 0
    before, whole = history(project / "runs" / "a"), files_of(project / "runs" / "a")
    for words in ((), ("training.snapshot_path=runs/b/training_logs/training_snapshot.pth",)):
        code, err = run("hydra.run.dir=runs/a", *words)
        assert code == 2
        assert "runs/a holds a training already; go on with it (training.snapshot_path=" in err.replace("\\", "/")
        assert history(project / "runs" / "a") == before
        assert files_of(project / "runs" / "a") == whole
    code, err = run("hydra.run.dir=runs/a", "training.resume=auto")  # its own, though that beside it is newer
    assert code == 0, err
    assert history(project / "runs" / "a").startswith(before)
    (project / "runs" / "b" / "training_logs" / "training_snapshot.pth").unlink()
    code, err = run("hydra.run.dir=runs/b")
    assert code == 2
    assert "runs/b holds a training already, without a snapshot; name another folder" in err.replace("\\", "/")


def test_other_data_are_told_of_when_a_training_goes_on(project, run):
    assert run("hydra.run.dir=out", "training.epochs=1")[0] == 0
    for folder in ("noisy", "clean"):
        (project / folder / "7.wav").unlink()
    code, err = run("hydra.run.dir=out", "training.resume=own", "training.epochs=2")
    assert code == 2 and "the training so far had other data: the recordings was 16 files, names" in " ".join(
        err.split()
    )
    code, err = run("hydra.run.dir=out", "training.resume=auto", "training.epochs=2", "dataset.num_training_samples=5")
    assert code == 0, err
    told = " ".join(err.split())
    assert "had other data: the recordings was 16 files, names" in told
    assert "dataset.num_training_samples was None, is 5" in told
    assert "the best so far, epoch 1, has a snr of" in told


def test_the_chain_trains_quantizes_and_evaluates(tmp_path, monkeypatch, run):
    """The demo's recordings, two epochs, from training to the scores of float and int8."""
    monkeypatch.chdir(tmp_path)
    raw = training_config(
        operation_mode="chain_tqe", dataset={"name": "demo", "num_test_samples": 2, "num_validation_samples": 4},
        training={"epochs": 2, "batch_size": 4, "reference_metric": "pesq"},
        quantization={"num_quantization_samples": 4}, evaluation={"metrics": ["pesq", "snr"]},
    )  # fmt: skip
    for key in ("noisy_test_files_path", "clean_test_files_path", "noisy_train_files_path", "clean_train_files_path"):
        raw["dataset"].pop(key, None)
    write_yaml(tmp_path / "user_config.yaml", raw)
    code, err = run("hydra.run.dir=out")
    assert code == 0, err
    models = {path.name for path in (tmp_path / "out" / "saved_models").iterdir()}
    assert models == {
        *("trained_model.onnx", "best_trained_model.onnx", "preprocessed_model.onnx"),
        *("quantized_model_int8.onnx", "quantized_model_int8_static.onnx"),
    }
    assert (tmp_path / "out" / "eval_logs_quantized_board" / "metrics_dict.json").is_file()


def test_a_dry_run_checks_all_and_stops(project, run):
    words = ["hydra.run.dir=out", "operation_mode=chain_tqe", "++quantization.static_sequence_length=20"]
    code, err = run(*words, "training.dryrun=true", "dataset.noisy_test_files_path=noisy")
    assert code == 0, err
    weights = sum(each.numel() for each in StftTcnn(**SMALL).parameters())
    assert f"STFTTCNN: {weights:,} parameters, " in err
    assert "ms of latency in a stream with 1 frame a call" in err and "MiB as ONNX" in err
    assert not [path for path in (project / "out").rglob("*") if path.suffix in (".onnx", ".csv", ".pth", ".html")]
    code, err = run(*words, "training.dryrun=true", "dataset.noisy_train_files_path=nowhere")
    assert code == 2
    assert "dataset.noisy_train_files_path: there is no folder nowhere" in err


def test_a_dry_run_of_the_command_names_no_models(project, capsys):
    words = ["train", "--clean", "clean", "--noisy", "noisy", "-o", "dry", "training.dryrun=true"]
    main([*words, "training.num_dataloader_workers=0", "model_specific.n_blocks=1"])
    assert capsys.readouterr().out == "results: dry\nnothing was trained: training.dryrun is true\n"


def test_recordings_of_other_folders_or_sizes_are_others(tmp_path):
    def detail(root, *files):
        for name, size in files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(bytes(size))
        recordings = SimpleNamespace(paths=[root / name for name, _ in files])
        return recordings_in_detail([SimpleNamespace(recordings=(recordings,))])

    one = detail(tmp_path / "one", ("a/1.wav", 3), ("b/2.wav", 4))
    assert one.startswith("2 files, names ")
    assert detail(tmp_path / "other place", ("a/1.wav", 3), ("b/2.wav", 4)) == one
    assert detail(tmp_path / "sizes", ("a/1.wav", 3), ("b/2.wav", 5)) != one
    assert detail(tmp_path / "folders", ("a/1.wav", 3), ("a/2.wav", 4)) != one


def test_a_scheduler_of_torch_and_folders_of_validation_clips(project, run):
    for folder in ("noisy_valid", "clean_valid"):
        write_clips(project / folder, "a.wav b.wav c.wav", seconds=0.6)
    words = ["training.lr_scheduler.scheduler=StepLR", "training.lr_scheduler.scheduler_arguments={step_size:1}"]
    words += ["dataset.noisy_valid_files_path=noisy_valid", "dataset.clean_valid_files_path=clean_valid"]
    code, err = run("hydra.run.dir=out", *words, "training.epochs=2", "general.global_seed=5")
    assert code == 0, err
    assert "training on 8 examples in 4 batches an epoch, validating on 2, " in err
    rows = list(csv.DictReader(history(project / "out").decode().splitlines()))
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([1e-3, 1e-4])
    code, err = run("hydra.run.dir=more", *words, "training.epochs=3", "training.snapshot_path=out/training_logs/"
                    "training_snapshot.pth")  # fmt: skip
    assert code == 0, err
    rows = list(csv.DictReader(history(project / "more").decode().splitlines()))
    assert float(rows[-1]["learning_rate"]) == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("dataset.noisy_valid_files_path=noisy", "dataset.clean_valid_files_path=clean"),
            "dataset.noisy_valid_files_path: noisy is the folder of the training clips too",
        ),
        (("dataset.noisy_valid_files_path=noisy",), "dataset.clean_valid_files_path: not set, but dataset.noisy_valid"),
        (("training.lr_scheduler.scheduler=StepRL",), "training.lr_scheduler.scheduler: found 'StepRL'; did you mean"),
        (
            ("training.lr_scheduler.scheduler=StepLR", "training.lr_schedule=cosine"),
            "training.lr_schedule: found 'cosine'; training.lr_scheduler.scheduler sets the learning rate too",
        ),
        (("training.device=cuda:7",), "training.device: found 'cuda:7', but torch sees"),
        (("training.optimizer=Adm",), "training.optimizer: found 'Adm'; did you mean Adam?"),
        (("training.optimizer_arguments={rate:1}",), "training.optimizer_arguments"),
        (("model.model_type=Custom", "model.custom=nets.py:Net"), "model.custom"),
        (("training.optimizer=SGD", "training.optimizer_arguments={lr:1e30}"), "training.loss: it became"),
        (("model_specific.in_channels=129",), "model_specific.in_channels: found 129"),
        (("training.loss=wave_mse", "preprocessing.center=false"), "training.loss: found 'wave_mse'"),
        (
            ("training.snapshot_path=user_config.yaml",),
            "training.snapshot_path: user_config.yaml is not a file of torch.save",
        ),
        (("training.loss=spec_mee",), "training.loss: found 'spec_mee'"),
    ],
)
def test_bad_input(words, message, project, run):
    code, err = run("hydra.run.dir=out", *words)
    assert code == 2, err
    assert "Traceback" not in err
    (told,) = (line for line in err.splitlines() if line.startswith("sezoo: error: "))
    assert message in told
    if "it became" not in message:
        assert not (project / "out" / "saved_models").exists()


def test_trained_with_its_integers(project, run):
    torch.manual_seed(0)
    torch.save(StftTcnn(**SMALL).state_dict(), project / "float.pth")
    words = (
        "operation_mode=chain_tq", "model.state_dict_path=float.pth", "training.quantization_aware=true",
        "+quantization.weight_bits=4", "+quantization.target=stm32n6", "+quantization.accuracy_recovery=[ranges]",
    )  # fmt: skip
    code, err = run("hydra.run.dir=whole", *words)
    assert code == 0, err
    assert "was trained with its integers: nothing is calibrated or recovered" in err
    weights = torch.load(project / "whole" / "training_logs" / "training_snapshot.pth", weights_only=True)["best"]
    int8 = onnx.load(project / "whole" / "saved_models" / "quantized_model_int8_static.onnx")
    scales = {weight.name: onnx.numpy_helper.to_array(weight) for weight in int8.graph.initializer}
    log_scales = {key: value for key, value in weights["network"].items() if key.startswith("log_scales.")}
    assert len(log_scales) > 8
    for key, value in log_scales.items():
        name = key.removeprefix("log_scales.").replace("|", ".")
        np.testing.assert_allclose(scales[f"{name}_scale"], value.exp().numpy(), rtol=1e-6)
    assert run("hydra.run.dir=half", *words, "operation_mode=training", "training.epochs=1")[0] == 0
    snapshot = "training.snapshot_path=half/training_logs/training_snapshot.pth"
    code, err = run("hydra.run.dir=rest", *words, snapshot)
    assert code == 0, err
    assert history(project / "rest") == history(project / "whole")


def test_trained_with_its_integers_from_onnx_alone(project, run):
    assert run("hydra.run.dir=float", "training.epochs=1")[0] == 0
    code, err = run(
        "hydra.run.dir=aware", "training.epochs=1", "training.quantization_aware=true",
        "+model.onnx_path=float/saved_models/best_trained_model.onnx", "+quantization.accuracy_recovery=[none]",
    )  # fmt: skip
    assert code == 0, err
    path = project / "aware" / "saved_models" / "best_trained_model.onnx"
    assert [entry.key for entry in onnx.load(path).metadata_props] == ["sezoo.quantization_aware"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "training.quantization_aware: it fine-tunes a trained network: set model.state_dict_path, or"),
        (("+model.onnx_path=m.onnx",), "quantization: not there; training.quantization_aware needs the section"),
        (
            ("+model.onnx_path=m.onnx", "+quantization={}", "+training.regularization.weight_clipping_max=1"),
            "training.regularization.weight_clipping_max: leave it out, as training.quantization_aware trains with",
        ),
        (
            ("+model.onnx_path=m.onnx", "+quantization.weight_bits=4", "+quantization.target=cortex-m"),
            "quantization.weight_bits: weights in Int4, which quantization.target: cortex-m does not have for weights; "
            "allowed: 8, or another target",
        ),
        (("+model.onnx_path=m.onnx", "+quantization.weight_bits=3"), "weight_bits: found 3; allowed: 8, 4"),
    ],
)  # fmt: skip
def test_what_training_with_integers_needs(words, message, project, run):
    code, err = run("training.quantization_aware=true", *words)
    assert code == 2
    assert message in err


def test_a_recurrent_network_is_not_trained_with_its_integers(project, run):
    torch.manual_seed(0)
    torch.save(Ugru(gru_hidden_size=4, num_gru_layers=1, channels=(2, 2, 2)).state_dict(), project / "gru.pth")
    words = (
        "training.quantization_aware=true", "+quantization={}", "model={model_type: UGRU, state_dict_path: gru.pth}",
        "model_specific={gru_hidden_size: 4, num_gru_layers: 1, channels: [2, 2, 2]}",
    )  # fmt: skip
    code, err = run(*words)
    assert code == 2 and "Traceback" not in err
    assert "the recurrent layer '/time/time.0/gru/GRU' cannot be trained with its integers; train without" in err
