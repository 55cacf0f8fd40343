"""``params.yaml`` as typed, frozen, validated data: the only configuration.

Each section carries the name of the stage that reads it, so that DVC reruns just that stage. ``machine`` and
``tracking`` belong to no stage: they say where and how to compute, never what. Nor do ``registry`` and ``promotion``:
versioning and promoting have effects, so they are no stages.

Example:
    >>> Params.model_validate({"train": {"epochs": 3}}).train.epochs
    3
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scenehue.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
Split = Literal["train", "val", "test"]
Decoder = Literal["reg", "mode", "mean", "annealed", "vivid"]
Metric = Literal[
    "psnr",
    "ssim",
    "mse_ab",
    "mse_ab_unit",
    "relative_error_ab",
    "delta_colorfulness",
    "delta_colorfulness_ddcolor",
    "lpips",
]


class Section(BaseModel):
    """Base of all sections: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Section):
    """A folder that photographs come from."""

    kind: Literal["sample", "folder"]
    """``sample``: the photographs that ship with the project; ``folder``: a folder of photographs, or of tars and zips
    of them."""
    path: str = "data/sample"
    """Folder, relative to the repository's root or absolute."""
    split: Split | None = None
    """The split of all its photos; without one, a photo's split follows from the hash of its content."""
    labels: str | None = None
    """CSV beside the photos, relative to `path`: ``file`` and any of ``tar``, ``scene``, ``split``."""


class Archive(Section):
    """A file to fetch."""

    address: str = Field(pattern=r"^(https?|s3)://[^\s/@]+/[^\s@]+$")
    """Where it is, ``https://``, ``http://`` or ``s3://``; a mirror will do."""
    checksum: str | None = Field(None, pattern="^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")
    """What it must be: ``sha256:`` or ``md5:`` and hex digits; null takes what comes."""


_COCO = "https://s3.amazonaws.com/images.cocodataset.org/zips/"
_DIV2K = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"


class CocoStuffSource(Section):
    """COCO-Stuff 2017, with segmentation maps; fetched from its public home, some 21 GB."""

    kind: Literal["coco-stuff"]
    """COCO's photographs of 2017 and COCO-Stuff's maps."""
    train: Archive | None = Archive(
        address=_COCO + "train2017.zip",
        checksum="sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
    )
    """The zip with the folder ``train2017``, 19 GB; null leaves it out."""
    val: Archive | None = Archive(
        address=_COCO + "val2017.zip",
        checksum="sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
    )
    """The zip with the folder ``val2017``, 0.8 GB; null leaves it out."""
    maps: Archive | None = Archive(
        address="http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip"
    )
    """The zip with the pixel maps of both, 0.7 GB; null does without maps."""
    val_split: Literal["val", "test"] = "test"
    """What ``val2017`` is for."""
    val_share: float = Field(0.04, ge=0, lt=1)
    """Share of ``train2017``, by the photographs' hashes, that is for validation; the rest is for training."""

    @property
    def path(self) -> str:
        """What the names of its photographs begin with."""
        return self.kind


class Div2kSource(Section):
    """DIV2K's 100 validation photographs, for the test split; fetched from their public home."""

    kind: Literal["div2k"]
    """The photographs on which the paper measures."""
    size: Literal["full", "x4"] = "full"
    """Their full size, or brought down to a quarter of each side by bicubic interpolation."""
    full: Archive = Archive(
        address=_DIV2K + "DIV2K_valid_HR.zip",
        checksum="sha256:20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
    )
    """The zip with the folder ``DIV2K_valid_HR``, 0.4 GB."""
    x4: Archive = Archive(
        address=_DIV2K + "DIV2K_valid_LR_bicubic_X4.zip",
        checksum="sha256:a50a5d1c4b88de4e8d300d8fb2b904c52fe93b2b298a4899697760d7cbb6d553",
    )
    """The zip with the folder ``DIV2K_valid_LR_bicubic/X4``, 32 MB."""

    @property
    def path(self) -> str:
        """What the names of its photographs begin with."""
        return self.kind


