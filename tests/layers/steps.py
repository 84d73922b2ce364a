"""Nets on texts, lowered for any number of time steps and rows."""

from pathlib import Path

import numpy as np

from netc.compiler.lower import SYMBOLIC, TIME, lower
from netc.graph.contract import BATCH, STATE
from netc.graph.emit import emit
from netc.graph.ir import Graph
from netc.net.model import DEPLOY
from netc.net.resolve import resolve
from netc.runtime.session import Session
from netc.spec import parse_yaml
from tests.layers.nets import states

RNG = np.random.default_rng(0)
GAUSSIAN = "weight_filler: {type: gaussian, std: 1}"


def check_any_size(layers: str, folder: Path, steps: int = 6, longest: int = 9) -> None:
    """A net lowered for symbolic sizes gives what nets for these sizes give. `layers` read 8 channels; the text has `steps` steps."""
    (folder / "text.txt").write_text("abcdefgh" * 20)
    own = [f"  - {line.strip()}" for line in layers.strip().splitlines()]
    text = f"  - Data: {{source: {folder / 'text.txt'}, batch_size: 2, steps: {steps}}}\n  - Embed: {{num_output: 8, {GAUSSIAN}}}\n"
    deployed = resolve(parse_yaml("\n".join(["name: test", "layers:", text, *own])), DEPLOY)
    free = lower(deployed, SYMBOLIC, steps=TIME)
    held, outputs = {STATE(n): a for n, a in states(free).items()}, [n for n in free.net.outputs if n != "label"]
    for time, rows in ((steps, 2), (1, 3), (longest, 1)):
        fixed = lower(deployed, rows, steps=time)
        feeds = {BATCH("data"): RNG.integers(0, 8, (time, rows)), **held}
        got, expected = (Session(emit(Graph("", {n: low.versions[n][-1] for n in outputs}))).run(feeds) for low in (free, fixed))
        for name, values in expected.items():
            np.testing.assert_allclose(got[name], values, rtol=1e-5, atol=1e-6)
