"""`netc test`: compute the scores of trained weights on the test set."""

from collections.abc import Callable, Sequence

from netc import registry
from netc.commands.program import compiled_program, known_rows, loaded_weights
from netc.compiler.compilation import Compilation, load
from netc.graph.contract import STATE
from netc.runtime.backends import AUTO
from netc.runtime.session import States
from netc.training.evaluate import Scores, evaluate, layer_scores
from netc.training.feed import Feeder
from netc.training.tester import TestNet


def test_command(
    compilation: Compilation,
    provider: str,
    threads: int | None,
    weights: Sequence[str],
    iterations: int | None,
    note: Callable[[str], None] = print,
) -> Scores:
    """Compute the scores of weights from files.

    `note` receives messages on layers without weights, skipped images, and dropped information such as alpha channels.
    """
    compilation.nets.check_test_data()
    program, threads, _ = compiled_program(compilation.with_learned(known_rows(weights)), provider, None, threads, needs_solver=False)
    job, states = program.job, program.start() | loaded_weights(program, weights, note, whole=True)
    tested = TestNet(program, 0, threads, States(STATE.named(states), program.backend))
    feeder = Feeder(program.test_net, tested.lowered.graph, program.seed, job.base, lowered=tested.lowered)
    batches = iterations or (job.solver.test_iter[0] if job.solver.test_iter else None)
    scores = evaluate(tested, feeder, batches)
    if batches is None and (left_out := tested.left_out(feeder)):
        note(left_out)
    for text in feeder.skipped():
        note(f"skipped: {text}")
    for text in feeder.notes():
        note(f"note: {text}")
    return scores | layer_scores(program.test_net, states, feeder, batches, program.seed)


def test(path: str, *weights: str, provider: str = AUTO, iterations: int | None = None, allow_python: bool = False) -> Scores:
    """Compute the scores of trained weights on the test set, by output name, as `netc test` prints them.

    A score is a number, or a list for per-class tops, with None for a class without labels.
    """
    registry.load()
    return test_command(load(path, allow_python=allow_python), provider, None, weights, iterations, lambda text: None)
