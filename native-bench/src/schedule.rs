//! Open-loop schedules: operation i is due at start + i / rate, whether or not earlier ones are done, so that a server
//! that falls behind shows up as latency and not as a lower rate (no coordinated omission).

use anyhow::Result;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{io, ptr};
use tokio::io::unix::AsyncFd;
use tokio::sync::Mutex;

use crate::clock::micros;

/// An operation whose time has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Due {
    pub number: u64,
    /// Time it was due, in µs of `clock::micros`.
    pub at: u64,
}

/// So many operations a second, for so long.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub rate: f64,
    pub seconds: f64,
}

/// Whoever is free takes the operation that is next.
pub struct Schedule {
    start: u64,
    rate: f64,
    count: u64,
    /// So many are due at the same time.
    together: u64,
    next: Mutex<Next>,
}

struct Next {
    number: u64,
    timer: Timer,
}

impl Schedule {
    /// Starts now; there is always at least one operation.
    pub fn start(pace: Pace) -> Result<Self> {
        Self::of_groups(pace, 1)
    }

    /// The pace is that of groups of operations that are due together.
    pub fn of_groups(Pace { rate, seconds }: Pace, together: u64) -> Result<Self> {
        let count = (rate * seconds).round().max(1.0) as u64 * together;
        let next = Mutex::new(Next { number: 0, timer: Timer::new()? });
        Ok(Self { start: micros(), rate, count, together, next })
    }

    /// Waits until the next operation is due. None after the last.
    pub async fn next(&self) -> Result<Option<Due>> {
        let mut next = self.next.lock().await;
        if next.number == self.count {
            return Ok(None);
        }
        let due = Due { number: next.number, at: due_at(self.start, self.rate, next.number / self.together) };
        next.number += 1;
        match due.at.saturating_sub(micros()) {
            0 => tokio::task::coop::consume_budget().await, // when behind, sockets still get their turn
            wait => next.timer.sleep(wait).await?,
        }
        Ok(Some(due))
    }
}

/// Derived from the number each time, so that rounding never adds up.
fn due_at(start: u64, rate: f64, number: u64) -> u64 {
    start + (number as f64 * 1e6 / rate).round() as u64
}

/// Sleeps to the microsecond. Tokio's own timers have a grain of 1 ms, which would be most of the latency of a fast server.
struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    fn new() -> io::Result<Self> {
        // SAFETY: only the OwnedFd owns the descriptor, and it stays the same one for as long as it is registered.
        unsafe {
            match libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(Self(AsyncFd::register(OwnedFd::from_raw_fd(fd))?)),
            }
        }
    }

    async fn sleep(&mut self, micros: u64) -> io::Result<()> {
        let value = libc::timespec {
            tv_sec: (micros / 1_000_000) as libc::time_t,
            tv_nsec: (micros % 1_000_000 * 1000) as libc::c_long,
        };
        let once = libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // SAFETY: `once` outlives the call, and the old value is not asked for.
        if unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &once, ptr::null_mut()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // It need not be read: setting it again forgets that it has expired.
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_do_not_drift() {
        assert_eq!(due_at(5, 3.0, 0), 5);
        assert_eq!(due_at(5, 3.0, 1), 333_338);
        assert_eq!(due_at(5, 3.0, 3_000_000), 1_000_000_000_005);
    }

    #[tokio::test]
    async fn every_operation_comes_once_and_never_early() {
        let schedule = Schedule::start(Pace { rate: 2000.0, seconds: 0.05 }).unwrap();
        let mut numbers = Vec::new();
        while let Some(due) = schedule.next().await.unwrap() {
            assert!(micros() >= due.at);
            assert_eq!(due.at, schedule.start + due.number * 500);
            numbers.push(due.number);
        }
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn groups_are_due_together_and_shared_by_all_who_are_free() {
        let pace = Pace { rate: 1000.0, seconds: 0.02 };
        let schedule = std::sync::Arc::new(Schedule::of_groups(pace, 3).unwrap());
        let mut takers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let schedule = schedule.clone();
            takers.spawn(async move {
                let mut taken = Vec::new();
                while let Some(due) = schedule.next().await.unwrap() {
                    assert_eq!(due.at, schedule.start + due.number / 3 * 1000);
                    taken.push(due.number);
                }
                taken
            });
        }
        let mut numbers = takers.join_all().await.concat();
        numbers.sort();
        assert_eq!(numbers, (0..60).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn due_times_stay_when_the_caller_is_late() {
        let schedule = Schedule::start(Pace { rate: 1000.0, seconds: 0.01 }).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        while let Some(due) = schedule.next().await.unwrap() {
            assert_eq!(due.at, schedule.start + due.number * 1000);
        }
    }
}
