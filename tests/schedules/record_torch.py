"""Records torch_rates.json: the learning rates of the schedulers of torch 2.14.1 in each iteration, or after each test.

Run: python tests/schedules/record_torch.py
"""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

warnings.filterwarnings("ignore")  # the optimizer never steps
BASE = 0.5


def now(optimizer: Any) -> float:
    """The rate of an optimizer, in ten digits."""
    return float(f"{float(optimizer.param_groups[0]['lr']):.10g}")


def rates(count: int, make: Callable[..., Any], *options: float) -> list[float]:
    """The rates of `count` iterations."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=BASE)
    scheduler, found = make(optimizer, *options), []
    for _ in range(count):
        found.append(now(optimizer))
        scheduler.step()
    return found


def one_cycle(count: int, **options: Any) -> list[float]:
    """The rates of OneCycleLR, which takes no step after the last iteration."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=BASE)
    scheduler = lr_scheduler.OneCycleLR(optimizer, BASE, total_steps=count, cycle_momentum=False, **options)
    found = [now(optimizer)]
    for _ in range(count - 1):
        scheduler.step()
        found.append(now(optimizer))
    return found


def plateau(scores: list[float], **options: Any) -> list[float]:
    """The rates of ReduceLROnPlateau after each test."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=BASE)
    scheduler, found = lr_scheduler.ReduceLROnPlateau(optimizer, **options), []
    for score in scores:
        scheduler.step(score)
        found.append(now(optimizer))
    return found


def by_iteration() -> list[dict[str, Any]]:
    """Rows of solver fields, max_iter and the rates."""
    found: list[dict[str, Any]] = []
    for count in (1, 2, 7, 60):
        for fields, options in (
            ({}, {}),
            (
                {"pct_start": 0.25, "div_factor": 10, "final_div_factor": 100},
                {"pct_start": 0.25, "div_factor": 10, "final_div_factor": 100},
            ),
            ({"anneal_strategy": 1001, "pct_start": 0.5}, {"anneal_strategy": "linear", "pct_start": 0.5}),
            ({"three_phase": True, "pct_start": 0.375}, {"three_phase": True, "pct_start": 0.375}),
            ({"three_phase": True, "anneal_strategy": 1001}, {"three_phase": True, "anneal_strategy": "linear"}),
            ({"pct_start": 0}, {"pct_start": 0.0}),
            ({"pct_start": 1}, {"pct_start": 1.0}),
        ):
            try:
                found.append({"fields": {"lr_policy": "onecycle", **fields}, "max_iter": count, "rates": one_cycle(count, **options)})
            except ZeroDivisionError:
                continue
    for first, times, least in ((10, 1, 0.0), (10, 2, 0.125), (7, 3, 0.0), (1, 1, 0.25), (200, 1, 0.0)):
        restarts: dict[str, Any] = {"lr_policy": "cosine", "restart_iter": first, "restart_mult": times, "min_lr": least}
        found.append(
            {"fields": restarts, "max_iter": 100, "rates": rates(100, lr_scheduler.CosineAnnealingWarmRestarts, first, times, least)}
        )
    for least in (0.0, 0.125):
        for policy, made in (
            ("linear", rates(100, lr_scheduler.LinearLR, 1.0, least / BASE, 100)),
            ("cosine", rates(100, lr_scheduler.CosineAnnealingLR, 100, least)),
        ):
            found.append({"fields": {"lr_policy": policy, "min_lr": least}, "max_iter": 100, "rates": made})
    return found


def by_test() -> list[dict[str, Any]]:
    """Rows of solver fields, scores and the rates after each test."""
    random, found = np.random.default_rng(0), []
    falling = (1 / np.arange(1, 61) + random.normal(0, 0.02, 60)).clip(0.001).round(4).tolist()
    rising = (1 - np.array(falling) / 2).round(2).tolist()
    flat, broken = [0.5] * 60, [float("nan"), *falling[:20], float("inf"), *falling[20:]]
    steps = [0.5 + 0.01 * (k // 3) for k in range(60)]
    for scores, more in ((falling, False), (rising, True), (flat, False), (flat, True), (broken, False), (steps, True)):
        for patience, threshold, mode, cooldown, least, factor in (
            (10, 1e-4, "rel", 0, 0.0, 0.5), (0, 0.01, "abs", 0, 0.0, 0.5), (2, 0.1, "rel", 3, 0.03125, 0.25),
            (1, 0.0, "abs", 5, 0.0, 0.125),
            (0, 1e-4, "rel", 0, 0.0, 0.0625),
        ):  # fmt: skip
            options = {
                "mode": "max" if more else "min", "factor": factor, "patience": patience, "threshold": threshold,
                "threshold_mode": mode, "cooldown": cooldown, "min_lr": least,
            }  # fmt: skip
            fields = {
                "lr_policy": "plateau", "gamma": factor, "plateau_patience": patience, "plateau_threshold": threshold,
                "plateau_threshold_mode": 1001 if mode == "abs" else 1000, "cooldown": cooldown, "min_lr": least,
            }  # fmt: skip
            found.append({"fields": fields, "more_is_better": more, "scores": scores, "rates": plateau(scores, **options)})
    return found


if __name__ == "__main__":
    text = json.dumps({"by_iteration": by_iteration(), "by_test": by_test()})
    Path(__file__).with_name("torch_rates.json").write_text(text + "\n")
