"""The same trainings of the paper's networks in every peer. A peer makes steps of `work`:

    "flow"        an update by weighted maximum likelihood
    "classifier"  events of the flow, and an update on them and as many of the target
    "gan"         four updates of the discriminator and one of the refiner

Every class has steps(work, batch, count), the seconds of each of `count` steps; those that are checked also have
loss(work, batch, count, seed), the mean loss of the first `count`.
"""

import ctypes as c
import itertools
import math
import os
import time

import numpy as np

FLOW, CLASSIFIER, GAN = WORKS = ("flow", "classifier", "gan")

# The options' defaults, which are the paper's.
BLOCKS, CLAMP, SLOPE, AUXILIARY = 12, 2.0, 0.01, 4
DISCRIMINATOR_STEPS = 4
FLOW_ADAM = {"lr": 1e-3, "weight_decay": 1e-5}
CLASSIFIER_ADAM = {"lr": 1e-3}
GAN_ADAM = {"lr": 1e-4, "betas": (0.5, 0.9)}
# Widths of the layers, inputs and outputs included.
SUBNET = (1, 48, 48, 48, 2)
CLASSIFIER_NETWORK = (2, *8 * [96], 1)
DISCRIMINATOR = (2, *7 * [100], 1)
REFINER = (AUXILIARY, *7 * [100], 2)


def flops(work):
    """Of a step, per event of the batch: two for every weight, forward, for the inputs' gradients and for the parameters'."""
    forward = lambda widths: 2 * sum(a * b for a, b in itertools.pairwise(widths))
    generate = BLOCKS * forward(SUBNET)
    discriminator, refiner = forward(DISCRIMINATOR), forward(REFINER)
    return {
        FLOW: 3 * generate,
        CLASSIFIER: generate + 3 * 2 * forward(CLASSIFIER_NETWORK),
        # The refiner's update has no use for the gradients of the discriminator's parameters.
        GAN: DISCRIMINATOR_STEPS * (refiner + 3 * 2 * discriminator) + 3 * refiner + 2 * discriminator,
    }[work]


def target():
    """Events of mean 0 and standard deviation 1, so many that an epoch has 20 of the largest batches."""
    random = np.random.default_rng(1)
    centres = np.array([[-4.0, -4.0], [-4.0, 4.0], [4.0, -4.0], [4.0, 4.0]])
    events = centres[random.integers(4, size=400000)] + random.standard_normal((400000, 2))
    return (events - events.mean(0)) / events.std(0)


def seconds(function, *arguments, **keywords):
    start = time.perf_counter()
    function(*arguments, **keywords)
    return time.perf_counter() - start


class Liblaser:
    """Trains through the C interface from an array. A step is the time from one call of the progress callback to the next."""

    backend, library = "engine", "ENGINE"

    def __init__(self, dtype, threads):
        from laser import Laser

        self.laser, self.target = Laser(os.environ[self.library]), target()
        self.laser.library.laser_progress_stage.restype = c.c_char_p
        self.laser.library.laser_progress_loss.restype = c.c_double
        rows, dim = map(c.c_size_t, self.target.shape)
        pointer = self.target.ctypes.data_as(c.c_void_p)
        self.source = self.laser.make("laser_source_from_array", pointer, None, rows, dim, c.c_size_t(0))
        self.settings = {
            "backend": self.backend,
            "dtype": dtype,
            "threads": threads,
            "refiner.method": "gan",
            "weights.events": 1000,
            "validation.events": 0,
        }
        options = self.laser.options(**self.settings, flow={"epochs": 1, "steps": 1})
        self.generator = self.laser.make("laser_generator_train", self.source, options, None)

    def steps(self, work, batch, count):
        # The first of the library's updates is not measured.
        each = self.updates(work)
        times, _ = self.train(work, batch, each * count + 1)
        return np.diff(times[::each]).tolist()

    def loss(self, work, batch, count, seed):
        return self.train(work, batch, self.updates(work) * count, seed=seed)[1]

    def updates(self, work):
        """A step of the GAN is four of the library's, of which one updates the refiner too."""
        return DISCRIMINATOR_STEPS if work == GAN else 1

    def train(self, work, batch, updates, **settings):
        """Times of the first `updates` updates, after which the training is stopped, and the mean loss of their epoch."""
        settings |= {**self.settings, f"{work}.batch": batch}
        if work == GAN:  # an epoch is a step, as the peers' is
            settings |= {"classifier": {"epochs": 1, "steps": 1}, "gan.pool": DISCRIMINATOR_STEPS * batch}
        options, library, times, losses = self.laser.options(**settings), self.laser.library, [], []

        @c.CFUNCTYPE(c.c_int32, c.c_void_p, c.c_void_p)
        def progress(p, _):
            now, p = time.perf_counter(), c.c_void_p(p)
            if library.laser_progress_stage(p) == work.encode():
                times.append(now)
                losses.append(library.laser_progress_loss(p))
            return int(len(times) == updates)

        hooks = self.laser.make("laser_hooks_new")
        self.laser.call("laser_hooks_set_progress", hooks, progress, None)
        try:
            if work == FLOW:
                self.laser.make("laser_generator_train", self.source, options, hooks)
            else:
                self.laser.make("laser_refine", self.generator, self.source, options, hooks)
        except RuntimeError:
            if len(times) != updates:
                raise
        finally:
            library.laser_hooks_free(hooks)
            library.laser_options_free(options)
        return times, losses[-1]


