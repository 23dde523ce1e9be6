//! Rows of an array with a stride: events in a table of more columns, say.
//!
//! Both views go over raw memory. No slice ever covers what lies between two rows, which may be anybody's, nor memory that is only written
//! and need not be initialised.

use crate::{Error, Result};
use std::marker::PhantomData;
use std::ops::Range;

/// `rows` rows of `dim` elements; row i begins i · `stride` elements after the first.
#[derive(Clone, Copy, Debug)]
struct Shape {
    rows: usize,
    dim: usize,
    stride: usize,
}

impl Shape {
    /// Elements from the start of the first row to the end of the last. None if they cannot be counted.
    fn extent(&self) -> Option<usize> {
        let Some(before_last) = self.rows.checked_sub(1) else {
            return Some(0);
        };
        before_last.checked_mul(self.stride)?.checked_add(self.dim)
    }

    /// Checks that rows do not overlap, and that `length` elements hold them.
    fn within(self, length: usize) -> Result<Self> {
        let Shape { rows, dim, stride } = self;
        if stride >= dim && self.extent().is_some_and(|extent| extent <= length) {
            return Ok(self);
        }
        Err(Error::InvalidArgument(format!(
            "an array of {length} elements does not hold {rows} rows of {dim} with stride {stride}"
        )))
    }

    fn packed(length: usize, dim: usize) -> Result<Self> {
        match length.checked_rem(dim) {
            Some(0) => Ok(Shape {
                rows: length / dim,
                dim,
                stride: dim,
            }),
            _ => Err(Error::InvalidArgument(format!(
                "an array of {length} elements is not made of rows of {dim}"
            ))),
        }
    }

    fn column(rows: usize) -> Self {
        Shape {
            rows,
            dim: 1,
            stride: 1,
        }
    }

    /// Checks an argument of a C function.
    fn of_argument<T>(self, name: &'static str, start: *const T) -> Result<Self> {
        let Shape { rows, dim, stride } = self;
        if stride < dim {
            return Err(Error::InvalidArgument(format!(
                "argument `{name}` has rows of {dim} elements, more than its stride of {stride}"
            )));
        }
        let fits = |extent: &usize| {
            let bytes = extent.checked_mul(size_of::<T>());
            bytes.is_some_and(|b| b <= isize::MAX as usize && start.addr().checked_add(b).is_some())
        };
        let Some(extent) = self.extent().filter(fits) else {
            return Err(Error::InvalidArgument(format!(
                "argument `{name}`: {rows} rows of {dim} elements with a stride of {stride} do not fit into an address space"
            )));
        };
        if extent > 0 && start.is_null() {
            return Err(Error::NullPointer(name));
        }
        if extent > 0 && !start.is_aligned() {
            return Err(Error::InvalidArgument(format!(
                "argument `{name}` is not aligned to the {} bytes of its elements",
                align_of::<T>()
            )));
        }
        Ok(self)
    }

    /// Elements before a row.
    fn offset(&self, row: usize) -> usize {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        row * self.stride
    }

    /// The addresses from the first row to the end of the last.
    fn span<T>(&self, start: *const T) -> Range<usize> {
        let bytes = self.extent().unwrap_or(0) * size_of::<T>();
        start.addr()..start.addr() + bytes
    }
}

/// Rows to read.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    /// If there are elements, all rows of `shape` can be read from here on, and stay unchanged for `'a`.
    start: *const T,
    shape: Shape,
    array: PhantomData<&'a [T]>,
}

// SAFETY: it reads what `&'a [T]` would.
unsafe impl<T: Sync> Send for Rows<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Rows<'_, T> {}

impl<'a, T: Copy> Rows<'a, T> {
    /// `rows` rows of `dim` elements; row i begins at `array[i * stride]`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a stride below `dim`, or an array that does not hold the rows.
    pub fn new(array: &'a [T], rows: usize, dim: usize, stride: usize) -> Result<Self> {
        let shape = Shape { rows, dim, stride }.within(array.len())?;
        Ok(Self::over(array, shape))
    }

    /// An array that is nothing but rows of `dim` elements.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if its length is no multiple of `dim`, or `dim` is 0.
    pub fn packed(array: &'a [T], dim: usize) -> Result<Self> {
        Ok(Self::over(array, Shape::packed(array.len(), dim)?))
    }

