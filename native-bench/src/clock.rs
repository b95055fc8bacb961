//! Time as every part of the generator tells it.

use std::sync::LazyLock;
use std::time::Instant;

static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds of the monotonic clock since the first call.
pub fn micros() -> u64 {
    ORIGIN.elapsed().as_micros() as u64
}
