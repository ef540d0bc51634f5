use super::*;
use proptest::prelude::*;

const TYPE: &str = "multipart/form-data; boundary=b-1";

fn part<'a>(name: &'a str, body: &'a [u8]) -> Part<'a> {
    Part {
        name: name.into(),
        filename: None,
        content_type: None,
        body,
    }
}

#[test]
fn a_form_with_a_file() {
    let body = b"--b-1\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nabc\r\n\
        --b-1\r\ncontent-disposition: Form-Data; name=\"imgFile\"; filename=\"\xe5\x9b\xbe \\\"1\\\".png\"\r\n\
        Content-Type: image/png\r\nContent-Transfer-Encoding: BINARY\r\n\r\n\x89PNG\r\n\x00--b-\r\n--b\r\n\
        --b-1--\r\n";
    let file = Part {
        filename: Some("图 \"1\".png".into()),
        content_type: Some("image/png"),
        ..part("imgFile", b"\x89PNG\r\n\x00--b-\r\n--b")
    };
    assert_eq!(parse(TYPE, body), Ok(vec![part("token", b"abc"), file]));
}

#[test]
fn the_parts_before_an_error_are_there() {
    let whole = b"--b-1\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n\
        --b-1\r\nContent-Disposition: form-data; name=b\r\n\r\ny\r\n--b-1--\r\n";
    let ends = [whole.len() - 20, whole.len() - 4, whole.len()];
    for (end, expected) in ends.into_iter().zip([1, 2, 2]) {
        let mut parts = Vec::new();
        let read = parse_into(TYPE, &whole[..end], &mut parts);
        assert_eq!(read.is_ok(), end == whole.len(), "{end}");
        assert_eq!(parts.len(), expected, "{end}");
        assert_eq!(parts[0], part("a", b"x"));
    }
}

#[test]
fn framing_that_is_allowed() {
    let field = "Content-Disposition: form-data; name=a\r\n\r\n";
    let one = |body| Ok(vec![part("a", body)]);
    for (body, parts) in [
        (format!("--b-1\r\n{field}x\r\n--b-1--"), one(b"x")),
        (format!("--b-1\r\n{field}\r\n--b-1--"), one(b"")),
        (format!("--b-1\r\n{field}\r\n\r\n--b-1--"), one(b"\r\n")),
        (
            format!("--b-1 \t\r\n{field}x\r\n--b-1-- \r\nepilogue\r\n--b-1"),
            one(b"x"),
        ),
        (format!("\r\n--b-1\r\n{field}x\r\n--b-1--"), one(b"x")),
        (
            format!("preamble --b-1\r\n--b-1\r\n{field}x\r\n--b-1--"),
            one(b"x"),
        ),
        ("--b-1--".into(), Ok(vec![])),
        // A delimiter begins a line: here the closing one is the first.
        (format!(" --b-1\r\n{field}x\r\n--b-1--"), Ok(vec![])),
    ] {
        assert_eq!(parse(TYPE, body.as_bytes()), parts, "{body:?}");
    }
}

#[test]
fn framing_that_is_refused() {
    use MultipartError::*;
    let field = "Content-Disposition: form-data; name=a\r\n\r\n";
    for (body, error) in [
        ("".into(), Truncated),
        ("x".into(), Truncated),
        ("--b-1".into(), BadDelimiter),
        ("--b-1-".into(), BadDelimiter),
        ("--b-1--x".into(), BadDelimiter),
        ("--b-1\n".into(), BadDelimiter),
        ("--b-1\r\n".into(), Truncated),
        ("--b-1\r\n--b-1--".into(), Truncated),
        (format!("--b-1\r\n{field}x"), Truncated),
        (format!("--b-1\r\n{field}x\r\n--b-1"), BadDelimiter),
        (format!("--b-1\r\n{field}x\n--b-1--"), Truncated),
        (format!("--b-1x\r\n{field}x\r\n--b-1--"), BadDelimiter),
        (
            format!("--b-1\r\n{field}x\r\n--b-1x\r\n--b-1--"),
            BadDelimiter,
        ),
    ] {
        assert_eq!(parse(TYPE, body.as_bytes()), Err(error), "{body:?}");
    }
}

#[test]
fn headers_that_are_refused() {
    use MultipartError::*;
    let good = "Content-Disposition: form-data; name=a\r\n";
    let long = format!("{good}X: {}\r\n", "y".repeat(MULTIPART_HEADER_BYTES_MAX));
    let many = format!("{good}{}", "X: y\r\n".repeat(MULTIPART_HEADER_COUNT_MAX));
    let twice = format!("{good}{good}");
    for (header, error) in [
        ("", BadHeader),
        ("Content-Type: text/plain\r\n", BadDisposition),
        ("Content-Disposition: form-data\r\n", BadDisposition),
        (
            "Content-Disposition: form-data; filename=a\r\n",
            BadDisposition,
        ),
        (
            "Content-Disposition: attachment; name=a\r\n",
            BadDisposition,
        ),
        (
            "Content-Disposition: form-data; name=a; name=b\r\n",
            BadDisposition,
        ),
        (
            "Content-Disposition: form-data; name=\"a\r\n",
            BadDisposition,
        ),
        (
            "Content-Disposition: form-data; name=\"a\\\"\r\n",
            BadDisposition,
        ),
        (
            "Content-Disposition: form-data; name=\"a\"b\r\n",
            BadDisposition,
        ),
        (
            "Content-Disposition: form-data; name=a b\r\n",
            BadDisposition,
        ),
        (
            "Content-Disposition: form-data; name = a\r\n",
            BadDisposition,
        ),
        ("Content-Disposition: form-data; name\r\n", BadDisposition),
        (&twice, BadDisposition),
        (
            "Content-Disposition: form-data; name=a\nX: y\r\n",
            BadHeader,
        ),
        ("Content-Disposition : form-data; name=a\r\n", BadHeader),
        ("Content-Disposition: form-data;\r\n name=a\r\n", BadHeader),
        ("Content-Disposition: form-data; name=a\0\r\n", BadHeader),
        (
            "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n",
            Encoded,
        ),
        (&long, HeaderTooLarge),
        (&many, HeaderTooLarge),
    ] {
        let body = format!("--b-1\r\n{header}\r\nx\r\n--b-1--\r\n");
        assert_eq!(parse(TYPE, body.as_bytes()), Err(error), "{header:?}");
    }
    let body = b"--b-1\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--b-1--\r\n";
    assert_eq!(parse(TYPE, body), Err(NotUtf8));
}

