import pytest
import torch

from scenehue.params import ScheduleParams
from scenehue.training.schedule import rate_factor


def test_cosine_is_torchs_after_the_warm_up() -> None:
    params = ScheduleParams(name="cosine", warmup_share=0.2)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=80)
    factors = [rate_factor(params, step, 10, 100) for step in range(101)]
    assert factors[:20] == sorted(factors[:20])
    for step in range(20, 100):
        assert factors[step] == pytest.approx(reference.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        reference.step()
    assert factors[100] == pytest.approx(0, abs=1e-9)


def test_the_papers_schedules() -> None:
    step, cyclic = ScheduleParams(name="step"), ScheduleParams(name="cyclic")
    assert [rate_factor(step, epoch, 1, 99) for epoch in (0, 4, 5, 14)] == pytest.approx([1, 1, 0.95, 0.95**2])
    # A rate of 0.001 moves between 0.0008 and 0.0002, down and up again in 8 epochs.
    assert [rate_factor(cyclic, epoch, 1, 99) for epoch in (0, 2, 4, 6, 8)] == pytest.approx([0.8, 0.5, 0.2, 0.5, 0.8])
