//! Who may import whom in `src`, and where sockets, threads, files, clocks and SQL may be used: the layers of the crate as a test.
//! Tests inside `src` are not held to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the others that it may import.
const IMPORTS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("proto", &["limits"]),
    ("domain", &["limits"]),
    ("dialect", &["proto", "domain", "limits"]),
    ("conn", &["proto", "dialect", "domain", "limits"]),
    ("store", &["domain", "limits"]),
    ("media", &["proto", "limits"]),
    ("admin", &["proto", "limits"]),
    ("config", &["limits"]),
    (
        "runtime",
        &[
            "limits", "proto", "domain", "dialect", "conn", "store", "media", "admin", "config",
        ],
    ),
    ("main", &["config", "runtime", "store"]),
];

/// What reaches out of the program, and the places that may.
const REACHING_OUT: &[(&[&str], &[&str])] = &[
    (
        &[
            "TcpListener",
            "TcpStream",
            "UdpSocket",
            "UnixListener",
            "UnixStream",
            "ToSocketAddrs",
            "mio::",
            "socket2::",
        ],
        &["runtime"],
    ),
    (
        &[
            "thread::Builder",
            "thread::park",
            "thread::scope",
            "thread::sleep",
            "thread::spawn",
            "crossbeam_channel",
        ],
        &["runtime", "store", "media", "main"],
    ),
    (
        &["Instant::now", "SystemTime::now", "getrandom::"],
        &["runtime", "store", "media", "main"],
    ),
    (
        &["std::fs", "fs::File", "OpenOptions", "rustix::"],
        &["runtime", "store", "media", "main", "admin/process"],
    ),
    (&["rusqlite"], &["store"]),
    (&["env::args", "env::vars", "env::var("], &["main"]),
    (
        &["println!", "eprintln!", "print!", "eprint!", "dbg!"],
        &["main"],
    ),
];

struct Source {
    /// Below `src`, without `.rs` and `/mod`: `conn/http`, `conn`.
    module: String,
    /// Line by line, without comments and tests.
    lines: Vec<(usize, String)>,
}

impl Source {
    fn top(&self) -> &str {
        self.module.split('/').next().unwrap_or_default()
    }

    /// `main.rs` is a crate of its own, to which the library is `imd`.
    fn root(&self) -> &'static str {
        if self.module == "main" {
            "imd::"
        } else {
            "crate::"
        }
    }
}

/// The sources of the crate; `lib.rs` only lists the modules.
fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    let texts: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).expect("a source is readable");
            let path = file.strip_prefix(&src).expect("a file in src");
            let module = path.with_extension("").display().to_string();
            let module = module.strip_suffix("/mod").unwrap_or(&module).to_owned();
            (module, text)
        })
        .filter(|(module, _)| module != "lib")
        .collect();
    let tests: Vec<String> = texts
        .iter()
        .flat_map(|(module, text)| test_modules(module, text))
        .collect();
    let is_test = |module: &str| {
        tests
            .iter()
            .any(|test| module == test || module.starts_with(&format!("{test}/")))
    };
    texts
        .into_iter()
        .filter(|(module, _)| !is_test(module))
        .map(|(module, text)| Source {
            module,
            lines: code(&text),
        })
        .collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The modules that `module` has for tests only, in files of their own.
fn test_modules(module: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let declared = lines.windows(2).filter_map(|pair| {
        let name = pair[1].strip_suffix(';')?.rsplit_once("mod ")?.1;
        (pair[0] == "#[cfg(test)]").then(|| format!("{module}/{name}"))
    });
    declared.collect()
}

/// The lines of `text` by number, without those of comments and of the test module that ends it.
fn code(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let end = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{'))
        .unwrap_or(lines.len());
    lines[..end]
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, (*line).to_owned()))
        .collect()
}

/// The modules below `root` that a text names: `crate::a::b` and `crate::{a::b, c}` name `a`, and `a` and `c`.
fn named(text: &str, root: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(root) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let after = &text[at + root.len()..];
        match after.strip_prefix('{') {
            None => names.extend(identifier(after)),
            Some(group) => names.extend(first_level(group)),
        }
    }
    names
}

fn identifier(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// What stands at the beginning of each entry of a group whose opening brace is behind.
fn first_level(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    let mut entry = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.extend(identifier(group[entry..at].trim_start()));
                entry = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

#[test]
fn modules_import_only_what_is_below_them() {
    let sources = sources();
    let tops: BTreeSet<&str> = sources.iter().map(Source::top).collect();
    let ruled: BTreeSet<&str> = IMPORTS.iter().map(|(module, _)| *module).collect();
    assert_eq!(
        tops, ruled,
        "every module at the top has its rule in IMPORTS"
    );
    let mut wrong = Vec::new();
    for source in &sources {
        let (top, allowed) = IMPORTS
            .iter()
            .find(|(module, _)| *module == source.top())
            .expect("compared above");
        let text: String = source
            .lines
            .iter()
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        for name in named(&text, source.root()) {
            if name != *top && !allowed.contains(&name.as_str()) {
                wrong.push(format!("src/{} imports {name}", source.module));
            }
        }
        // From here so many steps up are the root of the crate, where the rule cannot see what is named.
        let to_root = "super::".repeat(source.module.split('/').count());
        if text.contains(&to_root) {
            wrong.push(format!(
                "src/{} goes to the root by {to_root}",
                source.module
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_outer_modules_reach_out_of_the_program() {
    let mut wrong = Vec::new();
    for source in sources() {
        let may = |places: &[&str]| {
            places
                .iter()
                .any(|place| source.top() == *place || source.module == *place)
        };
        for (words, places) in REACHING_OUT {
            if may(places) {
                continue;
            }
            for (number, line) in &source.lines {
                for word in words.iter().filter(|word| line.contains(**word)) {
                    wrong.push(format!(
                        "src/{} uses {word} in line {number}",
                        source.module
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn imports_are_found_in_every_form() {
    let names = |text: &str| Vec::from_iter(named(text, "crate::"));
    assert_eq!(names("use crate::store::Reader;"), ["store"]);
    assert_eq!(names("pub(crate) fn f(x: &crate::conn::Conn) {}"), ["conn"]);
    assert_eq!(
        names(
            "use crate::{\n    conn::{Conn, http::{A, B}},\n    limits::A,\n    proto,\n};\nuse b;"
        ),
        ["conn", "limits", "proto"]
    );
    assert_eq!(names("use othercrate::store; use a::crate::b;"), [""; 0]);
    let inner = "use a;\n// crate::b\n#[cfg(test)]\nmod tests {\nuse crate::c;\n}\n";
    assert_eq!(code(inner), [(1, "use a;".to_owned())]);
    assert_eq!(
        test_modules(
            "conn/http",
            "#[cfg(test)]\npub(crate) mod client;\nmod b;\n"
        ),
        ["conn/http/client"]
    );
}
