//! Whether values have a width.

/// What wobbles by its last digit has fewer values.
const SEVERAL: usize = 4;

/// The standard deviation of values with this variance, if that is a width to divide by; else what is wrong with them and what would be
/// right, in words to go on after "the feature". `rounding`: what rounding alone makes of a constant, n ε |mean| with a mean summed up one
/// by one; no more than that is no width. `example`: one of the values, as events have it.
pub(crate) fn width(
    variance: f64,
    rounding: f64,
    values: impl Iterator<Item = f64>,
    example: f64,
) -> std::result::Result<f64, String> {
    let std = variance.sqrt();
    // The negations also catch NaN.
    if std > rounding && std.is_finite() {
        return Ok(std);
    }
    let (mut events, mut low, mut high) = (0, f64::INFINITY, f64::NEG_INFINITY);
    let (mut several, mut distinct) = ([f64::NAN; SEVERAL], 0);
    for value in values {
        (events, low, high) = (events + 1, value.min(low), value.max(high));
        if distinct < SEVERAL && !several.contains(&value) {
            several[distinct] = value;
            distinct += 1;
        }
    }
    let range = high - low;
    let constant = format!("is constant ({example}) in {events} events; leave it out");
    if range <= rounding {
        return Err(match distinct == SEVERAL {
            true => format!(
                "has values like {example:e} that differ by no more than {range:.0e}, which is their rounding: subtract a constant before they are stored, or leave it out"
            ),
            false => constant,
        });
    }
    if !variance.is_finite() || range * range < f64::MIN_POSITIVE {
        return Err(format!(
            "has values from {low:e} to {high:e}, whose variance is beyond the floating-point range; leave out such events, or choose another unit"
        ));
    }
    if variance < -rounding * rounding {
        return Err(format!(
            "has the variance {variance}: far from its mean the negative weights outweigh the positive ones; leave it out, or average events of opposite weights"
        ));
    }
    Err(constant)
}