class S3Source(Section):
    """Photographs in a bucket. Name, key and region come from where boto3 looks for them, never from here."""

    kind: Literal["s3"]
    """A bucket of S3 or of a store like it."""
    address: str = Field(pattern=r"^s3://[^\s/@]+(/[^@]*)?$")
    """``s3://bucket/prefix``: all below the prefix, which is taken for a folder, as a source of the kind `folder`."""
    endpoint: str | None = Field(None, pattern=r"^https?://[^\s@]+$")
    """Address of a store other than Amazon's."""
    unsigned: bool = False
    """Ask as nobody in particular, as public buckets allow; done as well where boto3 finds no credentials."""
    split: Split | None = None
    """As for a folder."""
    labels: str | None = None
    """As for a folder: the CSV's key below the prefix."""

    @property
    def path(self) -> str:
        """What the names of its photographs begin with."""
        return self.address.rstrip("/")


AnySource = Annotated[Source | CocoStuffSource | Div2kSource | S3Source, Field(discriminator="kind")]


class Splits(Section):
    """Shares of the photographs whose source names no split; the rest is for training."""

    val: Share = 0.1
    """For choosing the best weights and setting the decoders."""
    test: Share = 0.15
    """For the evaluation; never looked at before."""

    @model_validator(mode="after")
    def _leaves_some_for_training(self) -> Splits:
        if self.val + self.test >= 1:
            raise ValueError("val and test together leave nothing for training; keep their sum below 1")
        return self


class DatasetParams(Section):
    """Stages ``sources`` and ``dataset``: which photographs, and how they are stored."""

    sources: tuple[AnySource, ...] = Field((Source(kind="sample"),), min_length=1)
    """Where photographs come from; each entry has the keys of its kind."""
    splits: Splits = Splits()
    short_side: int = Field(256, ge=32, le=4096)
    """Training photographs are scaled down to this short side, in pixels; smaller ones stay as they are."""
    jpeg_quality: int = Field(95, ge=50, le=100)
    """Quality of stored training photographs, written without chroma subsampling."""
    min_side: int = Field(64, ge=1)
    """Photographs with a shorter side are rejected."""
    max_megapixels: float = Field(200, gt=0)
    """Photographs with more pixels are rejected before they are decoded."""
    min_chroma: float = Field(5, ge=0, le=128)
    """Photographs without any ``|a|`` or ``|b|`` above this are grey and rejected (Zhang et al. 2016)."""
    duplicate_bits: int = Field(4, ge=0, le=8)
    """Two photographs whose 64-bit perceptual hashes differ in at most this many bits are near duplicates. The search
    compares few hashes while this is small, and ever more of them as it grows."""
    shard_megabytes: int = Field(256, ge=1, le=4096)
    """A shard is closed once it has grown past this size."""


class SceneProbsParams(Section):
    """Stage ``scene_probs``: who says which scene a photograph shows."""

    teacher: Literal["packaged", "onnx", "places365"] = "packaged"
    """The one that ships with the project, any ONNX model with 365 outputs, or a public Places365 checkpoint."""
    weights: str | None = None
    """Path or https address of the teacher's file, for the kinds ``onnx`` and ``places365``."""
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """Checksum of that file; demanded for an address."""
    batch_size: int = Field(32, ge=1)
    """Photographs that the teacher sees at once."""

    @model_validator(mode="after")
    def _teacher_has_its_file(self) -> SceneProbsParams:
        if (self.teacher == "packaged") == (self.weights is not None):
            raise ValueError("`weights` names the file of the teachers `onnx` and `places365`, and of those only")
        if self.weights and "://" in self.weights and not self.weights.startswith("https://"):
            raise ValueError("`weights` must be a path or an https address; no other address is fetched")
        if self.weights and self.weights.startswith("https://") and not self.sha256:
            raise ValueError("`sha256` is needed for weights that are fetched from an address")
        return self


class ColorPriorParams(Section):
    """Stage ``color_prior``: soft encoding over the 313 bins, and the weights of rare colours."""

    neighbours: int = Field(5, ge=1, le=25)
    """Bins that share a pixel."""
    sigma: float = Field(5, gt=0)
    """Width of the Gaussian over the distance to a bin, in ab units."""
    uniform_share: Share = 0.5
    """The method's lambda: how much of the uniform distribution is mixed into the prior before it is inverted."""


