//! The kinds of messages: what each dialect calls them when it sends one, and when it is sent one.

use std::fmt;

/// A way to be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Buyer,
    Jim,
    Conv,
    Chat,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 4] = [Dialect::Buyer, Dialect::Jim, Dialect::Conv, Dialect::Chat];

    /// What it calls text.
    fn text(self) -> &'static str {
        match self {
            Dialect::Buyer | Dialect::Jim | Dialect::Conv => "0",
            Dialect::Chat => "Text",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dialect::Buyer => "buyer",
            Dialect::Jim => "jim",
            Dialect::Conv => "conv",
            Dialect::Chat => "chat",
        })
    }
}

/// One kind.
#[derive(Debug)]
pub struct Kind {
    /// What stands before the text where a dialect has no type for it.
    label: &'static str,
    /// For each dialect the type that it sends and the one that it is sent, `-` for none.
    types: [(&'static str, &'static str); 4],
}

#[rustfmt::skip]
const KINDS: [Kind; 10] = [
    //                              buyer       jim           conv        chat
    Kind { label: "",       types: [("0", "0"), ("0", "0"),   ("0", "0"), ("Text", "Text")] },
    Kind { label: "[图片]", types: [("1", "1"), ("3", "-"),   ("1", "1"), ("Image", "Image")] },
    Kind { label: "[商品]", types: [("2", "2"), ("4", "-"),   ("5", "-"), ("-", "Link")] },
    Kind { label: "[沙盘]", types: [("-", "-"), ("1", "1"),   ("6", "-"), ("-", "Link")] },
    Kind { label: "[文章]", types: [("-", "-"), ("2", "2"),   ("7", "-"), ("Link", "Link")] },
    Kind { label: "[语音]", types: [("-", "-"), ("5", "-"),   ("2", "2"), ("Audio", "Audio")] },
    Kind { label: "[视频]", types: [("-", "-"), ("6", "-"),   ("3", "3"), ("Video", "Video")] },
    Kind { label: "[文件]", types: [("-", "-"), ("7", "-"),   ("4", "4"), ("File", "File")] },
    Kind { label: "[位置]", types: [("-", "-"), ("8", "-"),   ("8", "-"), ("Location", "Location")] },
    Kind { label: "",       types: [("-", "-"), ("77", "77"), ("-", "-"), ("-", "-")] },
];

impl Kind {
    /// The kind that everybody has a type for.
    pub const TEXT: &'static Kind = &KINDS[0];

    /// Those that `dialect` can send.
    pub fn sent_by(dialect: Dialect) -> impl Iterator<Item = &'static Kind> {
        KINDS
            .iter()
            .filter(move |kind| kind.types[dialect as usize].0 != "-")
    }

    /// The type under which `dialect` sends it.
    pub fn sent(&self, dialect: Dialect) -> &'static str {
        self.types[dialect as usize].0
    }

    /// The type and the text with which `dialect` is sent it.
    pub fn shown(&self, dialect: Dialect, text: &str) -> (String, String) {
        match self.types[dialect as usize].1 {
            "-" => (
                dialect.text().to_owned(),
                format!("{} {text}", self.label).trim_start().to_owned(),
            ),
            known => (known.to_owned(), text.to_owned()),
        }
    }
}
