#!/usr/bin/env python3
"""PyTorch on the CPU beside bench/training_step, bench/attend and bench/ops: GPT training steps, attention and single
operations, f32.

Usage: OMP_NUM_THREADS=2 python3 bench/peers/torch_step.py [steps|attention|ops|all] [--compile] [--repeat N]

Prints the median, minimum and maximum milliseconds of each line. Run it in turn with the C++ benchmarks on the same
idle machine: two busy thread pools on the same cores measure each other.
"""
import argparse
import math
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def causal_attention(q, k, v):
    """(batch, heads, time, width) each."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    score = (q @ k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
    hidden = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool).triu(1)
    return score.masked_fill(hidden, float("-inf")).softmax(-1) @ v


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, c // self.heads).transpose(1, 2) for part in self.qkv(self.attention_norm(x)).split(c, 2))
        y = causal_attention(q, k, v)
        x = x + self.projection(y.transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.mlp_norm(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))


def measure(name, run, repeat):
    for _ in range(2):
        run()
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - begin))
    print(f"{name:60s} median {statistics.median(times):9.2f} ms  min {min(times):9.2f}  max {max(times):9.2f}", flush=True)


def step(name, vocabulary, context, layers, heads, width, batch, time_, arguments):
    torch.manual_seed(0)
    model = GPT(vocabulary, context, layers, heads, width)
    run = torch.compile(model) if arguments.compile else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=True)
    tokens, targets = (torch.randint(0, vocabulary, (batch, time_)) for _ in range(2))

    def once():
        optimizer.zero_grad(set_to_none=True)
        run(tokens, targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    measure(name, once, arguments.repeat)


def both(name, function, inputs, arguments, names=("{} forward", "{} forward and backward")):
    """Forward alone, then forward and backward."""
    y = function(*inputs)
    dy = torch.randn_like(y)
    with torch.no_grad():
        measure(names[0].format(name), lambda: function(*inputs), arguments.repeat)

    def run():
        for x in inputs:
            x.grad = None
        function(*inputs).backward(dy)

    measure(names[1].format(name), run, arguments.repeat)


def ops(arguments):
    def random(*shape):
        return torch.randn(*shape, requires_grad=True)

    wrap = torch.compile if arguments.compile else (lambda f: f)
    both("layer norm [4096 x 768]", wrap(lambda x, g, b: F.layer_norm(x, (768,), g, b)), [random(4096, 768), random(768), random(768)], arguments)
    both("softmax [49152 x 1024]", wrap(lambda x: x.softmax(-1)), [random(49152, 1024)], arguments)
    both("GELU-tanh [4096 x 3072]", wrap(lambda x: F.gelu(x, approximate="tanh")), [random(4096, 3072)], arguments)
    targets = torch.randint(0, 50257, (256,))
    both("cross-entropy [256 x 50257]", wrap(lambda x: F.cross_entropy(x, targets)), [random(256, 50257)], arguments)


def attention(arguments):
    """Named as bench/attend names them: batch x heads / groups x queries x keys x width."""
    for b, h, t, d in (4, 12, 1024, 64), (8, 6, 256, 64), (16, 4, 128, 32):
        heads = [torch.randn(b, h, t, d, requires_grad=True) for _ in range(3)]
        run = torch.compile(causal_attention) if arguments.compile else causal_attention
        both(f"{b}x{h}/{h}x{t}x{t}x{d}", run, heads, arguments, ("forward/{}", "both/{}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="all", choices=["steps", "attention", "ops", "all"])
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    parser.add_argument("--repeat", type=int, default=7)
    arguments = parser.parse_args()
    print("torch", torch.__version__, "threads", torch.get_num_threads())
    if arguments.what in ("steps", "all"):
        step("gpt 6 layers, 384 wide, 8 x 256", 256, 256, 6, 6, 384, 8, 256, arguments)
        step("gpt2 124M, 4 x 64", 50257, 1024, 12, 12, 768, 4, 64, arguments)
    if arguments.what in ("attention", "all"):
        attention(arguments)
    if arguments.what in ("ops", "all"):
        ops(arguments)


if __name__ == "__main__":
    main()
