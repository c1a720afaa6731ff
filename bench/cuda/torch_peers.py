#!/usr/bin/env python3
"""PyTorch on a GPU beside bench/cuda's attend, ops and training_step: the same work, under the same names.

Usage: bench/cuda/torch_peers.py [attend|ops|steps|all] [--json FILE] [--filter REGEX] [--device cpu --small]

Attention by SDPA's flash and cuDNN backends; operations that memory limits eager and compiled; AdamW fused and compiled;
training steps of GPT-2 124M in bf16 compiled, and the same captured as one CUDA graph. Calls are timed as in device.hpp,
whole steps by the host's clock as in training_step.cu. FILE is what run_all.sh's table reads. What PyTorch cannot do on
this machine is a line that says why. `--device cpu --small` runs everything on tiny shapes, to check this script.
"""
import argparse
import contextlib
import gc
import json
import math
import os
import re
import statistics
import sys
import time
import warnings

try:
    import torch
except (ImportError, OSError) as error:
    print("SKIPPED: the peers need PyTorch, and this python3 cannot import it:", str(error).split("\n")[0])
    sys.exit(0)
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))
from torch_step import GPT

WARM_UPS, REPETITIONS = 3, 30
GPT2_124M = {"vocabulary": 50257, "context": 1024, "layers": 12, "heads": 12, "width": 768}
SMALL_GPT = {"vocabulary": 101, "context": 16, "layers": 2, "heads": 2, "width": 32}
ADAMW = {"betas": (0.9, 0.95), "weight_decay": 0.1}


class Missing(Exception):
    """What this PyTorch or this machine lacks."""