class ModelParams(Section):
    """The network."""

    encoder: str = "tf_efficientnet_lite0"
    """``unet`` for the paper's own encoder, or any timm model that gives feature maps."""
    pretrained: bool = True
    """Start a timm encoder from ImageNet weights."""
    width: int = Field(64, ge=4, le=256)
    """Channels of the first level of the paper's own U-Net; each deeper level has twice as many."""
    decoder_channels: tuple[int, ...] = (256, 128, 96)
    """Channels of the decoder over a timm encoder, deepest first; its length sets the stride of the finest map."""
    decoder_block: Literal["full", "separable"] = "full"
    """3x3 convolutions over all channels, or depthwise ones between 1x1 convolutions."""
    soft_stride: Literal[1, 2, 4, 8] = 4
    """Pixels a side that share one colour distribution, counted at the working size."""
    scene_context: Literal["none", "auxiliary", "fused"] = "fused"
    """No scene head; a head that only shapes the encoder (the paper's); or one whose belief also enters the decoder."""
    segmentation_stride: Literal[1, 2, 4, 8] | None = None
    """Pixels a side, at the working size, that share one class in the head that tells what each pixel shows; null for
    no such head. It learns from those photographs that come with a segmentation map."""


class LossParams(Section):
    """Weights of the losses; 0 switches one off. The paper's: reg 10, soft 1, scene 1, and segmentation 1."""

    reg: float = Field(10, ge=0)
    """Of the ab values' error."""
    reg_form: Literal["squared", "log"] = "squared"
    """``squared``: the mean squared error, the paper's. ``log``: the mean over photographs of its logarithm, which is
    what PSNR averages; a photograph without much colour then counts as much as a bright one."""
    soft: float = Field(1, ge=0)
    """Of the cross-entropy over quantised colours."""
    scene: float = Field(1, ge=0)
    """Of the cross-entropy over scenes."""
    segmentation: float = Field(1, ge=0)
    """Of the mix of cross-entropy and dice over classes; counts where the model has a segmentation head."""
    dice_share: Share = 0.5
    """Share of dice in that mix; the paper's is 1."""

    @model_validator(mode="after")
    def _something_is_learnt(self) -> LossParams:
        if self.reg == 0 and self.soft == 0:
            raise ValueError("reg and soft are both 0, so no colour would be learnt; give one of them a weight")
        return self


class ScheduleParams(Section):
    """How the learning rate moves."""

    name: Literal["cosine", "step", "cyclic"] = "cosine"
    """``cosine``: warm-up, then down to 0. ``step``: the paper's first, x0.95 every 5 epochs. ``cyclic``: the paper's
    later one, between 0.8 and 0.2 of the rate with a period of 8 epochs."""
    warmup_share: Share = 0.05
    """Share of all steps in which the rate rises linearly from 0; only ``cosine``."""


class AugmentParams(Section):
    """Changes of geometry and lightness in training; hue and saturation are the target and never change."""

    min_crop_area: float = Field(0.4, gt=0, le=1)
    """Smallest share of the photograph that a random crop keeps."""
    flip: Share = 0.5
    """Share of photographs that are mirrored."""
    rotate_degrees: float = Field(0, ge=0, le=45)
    """Largest angle by which half of the photographs are turned."""
    lightness: float = Field(0.1, ge=0, le=0.5)
    """Largest relative change of brightness and contrast of the input lightness."""
    noise: float = Field(0, ge=0, le=20)
    """Largest standard deviation of grain added to the input lightness, in L units."""


class DistillParams(Section):
    """What is learnt from other networks, see `scenehue.training.distillation`."""

    teachers: list[str] = []
    """Checkpoints, ``released`` or folders, whose mean regression is learnt beside the true colours; none of them need
    be of this architecture. Each looks at a crop at its own size and scales."""
    share: float = Field(0.5, ge=0, le=1)
    """Of what they say in the regression loss; the rest is the true colours'."""


