"""The section training, with its regularization and its schedule."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sezoo.config.name_types import LossName, MetricWeights, Names
from sezoo.config.number_types import AtLeast0, AtLeast1, Fraction, NotNegative, Positive
from sezoo.config.path_types import FileName, ModelPath, OutputPath, PathText
from sezoo.config.section import Section
from sezoo.config.value_types import Settings, Text, TrueFalse, lower_case

__all__ = ["Regularization", "Scheduler", "Training"]


class Regularization(Section):
    """Keep weights and activations small, which improves the int8 model; off by default."""

    weight_clipping_max: Positive | None = Field(None, description="Largest magnitude of a weight; empty = no limit.")
    activation_regularization: NotNegative | None = Field(
        None, description="Weight of the activation penalty in the loss; empty = none."
    )
    act_reg_layer_types: Names = Field(
        ("Conv1d", "DepthwiseSeparableConv"),
        description="Types of the layers whose outputs are penalised; of the default ones, those that the network has.",
    )
    act_reg_threshold: NotNegative = Field(50.0, description="Magnitude above which an activation is penalised.")
    penalty_type: Literal["l1", "l2"] = Field("l2", description="Norm of the penalty.")


class Scheduler(Section):
    """A learning rate scheduler of torch."""

    scheduler: Text | None = Field(None, description="Name of any class of torch.optim.lr_scheduler; empty = none.")
    scheduler_arguments: Settings = Field({}, description="Its keyword arguments.")


class Training(Section):
    """Training of a torch model."""

    trainer_name: Annotated[Literal["se_trainer"], lower_case] = Field("se_trainer", description="The training loop.")
    dryrun: TrueFalse = Field(
        False, description="Check all that the run needs, print the network's size, and stop before the first epoch."
    )
    device: Text = Field("auto", description="Torch device: auto, cpu, cuda:0 ...")
    epochs: AtLeast1 = Field(100, description="Passes over the training set.")
    optimizer: Text = Field("Adam", description="Name of any optimizer of torch.optim.")
    optimizer_arguments: Settings = Field({"lr": 0.001}, description="Keyword arguments of the optimizer.")
    lr_schedule: Literal["constant", "one_cycle", "cosine", "exponential"] = Field(
        "constant",
        description="Learning rate over the steps: falls from that of the optimizer to 1/100 of it, in one_cycle after "
        "rising from there in the first tenth.",
    )
    lr_scheduler: Scheduler = Field(
        default_factory=Scheduler,
        description="See the section below. It takes the place of lr_schedule, which then has to be constant.",
    )
    weight_averaging: Fraction | None = Field(
        None,
        description="Decay of an average of the weights over the steps, such as 0.999, which is then validated and "
        "written in place of the last step's weights; empty = no average.",
    )
    gradient_clipping: Positive | None = Field(
        None, description="Largest norm of a step's gradient, all weights together; empty = no limit."
    )
    loss: LossName = Field(
        "spec_mse",
        description="spec_mse compares complex spectra, compressed compares them to the power 0.3; "
        "compressed_sisnr adds the SI-SNR to it, perceptual (at 16 kHz) the SI-SNR and PESQ's disturbance; guarded is "
        "perceptual, at any level, with cut speech costing more than noise; the waveform losses need "
        "preprocessing.center True. Your own: see docs/how_to_add/loss.md.",
    )
    loss_arguments: Settings = Field({}, description="Keyword arguments of a loss of your own.")
    pesq_weight: NotNegative = Field(
        0.01,
        description="perceptual, guarded: weight of one unit of PESQ; more of it gives more PESQ, and less SI-SNR.",
    )
    cut_weight: Positive = Field(
        3.0, description="guarded: how many times as much a bin costs that is too quiet than one that is too loud."
    )
    si_snr_weight: NotNegative = Field(0.003, description="guarded: weight of one dB of SI-SNR.")
    teacher: ModelPath | None = Field(
        None, description="Float ONNX model that the network learns from beside the clean clips; empty = none."
    )
    teacher_weight: Positive = Field(
        1.0, description="Weight of what the spectra differ from the teacher's, compared as in the loss compressed."
    )
    batching_strategy: Literal["pad", "trim"] = Field(
        "pad", description="pad clips to the longest of the batch (not counted in the loss) or trim to the shortest."
    )
    num_dataloader_workers: AtLeast0 | None = Field(
        None,
        description="Processes that load clips; empty = 4, or one less than the processors that the run may use.",
    )
    num_validation_workers: AtLeast1 | None = Field(
        None, description="Processes that score validation clips; empty = one for each processor that the run may use."
    )
    batch_size: AtLeast1 = Field(16, description="Clips per step.")
    reference_metric: Literal["train_loss", "wave_mse", "stoi", "pesq", "snr", "si-snr"] = Field(
        "pesq", description="Decides on early stopping and on the best model."
    )
    select_by: MetricWeights = Field(
        {},
        description="Weights of several metrics, such as {pesq: 1, si-snr: 0.1, stoi: 10}: their sum decides in place "
        "of the reference metric; those where less is better count negative. Empty = the reference metric alone.",
    )
    guards: MetricWeights = Field(
        {},
        description="By how much a metric may be worse than it has been in an epoch that was the best, such as "
        "{si-snr: -0.3, speech_cut: 0.01}: a worse epoch cannot be the best. Empty = none.",
    )
    early_stopping: TrueFalse = Field(True, description="Stop when the reference metric no longer improves.")
    early_stopping_patience: AtLeast1 = Field(50, description="Epochs without improvement before stopping.")
    regularization: Regularization = Field(default_factory=Regularization, description="See the section below.")
    save_every: AtLeast1 = Field(2, description="Epochs from checkpoint to checkpoint.")
    snapshot_path: PathText | None = Field(None, description="Snapshot to resume the training from.")
    resume: Literal["auto", "own"] | None = Field(
        None,
        description="auto goes on from the newest snapshot of the runs beside this one; own from the run's own, "
        "with the same data only, as sezoo train --resume; empty = snapshot_path, if set.",
    )
    mixed_precision: TrueFalse = Field(
        True, description="Run the network in bfloat16 where the hardware does: on GPUs, and on CPUs with AMX."
    )
    sound_examples_every: AtLeast1 | None = Field(
        None, description="Epochs from one set of validation sounds to listen to to the next; empty = none."
    )
    tensorboard: TrueFalse = Field(
        False,
        description="Write TensorBoard's event files (scalars, sounds, curves) into training_logs/tensorboard as well "
        "(pip install 'sezoo[tensorboard]').",
    )
    sync_batch_norm: TrueFalse = Field(
        False,
        description="With several processes: batch norms see the clips of all of them, as one process would; False "
        "normalises each process's share by itself.",
    )
    ckpt_path: OutputPath = Field(Path("ckpts/"), description="Folder of the checkpoints, inside the run's folder.")
    logs_filename: FileName = Field("training_logs.csv", description="Name of the file with one row per epoch.")
    opset_version: AtLeast1 = Field(17, description="ONNX opset of the exported model.")
    quantization_aware: TrueFalse = Field(
        False,
        description="Fine-tune a trained network (model.state_dict_path or model.onnx_path) with the integers that the "
        "section quantization writes; the exported float model then quantizes to exactly what was trained.",
    )
    quantization_ranges: Literal["learned", "calibrated"] = Field(
        "learned",
        description="quantization_aware: learned trains the scales of weights and activations too, calibrated leaves "
        "them as quantization finds them.",
    )
