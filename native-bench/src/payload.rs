//! The data of a publication, `{"lane":0,"seq":7,"due":1234,"pad":"xxx"}`, and how it is found again in what arrives.
//!
//! It is the same JSON in both protocols, so one scan for its first bytes works on a JSON line and inside a Protobuf
//! message alike, and nothing around it has to be parsed.

use memchr::memmem::Finder;
use std::sync::LazyLock;

static START: LazyLock<Finder> = LazyLock::new(|| Finder::new(r#"{"lane":"#));

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// The publisher's connection.
    pub lane: usize,
    /// Of the lane's publications in this channel, from 0.
    pub sequence: u64,
    /// When it should have been published, in µs of `clock::micros`.
    pub due: u64,
}

/// Appends the data of a publication: at least `size` bytes.
pub fn write(out: &mut Vec<u8>, Mark { lane, sequence, due }: Mark, size: usize) {
    const PADDING: &str = r#","pad":""}"#;
    let start = out.len();
    let mut digits = itoa::Buffer::new();
    for (name, number) in [(r#"{"lane":"#, lane as u64), (r#","seq":"#, sequence), (r#","due":"#, due)] {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(digits.format(number).as_bytes());
    }
    let bare = out.len() - start;
    match size.checked_sub(bare + PADDING.len()) {
        None => out.push(b'}'),
        Some(padding) => {
            out.extend_from_slice(br#","pad":""#);
            out.resize(out.len() + padding, b'x');
            out.extend_from_slice(br#""}"#);
        }
    }
}

/// The first mark in the bytes.
pub fn find(bytes: &[u8]) -> Option<Mark> {
    marks(bytes).next()
}

/// All marks in the bytes, in their order.
pub fn marks(bytes: &[u8]) -> impl Iterator<Item = Mark> {
    START.find_iter(bytes).filter_map(|at| read(&bytes[at + START.needle().len()..]))
}

fn read(bytes: &[u8]) -> Option<Mark> {
    let (lane, rest) = number(bytes)?;
    let (sequence, rest) = number(rest.strip_prefix(br#","seq":"#)?)?;
    let (due, _) = number(rest.strip_prefix(br#","due":"#)?)?;
    Some(Mark { lane: lane as usize, sequence, due })
}

/// The decimal number that the bytes start with, and the bytes after it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at(digits);
    let add = |value: u64, digit: &u8| value.checked_mul(10)?.checked_add((digit - b'0').into());
    Some((number.iter().try_fold(0, add).filter(|_| digits > 0)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(mark: Mark, size: usize) -> String {
        let mut out = Vec::new();
        write(&mut out, mark, size);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn is_json_of_the_size_asked_for() {
        let mark = Mark { lane: 3, sequence: 12, due: 99 };
        for size in 37..200 {
            let text = text(mark, size);
            assert_eq!(text.len(), size);
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&json["lane"], &json["seq"], &json["due"]), (&3.into(), &12.into(), &99.into()));
        }
        assert_eq!(text(mark, 0), r#"{"lane":3,"seq":12,"due":99}"#);
    }

    #[test]
    fn is_found_again_wherever_it_stands() {
        let all: Vec<_> = (0..3).map(|n| Mark { lane: n, sequence: 10 * n as u64, due: u64::MAX - n as u64 }).collect();
        let mut bytes = b"{\"push\":{\"channel\":\"{\\\"lane\\\":\"}".to_vec();
        for &mark in &all {
            bytes.extend_from_slice(&[0x22, 0x80, 0xff]);
            write(&mut bytes, mark, 100);
        }
        assert_eq!(marks(&bytes).collect::<Vec<_>>(), all);
        assert_eq!(find(&bytes), Some(all[0]));
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        for other in
            ["", "{}", r#"{"lane":"#, r#"{"lane":1,"due":2}"#, r#"{"lane":99999999999999999999,"seq":1,"due":1}"#]
        {
            assert_eq!(find(other.as_bytes()), None);
        }
    }
}
