//! Exactly once and in order: what every subscriber must see, or the run is void.

use std::fmt;

use crate::payload;

/// How far a subscriber is with each lane (a publisher's connection) of its channel: within one, sequence numbers start
/// at 0 and go on by one. Between lanes no order is promised.
pub struct Sequences {
    next: Vec<u64>,
}

#[derive(Debug, PartialEq)]
pub enum Fault {
    Missing { lane: usize, from: u64, to: u64 },
    Repeated { lane: usize, sequence: u64 },
    UnknownLane(usize),
}

impl Sequences {
    pub fn new(lanes: usize) -> Self {
        Self { next: vec![0; lanes] }
    }

    /// Takes note of a publication. After a gap it goes on from there, so that a gap is one fault.
    pub fn accept(&mut self, lane: usize, sequence: u64) -> Result<(), Fault> {
        let next = self.next.get_mut(lane).ok_or(Fault::UnknownLane(lane))?;
        let expected = *next;
        if sequence < expected {
            return Err(Fault::Repeated { lane, sequence });
        }
        *next = sequence + 1;
        match sequence {
            _ if sequence == expected => Ok(()),
            _ => Err(Fault::Missing { lane, from: expected, to: sequence - 1 }),
        }
    }
}

/// That the bytes have so many publications, all of lane 0 from its first one on.
pub fn all_of_lane(bytes: &[u8], count: usize) -> anyhow::Result<()> {
    let (mut sequences, mut received) = (Sequences::new(1), 0);
    for mark in payload::marks(bytes) {
        received += 1;
        sequences.accept(mark.lane, mark.sequence)?;
    }
    anyhow::ensure!(received == count, "{received} of {count} publications");
    Ok(())
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Fault::Missing { lane, from, to } => write!(f, "publications {from} to {to} of lane {lane} are missing"),
            Fault::Repeated { lane, sequence } => {
                write!(f, "publication {sequence} of lane {lane} came twice or out of order")
            }
            Fault::UnknownLane(lane) => write!(f, "a publication of lane {lane}, which nobody publishes in"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_each_lane_in_its_own_order() {
        let mut sequences = Sequences::new(2);
        for (lane, sequence) in [(0, 0), (1, 0), (1, 1), (0, 1), (1, 2)] {
            assert_eq!(sequences.accept(lane, sequence), Ok(()));
        }
    }

    #[test]
    fn a_gap_is_one_fault() {
        let mut sequences = Sequences::new(1);
        assert_eq!(sequences.accept(0, 0), Ok(()));
        assert_eq!(sequences.accept(0, 4), Err(Fault::Missing { lane: 0, from: 1, to: 3 }));
        assert_eq!(sequences.accept(0, 5), Ok(()));
    }

    #[test]
    fn what_is_read_at_once_must_be_all() {
        let all = |sequences: &[u64], count| {
            let mut bytes = Vec::new();
            for &sequence in sequences {
                payload::write(&mut bytes, payload::Mark { lane: 0, sequence, due: 1 }, 50);
            }
            all_of_lane(&bytes, count).map_err(|error| error.to_string())
        };
        assert_eq!(all(&[0, 1, 2], 3), Ok(()));
        assert_eq!(all(&[0, 1, 2], 4), Err("3 of 4 publications".into()));
        assert_eq!(all(&[0, 2], 2), Err("publications 1 to 1 of lane 0 are missing".into()));
        assert!(all(&[0, 1, 1], 3).is_err());
    }

    #[test]
    fn repeats_and_strangers_are_faults() {
        let mut sequences = Sequences::new(1);
        assert_eq!(sequences.accept(0, 0), Ok(()));
        assert_eq!(sequences.accept(0, 0), Err(Fault::Repeated { lane: 0, sequence: 0 }));
        assert_eq!(sequences.accept(1, 0), Err(Fault::UnknownLane(1)));
        assert_eq!(sequences.accept(0, 1), Ok(()));
    }
}