class LiblaserTorch(Liblaser):
    """The same library's trainings by libtorch."""

    backend, library = "torch", "LIBTORCH_LIBRARY"


class Torch:
    """Common to the PyTorch peers. build() makes the flow: its parameters, density (x to z and log determinant) and generate (z to x)."""

    fused = True  # Adam in one pass over the parameters

    def __init__(self, dtype, threads):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(1)
        torch.set_default_dtype(getattr(torch, dtype))
        self.torch, self.key, self.step = torch, None, None
        self.target = torch.from_numpy(target()).to(torch.get_default_dtype())

    def steps(self, work, batch, count):
        if self.key != (work, batch):
            self.key, self.step = (work, batch), getattr(self, work)(batch)
            self.step()
        return [seconds(self.step) for _ in range(count)]

    def loss(self, work, batch, count, seed):
        self.torch.manual_seed(seed)
        step = getattr(self, work)(batch)
        return float(np.mean([step() for _ in range(count)]))

    def compiled(self, function):
        return function

    def mlp(self, widths, zero_output=False):
        """With liblaser's initial parameters."""
        nn, modules = self.torch.nn, []
        for inputs, outputs in itertools.pairwise(widths):
            linear = nn.Linear(inputs, outputs)
            nn.init.kaiming_normal_(linear.weight, a=SLOPE)
            modules += [linear, nn.LeakyReLU(SLOPE, inplace=True)]
        last = modules[-2]
        last.weight.data *= 0 if zero_output else math.sqrt(0.5)
        last.bias.data *= 0 if zero_output else 1
        return nn.Sequential(*modules[:-1])

    def batches(self, batch, *tensors):
        """Full batches of the rows, shuffled anew every epoch."""
        while True:
            for chosen in self.torch.randperm(len(tensors[0])).split(batch):
                if len(chosen) == batch:
                    yield [tensor[chosen] for tensor in tensors]

    def update(self, loss, parameters, adam):
        loss, optimiser = self.compiled(loss), self.torch.optim.Adam(parameters, **adam, fused=self.fused)

        def update(*inputs):
            optimiser.zero_grad()
            value = loss(*inputs)
            value.backward()
            optimiser.step()
            return value.item()

        return update

    def flow(self, batch):
        parameters, density, _ = self.build()

        def loss(x, w):
            z, log_det = density(x)
            return (w * (0.5 * (z * z).sum(1) + math.log(2 * math.pi) - log_det)).mean()

        feed = self.batches(batch, self.target, self.torch.ones(len(self.target)))
        update = self.update(loss, parameters, FLOW_ADAM)
        return lambda: update(*next(feed))

    def classifier(self, batch):
        torch, (_, _, generate) = self.torch, self.build()
        network, generate = self.mlp(CLASSIFIER_NETWORK, zero_output=True), self.compiled(generate)
        labels = torch.cat([torch.ones(batch, 1), torch.zeros(batch, 1)])

        def loss(x, w):
            return torch.nn.functional.binary_cross_entropy_with_logits(network(x), labels, weight=w)

        update = self.update(loss, network.parameters(), CLASSIFIER_ADAM)
        feed = self.batches(batch, self.target, torch.ones(len(self.target), 1))

        def step():
            x, w = next(feed)
            with torch.no_grad():
                generated = generate(torch.randn(batch, 2))
            return update(torch.cat([x, generated]), torch.cat([w, torch.ones(batch, 1)]))

        return step

    def gan(self, batch):
        torch, softplus = self.torch, self.torch.nn.functional.softplus
        discriminator, refiner = self.mlp(DISCRIMINATOR), self.mlp(REFINER)
        refine = self.compiled(lambda y: refiner(y))

        def judge(z, w, fake):
            on_real, on_fake = discriminator(torch.cat([z, fake])).split(batch)
            return 0.5 * ((w * softplus(-on_real)).mean() + softplus(on_fake).mean())

        def fool(y):
            return softplus(-discriminator(refiner(y))).mean()

        update_discriminator = self.update(judge, discriminator.parameters(), GAN_ADAM)
        update_refiner = self.update(fool, refiner.parameters(), GAN_ADAM)
        pool = DISCRIMINATOR_STEPS * batch
        feed = self.batches(batch, torch.randn(pool, 2), torch.ones(pool, 1))

        def step():
            losses = []
            for z, w in itertools.islice(feed, DISCRIMINATOR_STEPS):
                with torch.no_grad():
                    fake = refine(torch.randn(batch, AUXILIARY))
                losses.append(update_discriminator(z, w, fake))
            discriminator.requires_grad_(False)
            update_refiner(torch.randn(batch, AUXILIARY))
            discriminator.requires_grad_(True)
            return np.mean(losses)

        return step


