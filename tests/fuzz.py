"""Files with something wrong in them: `python -m tests.fuzz [COUNT [FIRST]]` makes so many and reads each.

A case is its number: the same file every time. Reading may take 5 seconds and 1 GiB, and ends well or in a NetcError that
says where.
"""

import collections
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from types import FrameType

from netc import registry
from netc.compiler import compilation
from netc.compiler.program import Program, checked, program
from netc.errors import NetcError
from netc.spec import load
from netc.spec.job import load_job
from netc.training.caffe_snapshots import write_model
from netc.training.weights import load_weights
from tests.conftest import ROOT

SECONDS, BYTES = 5, 1 << 30
V1 = """\
name: "v1"
input: "data" input_dim: 2 input_dim: 3 input_dim: 8 input_dim: 8
input: "y" input_dim: 2 input_dim: 5 input_dim: 1 input_dim: 1
layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1 blobs_lr: 2 weight_decay: 1
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 1 weight_filler { type: "xavier" } } }
layers { name: "p" type: POOLING bottom: "c" top: "p" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layers { name: "f" type: INNER_PRODUCT bottom: "p" top: "f" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "f" top: "prob" }
layers { name: "loss" type: EUCLIDEAN_LOSS bottom: "f" bottom: "y" top: "loss" }
"""
V0 = """\
input: "data" input_dim: 2 input_dim: 4 input_dim: 8 input_dim: 8
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers { layer { name: "conv1" type: "conv" num_output: 8 kernelsize: 5 stride: 2 group: 2 biasterm: false } bottom: "pad1" top: "conv1" }
layers { layer { name: "norm1" type: "lrn" local_size: 5 alpha: 0.0001 beta: 0.75 } bottom: "conv1" top: "norm1" }
layers { layer { name: "fc" type: "innerproduct" num_output: 10 blobs_lr: 1. blobs_lr: 2. } bottom: "norm1" top: "fc" }
"""
SOLVER = f'base_lr: 0.1 lr_policy: "step" gamma: 0.1 stepsize: 5 momentum: 0.9 solver_type: SGD max_iter: 10 net_param {{\n{V1}}}\n'
TOKENS = [
    *("{", "}", "[", "]", ":", "-", "&a", "*a", "<<: *a", "'", '"', "#", "\n", "\t", "\0", "é", "\\", "!!python/object", "~", "? ", "|"),
    *("layer", "layers", "name", "type", "bottom", "top", "param", "include", "loss_weight", "solver", "shape", "dim", "data_param"),
    *("0", "-1", "1e999", "nan", "-0.0", "4294967296", "2147483647", "99999999999999999999", "1e-400", "0x7fffffff", "true", "010"),
    *("Convolution", "Pooling", "InnerProduct", "Reshape", "Slice", "Split", "Data", "Python", "LSTM", "kernel_size: 1000000"),
]


@contextmanager
def limits() -> Iterator[None]:
    """No more than SECONDS of time and BYTES of memory beyond what is taken already."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    old = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, old[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, old)
        signal.signal(signal.SIGALRM, handler)


def seeds() -> list[tuple[str, bytes]]:
    """Suffix and content of files with nothing wrong."""
    found = [(path.suffix, path.read_bytes()) for path in sorted((ROOT / "nets").glob("*.*")) if path.suffix in (".yaml", ".prototxt")]
    return [*found, (".prototxt", V1.encode()), (".prototxt", V0.encode()), (".prototxt", SOLVER.encode()), (".caffemodel", _model())]


def _model() -> bytes:
    made = target_net()
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "w", made.test[0], made.start())
        return (Path(folder) / "w").read_bytes()


def target_net() -> Program:
    """The net that the weight files are for."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "n.prototxt").write_text(V1)
        return program(load_job(f"{folder}/n.prototxt"), needs_solver=False)


