"""nanoGPT's model in PyTorch, of the size of nets/gpt_char.yaml, trained for a number of seconds of CPU time on the same text.

Run: python -m tests.benchmarks.nano_gpt TEXT --seconds 3000 [--compile]

It prints the loss on the last tenth of the text after each twentieth part of the time. The model, the initial values and the optimizer
are those of nanoGPT's train_shakespeare_char (Karpathy 2022): AdamW with betas 0.9 and 0.99, a cosine from 1e-3 to 1e-4, no dropout.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS, BATCH, CHANNELS, BLOCKS, HEADS = 128, 16, 128, 4, 4
PEAK, LEAST, WARMUP, TESTS = 1e-3, 1e-4, 100, 20


class Block(nn.Module):
    """Attention and two fully connected layers, each after a norm and with a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(CHANNELS, bias=False), nn.LayerNorm(CHANNELS, bias=False)
        self.qkv, self.out = nn.Linear(CHANNELS, 3 * CHANNELS, bias=False), nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.hidden, self.top = nn.Linear(CHANNELS, 4 * CHANNELS, bias=False), nn.Linear(4 * CHANNELS, CHANNELS, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        q, k, v = (part.view(n, t, HEADS, c // HEADS).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(c, 2))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, c))
        return x + self.top(functional.gelu(self.hidden(self.norm2(x))))


class Gpt(nn.Module):
    """Tokens (N, T) to scores (N, T, characters). The last matrix is that of the embedding."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(characters, CHANNELS), nn.Embedding(STEPS, CHANNELS)
        self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(BLOCKS))), nn.LayerNorm(CHANNELS, bias=False)
        for name, p in self.named_parameters():
            if p.dim() > 1:
                last = name.endswith(("out.weight", "top.weight"))
                nn.init.normal_(p, 0.0, 0.02 / math.sqrt(2 * BLOCKS) if last else 0.02)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        y = self.norm(self.blocks(self.tokens(x) + self.places.weight[: x.shape[1]]))
        return functional.cross_entropy((y @ self.tokens.weight.T).flatten(0, 1), labels.flatten())


def windows(text: Tensor) -> tuple[Tensor, Tensor]:
    """All windows of a text, one after the other, with the next characters."""
    count = (len(text) - 1) // STEPS
    return text[: count * STEPS].view(count, STEPS), text[1 : count * STEPS + 1].view(count, STEPS)


@torch.no_grad()
def test_loss(model: nn.Module, text: Tensor) -> float:
    """The loss of each character of the text, in windows as netc tests them."""
    x, labels = windows(text)
    sums = [float(model(a, b)) * len(a) for a, b in zip(x.split(64), labels.split(64), strict=True)]
    return sum(sums) / len(x)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("text", type=Path)
    parser.add_argument("--seconds", type=float, default=3000, help="CPU seconds of training")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    characters = sorted(set(text := options.text.read_text()))
    tokens = torch.tensor([characters.index(c) for c in text])
    parts = tokens.split([len(tokens) * 9 // 10, len(tokens) - len(tokens) * 9 // 10])
    model = Gpt(len(characters))
    run = torch.compile(model) if options.compile else model
    decayed, others = ([p for p in model.parameters() if (p.dim() > 1) == kind] for kind in (True, False))
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.99))
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, torch {torch.__version__}", flush=True)
    spent, iteration, best, tested = 0.0, 0, math.inf, 0
    while spent < options.seconds:
        begun, share = time.process_time(), spent / options.seconds
        rate = LEAST + (PEAK - LEAST) * (1 + math.cos(math.pi * share)) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (iteration + 1) / WARMUP)
        starts = torch.randint(len(parts[0]) - STEPS, (BATCH,)).tolist()
        x, labels = (torch.stack([parts[0][s + k : s + k + STEPS] for s in starts]) for k in (0, 1))
        optimizer.zero_grad(set_to_none=True)
        loss = run(x, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        iteration, spent = iteration + 1, spent + time.process_time() - begun
        if spent / options.seconds * TESTS >= tested + 1:
            tested, best = tested + 1, min(best, now := test_loss(model, parts[1]))
            print(f"{spent:6.0f} CPU s, iteration {iteration}: training loss {float(loss.detach()):.4f}, test loss {now:.4f}", flush=True)
    print(f"best test loss {best:.4f} after {iteration} iterations of {BATCH * STEPS} characters")


if __name__ == "__main__":
    main()
