"""The table of forks: complete rows, and errors that say which fork has an unknown type or field."""

import pytest

from netc import registry
from netc.errors import SpecError
from netc.net.resolve import resolve
from netc.spec import forks, parse_prototxt
from netc.spec.fields import LAYER_FIELDS, messages

registry.load()


def test_rows_name_forks_that_are_listed() -> None:
    for what, field, names in forks.rows():
        assert names and set(names) <= forks.FORKS.keys(), what
        assert not field or field.endswith("_param"), what


def test_types_that_netc_has_read_the_field_of_the_fork() -> None:
    wrong = [t for t, row in forks.TYPES.items() if t in registry.layer and row.param and row.param not in messages(t)]
    assert wrong == []


def test_moved_fields_go_to_fields_that_are_there() -> None:
    for move in forks.NUMBERS.values():
        inner = LAYER_FIELDS[move.to].message_type.fields_by_number
        assert set(move.within.values()) <= set(inner.keys())


def test_an_unknown_type_of_a_fork_names_the_fork_and_the_way_to_add_it() -> None:
    text = 'layer { type: "Input" top: "d" input_param { shape { dim: 1 } } } layer { type: "MultiStageMeanfield" bottom: "d" top: "m" }'
    with pytest.raises(SpecError, match=r"layer type of CRF-RNN \(torrvision/crfasrnn\)\. A plug-in can add it: .*--plugin FILE"):
        resolve(parse_prototxt(text))


def test_a_message_of_another_type_is_no_misspelling() -> None:
    text = 'layer { name: "r" type: "Foo" bottom: "d" top: "r" roi_poolings_param { pooled_w: 7 pooled_h: 7 spatial_scale: 1 } }'
    with pytest.raises(SpecError) as e:
        parse_prototxt(text)
    assert len(e.value.diagnostics) == 1
    with pytest.raises(SpecError) as e:
        parse_prototxt('layer { name: "p" type: "Pooling" bottom: "d" top: "p" poolin_param { kernel_sise: 7 } }')
    assert len(e.value.diagnostics) == 2
