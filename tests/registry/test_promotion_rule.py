from __future__ import annotations

import dataclasses
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scenehue.evaluation.metrics import PHOTO_METRICS
from scenehue.evaluation.results import Results
from scenehue.params import Guard, Metric, PromotionParams
from scenehue.registry.promotion_rule import LOWER_IS_BETTER, Candidate, SmokeTest, judge

PHOTOS = [f"{number:02d}" for number in range(12)]
RULE = PromotionParams(guards=(Guard(decoder="vivid", metric="delta_colorfulness", margin=3),), resamples=200)
GREY_PSNR = 20.0


def candidate(psnr, name="version 2", ids=PHOTOS, colorfulness=-5.0, **changes):
    """A model with these PSNRs of Reg, beside a grey baseline of 20 dB."""
    rows = []
    for photo, value in zip(ids, np.broadcast_to(psnr, len(ids)), strict=True):
        for decoder, result, delta in (
            ("grey", GREY_PSNR, -30.0),
            ("reg", float(value), -12.0),
            ("vivid", float(value) - 1, colorfulness),
        ):
            row = dict.fromkeys(PHOTO_METRICS, 0.5) | {"psnr": result, "delta_colorfulness": delta}
            rows.append({"id": photo, "decoder": decoder, **row})
    results = Results(pa.Table.from_pylist(rows), {"resamples": 200, "seed": 0})
    given = {"checkpoint": name, "seen": frozenset(), "parameters": 1000, "seconds": 0.1}
    return Candidate(name=name, results=results, **(given | changes))


def champion(psnr=25.0, **changes):
    return candidate(psnr, "version 1", **changes)


def failed(verdict):
    return [reason.words for reason in verdict.reasons if not reason.holds]


def test_a_better_one_is_promoted_with_every_condition_in_words():
    verdict = judge(RULE, candidate(25.5), champion())
    assert verdict.promoted
    assert failed(verdict) == []
    assert verdict.text.startswith("Version 2 was promoted against version 1.\n")
    for words in ("12 test photographs", "psnr of reg by +0.5", "delta_colorfulness of vivid", "1.00 times", "package"):
        assert words in verdict.text
    assert verdict.numbers["gain"] == {"mean": 0.5, "low": 0.5, "high": 0.5}


def test_an_equal_one_is_refused():
    verdict = judge(RULE, candidate(25.0), champion())
    (words,) = failed(verdict)
    assert words.startswith("Not better than version 1")
    same = judge(RULE, candidate(30.0, checkpoint="x"), champion(checkpoint="x"))
    assert not same.promoted
    assert "the very same weights" in same.text


def test_a_worse_one_is_refused():
    (words,) = failed(judge(RULE, candidate(24.5), champion()))
    assert words.startswith("Worse than version 1 in psnr of reg: -0.5")


def test_one_that_is_better_by_luck_is_refused():
    lucky = np.full(12, 25.0)
    lucky[3] = 37.0  # one photograph makes the whole gain of 1 dB
    (words,) = failed(judge(RULE, candidate(lucky), champion()))
    assert "may be luck" in words
    assert "+1 [+0, " in words


def test_a_gain_that_is_sure_but_too_small_is_refused():
    (words,) = failed(judge(RULE, candidate(25.01), champion()))
    assert "the gain must exceed 0.02" in words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colorfulness": -9.0}, "Guard delta_colorfulness of vivid: worse by 4"),
        ({"colorfulness": 9.0}, "Guard delta_colorfulness of vivid: worse by 4"),
        ({"seconds": 0.2}, "2.00 times as long"),
        ({"seconds": None}, "was not measured"),
        ({"parameters": 1600}, "1.60 times as large"),
        ({"smoke": SmokeTest(False, "It broke.")}, "It broke."),
    ],
)
def test_each_guard_alone_keeps_a_better_one_out(changes, words):
    (found,) = failed(judge(RULE, candidate(30.0, **changes), champion()))
    assert words in found


