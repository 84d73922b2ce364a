"""An event file of TensorBoard, written at once and by the caller's thread, so that an error of the disk is the caller's alone."""

import os
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

FLUSHED = 30.0  # seconds between flushes
FORMAT = "brain.Event:2"


class EventFile:
    """A new file in `folder`. With `purge_step`, TensorBoard forgets what older files say of that step and later ones.

    Every method raises OSError if the disk refuses; nothing more is written from then on.
    """

    def __init__(self, folder: Path, suffix: str, purge_step: int | None = None):
        from tensorboardX.proto.event_pb2 import SessionLog

        self._file = (folder / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}{suffix}").open("wb")
        self._flushed = time.monotonic()
        self._write(file_version=FORMAT)
        if purge_step is not None:
            self._write(step=purge_step, session_log=SessionLog(status=SessionLog.START))

    def add(self, summary: Any, step: int) -> None:
        """What tensorboardX.summary made, at a step."""
        self._write(step=step, summary=summary)

    def add_graph(self, graph: Any) -> None:
        """A GraphDef."""
        self._write(graph_def=graph.SerializeToString())

    def close(self) -> None:
        """All on disk."""
        if not self._file.closed:
            self._guarded(self._file.flush)
            self._guarded(os.fsync, self._file.fileno())
            self._file.close()

    def _write(self, **fields: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.record_writer import masked_crc32c

        data = Event(wall_time=time.time(), **fields).SerializeToString()
        length = struct.pack("<Q", len(data))
        record = length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))
        self._guarded(self._file.write, record)
        if time.monotonic() - self._flushed > FLUSHED:
            self._guarded(self._file.flush)
            self._flushed = time.monotonic()

    def _guarded(self, call: Any, *arguments: Any) -> None:
        """A call that may find the disk full. The file is closed then: what is left in its buffer is not tried again."""
        try:
            call(*arguments)
        except OSError:
            with suppress(OSError):
                self._file.close()
            raise
