//! The readers of the program `laser`, and the bodies of the targets.

#[path = "../src/bin/laser/argument.rs"]
pub mod argument;
pub mod bodies;
#[path = "../src/bin/laser/config.rs"]
pub mod config;
#[path = "../src/bin/laser/events.rs"]
pub mod events;
#[path = "../src/bin/laser/failure.rs"]
pub mod failure;
#[path = "../src/bin/laser/npz.rs"]
pub mod npz;
#[path = "../src/bin/laser/parquet.rs"]
pub mod parquet;
#[path = "../src/bin/laser/particle/mod.rs"]
pub mod particle;
