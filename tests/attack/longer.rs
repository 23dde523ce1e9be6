//! How much longer than in an ordinary run of the tests an attack is.

/// `LASER_ATTACK`, 1 without: what a test does often, it does so many times as often. `make attack` sets it.
pub fn longer() -> usize {
    let times = std::env::var("LASER_ATTACK");
    times.map_or(1, |times| times.parse().unwrap())
}

/// Says what was done, for `make attack`.
pub fn done(figures: &str) {
    println!("attack: {figures}");
}
