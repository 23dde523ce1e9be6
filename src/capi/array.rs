//! Arrays and single values of the host.

use crate::{Error, Result};
use std::ops::Range;

/// An array argument: not NULL, aligned, of a size that fits into the address space.
#[derive(Debug)]
pub(super) struct Array<T> {
    name: &'static str,
    start: *mut T,
    len: usize,
}

impl<T> Array<T> {
    /// `len` elements at `start`. Without elements, `start` does not matter.
    ///
    /// # Errors
    /// [`Error::NullPointer`]; [`Error::InvalidArgument`] for a misaligned or an overflowing array.
    pub fn new(name: &'static str, start: *const T, len: usize) -> Result<Self> {
        if len > 0 && start.is_null() {
            return Err(Error::NullPointer(name));
        }
        let start = if len == 0 {
            std::ptr::dangling()
        } else {
            start
        };
        if !start.is_aligned() {
            return Err(Error::InvalidArgument(format!(
                "argument `{name}` is not aligned to the {} bytes of its elements",
                align_of::<T>()
            )));
        }
        let bytes = len.checked_mul(size_of::<T>());
        let fits = bytes
            .is_some_and(|b| b <= isize::MAX as usize && start.addr().checked_add(b).is_some());
        if !fits {
            return Err(Error::InvalidArgument(format!(
                "argument `{name}` would have {len} elements, more than an address space holds"
            )));
        }
        Ok(Array {
            name,
            start: start.cast_mut(),
            len,
        })
    }

    /// The same for an argument that may be NULL.
    ///
    /// # Errors
    /// Those of [`Array::new`] but NULL.
    pub fn optional(name: &'static str, start: *const T, len: usize) -> Result<Option<Self>> {
        if start.is_null() {
            return Ok(None);
        }
        Self::new(name, start, len).map(Some)
    }

    /// Where the array lies, to compare with others.
    pub fn place(&self) -> Place {
        let start = self.start.addr();
        Place {
            name: self.name,
            bytes: start..start + self.len * size_of::<T>(),
        }
    }

    /// The elements, to read.
    ///
    /// # Safety
    /// The array is the host's, has its `len` elements and stays unchanged for `'a`.
    pub unsafe fn read<'a>(&self) -> &'a [T] {
        // SAFETY: not NULL, aligned, in bounds, and the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// The elements, to write.
    ///
    /// # Safety
    /// As [`Array::read`]; nothing else refers to them for `'a`.
    pub unsafe fn write<'a>(self) -> &'a mut [T] {
        // SAFETY: not NULL, aligned, in bounds, and the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

/// Where an array lies.
pub(super) struct Place {
    name: &'static str,
    bytes: Range<usize>,
}

/// Refuses arrays that overlap: what is written to one would change the other.
///
/// # Errors
/// [`Error::InvalidArgument`] naming two that do.
pub(super) fn disjoint<const N: usize>(places: [Option<Place>; N]) -> Result<()> {
    let mut places: Vec<Place> = places
        .into_iter()
        .flatten()
        .filter(|place| !place.bytes.is_empty())
        .collect();
    places.sort_by_key(|place| place.bytes.start);
    match places
        .windows(2)
        .find(|pair| pair[0].bytes.end > pair[1].bytes.start)
    {
        None => Ok(()),
        Some(pair) => Err(Error::InvalidArgument(format!(
            "arguments `{}` and `{}` overlap; they must be arrays apart from each other",
            pair[0].name, pair[1].name
        ))),
    }
}

/// The stride to use for rows of `columns` elements: 0 stands for packed rows.
///
/// # Errors
/// [`Error::InvalidArgument`] for a stride that rows do not fit into.
pub(super) fn stride(name: &str, stride: usize, columns: usize) -> Result<usize> {
    match stride {
        0 => Ok(columns),
        _ if stride >= columns => Ok(stride),
        _ => Err(Error::InvalidArgument(format!(
            "argument `{name}` is {stride}, less than the {columns} columns of a row; 0 stands for packed rows"
        ))),
    }
}

/// Elements from the start of the first row to the end of the last.
///
/// # Errors
/// [`Error::InvalidArgument`] if they cannot be counted.
pub(super) fn extent(rows: usize, columns: usize, stride: usize) -> Result<usize> {
    let Some(before_last) = rows.checked_sub(1) else {
        return Ok(0);
    };
    before_last
        .checked_mul(stride)
        .and_then(|n| n.checked_add(columns))
        .ok_or_else(|| {
            Error::InvalidArgument(format!(
                "{rows} rows with a stride of {stride} do not fit into an address space"
            ))
        })
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

    fn place(name: &'static str, bytes: Range<usize>) -> Option<Place> {
        Some(Place { name, bytes })
    }

    #[test]
    fn sizes_are_checked() {
        let x = [0.0f64; 4];
        assert_eq!(extent(0, 2, 2).unwrap(), 0);
        assert_eq!(extent(3, 2, 5).unwrap(), 12);
        assert!(extent(usize::MAX, 2, 2).is_err());
        assert!(Array::new("x", x.as_ptr(), usize::MAX).is_err());
        assert!(Array::new("x", x.as_ptr(), isize::MAX as usize / 8 + 1).is_err());
        assert!(Array::new("x", x.as_ptr(), 4).is_ok());
        assert!(Array::new("x", x.as_ptr().wrapping_byte_add(4), 1).is_err());
        assert!(Array::<f64>::new("x", std::ptr::null(), 1).is_err());
        assert!(Array::<f64>::new("x", std::ptr::null(), 0).is_ok());
        assert!(Array::<f64>::optional("x", std::ptr::null(), 1)
            .unwrap()
            .is_none());
    }

    #[test]
    fn strides_are_checked() {
        assert_eq!(stride("stride", 0, 3).unwrap(), 3);
        assert_eq!(stride("stride", 3, 3).unwrap(), 3);
        assert_eq!(stride("stride", 7, 3).unwrap(), 7);
        assert!(stride("stride", 2, 3).is_err());
    }

    #[test]
    fn overlaps_are_found_whatever_their_order() {
        assert!(disjoint([place("x", 0..8), None, place("w", 8..16)]).is_ok());
        assert!(
            disjoint([place("x", 0..8), place("w", 4..4)]).is_ok(),
            "an empty array overlaps nothing"
        );
        let message = disjoint([place("w", 8..16), place("p", 30..31), place("x", 0..9)])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("`x`") && message.contains("`w`"),
            "{message}"
        );
    }
}
