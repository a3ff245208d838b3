//! Honest components, hostile ones, and what the host makes of each.

mod guest;
mod honest;
mod hostile;
mod refused;
