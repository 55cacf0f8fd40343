"""Whether a challenger becomes champion: a pure function of the rule and of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scenehue.evaluation.bootstrap import paired_difference
from scenehue.evaluation.results import GREY, Results
from scenehue.params import PromotionParams

PROMOTED, REFUSED = "promoted", "refused"
LOWER_IS_BETTER = frozenset({"mse_ab", "mse_ab_unit", "relative_error_ab", "lpips"})


@dataclass(frozen=True)
class SmokeTest:
    """Whether the packaged model works.

    Attributes:
        passed: Whether all went well.
        words: What was tried, or what went wrong.
    """

    passed: bool
    words: str


@dataclass(frozen=True)
class Candidate:
    """All that the rule wants to know of a model.

    Attributes:
        name: For people, such as ``version 3``.
        checkpoint: sha256 of the weights.
        results: On the test photographs.
        seen: Ids of the photographs that it was trained or chosen on.
        parameters: How many numbers its weights are.
        seconds: For one photograph, measured in turn with the other model on one machine; None if it was not measured.
        smoke: Of its package.
    """

    name: str
    checkpoint: str
    results: Results
    seen: frozenset[str]
    parameters: int
    seconds: float | None = None
    smoke: SmokeTest = SmokeTest(True, "The package works.")


@dataclass(frozen=True)
class Reason:
    """One condition of the rule.

    Attributes:
        holds: Whether it is met.
        words: A sentence with the numbers.
    """

    holds: bool
    words: str


@dataclass(frozen=True)
class Verdict:
    """What the rule says.

    Attributes:
        promoted: Whether the challenger becomes champion.
        reasons: Each condition that was looked at.
        challenger: Name of the one that was judged.
        champion: Name of the one it was judged against, or None.
        numbers: What was measured, as JSON data.
        supposed: Whether nothing was meant to change.
    """

    promoted: bool
    reasons: tuple[Reason, ...]
    challenger: str = ""
    champion: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    supposed: bool = False

    @property
    def text(self) -> str:
        """The verdict in words, as Markdown."""
        against = f" against {self.champion}" if self.champion else ""
        head = f"{self.challenger} {'would be' if self.supposed else 'was'} {PROMOTED if self.promoted else REFUSED}"
        points = "\n".join(f"- {'yes' if reason.holds else 'no'}: {reason.words}" for reason in self.reasons)
        return f"{head.capitalize()}{against}.\n\n{points}\n"


def judge(rule: PromotionParams, challenger: Candidate, champion: Candidate | None) -> Verdict:
    """Applies the promotion rule.

    The challenger must be better in the primary metric: the confidence interval of the paired difference, over the test
    photographs that neither has seen in training, must lie above ``min_gain`` as a whole. No guard metric may be worse
    by more than its margin, nor time and size by more than their ratios, and the package must work. With no champion,
    the one to be better than is the grey baseline.

    Args:
        rule: The section ``promotion`` of params.yaml.
        challenger: The model that wants to become champion.
        champion: The model that is; None if there is none.

    Returns:
        The verdict, with every condition in words, those that hold too.
    """
    if champion is not None and champion.checkpoint == challenger.checkpoint:
        same = Reason(False, f"{champion.name} has the very same weights, so there is nothing to gain.")
        return Verdict(False, (same,), challenger.name, champion.name)
    seen = challenger.seen | (champion.seen if champion else frozenset())
    common = set(challenger.results.ids) & set((champion or challenger).results.ids)
    fair = sorted(common - seen)
    numbers: dict[str, Any] = {"photos": len(fair)}
    reasons = [_enough(rule, len(fair), len(common))]
    if reasons[0].holds:
        ours = challenger.results.restricted_to(fair)
        theirs = champion.results.restricted_to(fair) if champion else None
        reasons.append(_gain(rule, ours, theirs, champion, numbers))
        if champion is not None and theirs is not None:
            reasons += [_guarded(guard, ours, theirs, numbers) for guard in rule.guards]
    if champion is not None:
        reasons.append(_latency(rule, challenger, champion, numbers))
        reasons.append(_size(rule, challenger, champion, numbers))
    reasons.append(Reason(challenger.smoke.passed, challenger.smoke.words))
    promoted = all(reason.holds for reason in reasons)
    return Verdict(promoted, tuple(reasons), challenger.name, champion.name if champion else None, numbers)


def _enough(rule: PromotionParams, fair: int, common: int) -> Reason:
    left_out = f" ({common - fair} that one of them was trained on are left out)" if common > fair else ""
    enough = fair >= rule.min_photos
    return Reason(
        enough,
        f"{fair} test photographs count{left_out}; the rule wants at least {rule.min_photos}.",
    )


def _gain(
    rule: PromotionParams, ours: Results, theirs: Results | None, champion: Candidate | None, numbers: dict[str, Any]
) -> Reason:
    primary = rule.primary
    what = f"{primary.metric} of {primary.decoder}"
    for results, whose in ((ours, "the challenger"), (theirs, "the champion")):
        if results is not None and not _has(results, primary.decoder, primary.metric):
            return Reason(False, f"There is no {what} of {whose}, so the two cannot be compared.")
    a = _goodness(ours, primary.decoder, primary.metric)
    b = _goodness(theirs or ours, primary.decoder if theirs else GREY, primary.metric)
    gain = paired_difference(a, b, rule.resamples, rule.seed, rule.confidence)
    numbers["gain"] = gain._asdict()
    whom = champion.name if champion else "leaving the photographs grey"
    interval = f"{gain.mean:+.4g} [{gain.low:+.4g}, {gain.high:+.4g}] at {rule.confidence:.0%} confidence"
    holds = gain.low > primary.min_gain
    if holds:
        words = f"Better than {whom} in {what} by {interval}, wholly above {primary.min_gain:g}."
    elif gain.mean > primary.min_gain:
        words = f"Better than {whom} in {what} by {interval}, which may be luck: not wholly above {primary.min_gain:g}."
    elif gain.high < 0:
        words = f"Worse than {whom} in {what}: {interval}."
    else:
        words = f"Not better than {whom} in {what}: {interval}; the gain must exceed {primary.min_gain:g}."
    return Reason(holds, words)


def _guarded(guard: Any, ours: Results, theirs: Results, numbers: dict[str, Any]) -> Reason:
    what = f"{guard.metric} of {guard.decoder}"
    if not _has(theirs, guard.decoder, guard.metric):
        return Reason(True, f"The champion has no {what} to fall behind.")
    if not _has(ours, guard.decoder, guard.metric):
        return Reason(False, f"The champion has a {what}, and the challenger has none.")
    mine, other = (_mean_goodness(results, guard.decoder, guard.metric) for results in (ours, theirs))
    worsening = other - mine
    numbers[f"{guard.decoder}.{guard.metric}"] = {"worsening": worsening, "margin": guard.margin}
    change = f"worse by {worsening:.4g}" if worsening > 0 else f"better by {-worsening:.4g}" if worsening else "as good"
    return Reason(worsening <= guard.margin, f"Guard {what}: {change}; at most {guard.margin:g} worse is allowed.")


def _latency(rule: PromotionParams, challenger: Candidate, champion: Candidate, numbers: dict[str, Any]) -> Reason:
    if challenger.seconds is None or champion.seconds is None:
        return Reason(False, "The time for a photograph was not measured.")
    ratio = challenger.seconds / champion.seconds
    numbers["latency_ratio"] = ratio
    return Reason(
        ratio <= rule.max_latency_ratio,
        f"A photograph takes {ratio:.2f} times as long ({challenger.seconds * 1000:.1f} ms against "
        f"{champion.seconds * 1000:.1f} ms); at most {rule.max_latency_ratio:g} times is allowed.",
    )


def _size(rule: PromotionParams, challenger: Candidate, champion: Candidate, numbers: dict[str, Any]) -> Reason:
    ratio = challenger.parameters / champion.parameters
    numbers["size_ratio"] = ratio
    return Reason(
        ratio <= rule.max_size_ratio,
        f"It is {ratio:.2f} times as large ({challenger.parameters / 1e6:.2f} against {champion.parameters / 1e6:.2f} "
        f"million parameters); at most {rule.max_size_ratio:g} times is allowed.",
    )


def _has(results: Results, decoder: str, metric: str) -> bool:
    return decoder in results.decoders and metric in results.metrics


def _goodness(results: Results, decoder: str, metric: str) -> dict[str, float]:
    """A metric by photograph, turned so that more is better."""
    values = results.by_photo(decoder, metric)
    if metric.startswith("delta_"):
        return {photo: -abs(value) for photo, value in values.items()}
    return {photo: -value for photo, value in values.items()} if metric in LOWER_IS_BETTER else values


def _mean_goodness(results: Results, decoder: str, metric: str) -> float:
    """A metric's mean, turned so that more is better; of a delta, how near its mean comes to 0."""
    mean = float(results.values(decoder, metric).mean())
    if metric.startswith("delta_"):
        return -abs(mean)
    return -mean if metric in LOWER_IS_BETTER else mean
