"""Learning-rate policies: `policies` has one function for each, `rates` evaluates them, `plateau` follows the tests of a run."""

from netc.schedules.plateau import Plateau
from netc.schedules.policies import current_step
from netc.schedules.rates import by_length, facts, fields, follows_tests, max_iterations, rate, test_facts, too_large

__all__ = ["Plateau", "by_length", "current_step", "facts", "fields", "follows_tests", "max_iterations", "rate", "test_facts", "too_large"]