class Lean(Torch):
    """No framework: the two coordinates are kept apart, nothing is permuted or copied."""

    def build(self):
        torch, subnets = self.torch, [self.mlp(SUBNET, zero_output=True) for _ in range(BLOCKS)]

        def coefficients(subnet, passive):
            s, t = subnet(passive).split(1, 1)
            return CLAMP * torch.tanh(s / CLAMP), t

        def density(x):
            x, log_det = [*x.split(1, 1)], 0.0
            for i, subnet in reversed([*enumerate(subnets)]):
                s, t = coefficients(subnet, x[(i + 1) % 2])
                x[i % 2] = (x[i % 2] - t) * torch.exp(-s)
                log_det = log_det - s
            return torch.cat(x, 1), log_det[:, 0]

        def generate(z):
            x = [*z.split(1, 1)]
            for i, subnet in enumerate(subnets):
                s, t = coefficients(subnet, x[(i + 1) % 2])
                x[i % 2] = x[i % 2] * torch.exp(s) + t
            return torch.cat(x, 1)

        return [p for subnet in subnets for p in subnet.parameters()], density, generate


class Compiled(Lean):
    """torch.compile of the lean one's losses and events, its default mode, for one batch."""

    def compiled(self, function):
        return self.torch.compile(function, dynamic=False)


class Freia(Torch):
    """As the paper's code: a flow of FrEIA modules, coupling blocks with permutations between them, and Adam as it comes."""

    fused = None

    def build(self):
        from FrEIA.framework import SequenceINN
        from FrEIA.modules import GLOWCouplingBlock, PermuteRandom

        flow = SequenceINN(2)
        # A GLOW block is two of the model's.
        for _ in range(BLOCKS // 2):
            flow.append(PermuteRandom)
            flow.append(
                GLOWCouplingBlock,
                subnet_constructor=lambda *_: self.mlp(SUBNET, zero_output=True),
                clamp=CLAMP,
                clamp_activation=lambda s: self.torch.tanh(s / CLAMP),
            )
        return flow.parameters(), flow, lambda z: flow(z, rev=True)[0]


class Gemm:
    """The machine's own large matrix product, as a step."""

    size = 2048
    flop = 2 * size**3

    def __init__(self, dtype, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.a, self.b = (torch.randn(self.size, self.size, dtype=getattr(torch, dtype)) for _ in range(2))
        self.c = torch.empty_like(self.a)

    def steps(self, _work, _batch, count):
        return [seconds(self.torch.mm, self.a, self.b, out=self.c) for _ in range(count)]


OURS, LEAN, GEMM, COMPILED = "liblaser", "pytorch-lean", "gemm", "torch-compile"
PEERS = {
    OURS: Liblaser,
    "liblaser-torch": LiblaserTorch,
    "pytorch-freia": Freia,
    LEAN: Lean,
    COMPILED: Compiled,
    GEMM: Gemm,
}
