"""Rows for the comparison of gradient rules with differences: a function of values and the arrays at which it is tried."""
