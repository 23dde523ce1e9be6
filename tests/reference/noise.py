"""Reference values for the noise tests in src/noise/tests.rs.

    pip install numpy mpmath && python3 tests/reference/noise.py

Prints Rust arrays: words of numpy's Philox 4x64-10, and normal quantiles at 60 digits rounded to double.
"""

import mpmath
import numpy as np


def words(seed, domain, stream, event, block, count):
    """numpy steps the counter before it draws, hence the block before."""
    start = block + (event << 64) + (stream << 128) - 1
    counter = [(start >> shift) & (2**64 - 1) for shift in (0, 64, 128, 192)]
    bits = np.random.Philox(key=np.array([seed, domain], dtype=np.uint64),
                            counter=np.array(counter, dtype=np.uint64))
    return [int(word) for word in bits.random_raw(count)]


def quantile(p):
    mpmath.mp.dps = 60
    return float(mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(p) - 1))


PROBABILITIES = [
    2.0**-53, 3 * 2.0**-53, 1e-15, 1e-13, 1.3887943e-11, 1.38879439e-11, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.025,
    0.0749999, 0.075, 0.0750001, 0.1, 0.25, 0.4, 0.49, 0.4999999, 0.5 - 2.0**-53, 0.5, 0.5 + 2.0**-53, 0.50001,
    0.6, 0.75, 0.925, 0.9250001, 0.975, 0.999, 0.99999, 1 - 2.0**-30, 1 - 2.0**-40, 1 - 3 * 2.0**-53, 1 - 2.0**-53,
]

if __name__ == "__main__":
    for arguments in [(1, 1, 0, 1, 0, 8), (2**63 - 1, 2, 3, 2**40 + 5, 7, 8)]:
        print(f"// seed, domain, stream, event, first block, count: {arguments}")
        print("[" + ", ".join(f"0x{word:016x}" for word in words(*arguments)) + "]")
    print("[")
    for p in PROBABILITIES:
        print(f"    ({p!r}, {quantile(p)!r}),")
    print("]")
