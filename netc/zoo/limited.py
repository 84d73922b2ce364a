"""Run an untrusted model in a separate process with limits of memory and time. Same interface as `session.Session`."""

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import numpy as np

from netc.errors import RunError
from netc.runtime.session import Session
from netc.zoo import worker
from netc.zoo.names import MANIFEST

SECONDS, MEMORY = "NETC_MODEL_SECONDS", "NETC_MODEL_MEMORY"  # environment variables for the limits: seconds per batch, megabytes
MOST_SECONDS, MOST_MEMORY = 120, 4096


def open_model(model: bytes | Path) -> "Session | LimitedSession":
    """Open a model. A file with a manifest in its folder came from a zoo and runs in a separate process."""
    return LimitedSession(model) if isinstance(model, Path) and (model.parent / MANIFEST).exists() else Session(model)


class LimitedSession:
    """A model in its own process. RunError if it cannot be loaded or exceeds the limits of time or memory."""

    def __init__(self, model: Path):
        self.model, self.seconds = model, _number(SECONDS, MOST_SECONDS)
        self.memory = (_number(MEMORY, MOST_MEMORY) << 20) + 4 * model.stat().st_size
        command = [sys.executable, "-P", worker.__file__, str(model.absolute()), str(self.memory), str(self.seconds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=os.path.sep)
        self._lock, self._end = threading.Lock(), weakref.finalize(self, _ended, self._process)
        message, _ = self._answer()
        self.metadata: dict[str, str] = message["metadata"]
        self.inputs = {port["name"]: SimpleNamespace(**port) for port in message["inputs"]}
        self._ports = [SimpleNamespace(**port) for port in message["outputs"]]
        self.outputs = [port.name for port in self._ports]

    @property
    def ort(self) -> "LimitedSession":
        """An object with the methods of an onnxruntime session that callers need."""
        return self

    def get_outputs(self) -> list[Any]:
        """Name, type and shape of each output."""
        return self._ports

    def get_modelmeta(self) -> Any:
        """The metadata of the model."""
        return SimpleNamespace(custom_metadata_map=self.metadata)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the model. Returns every output by name."""
        with self._lock:  # requests of several threads must not mix
            return self._answer(feeds)[1]

    def _answer(self, feeds: Mapping[str, np.ndarray] | None = None) -> worker.Message:
        """The answer of the process to `feeds`, or after it has loaded the model."""
        given, answers = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        seconds = self.seconds if feeds is not None else max(self.seconds, worker.LOADING)
        late = threading.Timer(seconds, self._process.kill)
        late.daemon = True
        late.start()
        try:
            if feeds is not None:
                worker.send(given, {}, dict(feeds))
            message, arrays = worker.receive(answers)
        except (EOFError, ValueError, KeyError, TypeError, MemoryError, OSError) as error:
            self.close()
            raise RunError(f"the model was stopped: it took more than {seconds} seconds ({SECONDS}), or its process died") from error
        finally:
            late.cancel()
        if "error" in message:
            raise RunError(f"onnxruntime, with {self.memory >> 20} MB ({MEMORY}): {' '.join(str(message['error']).split())}")
        return message, arrays

    def close(self) -> None:
        """End the process."""
        self._end()


def _ended(process: "subprocess.Popen[bytes]") -> None:
    with suppress(OSError):
        process.kill()
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            if stream:
                stream.close()
    process.wait()


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    if text and not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise RunError(f"{variable}: expected a whole number above 0; got {text!r}")
    return int(text or default)
