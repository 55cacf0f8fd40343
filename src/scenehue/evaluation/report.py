"""The evaluation as a Markdown page that explains its own numbers."""

from __future__ import annotations

from scenehue.color.bins import AB_SCALE
from scenehue.evaluation import published
from scenehue.evaluation.bootstrap import CONFIDENCE, Interval
from scenehue.evaluation.metrics import PSNR_OF_EQUALS, SSIM_SIGMA, SSIM_WINDOW
from scenehue.evaluation.results import GREY, Results
from scenehue.evaluation.segmentation import class_scores

COLUMNS = {
    "psnr": ("PSNR, dB", 2),
    "psnr_over_grey": ("above grey, dB", 2),
    "ssim": ("SSIM", 3),
    "mse_ab": ("MSE of ab", 1),
    "mse_ab_unit": ("MSE of ab / 110²", 4),
    "relative_error_ab": ("relative error", 3),
    "colorfulness": ("colourfulness", 1),
    "delta_colorfulness": ("Δ colourfulness", 1),
    "delta_colorfulness_ddcolor": ("Δ, DDColor's", 1),
    "lpips": ("LPIPS", 3),
}
"""Heading and decimals of each column of the table."""


def write_report(results: Results, sheet: str | None = None, div2k: bool = False) -> str:
    """Renders results as Markdown.

    Args:
        results: Of one model; ``about`` may name the ``model``, and say under ``missing`` what could not be measured
            and why.
        sheet: Address of the contact sheet, relative to the report.
        div2k: The photographs are DIV2K's, so the published rows are quoted.

    Returns:
        The page, ending in a line break.
    """
    sections = [_head(results), _table(results), _scenes(results), _segmentation(results)]
    if div2k:
        sections.append(_published())
    sections += [
        _missing(results),
        _extremes(results),
        f"![Contact sheet]({sheet})" if sheet else "",
        _definitions(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(results: Results) -> str:
    model = f" of {results.about['model']}" if "model" in results.about else ""
    scales = results.about.get("scales", [1.0])
    seen = f", seen at {', '.join(f'{scale:g}' for scale in scales)} times that" if scales != [1.0] else ""
    return (
        "# Evaluation\n\n"
        f"{len(results.ids)} test photographs at their own resolution; working size{model}: {results.about['size']} "
        f"pixels on the short side{seen}. In brackets: {CONFIDENCE:.0%} bootstrap intervals of the mean over the "
        f"photographs ({results.about['resamples']} resamples)."
    )


def _cell(interval: Interval, digits: int) -> str:
    return f"{interval.mean:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _table(results: Results) -> str:
    columns = [name for name in COLUMNS if name in results.metrics or name == "psnr_over_grey"]
    lines = [
        "| | " + " | ".join(COLUMNS[name][0] for name in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for decoder in results.decoders:
        cells = []
        for name in columns:
            if name != "psnr_over_grey":
                cells.append(_cell(results.interval(decoder, name), COLUMNS[name][1]))
            else:
                cells.append("" if decoder == GREY else _cell(results.over_grey(decoder), COLUMNS[name][1]))
        lines.append(f"| {decoder} | " + " | ".join(cells) + " |")
    truth = results.values(GREY, "truth_colorfulness").mean()
    truth_ddcolor = results.values(GREY, "truth_colorfulness_ddcolor").mean()
    lines += ["", f"Colourfulness of the photographs themselves: {truth:.1f} (DDColor's variant: {truth_ddcolor:.1f})."]
    return "\n".join(lines)


def _scenes(results: Results) -> str:
    scenes = results.scenes()
    if not scenes:
        return ""
    asked = len(results.of(GREY)["scene_top1"].drop_null())
    return (
        f"Scene head, from lightness alone, on {asked} photographs: the teacher's first class (it saw the colours) is "
        f"the network's first on {_cell(scenes['top1'], 3)} of them and among its five on {_cell(scenes['top5'], 3)}."
    )


def _segmentation(results: Results, num: int = 10) -> str:
    scores = results.heads().get("segmentation")
    if scores is None or results.segmentation is None:
        return ""
    classes = class_scores(results.segmentation)
    photos = len(results.segmentation["id"].unique())
    return "\n".join(
        [
            f"Segmentation head, from lightness alone, on {photos} photographs with a map: mean IoU over the "
            f"{len(classes)} classes that occur {_cell(scores['miou'], 3)}, pixel accuracy "
            f"{_cell(scores['pixel_accuracy'], 3)}. The most frequent classes:",
            "",
            "| class | share of pixels | IoU |",
            "|---|---:|---:|",
            *(f"| {score.name} | {score.share:.1%} | {score.iou:.3f} |" for score in classes[:num]),
        ]
    )


def _published() -> str:
    lines = ["## Published on DIV2K", "", "| method | PSNR, dB | SSIM | 'MSE_ab' |", "|---|---:|---:|---:|"]
    lines += [f"| {row.method} | {row.psnr:.3f} | {row.ssim:.3f} | {row.mse_ab:.3f} |" for row in published.DIV2K]
    return "\n".join([*lines, "", published.REMARK])


def _missing(results: Results) -> str:
    missing = results.about.get("missing", {})
    return "\n".join(["## Not measured", "", *(f"- {name}: {why}" for name, why in missing.items())]) if missing else ""


def _extremes(results: Results, num: int = 3) -> str:
    decoder = results.decoders[1] if len(results.decoders) > 1 else GREY
    names = results.of(decoder)["photo"].to_pylist()
    ranked = sorted(zip(results.values(decoder, "psnr").tolist(), names, strict=True), reverse=True)

    def listed(some: list[tuple[float, str]]) -> str:
        return ", ".join(f"`{name}` ({value:.1f} dB)" for value, name in some)

    return f"Best by PSNR of {decoder}: {listed(ranked[:num])}. Worst: {listed(ranked[: -num - 1 : -1])}."


def _definitions(results: Results) -> str:
    settings = results.about["decoders"]
    decoders = {
        GREY: "the photograph's own lightness, no chroma. Every other row has to be read against it.",
        "reg": "the regression head, chroma times {saturation:g}.",
        "mode": "the most probable of the 313 colours.",
        "mean": "the mean of the 313 colours.",
        "annealed": "the annealed mean, temperature {temperature:g}.",
        "vivid": "an annealed mean, temperature {temperature:g}, chroma times {saturation:g}.",
    }
    lines = [
        f"- {name}: {decoders[name].format(**settings.get(name, {}))}" for name in results.decoders if name in decoders
    ]
    if results.segmentation is not None:
        lines.append(
            "- mean IoU: of pixels counted over all photographs; a class that is in neither truth nor prediction is "
            "left out, and so are pixels without a label."
        )
    return "\n".join(
        [
            "## Definitions",
            "",
            *lines,
            "- PSNR: on 8-bit sRGB over all pixels and channels of a photograph, then the mean over the photographs; "
            f"{PSNR_OF_EQUALS:g} for equal pictures.",
            f"- SSIM: on 8-bit sRGB, mean of the channels; Gaussian window of {SSIM_WINDOW} x {SSIM_WINDOW} pixels, "
            f"sigma {SSIM_SIGMA:g}.",
            "- MSE of ab: mean squared difference over pixels and both channels, in CIE Lab units (D65).",
            f"- MSE of ab / 110²: the same with ab divided by {AB_SCALE:g}, as the paper scales it.",
            "- relative error: ||difference|| / ||truth|| over the ab of a photograph; 1 for grey.",
            "- colourfulness: Hasler and Suesstrunk 2003 (M3), signed opponents. Δ: mean of the results less mean of "
            "the photographs; negative is duller than the truth.",
            "- DDColor's: the variant with absolute opponents, as in the code of DDColor and CT2.",
            "- above grey: difference of the PSNR to the grey row, paired by photograph.",
        ]
    )