class Clock:
    """Seconds of a call: on a GPU by its own clock, after the cache was filled with other data, by reading."""

    def __init__(self, device):
        self.gpu = device.type == "cuda"
        if self.gpu:
            cache = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 64 << 20)
            self.other = torch.ones(2 * cache // 4, device=device)
            self.most = torch.empty((), device=device)
            self.begin, self.end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def seconds(self, run):
        if not self.gpu:
            return host_seconds(run)
        torch.amax(self.other, 0, out=self.most)
        # The GPU waits about a millisecond, in which Python queues the whole call: what is timed is the GPU's work alone.
        torch.cuda._sleep(2_000_000)
        self.begin.record()
        run()
        self.end.record()
        self.end.synchronize()
        return 1e-3 * self.begin.elapsed_time(self.end)

    def median(self, run):
        for _ in range(WARM_UPS):
            self.seconds(run)
        return statistics.median(self.seconds(run) for _ in range(REPETITIONS))


def host_seconds(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


class Report:
    """Prints a line for each figure, and keeps FILE complete after each."""

    def __init__(self, path, pattern, device):
        self.path, self.device, self.rows = path, device, []
        self.negated, self.pattern = pattern.startswith("-"), re.compile(pattern.lstrip("-"))  # as Google Benchmark reads it
        self.write()

    def measure(self, name, which, figures):
        """figures() gives at least median_us."""
        if bool(self.pattern.search(name)) == self.negated:
            return
        row, why = {"name": name, "peer": f"PyTorch {torch.__version__} {which}"}, None
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                row.update(figures())
            except Exception as error:
                # SDPA says in warnings why it has no kernel, and in the error only that it has none.
                hints = [re.sub(r"\(Triggered internally.*", "", str(w.message)) for w in told] if "No available kernel" in str(error) else []
                kind = [] if isinstance(error, Missing) else [type(error).__name__ + ":"]
                why = " ".join(" ".join([*kind, str(error), *hints]).split())[:300]
        if why is not None:  # outside of the handler, which would keep its memory alive
            print(f"{name:40s} {which:34s} not measured: {why}", flush=True)
        else:
            self.rows.append(row)
            print(f"{name:40s} {which:34s}", "  ".join(f"{key} {value:.4g}" for key, value in row.items() if key not in ("name", "peer")), flush=True)
            self.write()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def write(self):
        if self.path is None:
            return
        with open(self.path + ".part", "w") as out:
            json.dump({"context": {"torch": torch.__version__, "device": device_name(self.device)}, "benchmarks": self.rows}, out, indent=2)
            out.write("\n")
        os.replace(self.path + ".part", self.path)


def device_name(device):
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def against_products(flops, seconds):
    return {"median_us": 1e6 * seconds, "TFLOP/s": 1e-12 * flops / seconds}


def against_copying(bytes_, seconds):
    return {"median_us": 1e6 * seconds, "GB/s": 1e-9 * bytes_ / seconds}


def compiled(function):
    if not hasattr(torch, "compile"):
        raise Missing("this PyTorch has no torch.compile")
    torch._dynamo.reset()
    return torch.compile(function, dynamic=False)


def as_is(function):
    return function


def buffers_kept():
    """A compiled way back that runs more than once must not reuse what the way forward has saved."""
    if not hasattr(torch, "compile"):
        return contextlib.nullcontext()
    import torch._functorch.config as config
    return config.patch(donated_buffer=False) if hasattr(config, "donated_buffer") else contextlib.nullcontext()


def random(shape, device, dtype=torch.bfloat16, gradient=False):
    return (2 * torch.rand(shape, device=device) - 1).to(dtype).requires_grad_(gradient)


def gradient_of(function, inputs, result_gradient):
    return torch.autograd.grad(function(*inputs), [x for x in inputs if x.requires_grad], result_gradient)


# Causal attention. Memory is [B, T, H, D], as in attend.cu; SDPA is given its transposed view.
def attend(report, clock, device, small):
    def measure(title, which, backend, dropout, b, h, t, d):
        pairs = b * h * t * (t + 1) / 2
        name = f"{b}x{h}x{t}x{d}"

        def function(q, k, v):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)

        def prepared():
            try:
                from torch.nn.attention import SDPBackend, sdpa_kernel
            except ImportError:
                raise Missing("this PyTorch has no torch.nn.attention.sdpa_kernel") from None
            if not hasattr(SDPBackend, backend):
                raise Missing(f"this PyTorch has no SDPBackend.{backend}")
            q, k, v = (random((b, t, h, d), device, gradient=True).transpose(1, 2) for _ in range(3))
            return sdpa_kernel(getattr(SDPBackend, backend)), [q, k, v], random((b, t, h, d), device).transpose(1, 2)

        def seconds_forward(operands):
            with torch.no_grad():
                return clock.median(lambda: function(*operands))

        def forward():
            backend_only, operands, _ = prepared()
            with backend_only:
                return against_products(4 * d * pairs, seconds_forward(operands))

        def both():
            backend_only, operands, dy = prepared()
            with backend_only:
                all_ = clock.median(lambda: gradient_of(function, operands, dy))
                back = all_ - seconds_forward(operands)
            return {**against_products(14 * d * pairs, all_), "backward_us": 1e6 * back}

        report.measure(f"{title}/forward/{name}", which, forward)
        report.measure(f"{title}/both/{name}", which, both)

    for title, dropout in (("attend", 0.0), ("attend_dropout", 0.1)):
        for shape in ((1, 2, 32, 16), (2, 2, 32, 16)) if small else ((4, 12, 1024, 64), (16, 12, 1024, 64)):
            measure(title, "flash", "FLASH_ATTENTION", dropout, *shape)
            measure(title, "cuDNN", "CUDNN_ATTENTION", dropout, *shape)


# GB/s count the bytes that ops.cu counts. Gains and biases are bf16, which eager layer norm demands on a GPU.
def ops(report, clock, device, small):
    def both(title, rows, columns, function, vectors=0):
        elements = rows * columns

        def operands():
            return [random((rows, columns), device, gradient=True)] + [random((columns,), device, gradient=True) for _ in range(vectors)]

        def forward(wrap):
            f, inputs = wrap(function), operands()
            with torch.no_grad():
                return against_copying(4 * elements, clock.median(lambda: f(*inputs)))

        def backward(wrap):
            f, inputs, dy = wrap(function), operands(), random((rows, columns), device)
            with buffers_kept():
                y = f(*inputs)
                return against_copying(6 * elements, clock.median(lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)))

        for which, wrap in (("eager", as_is), ("compiled", compiled)):
            report.measure(f"{title}/{rows}x{columns}/forward", which, lambda: forward(wrap))
            report.measure(f"{title}/{rows}x{columns}/backward", which, lambda: backward(wrap))

    def loss(rows, classes):
        def operands():
            return [random((rows, classes), device, gradient=True), torch.randint(0, min(classes, 1000), (rows,), device=device)]

        # Eager in bf16, where a wide copy of the logits would only cost; compiled in f32, as ops.cu.
        def eager(x, targets):
            return F.cross_entropy(x, targets)

        def wide(x, targets):
            return F.cross_entropy(x.float(), targets)

        def forward(f):
            inputs = operands()
            with torch.no_grad():
                return against_copying(2 * rows * classes, clock.median(lambda: f(*inputs)))

        def forward_and_back(f):
            inputs = operands()
            return against_copying(4 * rows * classes, clock.median(lambda: gradient_of(f, inputs, None)))

        for which, f, wrap in (("eager", eager, as_is), ("compiled", wide, compiled)):
            report.measure(f"cross_entropy/{rows}x{classes}/forward", which, lambda: forward(wrap(f)))
            report.measure(f"cross_entropy/{rows}x{classes}/both", which, lambda: forward_and_back(wrap(f)))

    def square_sum(count, wrap):
        x, f = random((count,), device, torch.float32), wrap(lambda x: x.square().sum())
        return against_copying(4 * count, clock.median(lambda: f(x)))

    # What clip_grad_norm_ does first, over tensors of the model's sizes.
    def gradient_norm(count, model):
        gradients = [random(p.shape, device, torch.float32) for p in GPT(**model).parameters()]
        return against_copying(4 * count, clock.median(lambda: torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))))

    def adamw(count, which):
        p = torch.nn.Parameter(random((count,), device, torch.float32))
        p.grad = random((count,), device, torch.float32)
        if which == "fused":
            run = torch.optim.AdamW([p], lr=1e-3, fused=True, **ADAMW).step
        else:  # numbers that change from step to step have to be tensors on the device
            run = compiled(torch.optim.AdamW([p], lr=torch.tensor(1e-3, device=device), foreach=True, capturable=True, **ADAMW).step)
        return against_copying(28 * count, clock.median(run))

    def shape(large, tiny):
        return tiny if small else large

    rows, width = shape((16384, 768), (64, 96))
    both("layer_norm", rows, width, lambda x, gain, bias: F.layer_norm(x, (width,), gain, bias), vectors=2)
    both("softmax", *shape((49152, 1024), (64, 128)), lambda x: x.softmax(-1))
    both("gelu_tanh", *shape((16384, 3072), (64, 384)), lambda x: F.gelu(x, approximate="tanh"))
    loss(*shape((4096, 50257), (64, 257)))
    for which, wrap in (("eager", as_is), ("compiled", compiled)):
        count = shape(124439808, 4096)
        report.measure(f"square_sum/{count}", which, lambda: square_sum(count, wrap))
    count = shape(124440576, 29216)  # with the padding of the optimizer's memory
    report.measure(f"gradient_norm/{count}", "eager", lambda: gradient_norm(count, shape(GPT2_124M, SMALL_GPT)))
    for which in ("fused", "compiled"):
        count = shape(128 * 1024 * 1024, 4096)
        report.measure(f"adamw/{'4Ki' if small else '128Mi'}", which, lambda: adamw(count, which))


