"""A stranger's model, run in a process of its own that can take neither all memory nor for ever: `session.Session` from outside."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import numpy as np

from netc.errors import RunError
from netc.session import Session
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
        with suppress(OSError, ValueError):  # the answer says why it ended
            worker.send(cast(BinaryIO, self._process.stdin), {}, dict(feeds))
        return self._answer()[1]

    def _answer(self) -> worker.Message:
        late = threading.Timer(self.seconds, self._process.kill)
        late.daemon = True
        late.start()
        try:
            said, arrays = worker.receive(cast(BinaryIO, self._process.stdout))
        except (EOFError, ValueError, KeyError, TypeError, MemoryError, OSError) as error:
            self.close()
            raise RunError(f"the model was ended: it took more than {self.seconds} seconds ({SECONDS}), or its process died") from error
        finally:
            late.cancel()
        if "error" in said:
            raise RunError(f"onnxruntime, with {self.memory >> 20} MB ({MEMORY}): {said['error']}")
        return said, arrays

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream:
                    stream.close()
        self._process.wait()

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self.close()


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    if text and not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise RunError(f"{variable}: expected a whole number above 0; got {text!r}")
    return int(text or default)
