"""The linear fit that a net is compared with, against scikit-learn."""

import numpy as np
import pytest

from netc.report.linear import Design, logistic, ridge, scaled
from netc.table.encoded import encoded
from tests.table.mixed import fitted, raw_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5)).astype(np.float32) * [1, 10, 0.1, 1, 1]
NOISE = RNG.normal(size=400)


def test_logistic_regression_is_that_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    labels = np.digitize(X[:, 0] + X[:, 1] / 10 + 0.5 * NOISE, [-0.5, 0.8])
    train, test = map(scaled(X[:300]), (X[:300], X[300:]))
    wanted = linear.LogisticRegression(max_iter=2000, tol=1e-9).fit(train[:, :-1], labels[:300]).predict_proba(test[:, :-1])
    assert np.abs(logistic(X[:300], labels[:300], [X[300:340], X[340:]], 3) - wanted).max() < 2e-3


def test_ridge_regression_is_that_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    target = np.c_[X[:, 0] - X[:, 1] + NOISE, 3 + X[:, 2]]
    train, test = map(scaled(X[:300]), (X[:300], X[300:]))
    wanted = linear.Ridge(alpha=1).fit(train[:, :-1].astype(float), target[:300]).predict(test[:, :-1].astype(float))
    assert np.abs(ridge(X[:300], target[:300], [X[300:]]) - wanted).max() < 1e-6


def test_constant_columns_and_few_rows_are_no_trouble() -> None:
    x = np.c_[X[:6], np.ones(6, np.float32)]
    assert np.isfinite(logistic(x, np.array([0, 1, 0, 1, 0, 1]), [x], 2)).all()
    assert np.isfinite(ridge(x, np.arange(6.0)[:, None], [x])).all()


def test_the_design_of_a_table_has_every_column() -> None:
    raw = raw_rows(50)
    columns = fitted(raw)
    made = Design(columns)(encoded(columns, raw))
    assert made.shape[0] == 50 and made.shape[1] >= len(columns) and np.isfinite(made).all()
    assert np.array_equal(made, Design(columns)(encoded(columns, raw)))
