from __future__ import annotations

from scenehue.registry import latency


def test_the_models_take_turns_and_the_quickest_turn_of_each_counts(monkeypatch, tmp_path):
    clock, order = [0.0], []
    took = {"a": iter([9.0, 3.0, 1.0, 2.0]), "b": iter([0.1, 5.0, 6.0, 4.0])}  # the first turn is not counted

    def predict(model, photo):
        order.append(model)
        clock[0] += next(took[model])

    monkeypatch.setattr(latency, "OnnxModel", lambda path, threads: path.parent.name)
    monkeypatch.setattr(latency, "predict", predict)
    monkeypatch.setattr(latency.time, "perf_counter", lambda: clock[0])
    assert latency.seconds_per_photo([tmp_path / "a", tmp_path / "b"], rounds=3) == [1.0, 4.0]
    assert order == ["a", "b"] * 4


def test_real_graphs_are_timed(graph):
    (seconds,) = latency.seconds_per_photo([graph.parent], rounds=1)
    assert 0 < seconds < 30