class TrainingStep:
    """Gradients in bf16, clipping to norm 1 and AdamW on f32 parameters; tokens come from the host, the loss goes back."""

    def __init__(self, sizes, sequences, length, copies, device):
        torch.manual_seed(0)
        self.device, self.copies, self.graph = device, copies, None
        model = GPT(**sizes).to(device)
        self.working = list(model.parameters())
        with torch.no_grad():
            for p in self.working:
                if p.dim() > 1:
                    p.normal_(0, 0.02)
        self.parameters = [torch.nn.Parameter(p.detach().clone()) for p in self.working] if copies else self.working
        if copies:
            model.bfloat16()
            for p in self.parameters:
                p.grad = torch.zeros_like(p)
        self.flops = sequences * length * (6 * sum(p.numel() for p in self.parameters) + 12 * sizes["layers"] * sizes["width"] * length)
        self.model = compiled(model)
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-4, fused=True, capturable=device.type == "cuda", **ADAMW)
        on_host = [torch.randint(0, sizes["vocabulary"], (sequences, length)) for _ in range(2)]
        self.on_host = [t.pin_memory() for t in on_host] if device.type == "cuda" else on_host
        self.tokens = [t.to(device) for t in on_host]

    def on_device(self):
        for p in self.working:
            p.grad = None
        # Without its cache of weights in bf16: a captured step has to convert them each time, and no weight is used twice.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=not self.copies, cache_enabled=False):
            loss = self.model(*self.tokens)
        loss.backward()
        if self.copies:
            torch._foreach_copy_([p.grad for p in self.parameters], [p.grad for p in self.working])
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        if self.copies:
            with torch.no_grad():
                torch._foreach_copy_(self.working, self.parameters)
        return loss.detach()

    def capture(self):
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                self.on_device()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.loss = self.on_device()
        self.graph = graph

    def once(self):
        for to, from_ in zip(self.tokens, self.on_host):
            to.copy_(from_, non_blocking=True)
        if self.graph is None:
            return self.on_device().item()
        self.graph.replay()
        return self.loss.item()

    def figures(self):
        losses = []
        for _ in range(1 + WARM_UPS):
            losses.append(self.once())
        time_ = statistics.median(host_seconds(lambda: losses.append(self.once())) for _ in range(REPETITIONS))
        if not all(map(math.isfinite, losses)):
            raise ArithmeticError(f"a loss is not finite: {losses}")
        return {**against_products(self.flops, time_), "tokens/s": self.tokens[0].numel() / time_, "first_loss": losses[0], "last_loss": losses[-1]}


