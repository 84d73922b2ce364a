"""Writes nets in Caffe's text format, layer by layer."""

from collections.abc import Sequence
from typing import Any


def fields(values: dict[str, Any]) -> str:
    """Fields in protobuf's text: a dict is a message, a list repeats, and a text is written as it is."""
    parts = []
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            text = f"{{ {fields(item)} }}" if isinstance(item, dict) else str(item).lower() if isinstance(item, bool) else str(item)
            parts.append(f"{name} {text}" if isinstance(item, dict) else f"{name}: {text}")
    return " ".join(parts)


class Text:
    """The text of a net. Each method adds layers and returns the name of the new blob."""

    def __init__(self, name: str, *shape: int):
        dims = " ".join(f"dim: {d}" for d in shape)
        self.lines = [f'name: "{name}"', f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims} }} }} }}']

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"

    def add(self, type_: str, name: str, bottoms: str | Sequence[str], tops: str | Sequence[str] = (), **messages: Any) -> str:
        """A layer. Without tops, its top has its name. Returns the first top."""
        read = [bottoms] if isinstance(bottoms, str) else list(bottoms)
        written = [tops] if isinstance(tops, str) and tops else list(tops) or [name]
        blobs = "".join(f' bottom: "{b}"' for b in read) + "".join(f' top: "{t}"' for t in written)
        self.lines.append(f'layer {{ name: "{name}" type: "{type_}"{blobs} {fields(messages)} }}')
        return written[0]

    def conv(self, name: str, bottom: str, outputs: int, kernel: int = 1, type_: str = "Convolution", top: str = "", **more: Any) -> str:
        """A convolution with padding for the same size, unless `pad` says otherwise."""
        param = {"num_output": outputs, "kernel_size": kernel, "pad": kernel // 2} | more
        return self.add(type_, name, bottom, top, convolution_param={k: v for k, v in param.items() if v is not None})

    def batch_norm(self, name: str, bottom: str, suffix: tuple[str, str] = ("_bn", "_scale")) -> str:
        """BatchNorm and Scale, in place."""
        self.add("BatchNorm", name + suffix[0], bottom, bottom, batch_norm_param={"use_global_stats": True, "eps": 1e-5})
        return self.add("Scale", name + suffix[1], bottom, bottom, scale_param={"bias_term": True})

    def relu(self, bottom: str, type_: str = "ReLU") -> str:
        """A layer that works in place."""
        return self.add(type_, f"{bottom}/{type_.lower()}", bottom, bottom)

    def pool(self, name: str, bottom: str, tops: str | Sequence[str] = (), **param: Any) -> str:
        """A pooling layer."""
        return self.add("Pooling", name, bottom, tops, pooling_param=param)
