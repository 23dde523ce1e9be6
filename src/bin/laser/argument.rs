//! Values of arguments.

use std::ops::RangeInclusive;

/// Beyond, not every whole number is a double.
pub const MOST_EXACT: u64 = 1 << 53;

/// Reads whole numbers within bounds, which may be written 1000000, 1e6 or 1_000_000.
pub fn whole<T: TryFrom<u64>>(
    bounds: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = exact(text).filter(|number| bounds.contains(number));
        number.and_then(|n| T::try_from(n).ok()).ok_or_else(|| {
            let most = match *bounds.end() {
                MOST_EXACT => "2^53".into(),
                most => most.to_string(),
            };
            let least = bounds.start();
            format!("a whole number from {least} to {most} is needed")
        })
    }
}

fn exact(text: &str) -> Option<u64> {
    let digits = text.replace('_', "");
    let double = || {
        let value: f64 = digits.parse().ok()?;
        let exact = value.fract() == 0.0 && (0.0..=MOST_EXACT as f64).contains(&value);
        exact.then_some(value as u64)
    };
    digits.parse().ok().or_else(double)
}
