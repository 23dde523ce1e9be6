//! Rows in an order. Sorting is long code: there is one function for all.

use std::cmp::Ordering;

/// Sorts row numbers.
#[inline(never)]
pub(crate) fn sort_rows(rows: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    rows.sort_unstable_by(|&a, &b| compare(a, b));
}

/// Sorts numbers as they are.
pub(crate) fn sort_numbers(numbers: &mut [usize]) {
    sort_rows(numbers, &|a, b| a.cmp(&b));
}

/// Sorts row numbers by the value that each has, and those of equal values by their numbers.
pub(crate) fn sort_by_value(rows: &mut [usize], value: &dyn Fn(usize) -> f64) {
    sort_rows(rows, &|a, b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
}

/// Things by falling values, equal ones as they were; of few.
pub(crate) fn falling<T>(things: Vec<T>, value: &dyn Fn(&T) -> f64) -> Vec<T> {
    let mut rows: Vec<usize> = (0..things.len()).collect();
    sort_by_value(&mut rows, &|row| -value(&things[row]));
    let mut things: Vec<Option<T>> = things.into_iter().map(Some).collect();
    rows.iter().filter_map(|&row| things[row].take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_fall_and_equal_ones_keep_their_order() {
        let things = vec![(1.0, "a"), (3.0, "b"), (1.0, "c"), (4.0, "d"), (3.0, "e")];
        let names: Vec<&str> = falling(things, &|t| t.0).iter().map(|t| t.1).collect();
        assert_eq!(names, ["d", "b", "e", "a", "c"]);
    }

    #[test]
    fn rows_rise_and_equal_ones_keep_their_order() {
        let values = [2.0, -1.0, 2.0, f64::INFINITY, -1.0];
        let mut rows = [4, 3, 2, 1, 0];
        sort_by_value(&mut rows, &|row| values[row]);
        assert_eq!(rows, [1, 4, 0, 2, 3]);
    }
}
