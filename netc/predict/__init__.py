"""Run published models: predictions, generated text, forecasts, and the formats of results."""
