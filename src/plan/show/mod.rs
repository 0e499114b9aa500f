//! The plan for people, machines and shells. Pure.

mod human;
mod sh;
mod wire;

pub use human::human;
pub use sh::sh;
pub use wire::{recorded, wire};
