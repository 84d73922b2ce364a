"""Texts of 100 KB that are made to take long: by name, what each reader is given."""

from collections.abc import Callable, Mapping

SIZE = 100_000


def filled(piece: str, start: str = "", end: str = "") -> str:
    """`piece` again and again between `start` and `end`, SIZE characters in all."""
    return start + piece * ((SIZE - len(start) - len(end)) // len(piece)) + end


def numbered(piece: str, start: str = "", end: str = "") -> str:
    """As `filled`, a number in the place of `#` that is another each time."""
    parts, size = [start], len(start) + len(end)
    while size < SIZE:
        parts.append(piece.replace("#", str(len(parts))))
        size += len(parts[-1])
    return "".join(parts) + end


def _doubling(levels: int, fan: int, form: str) -> str:
    """Aliases of aliases: `fan` to the power of `levels` values."""
    return "x0: &x0 {a: 1}\n" + "".join(f"x{i}: &x{i} {form.replace('#', ', '.join([f'*x{i - 1}'] * fan))}\n" for i in range(1, levels))


YAML: Mapping[str, Callable[[], str]] = {
    "aliases of a scalar": lambda: filled("*a,", "layers: [&a Input,", "]"),
    "aliases of a long list": lambda: filled("*a,", f"x: &a [{'1,' * 20_000}]\nlayers: [", "]"),
    "aliases of a layer": lambda: filled("*a,", "layers: [&a {InnerProduct: {num_output: 3, weight_filler: {type: xavier}}},", "]"),
    "aliases of aliases": lambda: _doubling(40, 20, "[#]"),
    "merges of merges": lambda: _doubling(40, 2, "{<<: [#]}"),
    "a chain of merges": lambda: "x0: &x0 {a: 1}\n" + numbered("x#: &x# {<<: *x0, k#: 1}\n"),
    "a long chain of merges": lambda: "".join(
        f"x{i}: &x{i} {{<<: *x{i - 1}, k{i}: 1}}\n" if i else "x0: &x0 {a: 1}\n" for i in range(3000)
    ),
    "merges of one mapping": lambda: filled("*a,", f"x: &a {{{', '.join(f'k{i}: 1' for i in range(3000))}}}\nsolver: {{<<: [", "]}"),
    "blocks in a chain": lambda: numbered("  b#: [c#]\n", "blocks:\n", "layers: [Input, b1]"),
    "blocks that use each other": lambda: filled("b0, b1, ", "blocks:\n  b0: [b1]\n  b1: [", "]\nlayers: [Input, b0]"),
    "uses of a block": lambda: filled("a,", "blocks: {a: [ReLU, ReLU, ReLU]}\nlayers: [Input,", "]"),
    "wrong uses of a block": lambda: filled("{a: {m: 1}},", "blocks: {a: [{ReLU: {negative_slope: $n}}]}\nlayers: [Input,", "]"),
    "doubling blocks": lambda: "blocks:\n" + "".join(f"  b{i}: [b{i + 1}, b{i + 1}]\n" for i in range(39)) + "  b39: [ReLU]\nlayers: [b0]",
    "doubling values": lambda: "blocks:\n" + "".join(f"  b{i}: [b{i + 1}: {{x: [$x, $x]}}]\n" for i in range(39)) + "layers: [b0: {x: 1}]",
    "repeats in repeats": lambda: "layers: [Input" + ", {repeat: 9, layers: [ReLU" * 60 + "]}" * 60 + "]",
    "wrong repeats": lambda: filled("{repeat: 0, layers: [ReLU]},", "layers: [Input,", "]"),
    "references": lambda: filled("{ReLU: {bottom: $last}},", "layers: [Input,", "]"),
    "dollars": lambda: filled("$", "layers: [Input, {ReLU: {bottom: ", "}}]"),
    "many parameters": lambda: numbered("p#: 1, ", "blocks: {a: {parameters: {", "}, layers: [ReLU]}}\nlayers: [Input, a]"),
    "unused anchors": lambda: numbered("- &a# x\n", "x:\n"),
    "newlines": lambda: filled("\n"),
    "spaces": lambda: filled(" "),
    "newlines and an error": lambda: filled("\n", "", "layer: ]"),
    "spaces and an error": lambda: filled(" \n", "layers:", "]"),
    "layers and spaces": lambda: filled("layers:\n\n \n"),
    "words that begin as protobuf": lambda: filled("layers \n", "", "]"),
    "comments": lambda: filled("#\n"),
    "comments and an error": lambda: filled("#\n", "", "]"),
    "tabs": lambda: filled("\tx\n"),
    "tabs within": lambda: filled("a:\t1\n", "# x\n"),
    "documents": lambda: filled("---\n"),
    "open brackets": lambda: filled("["),
    "open braces": lambda: filled("{a: "),
    "deep lists": lambda: filled("a,", "x: " + "[" * 300, "]" * 300),
    "deep blocks": lambda: "".join(f"{' ' * i}a:\n" for i in range(440)),
    "dashes": lambda: filled("- "),
    "question marks": lambda: filled("? "),
    "a long list of numbers": lambda: filled("1,", "solver: {test_iter: [", "]}"),
    "a long list of wrong numbers": lambda: filled("x,", "solver: {test_iter: [", "]}"),
    "lists in a list": lambda: filled("[],", "solver: {test_iter: [", "]}"),
    "a long text": lambda: filled("a", "name: "),
    "a long key": lambda: filled("a", "", ": 1"),
    "long keys": lambda: filled("a" * 1000 + ": 1\n"),
    "a text in quotes that does not end": lambda: filled("a ", "name: '"),
    "escapes": lambda: filled("\\x41", 'name: "', '"'),
    "a block of text": lambda: filled("  x\n", "name: |\n"),
    "unknown fields": lambda: numbered("num_outp#: 1\n"),
    "one unknown field": lambda: filled("nme: 1\n"),
    "unknown fields of layers": lambda: numbered("  - ReLU: {negative_slopes#: 1}\n", "layers:\n  - Input\n"),
    "unknown types": lambda: numbered("  - Convolutio#\n", "layers:\n  - Input\n"),
    "unknown values": lambda: numbered("  - Pooling: {pool: MAX#}\n", "layers:\n  - Input\n"),
    "unknown bottoms": lambda: numbered("  - ReLU: {bottom: x#}\n", "layers:\n  - Input\n"),
    "the same name": lambda: filled("  - ReLU: {name: x}\n", "layers:\n  - Input\n"),
    "many layers": lambda: filled("  - ReLU\n", "layers:\n  - Input\n"),
    "many layers in a line": lambda: filled("ReLU,", "layers: [Input,", "]"),
    "many required fields missing": lambda: filled("Clip,", "layers: [Input,", "]"),
    "many sources": lambda: filled("Data,", "layers: [", "]"),
    "many sources with places": lambda: numbered("  - Data: {source: x#, batch_size: 1}\n", "layers:\n"),
    "deep custom values": lambda: filled("x", "layers: [{X: {custom: {a: " + "[" * 90, "]" * 90 + "}}}]"),
    "custom values": lambda: numbered("k#: {a: [1]}, ", "layers: [{X: {custom: {", "}}}]"),
    "carriage returns": lambda: filled("\r\n"),
    "byte order marks": lambda: filled("\ufeff"),
    "NULs": lambda: filled("\0"),
    "wide characters": lambda: filled("漢", "name: "),
    "line separators": lambda: filled("\u2028x: 1"),
    "tags": lambda: filled("!!python/object:x ", "name: "),
    "directives": lambda: numbered("%TAG !a#! tag:x,2000:\n", "", "--- a"),
    "protobuf": lambda: filled('layer { name: "a" type: "ReLU" bottom: "b" top: "b" }\n'),
}

PROTOTXT: Mapping[str, Callable[[], str]] = {
    "newlines": lambda: filled("\n"),
    "newlines after layers": lambda: filled("\n", "layers:"),
    "layers and newlines": lambda: filled("layers:\n\n\n"),
    "spaces": lambda: filled(" "),
    "comments": lambda: filled("#\n"),
    "quotes that do not end": lambda: filled('\\"', 'name: "'),
    "quotes": lambda: filled('"', "name: "),
    "pieces of a text": lambda: filled('"a"', "name: "),
    "escapes": lambda: filled("\\101", 'name: "', '"'),
    "bad escapes": lambda: filled('"\\x" ', "name: "),
    "open messages": lambda: filled("layer {"),
    "open nets": lambda: filled("solver { net_param { "),
    "open lists": lambda: filled("["),
    "a list of numbers": lambda: filled("1,", "solver { test_iter: [", "1] }"),
    "a list of wrong numbers": lambda: filled("x,", "solver { test_iter: [", "1] }"),
    "a list of messages": lambda: filled("{},", "layer: [", "{}]"),
    "long numbers": lambda: "solver { max_iter: " + "1" * SIZE + " }",
    "long octal numbers": lambda: "solver { max_iter: 0" + "1" * SIZE + " }",
    "long hexadecimal numbers": lambda: "solver { max_iter: 0x" + "1" * SIZE + " }",
    "long fractions": lambda: "solver { base_lr: 0." + "1" * SIZE + " }",
    "a long word": lambda: filled("a"),
    "unknown fields": lambda: numbered("num_outp#: 1\n"),
    "unknown messages": lambda: numbered("layr# { a: 1 }\n"),
    "unknown values": lambda: numbered("layer { pooling_param { pool: MAX# } }\n"),
    "unknown types": lambda: numbered('layer { name: "#" type: "Convolutio#" bottom: "a" top: "a" }\n'),
    "unknown bottoms": lambda: numbered('layer { name: "#" type: "ReLU" bottom: "x#" top: "y#" }\n'),
    "many layers": lambda: filled("layer { }\n"),
    "many old layers": lambda: filled("layers { }\n"),
    "old layers with a field that moves": lambda: filled("layers { type: DATA data_param { scale: 1 } }\n"),
    "V0 layers": lambda: numbered('layers { layer { name: "#" type: "conv" } bottom: "a" top: "a" }\n'),
    "V0 paddings": lambda: numbered('layers { layer { name: "#" type: "padding" pad: 1 } bottom: "a" top: "b#" }\n'),
    "many inputs": lambda: numbered('input: "a#" input_shape { dim: 1 }\n'),
    "many inner nets": lambda: filled('test_net_param { input: "a" input_shape { dim: 1 } }\n', "base_lr: 1 "),
    "parameters of old layers": lambda: filled("blobs_lr: 1 ", "layers { ", "}"),
    "custom values": lambda: filled('fields { key: "a" value { number_value: 1 } } ', "layer { custom { ", "} }"),
    "deep custom values": lambda: filled("fields { value { struct_value { ", "layer { custom { "),
    "semicolons": lambda: filled(";"),
    "fields that are given twice": lambda: filled('name: "a" '),
    "a stray character in each line": lambda: filled("name: $\n"),
    "words that do not end": lambda: filled("a: b c "),
}
