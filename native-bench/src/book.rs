//! An order book as an exchange publishes it, whole every time: 20 levels on each side, of which three change from one
//! publication to the next. It begins like any other payload, and follows from the sequence number alone.
//! `scripts/bench/generator/book.mjs` is the same.

use std::io::Write;

use crate::payload::Mark;

const LEVELS: u64 = 40;
const CHANGES: u64 = 3;
const MIDDLE_CENTS: u64 = 6_400_000;

/// Appends the book after `sequence` publications before it.
pub fn write(out: &mut Vec<u8>, Mark { lane, sequence, due }: Mark) {
    let head = format!(r#"{{"lane":{lane},"seq":{sequence},"due":{due},"symbol":"BTC-USD","bids":["#);
    out.extend_from_slice(head.as_bytes());
    for level in 0..LEVELS {
        let (side, place) = (level / (LEVELS / 2), level % (LEVELS / 2));
        if place > 0 {
            out.push(b',');
        } else if side == 1 {
            out.extend_from_slice(br#"],"asks":["#);
        }
        let distance = 25 * (place + 1);
        let price = if side == 0 { MIDDLE_CENTS - distance } else { MIDDLE_CENTS + distance };
        let size = size_of(level, sequence);
        let _ = write!(
            out,
            r#"{{"price":"{}.{:02}","size":"{}.{:04}"}}"#,
            price / 100,
            price % 100,
            size / 10_000,
            size % 10_000
        );
    }
    out.extend_from_slice(b"]}");
}

/// Publication n changes levels 3n, 3n + 1 and 3n + 2, mod 40: what a level shows is how often that was it so far.
fn size_of(level: u64, sequence: u64) -> u64 {
    let changes = (CHANGES * (sequence + 1) + LEVELS - 1 - level) / LEVELS;
    (level * 7919 + changes * 104_729) % 100_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(sequence: u64) -> String {
        let mut out = Vec::new();
        write(&mut out, Mark { lane: 0, sequence, due: 1 });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn changes_three_levels_at_a_time() {
        for sequence in 0..100 {
            let (before, after) = (book(sequence), book(sequence + 1));
            let levels = |text: &str| text.split('{').skip(2).map(str::to_owned).collect::<Vec<_>>();
            let (before, after) = (levels(&before), levels(&after));
            assert_eq!((before.len(), after.len()), (40, 40));
            assert_eq!(before.iter().zip(&after).filter(|(a, b)| a != b).count(), 3, "after {sequence}");
        }
    }

    #[test]
    fn is_json_of_about_a_page() {
        let text = book(12_345);
        assert!((1000..2000).contains(&text.len()), "{}", text.len());
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((json["seq"].as_u64(), json["asks"][19]["price"].as_str()), (Some(12_345), Some("64005.00")));
        assert_eq!(json["bids"][0]["size"].as_str(), Some("7.9054"));
    }
}
