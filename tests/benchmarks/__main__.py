"""`python -m tests.benchmarks [--net lenet] [--peers torch Caffe]`: milliseconds of a whole training step, contenders taking turns.

Prints a Markdown table a net; with --output FOLDER also writes benchmark.md, .json and .svg there. Ratios are of medians from the
same run; other work on the machine spoils them. `--curve batch|depth` measures how a step grows, `--data` reading a folder of images.
"""

import argparse
from pathlib import Path

from netc.runtime.session import cores
from tests.benchmarks import nets, pipeline, report
from tests.benchmarks.contenders import CAFFE, CONTENDERS
from tests.benchmarks.measure import Result, measure

ALL = [*CONTENDERS, CAFFE]
CURVES = {
    "batch": ("LeNet, batch", {n: f"lenet@{n}" for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)}),
    "depth": ("residual net, depth", {n: f"resnet{n}" for n in (8, 14, 20, 32, 44, 56)}),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks", description=__doc__)
    parser.add_argument("--net", nargs="+", choices=list(nets.NETS), default=list(nets.NETS))
    parser.add_argument("--peers", nargs="*", metavar="NAME", default=ALL, help=f"beginnings of {', '.join(ALL)}; netc is always there")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--output", type=Path)
    parser.add_argument("--curve", choices=list(CURVES))
    parser.add_argument("--data", action="store_true")
    arguments = parser.parse_args()
    chosen = [c for c in ALL if c.startswith(("netc", *arguments.peers))]
    if arguments.data:
        print(pipeline.table(pipeline.measure(arguments.rounds)))
    elif arguments.curve:
        _curve(arguments.curve, chosen, arguments.rounds, arguments.threads, arguments.output)
    else:
        _nets(arguments.net, chosen, arguments.rounds, arguments.threads, arguments.output)


def _nets(names: list[str], contenders: list[str], rounds: int, threads: int, output: Path | None) -> None:
    measured: dict[str, dict[str, Result]] = {}
    left_out: dict[str, dict[str, str]] = {}
    for net in names:
        measured[net], left_out[net] = measure(net, contenders, rounds, threads)
        print(report.table(net, measured[net], left_out[net]), flush=True)
        if output:
            report.write(output, measured, left_out, threads)


def _curve(kind: str, contenders: list[str], rounds: int, threads: int, output: Path | None) -> None:
    title, points = CURVES[kind]
    lines: dict[str, list[float]] = {}
    for tick, net in points.items():
        for name, result in measure(net, contenders, rounds, threads)[0].items():
            lines.setdefault(name, []).append(result.median)
        print(tick, {name: round(values[-1], 3) for name, values in lines.items()}, flush=True)
    whole = {name: values for name, values in lines.items() if len(values) == len(points)}
    if output:
        output.mkdir(parents=True, exist_ok=True)
        (output / f"{kind}.svg").write_text(report.curves(title, list(points), whole))


if __name__ == "__main__":
    main()
