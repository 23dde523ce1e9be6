"""The part of liblaser's C interface that the benchmark uses, through ctypes."""

import ctypes as c
import json

SETTINGS = {
    # The paper's networks, trained for a moment: the rates do not depend on what the weights are.
    "preset": "fast",
    "flow": {"epochs": 1, "steps": 200},
    "classifier": {"epochs": 1, "steps": 30},
    "gan": {"epochs": 1, "steps": 20, "pool": 20000},
    "weights.events": 20000,
    "refiner.method": "gan",
}


class Laser:
    """One loaded library. Failures of its calls raise RuntimeError with its message."""

    def __init__(self, path):
        self.library = c.CDLL(str(path))

    def call(self, name, *arguments):
        if getattr(self.library, name)(*arguments) != 0:
            message = c.create_string_buffer(1000)
            self.library.laser_last_error(message, c.c_size_t(1000), None)
            raise RuntimeError(f"{name}: {message.value.decode()}")

    def make(self, name, *arguments):
        """Calls a function whose last parameter receives a handle."""
        handle = c.c_void_p()
        self.call(name, *arguments, c.byref(handle))
        return handle

    def options(self, **settings):
        return self.make("laser_options_from_json", json.dumps(settings).encode())

    def train(self, events, dtype, path):
        """Trains on `events` (rows x dim, float64) and writes a model of the paper's size with a GAN refiner."""
        rows, dim = events.shape
        pointer = events.ctypes.data_as(c.c_void_p)
        source = self.make("laser_source_from_array", pointer, None, c.c_size_t(rows), c.c_size_t(dim), c.c_size_t(0))
        options = self.options(**SETTINGS, dtype=dtype)
        generator = self.make("laser_generator_train", source, options, None)
        model = self.make("laser_refine", generator, source, options, None)
        self.call("laser_model_save", model, str(path).encode())

    def load(self, path):
        return self.make("laser_model_load", str(path).encode(), None)

    def sampler(self, model, method, stream):
        options = self.options(**{"sampler.method": method})
        return self.make("laser_sampler_new", model, c.c_uint64(1), c.c_uint64(stream), options)

    def latent_and_event(self, sampler, x, z):
        """Fills `x` and `z` (rows x dim, float64) with the next events and their latent points."""
        pointers = [array.ctypes.data_as(c.c_void_p) for array in (x, z)]
        zero = c.c_size_t(0)
        self.call("laser_sampler_generate_latent", sampler, c.c_size_t(len(x)), zero, pointers[0], zero, pointers[1], None)