    /// One element a row.
    pub fn column(array: &'a [T]) -> Self {
        Self::over(array, Shape::column(array.len()))
    }

    fn over(array: &'a [T], shape: Shape) -> Self {
        Rows {
            start: array.as_ptr(),
            shape,
            array: PhantomData,
        }
    }

    /// Rows of a host. Without elements, `start` does not matter.
    ///
    /// # Errors
    /// [`Error::NullPointer`]; [`Error::InvalidArgument`] for a misaligned or an overflowing array, or a stride below `dim`.
    ///
    /// # Safety
    /// From the first use of the view on, for `'a`, the host's array has these rows and they stay unchanged.
    pub(crate) unsafe fn from_raw(
        name: &'static str,
        start: *const T,
        [rows, dim, stride]: [usize; 3],
    ) -> Result<Self> {
        Ok(Rows {
            start,
            shape: Shape { rows, dim, stride }.of_argument(name, start)?,
            array: PhantomData,
        })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.shape.rows
    }

    /// Elements of a row.
    pub fn dim(&self) -> usize {
        self.shape.dim
    }

    /// Row number `row`.
    ///
    /// # Panics
    /// Without such a row.
    pub fn row(&self, row: usize) -> &'a [T] {
        let offset = self.shape.offset(row);
        if self.shape.dim == 0 {
            return &[];
        }
        // SAFETY: the constructors have checked that the row is inside the array; nobody writes it for `'a`.
        unsafe { std::slice::from_raw_parts(self.start.add(offset), self.shape.dim) }
    }

    /// All rows in their order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [T]> + Clone {
        (0..self.rows()).map(move |row| self.row(row))
    }

    /// The addresses from the first row to the end of the last.
    pub(crate) fn span(&self) -> Range<usize> {
        self.shape.span(self.start)
    }
}

/// Rows to write: what stands in them is never read, and what stands between them is left alone.
#[derive(Debug)]
pub struct RowsMut<'a, T> {
    /// If there are elements, all rows of `shape` can be written from here on, and are nobody else's for `'a`.
    start: *mut T,
    shape: Shape,
    array: PhantomData<&'a mut [T]>,
}

// SAFETY: it writes what `&'a mut [T]` would.
unsafe impl<T: Send> Send for RowsMut<'_, T> {}

impl<'a, T: Copy> RowsMut<'a, T> {
    /// `rows` rows of `dim` elements; row i begins at `array[i * stride]`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a stride below `dim`, or an array that does not hold the rows.
    pub fn new(array: &'a mut [T], rows: usize, dim: usize, stride: usize) -> Result<Self> {
        let shape = Shape { rows, dim, stride }.within(array.len())?;
        Ok(Self::over(array, shape))
    }

    /// An array that is nothing but rows of `dim` elements.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if its length is no multiple of `dim`, or `dim` is 0.
    pub fn packed(array: &'a mut [T], dim: usize) -> Result<Self> {
        let shape = Shape::packed(array.len(), dim)?;
        Ok(Self::over(array, shape))
    }

    /// One element a row.
    pub fn column(array: &'a mut [T]) -> Self {
        let shape = Shape::column(array.len());
        Self::over(array, shape)
    }

    fn over(array: &'a mut [T], shape: Shape) -> Self {
        RowsMut {
            start: array.as_mut_ptr(),
            shape,
            array: PhantomData,
        }
    }

    /// Rows of a host, which need not be initialised. Without elements, `start` does not matter.
    ///
    /// # Errors
    /// [`Error::NullPointer`]; [`Error::InvalidArgument`] for a misaligned or an overflowing array, or a stride below `dim`.
    ///
    /// # Safety
    /// From the first use of the view on, for `'a`, the host's array has room for these rows and nobody else refers to them.
    pub(crate) unsafe fn from_raw(
        name: &'static str,
        start: *mut T,
        [rows, dim, stride]: [usize; 3],
    ) -> Result<Self> {
        Ok(RowsMut {
            start,
            shape: Shape { rows, dim, stride }.of_argument(name, start)?,
            array: PhantomData,
        })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.shape.rows
    }

