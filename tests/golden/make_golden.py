#!/usr/bin/env python3
"""Makes gpt.safetensors and llama.safetensors, which the golden tests compare with: `python3 make_golden.py`.

It needs PyTorch 2.4 or later (pip install torch) and nothing of Formwork. Everything is computed in float64 from
parameters that are exact in float32, and rounded to float32 where it is stored. A file holds

  initial.<parameter>    weights are (in, out): y = x @ weight + bias
  tokens, targets        [10, batch, time], int32: a batch for each of ten steps
  logits, loss           of the first batch with the initial parameters; the loss in nats per token
  gradient.<parameter>   of that loss
  gradient_norm          over all parameters
  losses                 [10]: before each of ten steps of AdamW, on the step's own batch

AdamW (Loshchilov & Hutter 2019): learning rate 1e-3, betas 0.9 and 0.95, epsilon 1e-8; weight decay 0.1 for tensors of
two axes, none for others; gradients first scaled by min(1, 1 / norm).

`python3 make_golden.py --check` computes everything again and says whether the files hold it.
"""
import json
import pathlib
import random
import struct
import sys

import torch
import torch.nn.functional as F

STEPS, BATCH, TIME = 10, 3, 12
VOCABULARY, CONTEXT, LAYERS, HEADS, WIDTH = 64, 16, 2, 4, 32
KEY_HEADS, HIDDEN = 2, 48  # of llama
HEAD = WIDTH // HEADS
EPSILON = 1e-5
ROPE_BASE = 10000.0


def heads(x, count):
    return x.view(BATCH, TIME, count, HEAD).transpose(1, 2)


def joined(x):
    return x.transpose(1, 2).reshape(BATCH, TIME, WIDTH)


class Gpt:
    @staticmethod
    def shapes():
        s = {"token_embedding.weight": (VOCABULARY, WIDTH), "position_embedding.weight": (CONTEXT, WIDTH)}
        for i in range(LAYERS):
            for name, inner, outer in (("attention.qkv", WIDTH, 3 * WIDTH), ("attention.projection", WIDTH, WIDTH),
                                       ("mlp.up", WIDTH, 4 * WIDTH), ("mlp.down", 4 * WIDTH, WIDTH)):
                s[f"blocks.{i}.{name}.weight"] = (inner, outer)
                s[f"blocks.{i}.{name}.bias"] = (outer,)
            for name in ("attention_norm", "mlp_norm"):
                s[f"blocks.{i}.{name}.gain"] = s[f"blocks.{i}.{name}.bias"] = (WIDTH,)
        s["norm.gain"] = s["norm.bias"] = (WIDTH,)
        return s

    @staticmethod
    def logits(p, tokens):
        def norm(x, name):
            return F.layer_norm(x, (WIDTH,), p[name + ".gain"], p[name + ".bias"], EPSILON)

        def linear(x, name):
            return F.linear(x, p[name + ".weight"].T, p[name + ".bias"])

        x = F.embedding(tokens, p["token_embedding.weight"]) + p["position_embedding.weight"][:TIME]
        for i in range(LAYERS):
            b = f"blocks.{i}."
            q, k, v = linear(norm(x, b + "attention_norm"), b + "attention.qkv").split(WIDTH, -1)
            y = F.scaled_dot_product_attention(heads(q, HEADS), heads(k, HEADS), heads(v, HEADS), is_causal=True)
            x = x + linear(joined(y), b + "attention.projection")
            h = F.gelu(linear(norm(x, b + "mlp_norm"), b + "mlp.up"), approximate="tanh")
            x = x + linear(h, b + "mlp.down")
        return norm(x, "norm") @ p["token_embedding.weight"].T


