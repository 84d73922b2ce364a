"""What netc does with a net grows as its layers do: counted in lines of Python that run, which repeat on every machine."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from netc import registry
from netc.commands import check, config, diff
from netc.compiler import program
from netc.compiler.compilation import Compilation, load
from netc.report import net_drawing
from netc.spec.changes import changes
from netc.spec.convert import convert_job
from netc.spec.job import Job, read_job
from netc.spec.join import joined

registry.load()
DATA = "  - DummyData: {name: data, top: [data, label], shape: [{dim: [2, 4, 8, 8]}, {dim: [2]}]}\n"
END = "  - InnerProduct: {name: last, num_output: 3, weight_filler: xavier}\n  - SoftmaxWithLoss: {bottom: [last, label]}\n"
SOLVER = "solver: {base_lr: 0.01, momentum: 0.9, max_iter: 2, test_iter: [1]}\n"
SIZES = (16, 32, 64)

BLOCKS = {
    "dense": "  - InnerProduct: {num_output: 8, weight_filler: xavier}\n  - ReLU\n",
    "convolution": "  - Convolution: {num_output: 4, kernel_size: 3, pad: 1, weight_filler: msra}\n  - BatchNorm\n  - Scale\n  - ReLU\n",
    "in place": "  - Sigmoid\n  - ReLU\n",
    "shared": "  - Convolution: {num_output: 4, kernel_size: 3, pad: 1, param: [{name: w}, {name: b}], weight_filler: msra}\n",
    "residual": "  - Convolution: {name: c#, bottom: data#, num_output: 4, kernel_size: 3, pad: 1, weight_filler: msra}\n"
    "  - Eltwise: {bottom: [data#, c#], top: data##}\n",
    "losses": "  - InnerProduct: {name: i#, bottom: data, num_output: 3, weight_filler: xavier}\n"
    "  - SoftmaxWithLoss: {name: l#, bottom: [i#, label]}\n",
    "one bottom too few": "  - Convolution: {bottom: nothing#, num_output: 4, kernel_size: 3, weight_filler: msra}\n",
    "too large a kernel": "  - Pooling: {name: p#, bottom: data, kernel_size: 9}\n",
    "an unknown field": "  - ReLU: {negative_slop: 0.1}\n",
}
WRONG = ("one bottom too few", "too large a kernel", "an unknown field")


def net(shape: str, count: int) -> str:
    """A net of `count` blocks of a shape."""
    data = DATA.replace("[data, label]", "[data0, label]") if shape == "residual" else DATA
    blocks = "".join(BLOCKS[shape].replace("##", str(k + 1)).replace("#", str(k)) for k in range(count))
    return f"{SOLVER}layers:\n{data}{blocks}{END}"


def wide(count: int) -> str:
    """A net whose layers all go into one."""
    names = [f"ip{k}" for k in range(count)]
    layers = "".join(f"  - InnerProduct: {{name: {n}, bottom: data, num_output: 2, weight_filler: xavier}}\n" for n in names)
    return f"{SOLVER}layers:\n{DATA}{layers}  - Concat: {{bottom: [{', '.join(names)}]}}\n{END}"


def parts(count: int) -> str:
    """A net with a layer of many tops, each of which a layer reads, and one of many bottoms."""
    tops = ", ".join(f"s{k}" for k in range(count))
    layers = f"  - InnerProduct: {{name: ip, bottom: data, num_output: {count}, weight_filler: xavier}}\n"
    layers += f"  - Slice: {{name: slice, bottom: ip, top: [{tops}]}}\n"
    layers += "".join(f"  - TanH: {{name: t{k}, bottom: s{k}}}\n" for k in range(count))
    return f"{SOLVER}layers:\n{DATA}{layers}  - Concat: {{bottom: [{', '.join(f't{k}' for k in range(count))}]}}\n{END}"


def lines(function: Callable[[], object]) -> int:
    """The lines of Python that a call runs, each turn of a loop counted."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def growth(counts: list[int]) -> float:
    """How much more the last doubling took than the one before: 2 where work grows with the size, 4 with its square."""
    return (counts[2] - counts[1]) / (counts[1] - counts[0])


def checked(job: Job) -> None:
    list(check.table(check.report(program.program(job))))


def compiled(job: Job) -> None:
    program.program(job).model("train").SerializeToString()


def jobs(tmp_path: Path, texts: list[str]) -> list[Job]:
    found = []
    for k, text in enumerate(texts):
        (tmp_path / f"{k}.yaml").write_text(text)
        found.append(load(str(tmp_path / f"{k}.yaml")).job)
    return found


def grows(tmp_path: Path, texts: list[str], work: Callable[[Job], object]) -> float:
    """The growth of work on jobs; the first round fills the caches of bodies and shapes."""
    for job in jobs(tmp_path, texts):
        work(job)
    return growth([lines(partial(work, job)) for job in jobs(tmp_path, texts)])


@pytest.mark.parametrize("shape", sorted(BLOCKS.keys() - set(WRONG)))
def test_check(tmp_path: Path, shape: str) -> None:
    assert grows(tmp_path, [net(shape, k) for k in SIZES], checked) < 2.3


def test_check_of_a_wide_net(tmp_path: Path) -> None:
    assert grows(tmp_path, [wide(k) for k in SIZES], checked) < 2.3


def test_check_of_many_tops(tmp_path: Path) -> None:
    assert grows(tmp_path, [parts(k) for k in SIZES], checked) < 2.3


def test_a_table_is_as_long_as_its_lines(tmp_path: Path) -> None:
    """One long cell does not widen all the others."""
    (job,) = jobs(tmp_path, [parts(200)])
    assert max(map(len, check.table(check.report(program.program(job))))) < 250


@pytest.mark.parametrize("name", ["diff", "changes", "join"])
def test_two_nets(tmp_path: Path, name: str) -> None:
    def counted(k: int) -> int:
        jobs(tmp_path, [net("dense", k), net("dense", k).replace("num_output: 8", "num_output: 9")])
        files = [str(tmp_path / f"{n}.yaml") for n in range(2)]
        one, other = (read_job(file).train.message for file in files)
        sides = [diff.side(file, print) for file in files] if name == "diff" else []
        work: dict[str, Callable[[], object]] = {
            "diff": lambda: list(diff.differences(*sides)),
            "changes": lambda: list(changes(one, other)),
            "join": lambda: joined(one, [other], one.solver),
        }
        return lines(work[name])

    assert growth([counted(k) for k in SIZES]) < 2.3


def test_compile(tmp_path: Path) -> None:
    assert grows(tmp_path, [net("convolution", k) for k in SIZES], compiled) < 2.3


@pytest.mark.parametrize("command", ["convert", "config", "draw"])
def test_other_commands(tmp_path: Path, command: str) -> None:
    work: dict[str, Callable[[Job], object]] = {
        "convert": lambda job: convert_job(job, str(tmp_path / "n.yaml"), False),
        "config": lambda job: list(config.lines(config.settings(job, None))),
        "draw": lambda job: net_drawing.draw_command(Compilation.of(job), None, str(tmp_path / "n.svg"), "layers"),
    }
    assert grows(tmp_path, [net("dense", k) for k in SIZES], work[command]) < 2.3


@pytest.mark.parametrize("shape", WRONG)
def test_errors(tmp_path: Path, shape: str) -> None:
    counts = []
    for k in SIZES:
        (tmp_path / "n.yaml").write_text(net(shape, k))
        counts.append(lines(lambda: Compilation.of(read_job(str(tmp_path / "n.yaml"))).all_errors()))
    assert growth(counts) < 2.5