    /// Elements of a row.
    pub fn dim(&self) -> usize {
        self.shape.dim
    }

    /// Writes row number `row`, or as much of it as there are values.
    ///
    /// # Panics
    /// Without such a row.
    pub fn set(&mut self, row: usize, values: impl IntoIterator<Item = T>) {
        let offset = self.shape.offset(row);
        for (column, value) in (0..self.shape.dim).zip(values) {
            // SAFETY: the constructors have checked that the row is inside the array, which is this view's alone.
            unsafe { self.start.add(offset + column).write(value) };
        }
    }

    /// The addresses from the first row to the end of the last.
    pub(crate) fn span(&self) -> Range<usize> {
        self.shape.span(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::MaybeUninit;
    use std::ptr;

    #[test]
    fn rows_are_read_where_they_begin() {
        let x = [0, 1, 9, 2, 3, 9, 4, 5];
        let rows = Rows::new(&x, 3, 2, 3).unwrap();
        assert!(rows.iter().eq([[0, 1], [2, 3], [4, 5]]));
        let packed = Rows::packed(&x, 4).unwrap();
        assert_eq!((packed.rows(), packed.row(1)), (2, &x[4..]));
    }

    #[test]
    fn gaps_keep_their_bytes_and_rows_need_not_be_initialised() {
        let mut x = [MaybeUninit::<f64>::uninit(); 8];
        for gap in [2, 5] {
            x[gap].write(7.5);
        }
        // SAFETY: the array is as large as said, and used through the view alone.
        let mut rows = unsafe { RowsMut::from_raw("x", x.as_mut_ptr().cast(), [3, 2, 3]) }.unwrap();
        for row in 0..3 {
            rows.set(row, [row as f64, 0.5, f64::NAN]);
        }
        // SAFETY: the rows were just written, the gaps before.
        let x = x.map(|v| unsafe { v.assume_init() });
        assert_eq!(x, [0.0, 0.5, 7.5, 1.0, 0.5, 7.5, 2.0, 0.5]);
        let mut column = [0; 2];
        RowsMut::column(&mut column).set(1, [3]);
        assert_eq!(column, [0, 3]);
    }

    #[test]
    fn arrays_that_do_not_hold_the_rows_are_refused() {
        let (x, mut y) = ([0.0f64; 8], [0.0f64; 8]);
        for [rows, dim, stride] in [
            [3, 2, 4],
            [2, 3, 2],
            [usize::MAX, 2, 2],
            [2, 1, usize::MAX],
            [1, 9, 9],
        ] {
            assert!(Rows::new(&x, rows, dim, stride).is_err());
            assert!(RowsMut::new(&mut y, rows, dim, stride).is_err());
        }
        for dim in [0, 3, 9] {
            assert!(Rows::packed(&x, dim).is_err() && RowsMut::packed(&mut y, dim).is_err());
        }
    }

    #[test]
    fn arrays_of_a_host_are_checked() {
        let x = [0.0f64; 4];
        // SAFETY: the sizes beyond `x` are refused, and so nothing is read.
        let check = |start, shape| unsafe { Rows::from_raw("x", start, shape) };
        let (p, null) = (x.as_ptr(), ptr::null());
        assert_eq!(check(p, [2, 1, 3]).unwrap().row(1), [0.0]);
        for start in [p, null, p.wrapping_byte_add(4)] {
            assert_eq!(check(start, [0, 2, usize::MAX]).unwrap().iter().len(), 0);
        }
        assert_eq!(check(null, [1, 0, 0]).unwrap().row(0), [0.0; 0]);
        assert!(matches!(
            check(null, [1, 2, 2]),
            Err(Error::NullPointer("x"))
        ));
        for (start, shape) in [
            (p, [2, 2, 1]),
            (p, [usize::MAX, 2, 2]),
            (p, [2, 2, usize::MAX - 1]),
            (p, [isize::MAX as usize / 16 + 1, 2, 2]),
            (p.wrapping_byte_add(4), [1, 2, 2]),
            (ptr::without_provenance(usize::MAX - 7), [1, 2, 2]),
        ] {
            assert!(matches!(
                check(start, shape),
                Err(Error::InvalidArgument(_))
            ));
        }
    }
}
