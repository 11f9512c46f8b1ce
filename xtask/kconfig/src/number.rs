//! Numbers as C's `strtoll` and `strtoull` read them, which is how the language compares values.

/// A number at the start of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// As its 64 bits; signed ones in two's complement.
    pub(crate) bits: u64,
    /// How many bytes were read; 0 where the text begins with no number.
    pub(crate) length: usize,
    pub(crate) overflow: bool,
}

impl Prefix {
    pub(crate) fn signed(self) -> i64 {
        i64::from_ne_bytes(self.bits.to_ne_bytes())
    }
}

/// Reads a number in base 10 or 16, or 0: by its prefix (`0x` is 16, `0` is 8).
fn digits(text: &str, base: u32) -> (bool, u128, usize, bool) {
    let bytes = text.as_bytes();
    let mut at = bytes.iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0b).count();
    let negative = bytes.get(at) == Some(&b'-');
    if matches!(bytes.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let hex = matches!(bytes.get(at..at + 2), Some([b'0', b'x' | b'X']))
        && bytes.get(at + 2).is_some_and(u8::is_ascii_hexdigit);
    let base = match base {
        0 if hex => 16,
        0 if bytes.get(at) == Some(&b'0') => 8,
        0 => 10,
        base => base,
    };
    if hex && base == 16 {
        at += 2;
    }
    let start = at;
    let (mut value, mut overflow) = (0u128, false);
    while let Some(digit) = bytes.get(at).and_then(|b| char::from(*b).to_digit(base)) {
        value = value * u128::from(base) + u128::from(digit);
        overflow |= value > u128::from(u64::MAX);
        value = value.min(u128::from(u64::MAX));
        at += 1;
    }
    (negative, value, if at == start { 0 } else { at }, overflow)
}

/// As `strtoll`: what does not fit becomes the nearest that does.
pub(crate) fn signed(text: &str, base: u32) -> Prefix {
    let (negative, value, length, _) = digits(text, base);
    let limit = if negative { 1 << 63 } else { (1 << 63) - 1 };
    let overflow = value > limit;
    let magnitude = u64::try_from(value.min(limit)).unwrap_or(u64::MAX);
    let bits = if negative { magnitude.wrapping_neg() } else { magnitude };
    Prefix { bits, length, overflow }
}

/// As `strtoull`.
pub(crate) fn unsigned(text: &str, base: u32) -> Prefix {
    let (negative, value, length, overflow) = digits(text, base);
    let magnitude = u64::try_from(value).unwrap_or(u64::MAX);
    let bits = if negative && !overflow { magnitude.wrapping_neg() } else { magnitude };
    Prefix { bits, length, overflow }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_c_does() {
        let read = |text, base| (signed(text, base).signed(), signed(text, base).length);
        assert_eq!(read("  -12x", 10), (-12, 5));
        assert_eq!(read("0x1F", 16), (31, 4));
        assert_eq!(read("0x1F", 0), (31, 4));
        assert_eq!(read("0xg", 16), (0, 1));
        assert_eq!(read("017", 0), (15, 3));
        assert_eq!(read("017", 10), (17, 3));
        assert_eq!(read("", 10), (0, 0));
        assert_eq!(read("y", 0), (0, 0));
        assert_eq!(signed("9223372036854775807", 10).signed(), i64::MAX);
        let low = signed("-9223372036854775809", 10);
        assert_eq!((low.signed(), low.overflow), (i64::MIN, true));
        let high = unsigned("0xffffffffffffffff0", 16);
        assert_eq!((high.bits, high.overflow), (u64::MAX, true));
        assert_eq!(unsigned("-1", 16).bits, u64::MAX);
    }
}
