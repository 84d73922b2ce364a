"""Options that several commands share, and the compilation of the net that they name."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from netc import terminal

if TYPE_CHECKING:
    from netc.compiler.compilation import Compilation
    from netc.spec.document import Dropped

IGNORED = "netc.ignored"


def _ignored(ctx: click.Context, _: click.Parameter, fields: tuple[str, ...]) -> None:
    """Keep the fields of --ignore until --allow-unknown, whose callback combines both into one value."""
    ctx.meta[IGNORED] = fields


def _dropped(ctx: click.Context, _: click.Parameter, outside: bool) -> "Dropped":
    from netc.spec.document import Dropped

    return Dropped(outside, ctx.meta.get(IGNORED, ()))


def _unknown(command: Any) -> Any:
    """Decorator that adds --allow-unknown and --ignore. The command receives both as one argument, `dropped`."""
    fields = click.option("--ignore", multiple=True, is_eager=True, expose_value=False, callback=_ignored, metavar="FIELD",
                          help="Ignore this layer field of a Caffe fork, e.g. pooling_param.foo. The layer may then compute "
                               "something else.")  # fmt: skip
    outside = click.option("--allow-unknown", "dropped", is_flag=True, callback=_dropped,
                           help="Ignore unknown fields outside of layers, as Caffe forks have them, with a warning.")  # fmt: skip
    return outside(fields(command))


def _onnx(command: Any) -> Any:
    """Decorator that adds the options of ONNX files. The command receives them as one argument, `onnx`."""

    @wraps(command)
    def run(*args: Any, input_size: tuple[str, ...], opset: int | None, half: bool, plain: bool, compare: str | None, **named: Any) -> Any:
        from netc.commands.export import Options

        return command(*args, onnx=Options(input_size, opset, half, not plain, compare == "opencv"), **named)

    made: Any = run
    for option in reversed((
        click.option("--input-size", multiple=True, metavar="[NAME=]SIZES",
                     help="For ONNX: fix the size of the inputs, e.g. 1x3x224x224, 224x224 or data=300x300."),
        click.option("--opset", type=int, metavar="N", help="For ONNX: write this opset [default: 21]."),
        click.option("--half", is_flag=True, help="For ONNX: weights and compute in float16; inputs and outputs stay float32."),
        click.option("--plain", is_flag=True, help="For ONNX: do not simplify. By default BatchNorm and Scale move into convolutions."),
        click.option("--compare", type=click.Choice(["opencv"]), help="For ONNX: compare the outputs with those of OpenCV's dnn."),
    )):  # fmt: skip
        made = option(made)
    return made


def _kept(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep the value of an option for `compilation_of`."""
    ctx.meta[f"netc.{param.name}"] = value


def _state(command: Any) -> Any:
    """Decorator that adds --stage and --level, which `compilation_of` reads."""
    stage = click.option("--stage", "stages", multiple=True, expose_value=False, callback=_kept, metavar="NAME",
                         help="Include the layers of this stage, in addition to those of the net's state. Can be repeated.")  # fmt: skip
    level = click.option("--level", type=int, expose_value=False, callback=_kept, metavar="N",
                         help="Include the layers of this level [default: that of the net's state].")  # fmt: skip
    return stage(level(command))


def stages() -> list[str]:
    """The options --stage and --level of this command, to pass on."""
    meta = click.get_current_context().meta
    level = meta.get("netc.level")
    return [
        *(word for name in meta.get("netc.stages", ()) for word in ("--stage", name)),
        *(() if level is None else ("--level", str(level))),
    ]


def options(*names: str) -> Callable[[Any], Any]:
    """Decorator that adds shared options, by their keys in `known`."""
    known: dict[str, Callable[[Any], Any]] = {
        "set": click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE",
                            help="Change a field, e.g. solver.max_iter=500. Can be repeated."),
        "unknown": _unknown,
        "onnx": _onnx,
        "state": _state,
        "plugin": click.option("--plugin", "plugins", multiple=True, metavar="FILE",
                               help="Load a Python file with your own layers, optimizers or data sources."),
        "provider": click.option("--provider", default="auto", show_default=True, metavar="NAME[:DEVICE]",
                                 help="Run on this provider: cpu, cuda, or cuda:1 for the second GPU. `netc devices` lists all."),
        "target": click.option("--target", metavar="NAME",
                               help="Use these kernels: portable, native or cuda [default: the fastest that this machine has]."),
        "threads": click.option("--threads", type=click.IntRange(1, 256),
                                help="Use this many threads per operation [default: depends on the work in a step]."),
        "key": click.option("--key", metavar="PUB",
                            help="Require a signature by this public key, or by one of a file of keys [default: $NETC_ZOO_KEY]."),
        "zoo": click.option("--zoo", envvar="NETC_ZOO", default="model_zoo", metavar="DIR",
                            help="Use this zoo [default: $NETC_ZOO, else ./model_zoo]."),
    }  # fmt: skip

    def add(command: Any) -> Any:
        for name in reversed(names):
            command = known[name](command)
        return command

    return add


def net_file(net: str) -> str:
    """The path of a net file. If `net` is the name of a net that comes with netc, it is copied first, with a note on stderr."""
    from netc.spec import shipped

    return shipped.net_file(net, note)


def note(text: str) -> None:
    """Print a note for the user on stderr."""
    terminal.say(f"netc: {text}", err=True)


def allows_python() -> bool:
    """Whether the command line contains --allow-python: nets may run the Python layers that they name."""
    return bool(click.get_current_context().find_root().params["allow_python"])


def compilation_of(
    net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped | None" = None, with_data: bool = False
) -> "Compilation":
    """Load plug-ins and start to compile a net file. Warnings, such as ignored fields, go to stderr.

    `with_data` chooses the stages of a net that has no data without any.
    """
    from netc import registry
    from netc.compiler import compilation
    from netc.netc_pb2 import NetState
    from netc.spec.document import NOTHING

    registry.load(*plugins)
    for type_ in sorted(registry.layer.replaced):
        note(f"The plug-in's layer type {type_} replaces netc's own.")
    meta = click.get_current_context().meta
    state = NetState(stage=meta.get("netc.stages", ()), level=meta.get("netc.level"))
    made = compilation.load(net_file(net), overrides, dropped or NOTHING, allows_python(), state)
    if with_data and not state.stage and (found := made.nets.stages_of_data):
        state.stage.extend(found)
        note(f"The net has data only in some stages. This is the stage {' and '.join(map(repr, found))}; `--stage` chooses another.")
        made = compilation.load(net_file(net), overrides, dropped or NOTHING, allows_python(), state)
    for warning in made.job.warnings:
        terminal.say(f"netc: {warning}", err=True)
    return made