#[test]
fn dispositions() {
    for (parameters, name, filename) in [
        ("name=a;filename=b", "a", Some("b")),
        ("NAME=a", "a", None),
        ("filename=\"\"; name=\"\"", "", Some("")),
        ("x=y; name=\"a;b=\\\"c\\\\\"; ;", "a;b=\"c\\", None),
        (
            "name=\"a\"; filename=\"C:\\dir\\图.png\"",
            "a",
            Some("C:\\dir\\图.png"),
        ),
        ("name=\"a%22b\"; filename*=UTF-8''x", "a%22b", None),
    ] {
        let body =
            format!("--b-1\r\nContent-Disposition: form-data; {parameters}\r\n\r\n\r\n--b-1--");
        let parts = parse(TYPE, body.as_bytes());
        let expected = Part {
            filename: filename.map(Into::into),
            ..part(name, b"")
        };
        assert_eq!(parts, Ok(vec![expected]), "{parameters}");
    }
}

#[test]
fn boundaries() {
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    for (content_type, boundary_or_error) in [
        ("multipart/form-data; boundary=a", Ok("a")),
        (
            "Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b:'()+_,-./=?\"",
            Ok("a b:'()+_,-./=?"),
        ),
        (
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4; x=y",
            Ok("----WebKitFormBoundary7MA4"),
        ),
        ("multipart/form-data", Err(MultipartError::BadBoundary)),
        (
            "multipart/form-data; boundary=",
            Err(MultipartError::BadBoundary),
        ),
        (
            "multipart/form-data; boundary=\"a \"",
            Err(MultipartError::BadBoundary),
        ),
        (
            "multipart/form-data; boundary=a\u{e9}",
            Err(MultipartError::BadBoundary),
        ),
        (
            "multipart/form-data; boundary=a; boundary=b",
            Err(MultipartError::BadBoundary),
        ),
        (&long, Err(MultipartError::BadBoundary)),
        (
            "multipart/mixed; boundary=a",
            Err(MultipartError::NotFormData),
        ),
        ("", Err(MultipartError::NotFormData)),
    ] {
        let body = format!("--{}--", boundary_or_error.unwrap_or("a"));
        let expected = boundary_or_error.map(|_| vec![]);
        assert_eq!(
            parse(content_type, body.as_bytes()),
            expected,
            "{content_type}"
        );
    }
}

#[test]
fn the_number_of_parts_is_bounded() {
    let part = "--b-1\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
    let body = |parts: usize| format!("{}--b-1--", part.repeat(parts));
    let most = body(MULTIPART_PARTS_MAX);
    let most = parse(TYPE, most.as_bytes());
    assert_eq!(most.map(|parts| parts.len()), Ok(MULTIPART_PARTS_MAX));
    assert_eq!(
        parse(TYPE, body(MULTIPART_PARTS_MAX + 1).as_bytes()),
        Err(MultipartError::TooManyParts)
    );
}

proptest! {
    #[test]
    fn rendered_parts_come_back(
        fields in prop::collection::vec(
            ("[^\\p{C}]{0,6}", prop::option::of("[^\\p{C}]{0,6}"), prop::collection::vec(prop::sample::select(b"\r\n-b1x".to_vec()), 0..20)),
            0..5,
        ),
    ) {
        // No body may hold the delimiter: "1" is what it lacks here.
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(name, filename, body)| (name, filename, body.into_iter().filter(|&byte| byte != b'1').collect::<Vec<u8>>()))
            .collect();
        let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut rendered = Vec::new();
        for (name, filename, body) in &fields {
            rendered.extend(format!("--b-1\r\nContent-Disposition: form-data; name=\"{}\"", quote(name)).bytes());
            if let Some(filename) = filename {
                rendered.extend(format!("; filename=\"{}\"", quote(filename)).bytes());
            }
            rendered.extend(b"\r\n\r\n");
            rendered.extend(body);
            rendered.extend(b"\r\n");
        }
        rendered.extend(b"--b-1--\r\n");
        let expected: Vec<Part<'_>> = fields
            .iter()
            .map(|(name, filename, body)| Part {
                filename: filename.as_deref().map(Into::into),
                ..part(name, body)
            })
            .collect();
        prop_assert_eq!(parse(TYPE, &rendered), Ok(expected));
    }

    #[test]
    fn a_cut_form_is_truncated(at in any::<prop::sample::Index>()) {
        let body = b"--b-1\r\nContent-Disposition: form-data; name=a\r\n\r\nabc\r\n--b-1--";
        let cut = body.get(..at.index(body.len())).unwrap_or_default();
        prop_assert!(matches!(
            parse(TYPE, cut),
            Err(MultipartError::Truncated | MultipartError::BadDelimiter)
        ));
    }
}
