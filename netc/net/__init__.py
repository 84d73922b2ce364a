"""Resolved nets: one phase of a net file, with every blob name resolved and every data source described."""
