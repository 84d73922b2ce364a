"""Small nets on sequences: one that carries its state through a text, with the text, a GPT, and one that forecasts a series."""

from pathlib import Path

NET = """\
name: letters
layers:
  - Data: {source: letters.txt, batch_size: 4, test_batch_size: 2, steps: 8, test_fraction: 0.25}
  - Embed: {num_output: 6, weight_filler: {type: gaussian, std: 0.5}}
  - LSTM: {num_output: 12, carry: true, weight_filler: xavier}
  - GRU: {num_output: 12, carry: true, weight_filler: xavier}
  - InnerProduct: {num_output: 5, axis: 2, weight_filler: xavier}
  - Accuracy: {axis: 2}
  - SoftmaxWithLoss: {axis: 2}
solver: {type: Adam, base_lr: 0.02, momentum: 0.9, max_iter: 60, test_interval: 20, snapshot: 20, display: 1}
licence: unknown
dataset_licence: unknown
"""
GPT = """\
name: gpt
layers:
  - Data: {source: letters.txt, batch_size: 4, test_batch_size: 2, steps: 8, test_fraction: 0.25}
  - Embed: {num_output: 16, bias_term: false, weight_filler: {type: gaussian, std: 0.1}}
  - Position
  - Transformer: {heads: 2, causal: true}
  - LayerNorm
  - InnerProduct: {num_output: 5, axis: 2, weight_filler: xavier}
  - SoftmaxWithLoss: {axis: 2}
solver: {type: AdamW, base_lr: 0.02, momentum: 0.9, weight_decay: 0.01, max_iter: 100}
licence: unknown
dataset_licence: unknown
"""
SERIES = """\
name: series
layers:
  - Data: {source: t.csv, steps: 6, batch_size: 8, test_batch_size: 20, test_fraction: 0.2}
  - Standardize: {top: z}
  - GRU: {num_output: 8, weight_filler: xavier}
  - LastStep
  - InnerProduct: {num_output: 1, weight_filler: xavier}
  - Standardize: {name: forecast, blob: label, inverse: true}
  - EuclideanLoss: {bottom: [forecast, label]}
solver: {type: Adam, base_lr: 0.02, momentum: 0.9, max_iter: 150}
licence: unknown
dataset_licence: unknown
"""
TEXT = "abcd\nbbad\n" * 100  # five characters, of which the last ones tell the next


def write_letters(folder: Path, net: str = NET) -> str:
    """`net` and its text in `folder`; the path of the net file."""
    (folder / "letters.txt").write_text(TEXT)
    path = folder / "letters.yaml"
    path.write_text(net)
    return str(path)
