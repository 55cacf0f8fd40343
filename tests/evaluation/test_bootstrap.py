from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from scenehue.evaluation.bootstrap import mean_interval, paired_difference


def test_all_resamples_of_five_photographs_counted_out():
    values = [20.0, 21.5, 23.0, 27.0, 30.5]
    means = np.array([np.mean(draw) for draw in itertools.product(values, repeat=5)])
    interval = mean_interval(values, resamples=50_000)
    assert interval.mean == pytest.approx(24.4)
    assert interval.low == pytest.approx(np.quantile(means, 0.025), abs=0.1)
    assert interval.high == pytest.approx(np.quantile(means, 0.975), abs=0.1)


def test_many_photographs_give_students_interval():
    values = np.random.default_rng(0).normal(23, 2, 800)
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    interval = mean_interval(values, resamples=10_000)
    assert interval.low == pytest.approx(low, abs=0.02)
    assert interval.high == pytest.approx(high, abs=0.02)


def test_confidence_is_kept_in_repeated_experiments():
    rng = np.random.default_rng(1)
    samples = rng.exponential(1.0, (300, 60))
    covered = [low <= 1.0 <= high for _, low, high in (mean_interval(sample, 400) for sample in samples)]
    assert 0.88 < np.mean(covered) < 0.985


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = np.random.default_rng(2).normal(size=40)
    assert mean_interval(values, seed=1) == mean_interval(values, seed=1)
    assert mean_interval(values, seed=1) != mean_interval(values, seed=2)


def test_one_photograph_has_an_interval_without_width():
    assert mean_interval([3.5]) == (3.5, 3.5, 3.5)


def test_pairs_are_matched_by_id_and_resampled_together():
    rng = np.random.default_rng(3)
    hard = rng.normal(23, 5, 100)
    gain = rng.normal(0.3, 0.2, 100)
    a = {f"photo{i}": hard[i] + gain[i] for i in range(100)}
    b = {f"photo{i}": hard[i] for i in reversed(range(100))}
    b["only in b"] = 1000.0
    difference = paired_difference(a, b)
    low, high = stats.t.interval(0.95, 99, gain.mean(), stats.sem(gain))
    assert difference.mean == pytest.approx(gain.mean())
    assert difference.low == pytest.approx(low, abs=0.01)
    assert difference.high == pytest.approx(high, abs=0.01)
    # Unpaired, what is hard for both would have hidden so small a gain.
    unpaired = [mean_interval(list(side.values())) for side in (a, {k: b[k] for k in a})]
    assert unpaired[0].low < unpaired[1].high


def test_equal_results_differ_by_exactly_nothing():
    values = {"x": 20.0, "y": 25.0}
    assert paired_difference(values, dict(values)) == (0, 0, 0)


def test_results_without_a_common_photograph_cannot_be_compared():
    with pytest.raises(ValueError, match="no photograph in common"):
        paired_difference({"x": 1.0}, {"y": 1.0})
