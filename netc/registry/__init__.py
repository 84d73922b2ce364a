"""The registries: one for each kind of thing that a user can add. Decorators fill them.

    @layer("ELU", elementwise=True, in_place=True)
    def elu(ctx, x): ...

`layer.find("ELU")` is then that function, and `layer_type("ELU")` its record. A plug-in is a Python file that uses these decorators. You
need nothing else to add a layer, a gradient or an optimizer.
"""

from netc.registry.records import LayerType, OpInfo
from netc.registry.table import Functions, Registry
from netc.registry.tables import Tables

tables = Tables()
layer, column_type, source, dataset, filler = tables.layer, tables.column_type, tables.source, tables.dataset, tables.filler
training_op, body, gradient = tables.training_op, tables.body, tables.gradient
optimizer, schedule, score, section = tables.optimizer, tables.schedule, tables.score, tables.section
load, plugins, scoped, layer_type = tables.load, tables.plugins, tables.scoped, tables.layer_type

__all__ = [
    "Functions", "LayerType", "OpInfo", "Registry", "Tables", "body", "column_type", "dataset", "filler", "gradient", "layer",
    "layer_type", "load", "optimizer", "plugins", "schedule", "scoped", "score", "section", "source", "tables", "training_op",
]  # fmt: skip
