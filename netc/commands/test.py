"""`netc test`: the scores of the test net on trained weights."""

from collections.abc import Callable, Sequence

from netc.commands.program import compiled_program, known_rows, loaded_weights
from netc.compiled import session
from netc.run.evaluate import Scores, evaluate, layer_scores
from netc.run.feed import Feeder
from netc.session import States, Stepper
from netc.spec.job import Job


def test_command(
    job: Job, provider: str, threads: int | None, weights: Sequence[str], iterations: int | None, note: Callable[[str], None] = print
) -> Scores:
    """The scores of the test net on weights from files. `note` is told of images that were skipped."""
    program, threads, _ = compiled_program(job.with_learned(known_rows(weights)), provider, None, threads, needs_solver=False)
    states = program.start() | loaded_weights(program, weights)
    lowered, batch = program.test
    stepper = Stepper(session(program, "test", threads), States({f"state/{n}": a for n, a in states.items()}, program.provider))
    feeder = Feeder(program.test_net, lowered.graph, program.seed, job.base)
    batches = iterations or (job.solver.test_iter[0] if job.solver.test_iter else None)
    scores = evaluate(stepper, feeder, batches, static=batch != "N")
    for text in feeder.skipped():
        note(f"skipped: {text}")
    return scores | layer_scores(program.test_net, states, feeder, batches, program.seed)
