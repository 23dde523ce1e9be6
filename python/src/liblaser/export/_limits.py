"""What model files may hold.

Written by scripts/bindings from the library's sources: do not edit.
"""

# The version of the model file that this library writes, and the newest that it reads.
FORMAT_VERSION = 1
# No network may have more layers or blocks.
MAX_DEPTH = 1 << 12
# No network may have more parameters in total.
MAX_PARAMETERS = 1 << 28
# No bin of a spline is narrower or lower than this share of the whole, and no slope of a knot is below this (nor, but for
# [`Knots::Softplus`], above its inverse): single precision still tells the knots apart. With [`Knots::Softsign`] it is this share of
# the widest bin.
SMALLEST = 1e-3
# No spline has more bins.
MAX_BINS = 128
# Bounds of the bound of a spline: all powers of it that occur are normal numbers of single precision.
BOUNDS = (1e-3, 1e3)
# exp of minus this, the smallest scale of the soft clamps that add it, is a normal number of single precision.
MAX_LEAST = 80.0
# More cells than this are a continuous feature.
MAX_CELLS = 1000
