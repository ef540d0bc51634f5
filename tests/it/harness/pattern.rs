//! Exact bytes with a few named holes, for answers that hold a time, a token or a file name.

/// Matches `actual` against `pattern` and returns what stood in the holes, in order.
///
/// The holes: `<token>` 25 characters `[a-z0-9]`; `<time>` `yyyy-MM-dd HH:mm:ss`; `<stamp>` 17 digits and a random
/// suffix; `<ms>` milliseconds; `<id>` 32 hexadecimal digits; `<text>` a text up
/// to the next quote; `<reason>` one in Chinese. Everything else stands for itself.
#[track_caller]
pub fn captures(pattern: &str, actual: &str) -> Vec<String> {
    try_captures(pattern, actual)
        .unwrap_or_else(|| panic!("\nexpected {pattern}\n     got {actual}"))
}

/// Asserts that `actual` is `pattern`, for tests that need nothing out of the holes.
#[track_caller]
pub fn check_pattern(pattern: &str, actual: &str) {
    captures(pattern, actual);
}

fn try_captures(pattern: &str, actual: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let (mut pattern, mut rest) = (pattern, actual);
    loop {
        let hole = HOLES
            .iter()
            .filter_map(|hole| Some((pattern.find(hole.name)?, hole)))
            .min_by_key(|(at, _)| *at);
        let Some((at, hole)) = hole else {
            return (pattern == rest).then_some(found);
        };
        rest = rest.strip_prefix(&pattern[..at])?;
        let end = rest.find(|c| !(hole.allowed)(c)).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(end);
        if !(hole.right)(text) {
            return None;
        }
        found.push(text.to_owned());
        pattern = &pattern[at + hole.name.len()..];
        rest = tail;
    }
}

struct Hole {
    name: &'static str,
    allowed: fn(char) -> bool,
    right: fn(&str) -> bool,
}

const HOLES: [Hole; 7] = [
    Hole {
        name: "<token>",
        allowed: |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
        right: |text| text.len() == 25,
    },
    Hole {
        name: "<time>",
        allowed: |c| c.is_ascii_digit() || matches!(c, '-' | ' ' | ':'),
        right: |text| {
            text.chars()
                .map(|c| if c.is_ascii_digit() { '0' } else { c })
                .eq("0000-00-00 00:00:00".chars())
        },
    },
    Hole {
        name: "<stamp>",
        allowed: |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'),
        right: |text| text.len() > 17 && text.chars().take(17).all(|c| c.is_ascii_digit()),
    },
    Hole {
        name: "<ms>",
        allowed: |c| c.is_ascii_digit(),
        right: |text| text.len() == 13,
    },
    Hole {
        name: "<id>",
        allowed: |c| c.is_ascii_digit() || ('a'..='f').contains(&c),
        right: |text| text.len() == 32,
    },
    Hole {
        name: "<text>",
        allowed: |c| c != '"',
        right: |text| !text.is_empty(),
    },
    Hole {
        name: "<reason>",
        allowed: |c| c != '"',
        right: |text| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)),
    },
];
