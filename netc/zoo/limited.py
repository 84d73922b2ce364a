"""A stranger's model, run in a process of its own that can take neither all memory nor for ever: `session.Session` from outside."""

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

SECONDS, MEMORY = "NETC_MODEL_SECONDS", "NETC_MODEL_MEMORY"  # variables that say other limits: seconds of a batch, megabytes
MOST_SECONDS, MOST_MEMORY = 120, 4096


def open_model(model: bytes | Path) -> "Session | LimitedSession":
    """A session of one's own model, or of one that came out of a zoo: a file with a manifest beside it."""
    return LimitedSession(model) if isinstance(model, Path) and (model.parent / MANIFEST).exists() else Session(model)


class LimitedSession:
    """One model in its process. RunError if it cannot be loaded, or takes more time or memory than the limits allow."""

    def __init__(self, model: Path):
        self.model, self.seconds = model, _number(SECONDS, MOST_SECONDS)
        self.memory = (_number(MEMORY, MOST_MEMORY) << 20) + 4 * model.stat().st_size
        command = [sys.executable, "-P", worker.__file__, str(model.absolute()), str(self.memory), str(self.seconds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=os.path.sep)
        self._lock, self._end = threading.Lock(), weakref.finalize(self, _ended, self._process)
        said, _ = self._answer()
        self.metadata: dict[str, str] = said["metadata"]
        self.inputs = {port["name"]: SimpleNamespace(**port) for port in said["inputs"]}
        self._ports = [SimpleNamespace(**port) for port in said["outputs"]]
        self.outputs = [port.name for port in self._ports]

    @property
    def ort(self) -> "LimitedSession":
        """What of an onnxruntime session is asked for: its outputs and its metadata."""
        return self

    def get_outputs(self) -> list[Any]:
        """Name, type and shape of each output."""
        return self._ports

    def get_modelmeta(self) -> Any:
        """The metadata."""
        return SimpleNamespace(custom_metadata_map=self.metadata)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every output by name."""
        with self._lock:  # questions of several threads do not mix
            return self._answer(feeds)[1]

    def _answer(self, feeds: Mapping[str, np.ndarray] | None = None) -> worker.Message:
        """What the process says: to `feeds`, or when it has loaded the model."""
        given, answers = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        seconds = self.seconds if feeds is not None else max(self.seconds, worker.LOADING)
        late = threading.Timer(seconds, self._process.kill)
        late.daemon = True
        late.start()
        try:
            if feeds is not None:
                worker.send(given, {}, dict(feeds))
            said, arrays = worker.receive(answers)
        except (EOFError, ValueError, KeyError, TypeError, MemoryError, OSError) as error:
            self.close()
            raise RunError(f"the model was ended: it took more than {seconds} seconds ({SECONDS}), or its process died") from error
        finally:
            late.cancel()
        if "error" in said:
            raise RunError(f"onnxruntime, with {self.memory >> 20} MB ({MEMORY}): {' '.join(str(said['error']).split())}")
        return said, arrays

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
