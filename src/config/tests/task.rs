//! Subcommands.

use super::*;
use crate::config::tasks::TASKS;

fn task(args: &[&str], env: &[(&str, &str)], file: Option<&str>) -> Task {
    match outcome(args, env, file) {
        Ok(Outcome::Do(task)) => task,
        other => panic!("{other:?}"),
    }
}

/// A right command line of each task, without the data directory.
fn right() -> Vec<Vec<&'static str>> {
    let typed = TASKS.iter().map(|entry| match entry.name {
        "backup" => vec!["backup", "--to", "a.sqlite"],
        "export" => vec!["export", "--account", "chaogai"],
        other => vec![other],
    });
    typed.collect()
}

#[test]
fn a_task_has_its_directory_from_any_source_and_its_own_option_as_a_flag() {
    let backup = |data: &str| Task::Backup {
        data: data.into(),
        to: "b".into(),
    };
    let typed = ["backup", "--to", "b"];
    assert_eq!(task(&typed, &[], None), backup("./imd-data"));
    assert_eq!(task(&typed, &[], Some("data = \"/c\"")), backup("/c"));
    let env = [("IMD_DATA", "/d"), ("IMD_SHARDS", "3")];
    let file = Some("data = \"/c\"\nlisten = [\"[::1]:1\"]");
    assert_eq!(task(&typed, &env, file), backup("/d"));
    let typed = ["backup", "--data=/e", "--to=b"];
    assert_eq!(task(&typed, &env, file), backup("/e"));
    let export = Task::Export {
        data: "/e".into(),
        account: "-a b".to_owned(),
    };
    let typed = ["export", "--account", "-a b", "--data", "/e"];
    assert_eq!(task(&typed, &[], None), export);
}

#[test]
fn what_is_wrong_with_a_task_is_one_line_that_says_what_is_right() {
    for (args, expected) in [
        (
            &["backup"][..],
            "--to: is missing; imd backup needs FILE, such as /backup/imd.sqlite",
        ),
        (
            &["backup", "--to"],
            "--to: needs a value: FILE, such as /backup/imd.sqlite",
        ),
        (
            &["backup", "--to="],
            "--to: \"\" is not FILE, such as /backup/imd.sqlite",
        ),
        (
            &["backup", "--to", "a", "--to", "b"],
            "--to: is given 2 times; give it once",
        ),
        (
            &["backup", "--to", "a", "--data="],
            "--data: \"\" is not DIR, such as /var/lib/imd",
        ),
        (
            &["backup", "--too", "a"],
            "--too: is not an option; the nearest is \"--to\"",
        ),
        (
            &["backup", "--shards", "2"],
            "--shards: is not an option; imd backup --help lists them",
        ),
        (
            &["backup", "to"],
            "to: is not an option; imd backup --help lists them",
        ),
        (
            &["export"],
            "--account: is missing; imd export needs NAME, such as chaogai",
        ),
        (
            &["exprot"],
            "exprot: is not a command; the nearest is \"export\"",
        ),
        (
            &["--data", "/a", "export"],
            "export: stands first: imd export, then its options",
        ),
        (
            &["--to", "a", "backup"],
            "--to: is an option of imd backup, which stands first",
        ),
        (
            &["export", "--to", "a"],
            "--to: is an option of imd backup, which stands first",
        ),
    ] {
        assert_eq!(error(args, &[], None), expected);
    }
    let memory = "keeps nothing in a directory; give --data DIR and leave it out";
    for typed in right() {
        let line = error(&typed, &[("IMD_MEMORY", "true")], None);
        assert_eq!(line, format!("IMD_MEMORY: {memory}"));
        let line = error(&typed, &[], Some("colour = 1"));
        assert!(line.starts_with("imd.toml: colour: is not"), "{line}");
    }
    let bytes = OsString::from_vec(b"a\xff".to_vec());
    let args = ["export".into(), "--account".into(), bytes];
    let nobody = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let line = parse(args, [], nobody).unwrap_err().to_string();
    assert_eq!(
        line,
        "--account: \"a\u{fffd}\" is not NAME, such as chaogai"
    );
}

#[test]
fn help_names_every_task_and_each_has_its_own() {
    let shown = |args: &[&str]| match outcome(args, &[], None) {
        Ok(Outcome::Show(text)) => text,
        other => panic!("{other:?}"),
    };
    let help = shown(&["--help"]);
    for (entry, typed) in TASKS.iter().zip(right()) {
        assert!(help.contains(entry.name) && help.contains(entry.about));
        let own = shown(&[entry.name, "--help"]);
        assert!(own.contains(&format!("Usage: imd {} --data DIR", entry.name)));
        assert!(own.contains("Exit codes: 0 "), "{own}");
        for option in entry.options() {
            assert!(own.contains(&option.flag()), "{own}");
        }
        task(&typed, &[], None);
    }
}
