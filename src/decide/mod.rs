//! Inputs and policy in, a verdict out. Pure: no clock, no file, no socket.

pub mod judge;
