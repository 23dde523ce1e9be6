//! Arrays and single values of the host.

use crate::{Error, Result, Rows, RowsMut};
use std::ops::Range;

/// The argument that gives a stride: its name, and 0 for packed rows.
pub(super) type Stride = (&'static str, usize);

/// Rows without gaps.
pub(super) const PACKED: Stride = ("stride", 0);

/// `rows` rows of `columns` elements, to read.
///
/// # Errors
/// [`Error::InvalidArgument`] for a stride that rows do not fit into; those of [`Rows::from_raw`].
///
/// # Safety
/// As of [`Rows::from_raw`].
pub(super) unsafe fn rows<'a, T: Copy>(
    name: &'static str,
    start: *const T,
    (rows, columns): (usize, usize),
    given: Stride,
) -> Result<Rows<'a, T>> {
    let stride = stride(given, columns)?;
    // SAFETY: the caller's promise.
    unsafe { Rows::from_raw(name, start, [rows, columns, stride]) }
}

/// `rows` rows of `columns` elements, to write.
///
/// # Errors
/// As [`rows`].
///
/// # Safety
/// As of [`RowsMut::from_raw`].
pub(super) unsafe fn rows_mut<'a, T: Copy>(
    name: &'static str,
    start: *mut T,
    (rows, columns): (usize, usize),
    given: Stride,
) -> Result<RowsMut<'a, T>> {
    let stride = stride(given, columns)?;
    // SAFETY: the caller's promise.
    unsafe { RowsMut::from_raw(name, start, [rows, columns, stride]) }
}

/// One element for each of `len` rows, to write.
///
/// # Errors
/// As [`rows`].
///
/// # Safety
/// As of [`RowsMut::from_raw`].
pub(super) unsafe fn column_mut<'a, T: Copy>(
    name: &'static str,
    start: *mut T,
    len: usize,
) -> Result<RowsMut<'a, T>> {
    // SAFETY: the caller's promise.
    unsafe { rows_mut(name, start, (len, 1), PACKED) }
}

/// The same for an array that the host may not want.
///
/// # Errors
/// As [`rows`].
///
/// # Safety
/// As of [`RowsMut::from_raw`], or `start` is NULL.
pub(super) unsafe fn optional_column_mut<'a, T: Copy>(
    name: &'static str,
    start: *mut T,
    len: usize,
) -> Result<Option<RowsMut<'a, T>>> {
    if start.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { column_mut(name, start, len) }.map(Some)
}

/// `len` elements, to read.
///
/// # Errors
/// As [`rows`].
///
/// # Safety
/// The host's array has `len` elements, and they stay unchanged for `'a`.
pub(super) unsafe fn slice<'a, T: Copy>(
    name: &'static str,
    start: *const T,
    len: usize,
) -> Result<&'a [T]> {
    // SAFETY: the caller's promise.
    unsafe { rows(name, start, (1, len), PACKED) }.map(|rows| rows.row(0))
}

/// The same for an array that the host may not have.
///
/// # Errors
/// As [`rows`].
///
/// # Safety
/// As of [`slice`], or `start` is NULL.
pub(super) unsafe fn optional_slice<'a, T: Copy>(
    name: &'static str,
    start: *const T,
    len: usize,
) -> Result<Option<&'a [T]>> {
    if start.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { slice(name, start, len) }.map(Some)
}

/// Where an array lies: its argument's name, and its addresses.
pub(super) type Place = (&'static str, Range<usize>);

/// Refuses arrays that overlap: what is written to one would change the other.
///
/// # Errors
/// [`Error::InvalidArgument`] naming two that do.
pub(super) fn disjoint<const N: usize>(places: [Option<Place>; N]) -> Result<()> {
    let places = || places.iter().flatten().filter(|(_, a)| !a.is_empty());
    for (first, a) in places() {
        let after = |(_, b): &&Place| (a.start, a.end) < (b.start, b.end) && b.start < a.end;
        let same = |(second, b): &&Place| first < second && a == b;
        if let Some((second, _)) = places().find(|other| after(other) || same(other)) {
            return Err(Error::InvalidArgument(format!(
                "arguments `{first}` and `{second}` overlap; they must be arrays apart from each other"
            )));
        }
    }
    Ok(())
}

/// The stride to use for rows of `columns` elements: 0 stands for packed rows.
fn stride((name, stride): Stride, columns: usize) -> Result<usize> {
    match stride {
        0 => Ok(columns),
        _ if stride >= columns => Ok(stride),
        _ => Err(Error::InvalidArgument(format!(
            "argument `{name}` is {stride}, less than the {columns} columns of a row; 0 stands for packed rows"
        ))),
    }
}

/// A single value to give out, known to be writable before the work for it begins.
pub(super) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// A required value.
    ///
    /// # Errors
    /// [`Error::NullPointer`].
    ///
    /// # Safety
    /// `target` is NULL or can be written as long as this lives.
    pub unsafe fn new(name: &'static str, target: *mut T) -> Result<Self> {
        if target.is_null() {
            return Err(Error::NullPointer(name));
        }
        Ok(Out(target))
    }

    /// A value that the host may not want.
    ///
    /// # Safety
    /// As [`Out::new`].
    pub unsafe fn optional(target: *mut T) -> Option<Self> {
        (!target.is_null()).then_some(Out(target))
    }

    /// Gives the value out.
    pub fn set(self, value: T) {
        // SAFETY: not NULL, and the promise to `new`. The host need not have aligned it, nor initialised it.
        unsafe { self.0.write_unaligned(value) };
    }
}

/// Gives a value out to a host that may not want it.
pub(super) fn give<T>(out: Option<Out<T>>, value: T) {
    if let Some(out) = out {
        out.set(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_checked() {
        assert_eq!(stride(("stride", 0), 3).unwrap(), 3);
        assert_eq!(stride(("stride", 3), 3).unwrap(), 3);
        assert_eq!(stride(("stride", 7), 3).unwrap(), 7);
        assert!(stride(("stride", 2), 3).is_err());
    }

    #[test]
    fn overlaps_are_found_whatever_their_order() {
        assert!(disjoint([Some(("x", 0..8)), None, Some(("w", 8..16))]).is_ok());
        assert!(
            disjoint([Some(("x", 0..8)), Some(("w", 4..4))]).is_ok(),
            "an empty array overlaps nothing"
        );
        let places = [("w", 8..16), ("p", 30..31), ("x", 0..9)];
        let message = disjoint(places.map(Some)).unwrap_err().to_string();
        assert!(
            message.contains("`x`") && message.contains("`w`"),
            "{message}"
        );
    }
}