def mutated(number: int, files: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Case `number`: suffix and content. Every third is a weight file; most texts stay text."""
    random = Random(number)
    suffix, data = files[-1] if number % 3 == 0 else random.choice(files[:-1])
    ways = BINARY if number % 3 == 0 or number % 10 == 1 else TEXT
    for _ in range(random.choice([1, 1, 1, 2, 3, 8])):
        data = random.choice(ways)(random, data)
    if number % 97 == 0:
        data = b"layer {" * 5000 if suffix == ".prototxt" else b"\x0a\x0b" + data
    return suffix, data


def _span(random: Random, data: bytes) -> tuple[int, int]:
    first = random.randrange(len(data) + 1)
    return first, min(len(data), first + random.choice([1, 1, 3, 10, 60, 300]))


def _flip(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice([1, 2, 5])):
        if changed:
            changed[random.randrange(len(changed))] = random.choice([0, 0x7F, 0x80, 0xFF, random.randrange(256)])
    return bytes(changed)


def _cut(random: Random, data: bytes) -> bytes:
    a, b = _span(random, data)
    return data[:a] + data[b:]


def _repeat(random: Random, data: bytes) -> bytes:
    a, b = _span(random, data)
    return data[:b] + data[a:b] * random.choice([1, 2, 40]) + data[b:]


def _insert(random: Random, data: bytes) -> bytes:
    a, b = _span(random, data)
    return data[:a] + b" " + random.choice(TOKENS).encode() + b" " + data[random.choice([a, b]) :]


def _truncate(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _lines(random: Random, data: bytes) -> bytes:
    """A line swapped with another, gone, or there twice."""
    lines = data.split(b"\n")
    a, b = random.randrange(len(lines)), random.randrange(len(lines))
    way = random.randrange(3)
    if way == 0:
        lines[a], lines[b] = lines[b], lines[a]
    elif way == 1:
        del lines[a]
    else:
        lines.insert(b, lines[a])
    return b"\n".join(lines)


def _word(random: Random, data: bytes) -> bytes:
    """A word or number in place of another, from the file or from TOKENS."""
    words = list(re.finditer(rb"[\w.+-]+", data))
    if not words:
        return data
    old = random.choice(words)
    new = random.choice([random.choice(words)[0], random.choice(TOKENS).encode()])
    return data[: old.start()] + new + data[old.end() :]


def _number(random: Random, data: bytes) -> bytes:
    """Another number in place of one."""
    numbers = list(re.finditer(rb"(?<![\w.])-?\d[\d.e-]*", data))
    if not numbers:
        return data
    old = random.choice(numbers)
    return data[: old.start()] + random.choice(NUMBERS).encode() + data[old.end() :]


NUMBERS = ["0", "1", "2", "3", "7", "-1", "1000", "65537", "2147483647", "4294967295", "1e38", "nan", "0.5", "-3"]
Change = Callable[[Random, bytes], bytes]
BINARY: list[Change] = [_flip, _flip, _cut, _repeat, _insert, _truncate]
TEXT: list[Change] = [_lines, _lines, _word, _word, _number, _number, _number, _insert, _cut, _repeat, _truncate]


def neighbours(folder: Path) -> None:
    """What the files name beside them."""
    for path in (ROOT / "nets").iterdir():
        shutil.copy(path, folder)
    (folder / "nets").symlink_to(folder)


def read(path: Path, target: Program) -> str:
    """What reading ended in: "loads" or "refused". AssertionError where an error does not say where."""
    try:
        with limits():
            if path.suffix == ".caffemodel":
                load(path)
                load_weights(str(path), target.states, target.layer_blobs)
            else:
                checked(compilation.load(str(path)), needs_solver=False)
    except NetcError as e:
        assert str(e).startswith(str(path)), f"no place in: {str(e)[:300]}"
        return "refused"
    return "loads"


def tried(cases: Iterable[tuple[str, str, Callable[[], str]]]) -> int:
    """Tries cases (name, kind, what says how it ended); prints what went wrong, and how many ended how. 1 if anything went wrong."""
    ends: collections.Counter[str] = collections.Counter()
    slowest = 0.0
    for name, kind, end in cases:
        begin = time.process_time()
        try:
            ends[f"{kind} {end()}"] += 1
        except BaseException as e:
            ends["wrong"] += 1
            print(f"{name}: {type(e).__name__}: {str(e)[:500]}", flush=True)
            if isinstance(e, KeyboardInterrupt):
                raise
        slowest = max(slowest, time.process_time() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{ends.total()} cases: {dict(ends)}; slowest {slowest:.2f} s of CPU, peak {peak} MiB")
    return int(ends["wrong"] > 0)


def cases(count: int, first: int, folder: Path) -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Mutated nets and weights, read in `folder`."""
    registry.load()
    target, files = target_net(), seeds()
    neighbours(folder)
    for number in range(first, first + count):
        suffix, data = mutated(number, files)
        path = folder / f"case{suffix}"
        path.write_bytes(data)
        yield f"case {number}", suffix, partial(read, path, target)


def main(count: int, first: int) -> int:
    """Reads `count` cases."""
    with tempfile.TemporaryDirectory() as folder:
        return tried(cases(count, first, Path(folder)))


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:]] + [2000, 0][len(sys.argv) - 1 :]
    sys.exit(main(*numbers))
