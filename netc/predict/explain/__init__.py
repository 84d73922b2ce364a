"""What a model of a table depends on, found by running it: importance of columns, partial dependence, contributions in single rows."""