class TrainParams(Section):
    """Stage ``train``."""

    init_from: str | None = None
    """Weights to start from: ``released``, or the folder of a checkpoint of the same architecture; of an ensemble its
    first network."""
    model: ModelParams = ModelParams()
    losses: LossParams = LossParams()
    distill: DistillParams = DistillParams()
    schedule: ScheduleParams = ScheduleParams()
    augment: AugmentParams = AugmentParams()
    emphasis: dict[str, Annotated[int, Field(ge=1, le=1000)]] = {}
    """How many times an epoch shows the photographs whose paths match a pattern, such as ``{"*!birds/*": 8}``, each
    time augmented anew; all others once. Paths as in ``manifest.parquet``."""
    size: int = Field(128, ge=32, le=1024, multiple_of=32)
    """Side of the square training crops, in pixels."""
    batch_size: int = Field(16, ge=1)
    """Photographs in a batch; all there are, if there are fewer."""
    accumulate: int = Field(1, ge=1)
    """Batches whose gradients are added up before each step."""
    epochs: int = Field(10, ge=1)
    """Times that each photograph is seen (more with `emphasis`); a multiple of `validate_every`."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """The largest one; `schedule` says how it moves."""
    encoder_rate: float = Field(0.3, ge=0, le=1)
    """The timm encoder's learning rate, as a share of the network's; 0 freezes it, which trains twice as fast."""
    weight_decay: float = Field(1e-2, ge=0)
    """AdamW's; normalisation and biases are spared."""
    gradient_clip: float = Field(1.0, ge=0)
    """Largest norm of the gradient; 0 switches clipping off."""
    ema_decay: float = Field(0.999, ge=0, lt=1)
    """Decay of the averaged weights that are validated and kept; 0 keeps the last ones."""
    precision: Literal["32", "bf16", "16"] = "bf16"
    """Bits of the network's inside in training: all, or half of them in one of two formats."""
    validate_every: int = Field(1, ge=1)
    """Epochs between validations; a checkpoint to resume from is written at each."""
    scales: tuple[Annotated[float, Field(gt=0, le=4)], ...] = Field((1.0,), min_length=1)
    """Sizes, as multiples of `size`, at which the trained network is to see a photograph that it colours; what it says
    of each is averaged. Training itself is at `size`."""
    calibrate_reg: bool = True
    """Make what the trained regression head says duller or bolder, as far as its PSNR on validation photos gains."""
    patience: int = Field(0, ge=0)
    """Validations without improvement before training stops early; 0 never stops."""
    seed: int = Field(0, ge=0)
    """Of the first weights, of the order of photographs, and of their augmentation."""

    @model_validator(mode="after")
    def _ends_with_a_validation(self) -> TrainParams:
        if self.epochs % self.validate_every:
            raise ValueError(f"epochs ({self.epochs}) must be a multiple of validate_every ({self.validate_every})")
        return self

    @model_validator(mode="after")
    def _has_what_teachers_teach(self) -> TrainParams:
        if self.distill.teachers and not self.losses.reg:
            raise ValueError("distill.teachers teach the regression head, but losses.reg is 0")
        return self


class EvaluateParams(Section):
    """Stage ``evaluate``."""

    size: int | None = Field(None, ge=32, le=2048)
    """Working size: the short side that the network sees, in pixels; without it, the size the model was trained for."""
    decoders: tuple[Decoder, ...] = Field(("reg", "mode", "mean", "annealed", "vivid"), min_length=1)
    """What is measured, each beside leaving the photographs grey; the first one sorts the contact sheet."""
    temperature: float = Field(0.38, gt=0, le=1)
    """Of the annealed mean (Zhang et al. 2016)."""
    bootstrap: int = Field(2000, ge=100)
    """Resamples behind each confidence interval."""
    sheet_photos: int = Field(12, ge=1)
    """Photographs on the contact sheet, best and worst ones included."""
    seed: int = Field(0, ge=0)
    """Of the bootstrap."""


class MachineParams(Section):
    """Where to compute. Changes nothing that is computed, so no stage depends on it."""

    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    workers: int | None = Field(None, ge=0)
    """Processes beside the main one; without a number, one less than there are cores."""
    processes: int = Field(1, ge=1)
    """Processes that share a training on this machine, each with a GPU of its own, if it has GPUs."""
    downloads: str = "downloads"
    """Folder for what sources fetch, relative to the repository's root or absolute; never committed."""
    ray: str | None = Field(None, pattern=r"^(auto|(ray://)?[^\s/@]+:\d+)$")
    """Ray's workers do what can be spread over many machines: ``host:port`` or ``ray://host:port`` of a cluster;
    ``auto``: the cluster that RAY_ADDRESS names, or else `workers` processes here; null for no Ray."""


