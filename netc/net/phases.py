"""Which layers of a net run in a phase, by their rules (Caffe's FilterNet), and why its data layers do not."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from netc import netc_pb2 as pb
from netc.spec import Document


@dataclass(frozen=True)
class State:
    """What the rules of layers ask for: the phase, the stages and the level."""

    phase: str
    stages: frozenset[str] = frozenset()
    level: int = 0

    @classmethod
    def of(cls, net: pb.NetParameter, phase: str, stages: Collection[str] = (), level: int | None = None) -> "State":
        """The state of a net in a phase, with more stages, and with another level unless that is None."""
        return cls(phase, frozenset((*net.state.stage, *stages)), net.state.level if level is None else level)

    def runs(self, spec: pb.LayerParameter) -> bool:
        """Whether a layer runs: one of its `include` rules is met, or it has none and no `exclude` rule is met."""
        if spec.include:
            return any(map(self.meets, spec.include))
        return not any(map(self.meets, spec.exclude))

    def meets(self, rule: pb.NetStateRule) -> bool:
        """Whether every condition of a rule holds (Caffe's StateMeetsRule)."""
        return not any(self.misses(rule))

    def misses(self, rule: pb.NetStateRule) -> Iterator[str]:
        """The conditions of a rule that do not hold, each as the end of "it needs ..."."""
        if self._of_another_phase(rule):
            yield f"the phase {pb.Phase.Name(rule.phase)}"
        if rule.HasField("min_level") and self.level < rule.min_level:
            yield f"a level of {rule.min_level} or more (`--level {rule.min_level}`)"
        if rule.HasField("max_level") and self.level > rule.max_level:
            yield f"a level of {rule.max_level} or less (`--level {rule.max_level}`)"
        yield from (f"the stage {stage!r} (`--stage {stage}`)" for stage in rule.stage if stage not in self.stages)
        yield from (f"to run without the stage {stage!r}" for stage in rule.not_stage if stage in self.stages)

    def _of_another_phase(self, rule: pb.NetStateRule) -> bool:
        return rule.HasField("phase") and pb.Phase.Name(rule.phase) != self.phase

    def hides(self, spec: pb.LayerParameter) -> str:
        """What a layer of this phase lacks to run: the stages or the level that its rule needs. "" if it belongs to another phase."""
        own = [list(self.misses(rule)) for rule in spec.include if not self._of_another_phase(rule)]
        return _shortest(own) if own and not self.runs(spec) else ""


def has_data(document: Document, state: State) -> bool:
    """Whether a net has data in a phase: some layer without bottoms runs in it, or no layer is such a layer at all."""
    starts = [spec for spec in document.message.layer if _starts(spec)]
    return not starts or any(map(state.runs, starts))


def _shortest(needs: Sequence[Sequence[str]]) -> str:
    """The shortest of several lists of conditions."""
    return " and ".join(sorted(needs, key=lambda need: len(need))[0]) if needs else ""


def _starts(spec: pb.LayerParameter) -> bool:
    """Whether a layer begins a net: it reads no blob, and is not only a parameter."""
    return not spec.bottom and spec.type != "Parameter"


def hides_data(document: Document, state: State) -> bool:
    """Whether a net would have data in a phase with other stages or another level."""
    return any(_starts(spec) and bool(state.hides(spec)) for spec in document.message.layer)


def stages_of_data(document: Document, state: State) -> tuple[str, ...]:
    """The stages of the first layer that would deliver data in a phase with them; () if there is no such layer."""
    for spec in document.message.layer:
        for rule in spec.include if _starts(spec) and not state.runs(spec) else ():
            if rule.stage and State(state.phase, state.stages.union(rule.stage), state.level).meets(rule):
                return tuple(rule.stage)
    return ()


def no_data(document: Document, state: State) -> str:
    """Why a net has no data in a phase: the layers that would deliver it, and what they need."""
    hidden = list[str]()  # by a stage or a level
    others = list[str]()
    for k, spec in enumerate(document.message.layer):
        if _starts(spec) and not state.runs(spec):
            need = state.hides(spec) or _shortest([list(state.misses(rule)) for rule in spec.include]) or "other rules"
            (hidden if state.hides(spec) else others).append(f"{spec.name!r} ({document.place('layer', k)}) needs {need}")
    return f"No data layer runs in phase {state.phase}: {'; '.join(hidden or others)}."


def left_out(document: Document, chosen: Collection[int], state: State) -> dict[str, str]:
    """Error texts for the blobs that only layers of another state write."""
    said: dict[str, str] = {}
    for i, spec in enumerate(document.message.layer):
        place, needs = document.place("layer", i, "include" if spec.include else "exclude"), state.hides(spec)
        for top in spec.top if i not in chosen else ():
            why = f"does not run, as it needs {needs} ({place})." if needs else f"does not run in it ({place})."
            cure = "" if needs else f" Include it, or add a layer that writes {top!r} in {state.phase}."
            said[top] = f"No layer writes {top!r} in phase {state.phase}: {spec.name!r} {why}{cure}"
    return said
