"""The process that runs an untrusted model: `python worker.py MODEL BYTES SECONDS`, started by `limited`.

It loads the model and answers batches over pipes, within limits of memory and time that a model cannot change. It imports nothing
from netc, so that it starts quickly, and writes no files. A message is a line of JSON with "arrays": [{name, dtype, shape}],
followed by the bytes of the arrays.
"""

import json
import os
import sys
from io import BufferedReader
from typing import Any, BinaryIO, cast

import numpy as np
import onnxruntime as ort

LOADING = 60  # minimum time limit in seconds for loading the libraries and the model

Message = tuple[dict[str, Any], dict[str, np.ndarray]]


def send(stream: BinaryIO, message: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write a message. Arrays of text go into the JSON."""
    rows, bodies = [], []
    for name, array in arrays.items():
        row: dict[str, Any] = {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)}
        if array.dtype.kind in "OUS":
            row |= {"dtype": "text", "texts": [str(x) for x in array.reshape(-1)]}
        else:
            bodies.append(np.ascontiguousarray(array))
        rows.append(row)
    stream.write(json.dumps(message | {"arrays": rows}).encode() + b"\n")
    for body in bodies:
        stream.write(body.reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: BinaryIO) -> Message:
    """Read a message. EOFError at the end of the stream."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message = json.loads(line)
    return message, {row["name"]: _array(stream, row) for row in message.pop("arrays")}


def _array(stream: BinaryIO, row: dict[str, Any]) -> np.ndarray:
    if row["dtype"] == "text":
        return np.array(row["texts"], object).reshape(row["shape"])
    array: np.ndarray = np.empty(row["shape"], np.dtype(row["dtype"]))
    body = array.reshape(-1).view(np.uint8).data
    at = 0
    while at < len(body):
        count = cast(BufferedReader, stream).readinto(body[at:])
        if not count:
            raise EOFError
        at += count
    return array


def _limit(memory: int, seconds: int) -> None:
    """Limit this process, if the system supports it: memory beyond the libraries, processor time, no files, no core dumps."""
    try:
        import resource
    except ImportError:
        return
    taken = 1 << 31
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    for name, value in (("RLIMIT_AS", taken + memory), ("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0)):
        _lower(resource, getattr(resource, name), value)
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource, resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds + 1)


def _lower(resource: Any, kind: int, value: int) -> None:
    """Set a soft limit. Each batch sets its limit of processor time again; onnxruntime does not change it."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _ports(ports: Any) -> list[dict[str, Any]]:
    return [{"name": port.name, "type": port.type, "shape": list(port.shape)} for port in ports]


def _loaded(model: str) -> tuple[ort.InferenceSession, dict[str, Any]]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    return session, {"inputs": _ports(session.get_inputs()), "outputs": _ports(session.get_outputs()), "metadata": metadata}


def _answers(model: str, memory: int, seconds: int, given: BinaryIO, answers: BinaryIO) -> None:
    _limit(memory, max(seconds, LOADING))
    session = None
    while True:
        try:
            if session is None:
                session, facts = _loaded(model)
                send(answers, facts, {})
            feeds = receive(given)[1]
            _limit_time(seconds)
            names = [output.name for output in session.get_outputs()]
            send(answers, {}, dict(zip(names, session.run(None, feeds), strict=True)))
        except EOFError:
            return
        except Exception as error:  # any error of onnxruntime, or a lack of memory
            send(answers, {"error": f"{error}"[:2000] or type(error).__name__}, {})
            if session is None:
                return


def _limit_time(seconds: int) -> None:
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource, resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds + 1)


if __name__ == "__main__":
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    _answers(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.stdin.buffer, output)