def steps(report, clock, device, small):
    for copies, how in ((False, "autocast"), (True, "bf16 copies")):
        for sequences, length in ((2, 16), (4, 16)) if small else ((4, 1024), (16, 1024)):
            name = f"training_step/{'gpt_small' if small else 'gpt2_124M'}/{sequences}x{length}"
            ready = []

            def stepwise():
                step = TrainingStep(SMALL_GPT if small else GPT2_124M, sequences, length, copies, device)
                figures = step.figures()
                ready.append(step)
                return figures

            def as_graph():
                if device.type != "cuda":
                    raise Missing("CUDA graphs need a GPU")
                if not ready:
                    raise Missing("the compiled step itself was not measured")
                ready[0].capture()
                return ready[0].figures()

            report.measure(name, how + ", compiled", stepwise)
            report.measure(name, how + ", compiled, one CUDA graph", as_graph)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="all", choices=["attend", "ops", "steps", "all"])
    parser.add_argument("--json", metavar="FILE", help="the figures, for run_all.sh's table")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only names that match; with a leading -, that do not")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny shapes, to check this script")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print(f"SKIPPED: the peers need a GPU, and PyTorch {torch.__version__} sees none")
        return
    device = torch.device(arguments.device)
    print(f"PyTorch {torch.__version__}, {device_name(device)}", flush=True)
    torch.manual_seed(1)
    report, clock = Report(arguments.json, arguments.filter, device), Clock(device)
    for part in (attend, ops, steps):
        if arguments.what in (part.__name__, "all"):
            part(report, clock, device, arguments.small)


if __name__ == "__main__":
    main()
