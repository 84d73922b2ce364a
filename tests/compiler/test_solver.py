"""Errors of the solver's fields for schedules, optimizers, averages and clipping."""

from pathlib import Path

import pytest

from netc.compiler.compilation import Compilation
from netc.errors import SpecError
from netc.spec.job import load_job
from tests.small_nets import NET, write_small


def errors(folder: Path, solver: str, net: str = NET) -> str:
    path = write_small(folder, net.split("solver:")[0] + f"solver: {{{solver}}}\n")
    with pytest.raises(SpecError) as caught:
        Compilation.of(load_job(path)).check()
    return str(caught.value)


ONE = "base_lr: 0.1, max_iter: 60"
CYCLE = f"{ONE}, lr_policy: onecycle"
PLATEAU = f"{ONE}, lr_policy: plateau"


@pytest.mark.parametrize(
    ("solver", "text"),
    [
        (f"{CYCLE}, pct_start: 1.5", "`pct_start` must be from 0 to 1, not 1.5."),
        (f"{CYCLE}, pct_start: nan", "`pct_start` must be from 0 to 1, not nan."),
        (f"{CYCLE}, div_factor: 0", "`div_factor` must be above 0 with lr_policy onecycle."),
        (f"{CYCLE}, final_div_factor: -2", "`final_div_factor` must be 0 or more, not -2."),
        (f"{CYCLE}, three_phase: true, pct_start: 0.6", "`pct_start` must be at most 0.5 with `three_phase`, not 0.6."),
        (f"{CYCLE}, restart_iter: 9", "`lr_policy` 'onecycle' does not use `restart_iter`, a field of cosine. Remove it."),
        (f"{ONE}, cooldown: 2", "`lr_policy` 'fixed' does not use `cooldown`, a field of plateau. Remove it."),
        (f"{ONE}, lr_policy: onecycel", "There is no `lr_policy` 'onecycel'. Did you mean 'onecycle'?"),
        (f"{ONE}, lr_policy: cosine, restart_mult: 2", "`restart_mult` needs `restart_iter`"),
        (f"{ONE}, lr_policy: cosine, restart_iter: 5, restart_mult: 0", "`restart_mult` must be 1 or more, not 0."),
        (f"{ONE}, lr_policy: cosine, restart_iter: -5", "`restart_iter` must be 0 or more, not -5."),
        (f"{PLATEAU}, test_interval: 5", "`gamma` is missing, which `lr_policy` 'plateau' needs."),
        (f"{PLATEAU}, gamma: 0.5", "needs tests during training: set `test_interval`."),
        (f"{PLATEAU}, gamma: 1, test_interval: 5", "`gamma` must be below 1 with `lr_policy` 'plateau', not 1."),
        (f"{PLATEAU}, gamma: -1, test_interval: 5", "`gamma` must be 0 or more, not -1, with lr_policy plateau."),
        (f"{PLATEAU}, gamma: 0.5, test_interval: 5, plateau_patience: -1", "`plateau_patience` must be 0 or more, not -1."),
        (f"{PLATEAU}, gamma: 0.5, test_interval: 5, plateau_threshold_mode: REAL", "REL"),
        (f"{ONE}, ema: 1", "`ema` must be from 0 to below 1, not 1."),
        (f"{ONE}, ema: -0.5", "`ema` must be from 0 to below 1, not -0.5."),
        (f"{ONE}, clip_value: -1", "`clip_value` must be 0 or more, not -1."),
        (f"{ONE}, adjust_lr: ORIGINAL", "SGD does not use `adjust_lr`. Remove it."),
        (f"{ONE}, type: Adam, adamw: [ip2]", "Adam does not use `adamw`. Remove it."),
        (f"{ONE}, type: Lion, rms_decay: 0.5", "Lion does not use `rms_decay`. Remove it."),
        (f"{ONE}, type: muon", "There is no solver type 'muon'. Did you mean 'Muon'?"),
    ],
)
def test_fields_that_are_wrong(tmp_path: Path, solver: str, text: str) -> None:
    assert text in errors(tmp_path, solver)


def test_all_errors_are_listed(tmp_path: Path) -> None:
    found = errors(tmp_path, f"{ONE}, lr_policy: plateau, ema: 2, clip_value: -1, pct_start: 0.5")
    assert all(name in found for name in ("`gamma`", "`test_interval`", "`ema`", "`clip_value`", "`pct_start`"))


def test_a_plateau_needs_a_test_net_with_data(tmp_path: Path) -> None:
    net = NET.replace(
        "  - Data: {", "  - Input: {top: [data, label], include: {phase: TEST}, shape: [{dim: [2, 1, 12, 12]}, {dim: [2]}]}\n  - Data: {"
    )
    net = net.replace("test_fraction: 0.2}", "include: {phase: TRAIN}}")
    assert "the test net has no data source" in errors(tmp_path, f"{PLATEAU}, gamma: 0.5, test_interval: 5", net)


@pytest.mark.parametrize("pattern", ["ip9", "conv*.wieght"])
def test_a_pattern_that_names_nothing(tmp_path: Path, pattern: str) -> None:
    found = errors(tmp_path, f'{ONE}, type: Muon, adamw: ["ip2", "{pattern}"]')
    assert f"Solver: `adamw`: {pattern!r} fits no parameter." in found and found.startswith(f"{tmp_path}/small.yaml:12:")


def test_fields_of_the_whole_run_are_no_errors_in_a_stage(tmp_path: Path) -> None:
    stages = "pretrain: [{layer: loss, max_iter: 5, base_lr: 0.1, lr_policy: onecycle, three_phase: true, clip_value: 1}]"
    path = write_small(
        tmp_path, NET.split("solver:")[0] + f"solver: {{{PLATEAU}, gamma: 0.5, cooldown: 1, test_interval: 5, ema: 0.9, {stages}}}\n"
    )
    made = Compilation.of(load_job(path))
    made.check()
    assert [stage.job.settings.ema > 0 for stage in made.stages] == [False, True]
    assert made.stages[0].job.settings.clip_value == 1
