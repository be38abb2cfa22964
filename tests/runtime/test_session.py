"""Sessions: requested and actual providers, and one session per model while it does not change."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np
import pytest

from graphkit import layers
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, RuntimeSessionError
from graphkit.models import Model, Sequential
from graphkit.runtime import available_providers, installed_runtimes, session, session_for
from graphkit.runtime.session import resolve_providers

X = np.ones((2, 3), np.float32)


def small_model() -> Any:
    x = layers.Input((3,), name="x")
    return Model(x, layers.Dense(2, name="dense")(x))


def test_providers_go_by_short_and_full_names_with_options() -> None:
    assert resolve_providers("CPU") == ["CPUExecutionProvider"]
    assert resolve_providers(["cpu"]) == ["CPUExecutionProvider"]
    assert resolve_providers([("CPUExecutionProvider", {"use_arena": "1"})]) == [
        ("CPUExecutionProvider", {"use_arena": "1"})
    ]
    assert resolve_providers(None)[-1] == "CPUExecutionProvider"
    assert "CPUExecutionProvider" in available_providers()


def test_a_provider_that_is_not_there_is_named_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(
        RuntimeSessionError,
        match=r"'CUDAExecutionProvider' is not available .*: CPUExecutionProvider\. For CUDA install onnxruntime-gpu",
    ):
        resolve_providers("CUDA")
    with pytest.raises(RuntimeSessionError, match=r"'CPUU' is not available.*Did you mean 'CPU'"):
        resolve_providers("CPUU")
    with pytest.raises(InvalidArgumentError, match="providers is empty"):
        resolve_providers([])
    with pytest.raises(InvalidTypeError, match="A provider is a name"):
        resolve_providers([3])  # type: ignore[list-item]


def test_a_provider_that_could_not_start_is_an_error_not_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    class Fallen:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            pass

        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    monkeypatch.setattr(session, "available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Fallen)
    with pytest.raises(
        RuntimeSessionError, match=r"'CUDAExecutionProvider' could not start .* fell back to CPUExecutionProvider"
    ):
        session.Session(b"", "CUDA")
    with pytest.warns(
        UserWarning, match=r"'CUDAExecutionProvider' could not start .* fell back to CPUExecutionProvider"
    ):
        fallen = session._check_started(
            ["CUDAExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"], False
        )
    assert fallen is None
    with pytest.raises(RuntimeSessionError, match="'CUDAExecutionProvider' could not start"):
        session._check_started(["CUDAExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"], True)


def test_of_several_providers_those_that_are_not_there_are_left_out_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.warns(UserWarning, match="'CUDAExecutionProvider' is not available .* runs on CPUExecutionProvider"):
        assert resolve_providers(["CUDA", "CPU"]) == ["CPUExecutionProvider"]
    with pytest.warns(UserWarning, match="'CUDAExecutionProvider' is not available"):
        assert resolve_providers(["CPU", "CUDA"], strict=True) == ["CPUExecutionProvider"]
    with pytest.raises(RuntimeSessionError, match="'CUDAExecutionProvider' is not available"):
        resolve_providers(["CUDA", "CPU"], strict=True)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_threads_are_a_positive_integer(threads: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="threads must be a positive integer or None"):
        session.Session(b"", "CPU", threads)


def test_two_runtimes_side_by_side_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def __init__(self, name: str, version: str) -> None:
            self.metadata, self.version = {"Name": name}, version

    found = [
        Installed("onnxruntime", "1.20"),
        Installed("onnxruntime_gpu", "1.21"),
        Installed("onnxruntime-extensions", "1"),
    ]
    monkeypatch.setattr(metadata, "distributions", lambda: found)
    assert installed_runtimes() == ["onnxruntime 1.20", "onnxruntime-gpu 1.21"]


def test_a_session_is_kept_when_weights_change(monkeypatch: pytest.MonkeyPatch) -> None:
    model, made = small_model(), session.Session
    kept = session_for(model)
    np.testing.assert_allclose(kept.run([X])[0], model(X), rtol=1e-5)
    built: list[Any] = []
    monkeypatch.setattr(session, "Session", lambda *a, **k: built.append(a) or made(*a, **k))
    for _ in range(3):
        model.set_weights([w + 1 for w in model.get_weights()])
        assert session_for(model) is kept
        np.testing.assert_allclose(kept.run([X])[0], model(X), rtol=1e-5)
    assert len(built) == 1


def test_a_session_is_made_anew_when_layers_are_added() -> None:
    model = Sequential([layers.Input((3,), name="x"), layers.Dense(2, name="dense")])
    first = session_for(model)
    model.add(layers.Dense(5, name="more"))
    assert session_for(model) is not first
    assert session_for(model).run([X])[0].shape == (2, 5)


def test_each_setting_has_its_session() -> None:
    model = small_model()
    assert session_for(model, "CPU", 1) is not session_for(model, "CPU", 2)
    assert session_for(model, "CPU", 1) is session_for(model, "CPU", 1)


def test_sessions_go_with_their_model() -> None:
    import gc

    model = small_model()
    session_for(model)
    count = len(session._sessions)
    del model
    gc.collect()
    assert len(session._sessions) < count


def test_onnxruntimes_words_come_with_the_shapes() -> None:
    kept = session_for(small_model())
    with pytest.raises(RuntimeSessionError, match=r"could not run the model on x \(2, 5\)"):
        kept.run([np.ones((2, 5), np.float32)])


def test_predict_leaves_to_the_engine_what_depends_on_sizes_that_are_free() -> None:
    model = Sequential([layers.Input((None, None, 3)), layers.CenterCrop(3, 4)])
    small = np.random.default_rng(0).random((1, 2, 9, 3), dtype="float32")

    with pytest.warns(UserWarning, match="predict runs on the NumPy engine"):
        predicted = model.predict(small, verbose=0)

    np.testing.assert_array_equal(predicted, model(small))
