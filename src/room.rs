//! Memory that may not be there. What takes memory by the size of an argument, an option, a file or what a host delivers takes it here, and
//! has an error where the standard library aborts the process.
//!
//! What is not taken here is small: text, and lists with an entry for every column, layer, network or thread. The header of the C API
//! says how small; `scripts/floors` finds what takes memory by another way.

use crate::{Error, Result};

/// What messages call memory whose purpose nobody names.
const WORK: &str = "working arrays";

/// Why `n` elements cannot be held.
fn missing<T>(n: usize) -> Error {
    Error::Memory {
        bytes: n.saturating_mul(size_of::<T>()),
        what: WORK,
    }
}

/// Nothing yet, with room for `n` elements.
pub(crate) fn empty<T>(n: usize) -> Result<Vec<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(n).map_err(|_| missing::<T>(n))?;
    Ok(all)
}

/// `n` times `value`.
pub(crate) fn filled<T: Clone>(n: usize, value: T) -> Result<Vec<T>> {
    let mut all = empty(n)?;
    all.resize(n, value);
    Ok(all)
}

/// The same elements.
pub(crate) fn copied<T: Clone>(elements: &[T]) -> Result<Vec<T>> {
    let mut all = empty(elements.len())?;
    all.extend_from_slice(elements);
    Ok(all)
}

/// The elements of one after those of the other.
pub(crate) fn joined<T: Clone>(first: &[T], second: &[T]) -> Result<Vec<T>> {
    let mut all = empty(first.len() + second.len())?;
    all.extend_from_slice(first);
    all.extend_from_slice(second);
    Ok(all)
}

/// Before a text of `length` bytes is read by what does not ask for memory: whether there is as much as JSON may take for it. A number in a
/// list, two bytes of text, takes 72, and twice while the list grows.
pub(crate) fn for_text(length: usize) -> Result<()> {
    const SMALL: usize = 1 << 16;
    const PER_BYTE: usize = 72;
    if length <= SMALL {
        return Ok(());
    }
    const BLOCK: usize = 1 << 20;
    let bytes = length.saturating_mul(PER_BYTE);
    // In blocks, all at once: it need not lie in one piece.
    let blocks = (0..bytes.div_ceil(BLOCK)).map(|_| empty::<u8>(BLOCK));
    let missing = |_| Error::Memory {
        bytes,
        what: "reading a text",
    };
    blocks.gather_all().map(drop).map_err(missing)
}

/// Growing where there is room.
pub(crate) trait Grow<T> {
    /// Room for so many more elements.
    fn room(&mut self, more: usize) -> Result<()>;

    /// One more element.
    fn put(&mut self, element: T) -> Result<()>;

    /// More elements behind those that there are.
    fn put_all(&mut self, elements: impl IntoIterator<Item = T>) -> Result<()>;

    /// Exactly `n` elements: those that there are, and `value` in the place of what is missing.
    fn sized(&mut self, n: usize, value: T) -> Result<()>
    where
        T: Clone;

    /// The elements of `other`, in the memory that is there.
    fn hold(&mut self, other: &[T]) -> Result<()>
    where
        T: Clone;
}

impl<T> Grow<T> for Vec<T> {
    fn room(&mut self, more: usize) -> Result<()> {
        let all = self.len().saturating_add(more);
        self.try_reserve(more).map_err(|_| missing::<T>(all))
    }

    fn put(&mut self, element: T) -> Result<()> {
        self.room(1)?;
        self.push(element);
        Ok(())
    }

    fn put_all(&mut self, elements: impl IntoIterator<Item = T>) -> Result<()> {
        let elements = elements.into_iter();
        let (least, most) = elements.size_hint();
        self.room(least)?;
        if most == Some(least) {
            // Fast where the number is known.
            self.extend(elements);
            return Ok(());
        }
        for element in elements {
            self.put(element)?;
        }
        Ok(())
    }

    fn sized(&mut self, n: usize, value: T) -> Result<()>
    where
        T: Clone,
    {
        self.room(n.saturating_sub(self.len()))?;
        self.resize(n, value);
        Ok(())
    }

    fn hold(&mut self, other: &[T]) -> Result<()>
    where
        T: Clone,
    {
        self.clear();
        self.room(other.len())?;
        self.extend_from_slice(other);
        Ok(())
    }
}

/// Collecting where there is room.
pub(crate) trait Gather: Iterator + Sized {
    /// All elements.
    fn gather(self) -> Result<Vec<Self::Item>> {
        let mut all = Vec::new();
        all.put_all(self)?;
        Ok(all)
    }

    /// All elements, if none is an error.
    fn gather_all<T>(mut self) -> Result<Vec<T>>
    where
        Self: Iterator<Item = Result<T>>,
    {
        let mut all = Vec::new();
        self.try_for_each(|element| all.put(element?))?;
        Ok(all)
    }
}

impl<I: Iterator> Gather for I {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_memory_can_hold_is_an_error_that_says_how_much() {
        let n = 1 << 60;
        let errors = [
            filled(n, 0.5).err(),
            empty::<f64>(n).err(),
            Vec::new().sized(n, 0.5).err(),
            Vec::<f64>::new().room(n).err(),
            (0..n as u64).gather().err(),
        ];
        for error in errors {
            let error = error.unwrap();
            assert!(
                matches!(error, Error::Memory { bytes, .. } if bytes >= 1 << 62),
                "{error}"
            );
        }
        let named = filled(n, 0.5).unwrap_err().for_what("the pool").to_string();
        assert!(
            named.contains("the pool") && named.contains(&(n * 8).to_string()),
            "{named}"
        );
    }

    #[test]
    fn what_fits_is_what_the_standard_library_makes() {
        assert_eq!(filled(3, 7).unwrap(), [7; 3]);
        assert_eq!(joined(&[1], &[2, 3]).unwrap(), [1, 2, 3]);
        assert_eq!(
            (0..9).filter(|i| i % 2 == 0).gather().unwrap(),
            [0, 2, 4, 6, 8]
        );
        let mut all = copied(&[1, 2, 3]).unwrap();
        all.sized(2, 0).unwrap();
        all.sized(4, 0).unwrap();
        assert_eq!(all, [1, 2, 0, 0]);
        all.hold(&[9]).unwrap();
        all.put_all((0..100).flat_map(|i| [i; 2])).unwrap();
        assert_eq!((all.len(), all[0], all[200]), (201, 9, 99));
        let refused = [Ok(1), Err(Error::Data("no".into()))]
            .into_iter()
            .gather_all();
        assert!(matches!(refused, Err(Error::Data(_))));
    }
}
