//! Honest components, hostile ones, and what the host makes of each.

pub(crate) mod guest;
mod honest;
mod hostile;
mod refused;
mod signed;
