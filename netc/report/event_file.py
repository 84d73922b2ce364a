"""A TensorBoard event file, written immediately and by the thread of the caller, so that the caller receives disk errors."""

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
    """A new event file in `folder`. With `purge_step`, TensorBoard drops the events of older files from that step on.

    Every method raises OSError if writing fails. The file is closed after that.
    """

    def __init__(self, folder: Path, suffix: str, purge_step: int | None = None):
        from tensorboardX.proto.event_pb2 import SessionLog

        self._file = (folder / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}{suffix}").open("wb")
        self._flushed = time.monotonic()
        self._write(file_version=FORMAT)
        if purge_step is not None:
            self._write(step=purge_step, session_log=SessionLog(status=SessionLog.START))

    def add(self, summary: Any, step: int) -> None:
        """Write a summary of tensorboardX.summary at a step."""
        self._write(step=step, summary=summary)

    def add_graph(self, graph: Any) -> None:
        """Write a GraphDef."""
        self._write(graph_def=graph.SerializeToString())

    def close(self) -> None:
        """Flush and close the file."""
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
        """Run a call that writes. If it fails, close the file without writing its buffer again."""
        try:
            call(*arguments)
        except OSError:
            with suppress(OSError):
                self._file.close()
            raise