def test_a_guard_of_a_decoder_that_only_one_of_them_has():
    ours, theirs = candidate(30.0), champion()

    def without(model, decoder):
        table = model.results.table
        kept = table.filter(pa.compute.not_equal(table["decoder"], decoder))
        return dataclasses.replace(model, results=Results(kept, model.results.about))

    assert judge(RULE, ours, without(theirs, "vivid")).promoted
    assert "the challenger has none" in failed(judge(RULE, without(ours, "vivid"), theirs))[0]
    assert "no psnr of reg of the challenger" in failed(judge(RULE, without(ours, "reg"), theirs))[0]


def test_with_no_champion_the_grey_baseline_is_to_be_beaten():
    assert judge(RULE, candidate(20.5), None).promoted
    verdict = judge(RULE, candidate(20.0), None)
    assert not verdict.promoted
    assert "leaving the photographs grey" in failed(verdict)[0]
    lucky = np.full(12, 20.0)
    lucky[0] = 40
    assert "may be luck" in failed(judge(RULE, candidate(lucky), None))[0]
    assert failed(judge(RULE, candidate(30.0, smoke=SmokeTest(False, "It broke.")), None)) == ["It broke."]


def test_photographs_that_either_was_trained_on_do_not_count():
    psnr = np.full(12, 24.0)
    psnr[:3] = 60.0  # learnt by heart
    ours = candidate(psnr, seen=frozenset(PHOTOS[:3]))
    verdict = judge(RULE, ours, champion())
    assert verdict.numbers["photos"] == 9
    assert "3 that one of them was trained on are left out" in verdict.text
    assert verdict.numbers["gain"]["mean"] == pytest.approx(-1)
    too_few = judge(RULE, ours, champion(seen=frozenset(PHOTOS[3:8])))
    assert failed(too_few) == [
        "4 test photographs count (8 that one of them was trained on are left out); the rule wants at least 8."
    ]


def test_only_common_photographs_are_compared():
    verdict = judge(RULE, candidate(30.0), champion(ids=PHOTOS[2:]))
    assert verdict.numbers["photos"] == 10


def test_where_lower_is_better():
    rule = RULE.model_copy(update={"guards": (Guard(decoder="reg", metric="mse_ab", margin=0.1),)})
    ours, theirs = candidate(30.0), champion()
    table = ours.results.table
    worse = table.set_column(table.column_names.index("mse_ab"), "mse_ab", pa.array([0.7] * table.num_rows))
    ours = dataclasses.replace(ours, results=Results(worse, ours.results.about))
    assert "Guard mse_ab of reg: worse by 0.2" in failed(judge(rule, ours, theirs))[0]
    assert judge(rule, theirs, ours).reasons[2].holds


def test_the_rule_knows_every_metric_that_has_a_better():
    named = set(get_args(Metric))
    assert named == {*PHOTO_METRICS, "lpips"} - {"colorfulness", "colorfulness_ddcolor"}
    assert named >= LOWER_IS_BETTER


values = st.lists(st.floats(15, 40), min_size=12, max_size=12)


@settings(max_examples=25)
@given(ours=values, theirs=values, min_gain=st.floats(0, 2))
def test_what_is_promoted_is_better_by_somebody_elses_bootstrap_too(ours, theirs, min_gain):
    rule = RULE.model_copy(update={"primary": RULE.primary.model_copy(update={"min_gain": min_gain})})
    verdict = judge(rule, candidate(ours), champion(theirs))
    difference = np.subtract(ours, theirs)
    if verdict.promoted:
        assert difference.mean() > min_gain
        if np.ptp(difference) > 1e-6:
            found = stats.bootstrap((difference,), np.mean, n_resamples=500, method="percentile", rng=1)
            assert found.confidence_interval.low > min_gain - 0.2 * difference.std()


@settings(max_examples=25)
@given(ours=values, theirs=values)
def test_no_two_verdicts_contradict_each_other(ours, theirs):
    a, b = candidate(ours), champion(theirs)
    assert not (judge(RULE, a, b).promoted and judge(RULE, b, a).promoted)
    assert judge(RULE, a, b) == judge(RULE, a, b)


@settings(max_examples=25)
@given(theirs=values, gain=st.floats(0.05, 5), more=st.floats(0, 5))
def test_more_gain_everywhere_never_hurts(theirs, gain, more):
    assert judge(RULE, candidate(np.add(theirs, gain)), champion(theirs)).promoted
    assert judge(RULE, candidate(np.add(theirs, gain + more)), champion(theirs)).promoted
