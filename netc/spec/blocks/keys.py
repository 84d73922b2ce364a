"""The keys and names of blocks in net files, with their documentation."""

NET_KEYS = {
    "blocks": "Blocks of layers by name. A block is a list of layers, or a mapping with `layers` and `parameters`. "
    "A layer list uses it as `- name: {parameter: value}`.",
    "include": "A YAML file, or a list of them, with more `blocks`. The path is relative to the file that includes it.",
}
BLOCK_KEYS = {
    "parameters": "The parameters of a block: a list of names, or a mapping from names to defaults. "
    "A parameter without a default is required. Without this key, each `$name` in the block is a required parameter.",
    "layers": "The layers of a block or a repeat. They may use other blocks.",
}
REPEAT_KEYS = {
    "repeat": "How often `layers` occur, one round after the other. `$i` is the number of the round, from 1.",
    "layers": BLOCK_KEYS["layers"],
    "from": "The blob that the first layer reads. The default is the newest blob.",
    "as": "A name for the result, the newest blob at the end. Later layers read it as `$name`.",
}
USE_KEYS = {
    "from": REPEAT_KEYS["from"],
    "as": REPEAT_KEYS["as"],
    "name": "The first part of the names of the layers in the block. The default is the name of the block with a number.",
}
NAMES = {
    "in": "The blob that the block reads.",
    "last": "The newest blob: the first top of the last layer that is no loss or metric.",
    "i": "The number of the round in a `repeat`, from 1.",
}
TOPICS = NET_KEYS | BLOCK_KEYS | REPEAT_KEYS | USE_KEYS | {f"${name}": text for name, text in NAMES.items()}  # for `netc help`