class TrackingParams(Section):
    """Where training and evaluation are recorded."""

    uri: str | None = "sqlite:///mlflow.db"
    """MLflow's tracking address, unless MLFLOW_TRACKING_URI names another; null, without that variable, switches it
    off. Name and password go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."""
    experiment: str = "scenehue"
    """Name under which MLflow groups the runs."""

    @model_validator(mode="after")
    def _no_secret_in_the_address(self) -> TrackingParams:
        if self.uri and "@" in self.uri:
            raise ValueError("`uri` may hold no user or password; set MLFLOW_TRACKING_USERNAME and _PASSWORD instead")
        return self


class RegistryParams(Section):
    """Where trained models are versioned; its address is `tracking.uri`."""

    name: str = Field("scenehue", pattern=r"^[\w.-]+$")
    """Of the registered model; ``models:/NAME@champion`` is what production loads."""


class PrimaryMetric(Section):
    """What a challenger must be better in."""

    decoder: Decoder = "reg"
    """Whose pictures are compared."""
    metric: Metric = "psnr"
    """Higher is better, but for errors and LPIPS, where lower is, and deltas, where nearer to 0 is."""
    min_gain: float = Field(0.02, ge=0)
    """The whole confidence interval of the gain must lie above this, in the metric's unit."""


class Guard(Section):
    """A metric that may not get worse by more than a margin."""

    decoder: Decoder
    """Whose pictures are compared."""
    metric: Metric
    """As in `PrimaryMetric`."""
    margin: float = Field(ge=0)
    """Largest worsening of the mean, in the metric's unit."""


class PromotionParams(Section):
    """The rule by which a challenger becomes champion. With no champion it must beat leaving the photographs grey."""

    primary: PrimaryMetric = PrimaryMetric()
    guards: tuple[Guard, ...] = (
        Guard(decoder="vivid", metric="delta_colorfulness", margin=3),
        Guard(decoder="reg", metric="ssim", margin=0.005),
    )
    max_latency_ratio: float = Field(1.5, gt=0)
    """Largest time for a photograph, as a multiple of the champion's."""
    max_size_ratio: float = Field(1.5, gt=0)
    """Largest number of parameters, as a multiple of the champion's."""
    min_photos: int = Field(8, ge=2)
    """Test photographs that neither model was trained on; with fewer, nothing is promoted."""
    resamples: int = Field(2000, ge=100)
    """Of the paired bootstrap."""
    confidence: float = Field(0.95, ge=0.5, lt=1)
    """Of its interval."""
    seed: int = Field(0, ge=0)
    """Of its draws."""


class Params(Section):
    """The whole file, a section a stage."""

    dataset: DatasetParams = DatasetParams()
    scene_probs: SceneProbsParams = SceneProbsParams()
    color_prior: ColorPriorParams = ColorPriorParams()
    train: TrainParams = TrainParams()
    evaluate: EvaluateParams = EvaluateParams()
    machine: MachineParams = MachineParams()
    tracking: TrackingParams = TrackingParams()
    registry: RegistryParams = RegistryParams()
    promotion: PromotionParams = PromotionParams()


def _key(location: tuple[int | str, ...], problem: str) -> str:
    """The path of a key as params.yaml has it: without the kind that stands in for a source's class."""
    parts = [*location[:3], *location[4:]] if location[:2] == ("dataset", "sources") else list(location)
    return ".".join(map(str, [*parts, "kind"] if problem.startswith("union_tag") else parts))


def load_params(path: str | Path = "params.yaml") -> Params:
    """Reads and validates the configuration.

    Args:
        path: YAML file with one section per stage.

    Returns:
        The parameters; sections and keys that the file leaves out have their defaults.

    Raises:
        ParamsError: The file is missing, is no YAML mapping, or a key is unknown or out of its range. The message names
            every such key with its full path, as in ``train.epochs``.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(f"{path} is missing; run the command in the repository's root, where it is") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from error
    try:
        return Params.model_validate(content if content is not None else {})
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            key = _key(problem["loc"], problem["type"]) or "the file"
            reason = "there is no such key" if problem["type"] == "extra_forbidden" else problem["msg"]
            # What contradicts itself is a whole section, which may hold what must not be printed; so may an address.
            secret = problem["type"] == "value_error" or "@" in str(problem["input"])
            given = "" if secret else f" (given: {problem['input']!r})"[:200]
            lines.append(f"  {key}: {reason}{given}")
        raise ParamsError(f"{path} cannot be used:\n" + "\n".join(lines)) from error
