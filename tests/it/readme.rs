//! What the README says of options and sources is so.

use std::fs;
use std::path::Path;

fn readme() -> (&'static Path, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("README.md")).expect("a README");
    (root, text)
}

#[test]
fn the_table_of_options_is_the_one_that_the_server_reads() {
    let (_, text) = readme();
    let table: String = text
        .lines()
        .skip_while(|line| !line.starts_with("| flag |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| format!("{line}\n"))
        .collect();
    let reference = imd::config::reference();
    assert!(
        table == reference,
        "the README should have this table:\n{reference}"
    );
}

#[test]
fn the_tour_names_what_is_there_and_leaves_out_no_module() {
    let (root, text) = readme();
    let paths: Vec<&str> = text
        .split('`')
        .filter(|code| code.starts_with("src/"))
        .collect();
    for path in &paths {
        assert!(root.join(path).exists(), "{path}");
    }
    for entry in fs::read_dir(root.join("src")).expect("src is readable") {
        let entry = entry.expect("src is readable");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        assert!(
            paths
                .iter()
                .any(|path| path.trim_end_matches('/') == format!("src/{name}")),
            "the tour leaves out src/{name}"
        );
    }
}
