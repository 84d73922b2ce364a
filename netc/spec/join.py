"""Join a training net and its test nets into one net: common layers occur once, other layers have rules.

If test nets differ, each gets its own stage, which its test_state names.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from netc import netc_pb2 as pb
from netc.spec.overrides import copy_of


@dataclass(frozen=True)
class Use:
    """A net in a phase. `stage` is set if there are several nets for TEST."""

    net: pb.NetParameter
    phase: pb.Phase
    stage: str = ""


@dataclass(frozen=True)
class _Entry:
    """A layer, and the uses that contain it."""

    layer: pb.LayerParameter
    uses: list[Use] = field(default_factory=list)

    @property
    def key(self) -> bytes:
        return self.layer.SerializeToString(deterministic=True)


def joined(train: pb.NetParameter, tests: Sequence[pb.NetParameter], solver: pb.SolverParameter) -> pb.NetParameter:
    """One net with the solver inside, equivalent to the separate nets.

    A net that tests several times may occur in `tests` several times.
    """
    whole = copy_of(train)
    different = [net for k, net in enumerate(tests) if net not in tests[:k]]
    if different == [train]:
        whole.solver.CopyFrom(solver)
        return whole
    stages = _stages(train, different, solver)
    own = [Use(net, pb.TEST, stage) for net, stage in zip(different, stages, strict=True)]
    uses = [Use(train, pb.TRAIN), *own]
    whole.ClearField("layer")
    whole.layer.extend(layer for entry in _merged(uses) if (layer := _restricted(entry, uses)) is not None)
    whole.ClearField("state")
    whole.solver.CopyFrom(_with_states(solver, uses[0], [own[different.index(net)] for net in tests]))
    return whole


def _stages(train: pb.NetParameter, tests: Sequence[pb.NetParameter], solver: pb.SolverParameter) -> list[str]:
    """A stage name for each test net that no rule and no state uses; empty if there is only one test net."""
    if len(tests) == 1:
        return [""]
    states = [solver.train_state, *solver.test_state, *(net.state for net in (train, *tests))]
    rules = [r for net in (train, *tests) for layer in net.layer for r in (*layer.include, *layer.exclude)]
    taken = {s for state in states for s in state.stage} | {s for rule in rules for s in (*rule.stage, *rule.not_stage)}
    return [next(n for n in (f"test-net-{k}{'-' * more}" for more in range(len(taken) + 1)) if n not in taken) for k in range(len(tests))]


def _merged(uses: Sequence[Use]) -> list[_Entry]:
    """The layers of all nets, in an order that agrees with each net."""
    entries: list[_Entry] = []
    for use in uses:
        new = [_Entry(layer, [use]) for layer in use.net.layer]
        found: list[_Entry] = []
        a = b = 0
        for i, j in _common([e.key for e in entries], [e.key for e in new]):
            found += [*entries[a:i], *new[b:j], _Entry(entries[i].layer, [*entries[i].uses, use])]
            a, b = i + 1, j + 1
        entries = [*found, *entries[a:], *new[b:]]
    return entries


def _common(a: Sequence[bytes], b: Sequence[bytes]) -> list[tuple[int, int]]:
    """The positions in `a` and in `b` of their longest common subsequence.

    Of equal items, the first is paired with the first, the second with the second. The result is the longest run of pairs with rising
    second positions (patience sorting), in n log n steps.
    """
    where = {item: j for j, item in enumerate(_numbered(b))}
    pairs = [(i, where[item]) for i, item in enumerate(_numbered(a)) if item in where]
    ends: list[int] = []  # by length: the smallest position at which a run of this length ends
    last: list[int] = []  # by length: the pair at which that run ends
    before: list[int] = []  # by pair: the previous pair in its run
    for k, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        ends[length : length + 1], last[length : length + 1] = [j], [k]
        before.append(last[length - 1] if length else -1)
    run, k = [], last[-1] if last else -1
    while k >= 0:
        run.append(pairs[k])
        k = before[k]
    return run[::-1]


def _numbered(items: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """Each item, and the number of equal items before it."""
    counts = Counter[bytes]()
    for item in items:
        yield item, counts[item]
        counts[item] += 1


def _restricted(entry: _Entry, uses: Sequence[Use]) -> pb.LayerParameter | None:
    """The layer, with rules that exclude it from the nets that lack it; None if it never runs."""
    layer: pb.LayerParameter = copy_of(entry.layer)
    if len(entry.uses) == len(uses):
        return layer
    if layer.exclude:
        layer.exclude.extend(_rule(pb.NetStateRule(), use.phase, use.stage) for use in uses if use not in entry.uses)
        return layer
    chosen = [(use.phase, use.stage) for use in entry.uses]
    if sum(phase == pb.TEST for phase, _ in chosen) == len(uses) - 1:  # all test nets, so stages are unnecessary
        chosen = [(phase, stage) for phase, stage in chosen if phase == pb.TRAIN] + [(pb.TEST, "")]
    given = list(layer.include) or [pb.NetStateRule()]
    rules = [_rule(rule, phase, stage) for phase, stage in chosen for rule in given if not rule.HasField("phase") or rule.phase == phase]
    layer.ClearField("include")
    layer.include.extend(rules)
    return layer if rules else None


def _rule(rule: pb.NetStateRule, phase: pb.Phase, stage: str) -> pb.NetStateRule:
    """`rule` with a phase and a stage."""
    new: pb.NetStateRule = copy_of(rule)
    new.phase = phase
    new.stage.extend([stage] if stage else [])
    return new


def _with_states(solver: pb.SolverParameter, train: Use, tests: Sequence[Use]) -> pb.SolverParameter:
    """The solver with the nets' own states in its train_state and test_state, and with the stages of the test nets."""
    new: pb.SolverParameter = copy_of(solver)
    states = list(solver.test_state) or [pb.NetState() for _ in tests]
    if train.net.HasField("state") or solver.HasField("train_state"):
        new.train_state.CopyFrom(_state(solver.train_state, train))
    new.ClearField("test_state")
    found = [_state(state, use) for state, use in zip(states, tests, strict=True)]
    if any(state.ListFields() for state in found):
        new.test_state.extend(found)
    return new


def _state(asked: pb.NetState, use: Use) -> pb.NetState:
    """The state that a solver requests, merged with the net's own. The solver's level has priority."""
    state: pb.NetState = copy_of(use.net.state)
    state.ClearField("phase")
    state.MergeFrom(asked)
    state.stage.extend([use.stage] if use.stage else [])
    return state


def only_trained(net: pb.NetParameter) -> None:
    """Restrict the data layers of a net to TRAIN, so that it is not tested."""
    kept = []
    for layer in net.layer:
        if layer.bottom or layer.type == "Parameter":
            kept.append(layer)
        elif layer.include:
            rules = [rule for rule in layer.include if not rule.HasField("phase") or rule.phase == pb.TRAIN]
            layer.ClearField("include")
            layer.include.extend(rules)
            for rule in layer.include:
                rule.phase = pb.TRAIN
            kept += [layer] if rules else []
        elif layer.exclude:
            layer.exclude.add(phase=pb.TEST)
            kept.append(layer)
        else:
            layer.include.add(phase=pb.TRAIN)
            kept.append(layer)
    layers = [copy_of(layer) for layer in kept]
    net.ClearField("layer")
    net.layer.extend(layers)
