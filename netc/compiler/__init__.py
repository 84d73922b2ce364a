"""From a net and its solver to the models of the step contract."""
