//! Rows by rising values.

/// Sorts row numbers by the value that each has, and those of equal values by their numbers. One function for all: sorting is long code.
pub(crate) fn sort_by_value(rows: &mut [usize], value: &dyn Fn(usize) -> f64) {
    rows.sort_unstable_by(|&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_rise_and_equal_ones_keep_their_order() {
        let values = [2.0, -1.0, 2.0, f64::INFINITY, -1.0];
        let mut rows = [4, 3, 2, 1, 0];
        sort_by_value(&mut rows, &|row| values[row]);
        assert_eq!(rows, [1, 4, 0, 2, 3]);
    }
}
