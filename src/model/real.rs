//! The two element types that networks are trained and evaluated in.

/// `f32` or `f64`.
pub trait Real: Copy + Default + PartialOrd + Send + Sync + std::fmt::Debug + 'static {
    /// Whether that from double rounds nothing.
    const EXACT: bool;

    /// From double, rounded.
    fn from_f64(x: f64) -> Self;
    /// To double, exact.
    fn to_f64(self) -> f64;
    /// The next value above.
    fn next_up(self) -> Self;
    /// The next value below.
    fn next_down(self) -> Self;
}

impl Real for f32 {
    const EXACT: bool = false;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn next_up(self) -> Self {
        f32::next_up(self)
    }
    fn next_down(self) -> Self {
        f32::next_down(self)
    }
}

impl Real for f64 {
    const EXACT: bool = true;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    fn next_up(self) -> Self {
        f64::next_up(self)
    }
    fn next_down(self) -> Self {
        f64::next_down(self)
    }
}
