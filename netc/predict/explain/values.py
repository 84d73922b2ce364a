"""An explanation as JSON values."""

from collections.abc import Sequence
from typing import Any

from netc.predict.explain.contributions import Contributions
from netc.predict.explain.dependence import Dependence
from netc.predict.explain.explanation import Explanation
from netc.predict.explain.importance import Importance


def as_json(made: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON values. Scores are in the order of `scores`."""
    facts = {
        "model": str(made.model.path), "table": made.table, "rows": len(made.numbers), "table_rows": made.table_rows,
        "labelled_rows": int(made.labelled.sum()) if made.target is not None else 0, "seed": made.asked.seed,
        "repeats": made.asked.repeats, "scores": list(made.judge.names),
    }  # fmt: skip
    return {
        **facts,
        "loss": None if made.target is None else {"name": made.judge.loss_name, "value": made.start},
        "importance": {"measure": made.loss_name, "columns": [_of_importance(i) for i in made.importances]},
        "associated": [{"columns": [a, b], "strength": strength} for a, b, strength in made.pairs],
        "joint_importance": [_of_importance(i) for i in made.joint],
        "partial_dependence": [_of_dependence(d) for d in made.dependences],
        "contributions": [_of_row(row, [c.name for c in made.model.raw_columns]) for row in made.contributions],
    }


def _of_importance(importance: Importance) -> dict[str, Any]:
    names = importance.columns
    named = {"column": names[0]} if len(names) == 1 else {"columns": list(names)}
    return {**named, "mean": importance.mean, "deviation": importance.deviation}


def _of_dependence(found: Dependence) -> dict[str, Any]:
    counted = {"counts": list(found.counts), "other_values": found.others} if found.kind == "category" else {}
    return {"column": found.column, "kind": found.kind, "values": list(found.points), **counted,
            "means": found.means.tolist(), "missing": found.missing.tolist()}  # fmt: skip


def _of_row(row: Contributions, columns: Sequence[str]) -> dict[str, Any]:
    parts = [{"column": n, "value": v, "contributions": p} for n, v, p in zip(columns, row.values, row.parts.tolist(), strict=True)]
    return {"row": row.row, "scores": row.scores.tolist(), "columns": parts}
