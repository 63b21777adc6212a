"""The sections about the run, the recordings and the spectrum: general, dataset, preprocessing, mlflow, tracking."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sezoo.config.name_types import LayoutName
from sezoo.config.number_types import (
    AtLeast0,
    DecibelRange,
    Fraction,
    HeldOutCount,
    HertzRange,
    NotNegative,
    Positive,
    SampleCount,
    SampleRate,
    SecondsRange,
    Share,
    UpTo65536,
)
from sezoo.config.path_types import OutputPath, PathText
from sezoo.config.section import Section
from sezoo.config.value_types import ExecutorName, Settings, Text, TrueFalse, WindowChoice
from sezoo.config.values import number

__all__ = ["Dataset", "General", "MLflow", "Preprocessing", "Tracking"]


class General(Section):
    """Settings of the whole run."""

    project_name: Text = Field("speech_enhancement_project", description="Name of the experiment in the tracking.")
    logs_dir: PathText = Field(
        Path("logs"), description="No effect: each log is in the run's folder. Accepted for model zoo files."
    )
    saved_models_dir: OutputPath = Field(
        Path("saved_models"), description="Folder of the models written; a relative one is inside the run's folder."
    )
    gpu_memory_limit: Fraction = Field(0.5, description="Share of the GPU's memory that training may take.")
    display_figures: TrueFalse = Field(
        True, description="No effect: figures are saved in the run's folder, never shown. Accepted for model zoo files."
    )
    report: TrueFalse = Field(
        True,
        description="Write report.html, and measure for it what each layer loses in int8 and how long the static model "
        "should be. False saves that time.",
    )
    executor: ExecutorName = Field(
        "local",
        description="What scores, denoises, mixes and calibrates on clips: local = processes and threads of this "
        "machine; dask:tcp://HOST:PORT, ray or ray:ADDRESS = a cluster (extras dask, ray); module:function or "
        "path/to/file.py:function = your function that returns an executor of concurrent.futures. Workers elsewhere "
        "read the same paths.",
    )
    global_seed: AtLeast0 | None = Field(
        None,
        description="Seed of a network's first weights; also dataset.random_seed, where that is not set. Empty = that.",
    )


class Dataset(Section):
    """The recordings: pairs of noisy and clean ones, or speech and noise to mix."""

    name: LayoutName = Field(
        "valentini",
        description="Layout of the recordings: valentini under root_folder, custom by the four paths below, "
        "demo is the small set that comes with sezoo, mix trains and calibrates on speech_path mixed with noise_path, "
        "shards on the pairs in the tar files of shards_path. Your own: see docs/how_to_add/dataset_layout.md.",
    )
    layout_arguments: Settings = Field({}, description="Keyword arguments of a layout of your own.")
    root_folder: PathText | None = Field(
        None,
        description="valentini: the folder that holds clean_trainset_28spk_wav, noisy_trainset_28spk_wav (or 56spk), "
        "clean_testset_wav and noisy_testset_wav.",
    )
    n_speakers: Annotated[Literal[28, 56], BeforeValidator(number)] = Field(
        56, description="valentini: number of speakers of the training set."
    )
    file_extension: Text = Field(".wav", description="Extension of the recordings; mix, shards: of the test clips.")
    num_training_samples: SampleCount | None = Field(
        None,
        description="Clips of the training set to use, besides those for validation; mix: clips to mix in an epoch, "
        "empty = as many as there are recordings of speech.",
    )
    num_validation_samples: HeldOutCount = Field(
        100,
        description="Clips split off the training set for validation (where it is not set, one in four at most); mix: "
        "clips to mix, once, of the recordings held out of training (one in twenty).",
    )
    num_test_samples: SampleCount | None = Field(None, description="Clips of the test set to use.")
    shuffle: TrueFalse = Field(True, description="Shuffle the training clips.")
    random_seed: AtLeast0 = Field(42, description="Seed of the split, the sampling and the shuffling.")
    clean_train_files_path: PathText | None = Field(None, description="custom: folder of the clean training clips.")
    clean_test_files_path: PathText | None = Field(
        None, description="custom, mix, shards: folder of the clean test clips; empty = there are none."
    )
    noisy_train_files_path: PathText | None = Field(None, description="custom: folder of the noisy training clips.")
    noisy_test_files_path: PathText | None = Field(
        None, description="custom, mix, shards: folder of the noisy test clips."
    )
    clean_valid_files_path: PathText | None = Field(
        None, description="Folder of the clean validation clips; empty = validation clips are split off for training."
    )
    noisy_valid_files_path: PathText | None = Field(None, description="Folder of the noisy validation clips.")
    speech_path: PathText | None = Field(None, description="mix: folder of clean speech, searched with its subfolders.")
    noise_path: PathText | None = Field(None, description="mix: folder of noise, searched with its subfolders.")
    shards_path: PathText | None = Field(
        None,
        description="shards: folder of tar files, or one of them, with the members KEY.noisy.EXT and KEY.clean.EXT of "
        "each pair, as WebDataset names them.",
    )
    snr_range: DecibelRange = Field(
        (-5.0, 20.0), description="mix: lowest and highest SNR in dB; the speech is measured without its pauses."
    )
    level_range: DecibelRange = Field(
        (-34.0, -14.0), description="mix: lowest and highest level of the speech in dBFS (RMS without its pauses)."
    )
    clip_seconds: Positive = Field(2.0, description="mix: length of a clip in seconds.")
    draw_by: Literal["recording", "second"] = Field(
        "recording",
        description="mix: for training, draw each recording as often as any other, or each second of them, which long "
        "recordings have more of.",
    )
    random_filters: TrueFalse = Field(
        False,
        description="mix: colour the speech and the noise of each training clip by a random filter each, as other "
        "microphones would; for few recordings.",
    )
    bandwidth_range: HertzRange | None = Field(
        None,
        description="mix: lowest and highest frequency in Hz above which a training clip is cut, as other converters "
        "and codecs do; above half the sample rate nothing is; empty = no clip.",
    )
    clean_share: Share = Field(0.0, description="mix: share of the training clips that have no noise at all.")
    noise_share: Share = Field(
        0.0, description="mix: share of the training clips that have no speech; their target is silence."
    )
    high_snr_share: Share = Field(
        0.0, description="mix: share of the training clips whose SNR is drawn from high_snr_range."
    )
    high_snr_range: DecibelRange = Field((20.0, 40.0), description="mix: lowest and highest SNR of those, in dB.")
    babble_share: Share = Field(
        0.0,
        description="mix: share of the training clips whose noise is 3 to 8 other recordings of the speech at once.",
    )
    hum_share: Share = Field(
        0.0, description="mix: share of the training clips whose noise has the hum of 50 or 60 Hz mains."
    )
    rumble_share: Share = Field(
        0.0,
        description="mix: share of the training clips whose noise has rumble below some 100 Hz, as of wind, hands on "
        "the device, engines and traffic.",
    )
    reverberation_share: Share = Field(0.0, description="mix: share of the training clips that are spoken in a room.")
    rooms: Literal["exponential", "image"] = Field(
        "exponential",
        description="mix: how impulse responses of rooms are made: exponential is decaying noise, image the mirror "
        "images of a cuboid (needs the extra rooms, and more time).",
    )
    reverberation_seconds: SecondsRange = Field(
        (0.15, 0.8), description="mix: shortest and longest reverberation time (RT60) of such rooms."
    )
    impulse_responses_path: PathText | None = Field(
        None, description="mix: folder of recorded impulse responses to take instead of made ones."
    )
    early_milliseconds: NotNegative = Field(
        50.0,
        description="mix: reflections until so long after the direct sound belong to the target, later ones do not.",
    )
    microphone_share: Share = Field(
        0.0, description="mix: share of the training clips that get a random microphone response."
    )
    clipping_share: Share = Field(0.0, description="mix: share of the training clips that are clipped.")
    clipping_range: DecibelRange = Field(
        (1.0, 12.0), description="mix: least and most dB below a clip's peak at which it is clipped."
    )
    board_gain: TrueFalse = Field(
        False,
        description="mix: training clips are as loud as ST's application on the STM32N6 makes what its network sees: "
        "where a patch of 0.6 s has a peak above 2000 of 32767, that becomes full scale.",
    )
    cache: TrueFalse = Field(True, description="Keep decoded training recordings in memory, 2 bytes a sample.")
    cache_gigabytes: Positive = Field(2.0, description="Most memory that they may take, in GB.")
    skip_bad_files: TrueFalse = Field(
        False, description="Report clips that cannot be used and leave them out; False makes them an error."
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        shares = (self.clean_share, self.noise_share, self.high_snr_share)
        if sum(shares) > 1 + 1e-9:
            raise ValueError(
                f"high_snr_share: found {shares[2]:g}; allowed: what clean_share ({shares[0]:g}) and noise_share "
                f"({shares[1]:g}) leave of 1, as no clip can be two of them"
            )
        return self


class Preprocessing(Section):
    """From the waveform to the magnitude spectrum, the network's input (librosa's conventions)."""

    pipeline_type: Literal["LibrosaSpecPipeline"] = Field(
        "LibrosaSpecPipeline",
        description="How the spectrum is computed; it is the only way, so this changes nothing.",
    )
    peak_normalize: TrueFalse = Field(
        False,
        description="Scale every clip to a peak of 1 before the spectrum; not on the board, which processes a stream.",
    )
    sample_rate: SampleRate = Field(16000, description="Sample rate in Hz; recordings are resampled to it.")
    n_fft: UpTo65536 = Field(512, description="Length of the Fourier transform, in samples.")
    hop_length: UpTo65536 = Field(160, description="Step from frame to frame, in samples; win_length at most.")
    win_length: UpTo65536 = Field(400, description="Length of the window, in samples; n_fft at most.")
    window: WindowChoice = Field(
        "hann",
        description="Window: name of a periodic one (scipy.signal.get_window), sqrt_hann and the like, a file of "
        "win_length numbers, or a list of them.",
    )
    synthesis_window: WindowChoice | None = Field(
        None,
        description="Window that frames are multiplied with on the way back, as window is given. Empty = the same. "
        "What the two and hop_length do together is divided out, so that an unchanged spectrum gives the clip again.",
    )
    center: TrueFalse = Field(True, description="Pad the clip so that frame t is centred on sample t * hop_length.")
    power: Positive = Field(1.0, description="Exponent of the magnitude that the network sees.")

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        for key, limit in (("win_length", "n_fft"), ("hop_length", "win_length")):
            length, most = getattr(self, key), getattr(self, limit)
            if length > most:
                default = "" if key in self.model_fields_set else " (the default)"
                raise ValueError(f"{key}: found {length}{default}; allowed: at most {limit}, which is {most}")
        for key in ("window", "synthesis_window"):
            values = getattr(self, key)
            if isinstance(values, tuple) and len(values) != self.win_length:
                raise ValueError(
                    f"{key}: found a list of {len(values)} numbers; allowed: win_length of them, which is "
                    f"{self.win_length}"
                )
        return self


class Tracking(Section):
    """Experiment tracking besides MLflow."""

    clearml: TrueFalse = Field(
        False, description="Track the run, and upload its models, in ClearML (pip install clearml; clearml-init)."
    )


class MLflow(Section):
    """Experiment tracking."""

    uri: Text | None = Field(
        None,
        description="Folder or address where MLflow keeps the runs, ./experiment_outputs/mlruns for example; empty = "
        "no tracking.",
    )
