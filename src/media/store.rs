//! A directory of files that are written once and never change.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::limits::UPLOAD_NAME_BYTES_MAX;
use crate::proto::image::ImageType;

/// What stands around the name of a file that is not complete.
const UNFINISHED: (&str, &str) = (".", ".tmp");

/// The uploads. Threads may share it.
#[derive(Debug)]
pub struct MediaStore {
    path: PathBuf,
    /// The open directory, to sync what it lists.
    directory: File,
}

impl MediaStore {
    /// Opens the directory at `path`, creating it if need be, and removes what a crash has left unfinished. Nobody else
    /// may save there: the caller holds the lock of the data directory.
    ///
    /// # Errors
    /// When the directory cannot be created, read or changed.
    pub fn open(path: &Path) -> io::Result<MediaStore> {
        fs::create_dir_all(path)?;
        let path = path.canonicalize()?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_unfinished) {
                fs::remove_file(entry.path())?;
            }
        }
        let directory = File::open(&path)?;
        Ok(MediaStore { path, directory })
    }

    /// Keeps a file. When this returns, the file and its name are synced to disk. A crash before
    /// that leaves nothing under the name, or the whole file.
    ///
    /// # Errors
    /// `InvalidInput` for what is not a [name](is_name), `AlreadyExists` when there is a file of that name, which stays
    /// as it is, or the error of writing or syncing. When only the last step, syncing the
    /// directory, fails, the file stays.
    pub fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let complete = self.path_of(name)?;
        let (before, after) = UNFINISHED;
        let unfinished = self.path.join(format!("{before}{name}{after}"));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&unfinished)?;
        // A rename would replace a file of that name; a link does not.
        let kept = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(&unfinished, &complete));
        let removed = fs::remove_file(&unfinished);
        kept.and(removed)?;
        self.directory.sync_all()
    }

    /// Opens a kept file.
    ///
    /// # Errors
    /// `InvalidInput` for what is not a [name](is_name), or the error of opening it.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        File::open(self.path_of(name)?)
    }

    fn path_of(&self, name: &str) -> io::Result<PathBuf> {
        if is_name(name) {
            Ok(self.path.join(name))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }
}

/// Whether a file may have this name: ASCII letters and digits, at least one, then a dot and the extension of an image
/// type, at most [`UPLOAD_NAME_BYTES_MAX`] bytes.
pub fn is_name(name: &str) -> bool {
    name.len() <= UPLOAD_NAME_BYTES_MAX
        && name.split_once('.').is_some_and(|(stem, extension)| {
            !stem.is_empty()
                && stem.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && ImageType::ALL
                    .iter()
                    .any(|image| image.extension() == extension)
        })
}

fn is_unfinished(name: &str) -> bool {
    name.strip_prefix(UNFINISHED.0)
        .and_then(|name| name.strip_suffix(UNFINISHED.1))
        .is_some_and(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::thread;

    fn store() -> (tempfile::TempDir, MediaStore) {
        let directory = tempfile::tempdir().unwrap();
        let store = MediaStore::open(&directory.path().join("uploads")).unwrap();
        (directory, store)
    }

    fn listed(path: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_saved_is_there_alone_and_after_opening_again() {
        let (directory, store) = store();
        store.save("a1.png", b"one").unwrap();
        store.save("a2.jpg", b"").unwrap();
        drop(store);
        let path = directory.path().join("uploads");
        MediaStore::open(&path).unwrap();
        assert_eq!(listed(&path), ["a1.png", "a2.jpg"]);
        assert_eq!(fs::read(path.join("a1.png")).unwrap(), b"one");
        assert_eq!(fs::read(path.join("a2.jpg")).unwrap(), b"");
    }

    #[test]
    fn opening_removes_what_a_crash_left_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let others = [".b.tmp", ".hidden", "a.tmp", "a1.png", "notes.txt"];
        for name in others.iter().chain(&[".a2.png.tmp", ".a1.png.tmp"]) {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let store = MediaStore::open(directory.path()).unwrap();
        assert_eq!(listed(directory.path()), others);
        store.save("a2.png", b"whole").unwrap();
        assert_eq!(fs::read(directory.path().join("a2.png")).unwrap(), b"whole");
    }

    #[test]
    fn a_file_is_never_overwritten() {
        let (_directory, store) = store();
        store.save("a.png", b"first").unwrap();
        let error = store.save("a.png", b"second").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(store.path.join("a.png")).unwrap(), b"first");
        assert_eq!(listed(&store.path), ["a.png"]);
    }

    #[test]
    fn of_many_who_save_one_name_one_wins() {
        let (_directory, store) = store();
        let results: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u8)
                .map(|n| {
                    let store = &store;
                    scope.spawn(move || store.save("a.png", &[n; 1000]).map(|()| n))
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let winners: Vec<_> = results.iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(
            fs::read(store.path.join("a.png")).unwrap(),
            [*winners[0]; 1000]
        );
        assert_eq!(listed(&store.path), ["a.png"]);
    }

    #[test]
    fn nobody_sees_a_file_that_is_not_whole() {
        const BYTES: usize = 300_000;
        let (_directory, store) = store();
        thread::scope(|scope| {
            let saver = scope.spawn(|| {
                let bytes = vec![7; BYTES];
                for n in 0..20 {
                    store.save(&format!("a{n}.png"), &bytes).unwrap();
                }
            });
            let mut whole = 0;
            while whole < 20 {
                let done = saver.is_finished();
                match store.open_file(&format!("a{whole}.png")) {
                    Ok(file) => {
                        assert_eq!(file.metadata().unwrap().len(), BYTES as u64);
                        whole += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::NotFound);
                        assert!(!done, "it was not saved");
                    }
                }
            }
        });
    }

    #[test]
    fn a_file_that_cannot_be_finished_leaves_nothing() {
        let (_directory, store) = store();
        // Takes the name, so that the last step fails.
        fs::create_dir(store.path.join("a.png")).unwrap();
        assert!(store.save("a.png", b"x").is_err());
        assert_eq!(listed(&store.path), ["a.png"]);
        // Takes the name of the unfinished file, so that the first step fails.
        fs::create_dir(store.path.join(".b.png.tmp")).unwrap();
        assert!(store.save("b.png", b"x").is_err());
        assert_eq!(listed(&store.path), [".b.png.tmp", "a.png"]);
    }

    #[test]
    fn names() {
        for name in [
            "a.png",
            "20260102030405678x9.jpg",
            "Z.gif",
            "0.webp",
            "b.bmp",
        ] {
            assert!(is_name(name), "{name}");
        }
        let longest = format!("{}.png", "a".repeat(UPLOAD_NAME_BYTES_MAX - 4));
        assert!(is_name(&longest));
        let (_directory, store) = store();
        let too_long = format!("a{longest}");
        for name in [
            "",
            ".",
            "..",
            ".png",
            "a",
            "a.",
            "a.PNG",
            "a.jpeg",
            "a.svg",
            "a.html",
            "a.png.png",
            "a..png",
            "a.png/",
            "/a.png",
            "../a.png",
            "b/a.png",
            "b\\a.png",
            "a.png\0",
            "a\0.png",
            "a b.png",
            "a-b.png",
            "a%2e.png",
            "图.png",
            ".a.png.tmp",
            &too_long,
        ] {
            assert!(!is_name(name), "{name}");
            let error = store.save(name, b"x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
            let error = store.open_file(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        }
        assert!(listed(&store.path).is_empty());
    }
}
