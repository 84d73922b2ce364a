"""A training net and the nets that test it as one: layers that all of them have stand once, the others with rules.

Where test nets differ, each has a stage of its own, which its test_state names.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from netc import netc_pb2 as pb
from netc.spec.overrides import copy_of


@dataclass(frozen=True)
class Use:
    """A net in a phase. `stage` is there where several nets are for TEST."""

    net: pb.NetParameter
    phase: pb.Phase
    stage: str = ""


@dataclass(frozen=True)
class _Entry:
    """A layer and the uses that have it."""

    layer: pb.LayerParameter
    uses: list[Use] = field(default_factory=list)

    @property
    def key(self) -> bytes:
        return self.layer.SerializeToString(deterministic=True)


def joined(train: pb.NetParameter, tests: Sequence[pb.NetParameter], solver: pb.SolverParameter) -> pb.NetParameter:
    """One net with the solver inside that means what the nets mean. A net that tests several times may stand in `tests` several times."""
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
    """A name for each test net that no rule and no state has; none where there is but one."""
    if len(tests) == 1:
        return [""]
    states = [solver.train_state, *solver.test_state, *(net.state for net in (train, *tests))]
    rules = [r for net in (train, *tests) for layer in net.layer for r in (*layer.include, *layer.exclude)]
    taken = {s for state in states for s in state.stage} | {s for rule in rules for s in (*rule.stage, *rule.not_stage)}
    return [next(n for n in (f"test-net-{k}{'-' * more}" for more in range(len(taken) + 1)) if n not in taken) for k in range(len(tests))]


def _merged(uses: Sequence[Use]) -> list[_Entry]:
    """The layers of all nets, those of each in its own order."""
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
    """Where the longest sequence stands that is in both; the first of equal items is paired with the first, the second with the second.

    Of the pairs it is the longest run whose second numbers rise (patience sorting), in n log n steps.
    """
    where = {item: j for j, item in enumerate(_numbered(b))}
    pairs = [(i, where[item]) for i, item in enumerate(_numbered(a)) if item in where]
    ends: list[int] = []  # by length, the least number that a run of it ends with
    last: list[int] = []  # by length, the pair that it ends with
    before: list[int] = []  # by pair, the one before it in its run
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
    """Each item, and how many equal ones stand before it."""
    counts = Counter[bytes]()
    for item in items:
        yield item, counts[item]
        counts[item] += 1


def _restricted(entry: _Entry, uses: Sequence[Use]) -> pb.LayerParameter | None:
    """The layer with rules that keep it out of the nets that do not have it; None if it never runs."""
    layer: pb.LayerParameter = copy_of(entry.layer)
    if len(entry.uses) == len(uses):
        return layer
    if layer.exclude:
        layer.exclude.extend(_rule(pb.NetStateRule(), use.phase, use.stage) for use in uses if use not in entry.uses)
        return layer
    chosen = [(use.phase, use.stage) for use in entry.uses]
    if sum(phase == pb.TEST for phase, _ in chosen) == len(uses) - 1:  # all of them: no need of their stages
        chosen = [(phase, stage) for phase, stage in chosen if phase == pb.TRAIN] + [(pb.TEST, "")]
    given = list(layer.include) or [pb.NetStateRule()]
    rules = [_rule(rule, phase, stage) for phase, stage in chosen for rule in given if not rule.HasField("phase") or rule.phase == phase]
    layer.ClearField("include")
    layer.include.extend(rules)
    return layer if rules else None


def _rule(rule: pb.NetStateRule, phase: pb.Phase, stage: str) -> pb.NetStateRule:
    """`rule`, and a phase and a stage."""
    new: pb.NetStateRule = copy_of(rule)
    new.phase = phase
    new.stage.extend([stage] if stage else [])
    return new


def _with_states(solver: pb.SolverParameter, train: Use, tests: Sequence[Use]) -> pb.SolverParameter:
    """The solver with the nets' own states in its train_state and test_state, and the stages of the test nets."""
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
    """What a solver asks for, and what the net says itself; the solver's level counts before the net's."""
    state: pb.NetState = copy_of(use.net.state)
    state.ClearField("phase")
    state.MergeFrom(asked)
    state.stage.extend([use.stage] if use.stage else [])
    return state
