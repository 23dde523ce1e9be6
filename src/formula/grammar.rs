//! What parses.

#[derive(pest_derive::Parser)]
#[grammar = "formula/grammar.pest"]
pub struct Grammar;
