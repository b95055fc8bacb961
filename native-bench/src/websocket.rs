//! WebSocket frames of a client (RFC 6455), without extensions.

use anyhow::{Result, ensure};

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

const LAST: u8 = 0x80;
const MASKED: u8 = 0x80;
const PAYLOAD_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, PartialEq)]
pub struct Frame<'a> {
    /// Of its message.
    pub is_last: bool,
    pub opcode: u8,
    pub payload: &'a [u8],
}

/// The length of the frame that the bytes start with, and the frame. None until all of it is there.
pub fn first(bytes: &[u8]) -> Result<Option<(usize, Frame<'_>)>> {
    let &[head, length, ..] = bytes else { return Ok(None) };
    ensure!(head & 0x70 == 0 && length & MASKED == 0, "not a WebSocket frame of a server");
    let (length, start) = match (length, &bytes[2..]) {
        (126, &[a, b, ..]) => (u16::from_be_bytes([a, b]).into(), 4),
        (127, rest) if let Some(length) = rest.first_chunk() => (u64::from_be_bytes(*length), 10),
        (126 | 127, _) => return Ok(None),
        (length, _) => (length.into(), 2),
    };
    ensure!(length <= PAYLOAD_BYTES_MAX, "a WebSocket frame is too long");
    let end = start + length as usize;
    let Some(payload) = bytes.get(start..end) else { return Ok(None) };
    Ok(Some((end, Frame { is_last: head & LAST != 0, opcode: head & 0x0f, payload })))
}

/// Appends a frame. Its mask is all zeroes: valid, and the payload needs no second pass.
pub fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(LAST | opcode);
    match payload.len() {
        length @ 0..126 => out.push(MASKED | length as u8),
        length @ 126..=0xffff => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server would send it: not masked.
    fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        write(&mut frame, opcode, payload);
        frame[1] &= !MASKED;
        let mask = frame.len() - payload.len() - 4;
        frame.drain(mask..mask + 4);
        frame
    }

    #[test]
    fn frames_of_all_lengths_are_read_when_all_of_them_is_there() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
            let payload = vec![7; length];
            let frame = unmasked(TEXT, &payload);
            let expected = Frame { is_last: true, opcode: TEXT, payload: &payload };
            assert_eq!(first(&[&frame[..], b"more"].concat()).unwrap(), Some((frame.len(), expected)));
            for part in [0, 1, 2, 3, 9, length].map(|part| part.min(frame.len() - 1)) {
                assert_eq!(first(&frame[..part]).unwrap(), None);
            }
        }
    }

    #[test]
    fn a_frame_says_what_it_is() {
        let (_, frame) = first(&[0x09, 1, b'x']).unwrap().unwrap();
        assert_eq!(frame, Frame { is_last: false, opcode: PING, payload: b"x" });
    }

    #[test]
    fn what_a_client_sends_is_masked() {
        let mut frame = Vec::new();
        write(&mut frame, BINARY, b"ab");
        assert_eq!(frame, [0x82, 0x82, 0, 0, 0, 0, b'a', b'b']);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(first(&[0xc1, 0]).is_err());
        assert!(first(&[0x81, 0x80, 0, 0, 0, 0]).is_err());
        assert!(first(&[0x81, 127, 1, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
