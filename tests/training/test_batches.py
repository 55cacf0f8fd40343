import itertools
from collections import Counter

import pytest

from scenehue.errors import ParamsError
from scenehue.params import MachineParams, TrainParams
from scenehue.training.batches import loader, steps_per_epoch
from scenehue.training.processes import ALONE, Place, batches_of_each

MACHINE = MachineParams(workers=0)


class Numbers:
    """A data set of which each photo is its number."""

    def __init__(self, num: int) -> None:
        self.num = num

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, index: int) -> int:
        return index


def epoch(num: int, params: TrainParams, training: bool, place: Place = ALONE, number: int = 0) -> list[list[int]]:
    batches = loader(Numbers(num), params, MACHINE, training, place)  # type: ignore[arg-type]
    if training:
        batches.batch_sampler.sampler.set_epoch(number)  # type: ignore[union-attr]
    assert len(batches) == sum(1 for _ in batches)
    return [batch.tolist() for batch in batches]


def flat(lists: list[list[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(lists))


@pytest.mark.parametrize("processes", [2, 4])
def test_the_processes_together_see_in_each_step_what_one_would_accumulate(processes: int) -> None:
    params = TrainParams(batch_size=3, accumulate=4)
    alone = epoch(30, params, training=True)
    shares = [epoch(30, params, True, Place(rank, processes)) for rank in range(processes)]
    assert [batch for together in zip(*shares, strict=True) for batch in together] == alone
    seen = Counter(photo for share in shares for batch in share for photo in batch)
    assert set(seen.values()) == {1}, "no photo twice"
    assert len(seen) == 24 == 3 * 4 * steps_per_epoch(30, params), "complete steps only"


def test_each_photo_is_seen_once_an_epoch_and_those_left_over_in_another() -> None:
    params = TrainParams(batch_size=2, accumulate=2)
    even = [[photo for batch in epoch(12, params, True, Place(rank, 2)) for photo in batch] for rank in range(2)]
    assert sorted(even[0] + even[1]) == list(range(12))
    epochs = [flat(epoch(14, params, True, number=number)) for number in range(6)]
    assert [len(set(photos)) for photos in epochs] == [12] * 6
    assert epochs[0] != epochs[1]
    assert set(flat(epochs)) == set(range(14))


@pytest.mark.parametrize("num", [2, 3, 7, 12, 13])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_in_validation_every_process_has_photos_and_none_is_doubled(num: int, processes: int) -> None:
    shares = [epoch(num, TrainParams(batch_size=4), False, Place(rank, processes)) for rank in range(processes)]
    photos = [sorted(flat(share)) for share in shares]
    assert all(photos)
    if num >= processes:
        assert sorted(flat(photos)) == list(range(num))
    else:
        assert photos == [list(range(num))] * processes, "all see all, so that the mean is right"


def test_a_small_data_set_gives_smaller_batches() -> None:
    params = TrainParams(batch_size=16, accumulate=2)
    assert steps_per_epoch(9, params) == 1
    assert [len(batch) for batch in epoch(9, params, training=True)] == [4, 4]
    with pytest.raises(ParamsError, match=r"train\.accumulate"):
        steps_per_epoch(1, params)


def test_batches_that_cannot_be_shared_evenly_are_an_error() -> None:
    assert batches_of_each(6, Place(1, 2)) == 3
    with pytest.raises(ParamsError, match=r"train\.accumulate must be a multiple of 4, not 6"):
        batches_of_each(6, Place(0, 4))
