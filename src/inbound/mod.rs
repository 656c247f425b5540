//! Deliveries that vendors send by themselves: who sent them, and what becomes of them. Asking vendors is `connect`'s
//! business.

pub mod signature;
