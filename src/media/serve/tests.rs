use super::*;
use proptest::prelude::*;

const PNG: &[u8; 45] = b"\x89PNG\r\n\x1a\n and so on, until there are 45 bytes.";
const ETAG: &str = "\"a.png-2d\"";

fn store() -> (tempfile::TempDir, MediaStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = MediaStore::open(directory.path()).unwrap();
    store.save("a.png", PNG).unwrap();
    (directory, store)
}

fn get(name: &str) -> FileRequest<'_> {
    FileRequest {
        name,
        method: Method::Get,
        if_none_match: None,
        if_range: None,
        range: None,
    }
}

fn head(name: &str) -> FileRequest<'_> {
    FileRequest {
        method: Method::Head,
        ..get(name)
    }
}

fn field<'a>(response: &'a FileResponse, name: &str) -> Option<&'a str> {
    let mut fields = response.headers.iter().filter(|(other, _)| *other == name);
    let value = fields.next().map(|(_, value)| value.as_str());
    assert!(fields.next().is_none(), "{name} twice");
    value
}

#[test]
fn a_whole_file() {
    let (_directory, store) = store();
    let response = store.serve(&get("a.png")).unwrap();
    assert_eq!(
        response,
        FileResponse {
            status: 200,
            content_type: "image/png",
            cache_control: "public, max-age=31536000, immutable",
            headers: vec![
                ("X-Content-Type-Options", "nosniff".into()),
                ("Accept-Ranges", "bytes".into()),
                ("ETag", ETAG.into()),
            ],
            length: PNG.len() as u64,
            content: PNG.to_vec(),
        }
    );
}

#[test]
fn head_has_the_same_head() {
    let (_directory, store) = store();
    for (name, if_none_match) in [("a.png", None), ("b.png", None), ("a.png", Some(ETAG))] {
        let if_none_match = if_none_match.map(str::as_bytes);
        let of_get = FileRequest {
            if_none_match,
            ..get(name)
        };
        let of_head = FileRequest {
            if_none_match,
            ..head(name)
        };
        let expected = FileResponse {
            content: Vec::new(),
            ..store.serve(&of_get).unwrap()
        };
        assert_eq!(store.serve(&of_head).unwrap(), expected);
    }
    let ranged = FileRequest {
        range: Some(b"bytes=0-1"),
        ..head("a.png")
    };
    assert_eq!(
        store.serve(&ranged).unwrap(),
        store.serve(&head("a.png")).unwrap()
    );
}

#[test]
fn the_type_is_that_of_the_content() {
    let (_directory, store) = store();
    for (name, bytes, content_type) in [
        ("b.png", &b"\xff\xd8\xff\xe0"[..], "image/jpeg"),
        ("b.jpg", b"GIF89a", "image/gif"),
        ("b.gif", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (
            "b.webp",
            b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0",
            "image/bmp",
        ),
        ("b.bmp", b"<script>", "application/octet-stream"),
        ("c.png", b"", "application/octet-stream"),
    ] {
        store.save(name, bytes).unwrap();
        let response = store.serve(&get(name)).unwrap();
        assert_eq!(
            (response.status, response.content_type),
            (200, content_type)
        );
        assert_eq!(response.content, bytes);
        assert_eq!(response.length, bytes.len() as u64);
        assert_eq!(field(&response, "X-Content-Type-Options"), Some("nosniff"));
    }
}

#[test]
fn parts() {
    let (_directory, store) = store();
    let last = PNG.len() - 1;
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=20-24", 20, 24),
        ("bytes=40-", 40, last),
        ("bytes=-3", last - 2, last),
        ("bytes=0-9999", 0, last),
    ] {
        let request = FileRequest {
            range: Some(range.as_bytes()),
            ..get("a.png")
        };
        let response = store.serve(&request).unwrap();
        assert_eq!(response.status, 206, "{range}");
        assert_eq!(response.content, &PNG[first..=last], "{range}");
        assert_eq!(response.length, (last - first + 1) as u64, "{range}");
        assert_eq!(response.content_type, "image/png");
        assert_eq!(field(&response, "ETag"), Some(ETAG));
        let content_range = format!("bytes {first}-{last}/{}", PNG.len());
        assert_eq!(field(&response, "Content-Range"), Some(&*content_range));
    }
}

#[test]
fn a_part_that_is_not_there() {
    let (_directory, store) = store();
    let request = FileRequest {
        range: Some(b"bytes=45-"),
        ..get("a.png")
    };
    let response = store.serve(&request).unwrap();
    assert_eq!(response.status, 416);
    assert_eq!(field(&response, "Content-Range"), Some("bytes */45"));
    assert_eq!(response.cache_control, "no-store");
    assert_eq!(response.length, response.content.len() as u64);
}

#[test]
fn conditions() {
    let (_directory, store) = store();
    let other: &[u8] = b"\"a.png-2e\"";
    let own = ETAG.as_bytes();
    let part: Option<&[u8]> = Some(b"bytes=0-3");
    for (if_none_match, if_range, range, status) in [
        (Some(own), None, None, 304),
        (Some(&b"*"[..]), None, None, 304),
        (Some(b"W/\"a.png-2d\", \"x\""), None, None, 304),
        (Some(own), None, part, 304),
        (Some(own), Some(other), part, 304),
        (Some(other), None, None, 200),
        (Some(other), None, part, 206),
        (None, Some(own), part, 206),
        (None, Some(other), part, 200),
        (None, Some(b"W/\"a.png-2d\""), part, 200),
        (None, Some(b"Sun, 06 Nov 1994 08:49:37 GMT"), part, 200),
        (None, Some(other), Some(b"bytes=45-"), 200),
        (None, Some(own), Some(b"bytes=45-"), 416),
        (None, Some(own), None, 200),
        (None, None, Some(b"bytes=0-1,3-4"), 200),
        (None, None, Some(b"lines=0-1"), 200),
    ] {
        let request = FileRequest {
            if_none_match,
            if_range,
            range,
            ..get("a.png")
        };
        let response = store.serve(&request).unwrap();
        assert_eq!(response.status, status, "{request:?}");
        if status == 304 {
            assert_eq!(field(&response, "ETag"), Some(ETAG));
            assert_eq!(response.cache_control, CACHE_CONTROL);
            assert_eq!((response.length, response.content), (0, Vec::new()));
        }
    }
}

#[test]
fn what_is_not_an_upload_is_not_found() {
    let (directory, store) = store();
    std::fs::write(directory.path().join("secret.txt"), "x").unwrap();
    std::fs::create_dir(directory.path().join("d.png")).unwrap();
    for name in [
        "b.png",
        "d.png",
        "secret.txt",
        "../a.png",
        "./a.png",
        "",
        ".",
        "a.png\0",
    ] {
        let response = store.serve(&get(name)).unwrap();
        assert_eq!(response.status, 404, "{name}");
        assert_eq!(response.cache_control, "no-store");
        assert_eq!(field(&response, "ETag"), None);
    }
}

proptest! {
    #[test]
    fn any_two_halves_make_the_file(cut in 1..PNG.len()) {
        let (_directory, store) = store();
        let part = |range: String| {
            let request = FileRequest { range: Some(range.as_bytes()), ..get("a.png") };
            store.serve(&request).unwrap().content
        };
        let halves = [part(format!("bytes=0-{}", cut - 1)), part(format!("bytes={cut}-"))];
        prop_assert_eq!(halves.concat(), PNG);
    }
}