class Llama:
    @staticmethod
    def shapes():
        s = {"token_embedding.weight": (VOCABULARY, WIDTH)}
        for i in range(LAYERS):
            for name, inner, outer in (("attention.query", WIDTH, WIDTH), ("attention.key", WIDTH, KEY_HEADS * HEAD),
                                       ("attention.value", WIDTH, KEY_HEADS * HEAD),
                                       ("attention.projection", WIDTH, WIDTH), ("mlp.gate", WIDTH, HIDDEN),
                                       ("mlp.up", WIDTH, HIDDEN), ("mlp.down", HIDDEN, WIDTH)):
                s[f"blocks.{i}.{name}.weight"] = (inner, outer)
            s[f"blocks.{i}.attention_norm.gain"] = s[f"blocks.{i}.mlp_norm.gain"] = (WIDTH,)
        s["norm.gain"] = (WIDTH,)
        s["head.weight"] = (WIDTH, VOCABULARY)
        return s

    @staticmethod
    def rotary(x):
        """Su et al. 2021, eq. 34, on the pairs (i, i + HEAD / 2) as in the published Llama weights."""
        frequency = ROPE_BASE ** (-torch.arange(0, HEAD, 2, dtype=torch.float64) / HEAD)
        angle = torch.outer(torch.arange(TIME, dtype=torch.float64), frequency)
        turn = torch.polar(torch.ones_like(angle), angle)  # e^(i angle)
        y = torch.complex(x[..., : HEAD // 2], x[..., HEAD // 2:]) * turn
        return torch.cat((y.real, y.imag), -1)

    @staticmethod
    def logits(p, tokens):
        def norm(x, name):
            return F.rms_norm(x, (WIDTH,), p[name + ".gain"], EPSILON)

        x = F.embedding(tokens, p["token_embedding.weight"])
        for i in range(LAYERS):
            b = f"blocks.{i}."
            h = norm(x, b + "attention_norm")
            q = Llama.rotary(heads(h @ p[b + "attention.query.weight"], HEADS))
            k = Llama.rotary(heads(h @ p[b + "attention.key.weight"], KEY_HEADS))
            v = heads(h @ p[b + "attention.value.weight"], KEY_HEADS)
            k, v = (t.repeat_interleave(HEADS // KEY_HEADS, 1) for t in (k, v))
            x = x + joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)) @ p[b + "attention.projection.weight"]
            h = norm(x, b + "mlp_norm")
            h = F.silu(h @ p[b + "mlp.gate.weight"]) * (h @ p[b + "mlp.up.weight"])
            x = x + h @ p[b + "mlp.down.weight"]
        return norm(x, "norm") @ p["head.weight"]


def initial(shapes, draw):
    """Large enough that every part of the model matters; gains near 1, biases near 0."""
    parameters = {}
    for name, shape in shapes.items():
        noise = torch.tensor([draw.gauss(0, 1) for _ in range(torch.Size(shape).numel())], dtype=torch.float64).view(shape)
        p = 1 + 0.1 * noise if name.endswith("gain") else 0.1 * noise if name.endswith("bias") else 0.15 * noise
        parameters[name] = p.float().double().requires_grad_()
    return parameters


def compute(model, seed):
    draw = random.Random(seed)  # the same numbers in every version of Python
    p = initial(model.shapes(), draw)
    numbers = [[[draw.randrange(VOCABULARY) for _ in range(TIME + 1)] for _ in range(BATCH)] for _ in range(STEPS)]
    tokens = torch.tensor(numbers)[..., :-1].contiguous()
    targets = torch.tensor(numbers)[..., 1:].contiguous()
    out = {f"initial.{name}": x.detach().clone() for name, x in p.items()}
    out["tokens"], out["targets"] = tokens.int(), targets.int()

    decays = [x for x in p.values() if x.dim() >= 2]
    others = [x for x in p.values() if x.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decays, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for step in range(STEPS):
        logits = model.logits(p, tokens[step])
        loss = F.cross_entropy(logits.flatten(0, 1), targets[step].flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = torch.stack([x.grad.norm() for x in p.values()]).norm()
        if step == 0:
            out["logits"], out["loss"], out["gradient_norm"] = logits.detach(), loss.detach(), norm
            out |= {f"gradient.{name}": x.grad.clone() for name, x in p.items()}
        for x in p.values():
            x.grad *= min(1.0, 1.0 / norm.item())
        optimizer.step()
        losses.append(loss.item())
    out["losses"] = torch.tensor(losses, dtype=torch.float64)
    return {name: x if x.dtype == torch.int32 else x.float() for name, x in out.items()}


def write(path, tensors):
    """https://github.com/huggingface/safetensors, Format"""
    header, data = {"__metadata__": {"made_by": f"make_golden.py, PyTorch {torch.__version__}"}}, b""
    for name, x in tensors.items():
        code, letter = ("I32", "i") if x.dtype == torch.int32 else ("F32", "f")
        part = struct.pack(f"<{x.numel()}{letter}", *x.flatten().tolist())
        header[name] = {"dtype": code, "shape": list(x.shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read(path):
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    tensors = {}
    for name, entry in json.loads(content[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + x for x in entry["data_offsets"])
            letter = "i" if entry["dtype"] == "I32" else "f"
            values = struct.unpack(f"<{(end - begin) // 4}{letter}", content[begin:end])
            tensors[name] = torch.tensor(values, dtype=torch.int32 if letter == "i" else torch.float32).view(entry["shape"])
    return tensors


def main():
    folder = pathlib.Path(__file__).parent
    failed = False
    for name, model, seed in (("gpt", Gpt, 1), ("llama", Llama, 2)):
        path, tensors = folder / f"{name}.safetensors", compute(model, seed)
        if sys.argv[1:] != ["--check"]:
            write(path, tensors)
            print(f"{path}: {len(tensors)} tensors, {path.stat().st_size} bytes, gradient norm "
                  f"{tensors['gradient_norm'].item():.3f}, losses {[round(x, 4) for x in tensors['losses'].tolist()]}")
            continue
        stored = read(path)
        wrong = [n for n in tensors if n not in stored or not torch.allclose(stored[n].double(), tensors[n].double(), rtol=3e-7, atol=1e-9)]
        failed = failed or bool(wrong) or stored.keys() != tensors.keys()
        print(f"{path}: {'differs in ' + ', '.join(wrong) if wrong else 'holds what was computed'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
