//! uploadImage: its three forms, what it takes and what it sends.

use super::host::{Host, IsMeant, Received};
use crate::dialect::{Ask, Upload};
use crate::domain::command::{Command, Refusal};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\r\n--not the end\xff";
/// Random bytes of the tests are counted; a login takes the first.
const NAME: &str = "20170616174501007";

fn multipart(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let file = if *name == "imgFile" {
            "; filename=\"照片.exe\"\r\nContent-Type: text/html"
        } else {
            ""
        };
        body.extend(
            format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n")
                .bytes(),
        );
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XyZ--\r\n");
    body
}

fn upload(host: &mut Host, session: &str, fields: &[(&str, &[u8])]) -> Received {
    host.post(
        &format!("uploadImage?{session}"),
        "multipart/form-data; boundary=XyZ",
        &multipart(fields),
    )
}

/// The name of the only file and its address at the tests' host.
fn kept(host: &Host) -> (String, String) {
    let [Upload { name, .. }] = host.files.as_slice() else {
        panic!("one file")
    };
    assert!(
        name.starts_with(NAME) && name.len() == 17 + 13 + 4,
        "{name}"
    );
    (
        name.clone(),
        format!("http://im.example:8080/soa-im/statics/upload/{name}"),
    )
}

#[test]
fn as_json_and_as_a_script() {
    let mut host = Host::new();
    let session = host.log_in("zhouyu");
    let received = upload(&mut host, &session, &[("imgFile", PNG)]);
    let (name, url) = kept(&host);
    assert_eq!(received.content_type, "application/json");
    assert_eq!(
        received.body,
        format!(r#"{{"state":1,"success":true,"message":"","data":{{"url":"{url}"}}}}"#)
    );
    assert!(name.ends_with(".png"));
    assert_eq!(host.files[0].bytes, PNG);
    host.files.clear();
    let received = upload(
        &mut host,
        &session,
        &[
            ("return_type", b"1"),
            ("jsonpCallback", b"f"),
            ("imgFile", PNG),
        ],
    );
    assert!(
        received.body.starts_with("/**/f({\"state\":1,"),
        "{}",
        received.body
    );
    assert_ne!(kept(&host).0, name);
}

#[test]
fn as_a_page() {
    let mut host = Host::new();
    let session = host.log_in("zhouyu");
    let received = upload(
        &mut host,
        &session,
        &[("imgFile", PNG), ("return_type", b"2")],
    );
    let (_, url) = kept(&host);
    assert_eq!(
        (received.status, received.content_type),
        (200, "text/html; charset=utf-8")
    );
    let expected = format!(
        "<html lang=\"zh-CN\">\n\t<head>\n\t\t<meta charset=\"utf-8\">\n\t</head>\n\t<body>\n\t\t\
         <input type=\"hidden\" id=\"uploadResultId\" data=\"true\" data-msg=\"\" value=\"1\" data-url=\"{url}\">\n\t\t\n\t\t\
         <script>\n\t\t\tvar base = \"/soa-im\";\n\t\t</script>\n\t</body>\n</html>\n"
    );
    assert_eq!(received.body, expected);
    let received = upload(
        &mut host,
        &session,
        &[("imgFile", b"text"), ("return_type", b"2")],
    );
    assert_eq!(
        (received.status, received.content_type),
        (200, "text/html; charset=utf-8")
    );
    let input = "<input type=\"hidden\" id=\"uploadResultId\" data=\"false\" data-msg=\"图片格式不支持，只能是 PNG、JPEG、GIF、WebP 或 BMP\" value=\"0\" data-url=\"\">";
    assert!(received.body.contains(input), "{}", received.body);
}

#[test]
fn as_an_image() {
    let mut host = Host::new();
    let session = host.log_in("zhouyu");
    let received = upload(
        &mut host,
        &session,
        &[("return_type", b"3"), ("imgFile", b"GIF89a...")],
    );
    let (name, url) = kept(&host);
    assert!(name.ends_with(".gif"));
    assert_eq!(
        (received.status, received.content_type),
        (200, "text/html; charset=utf-8")
    );
    assert_eq!(received.body, format!("<img src=\"{url}\" />"));
    let received = upload(
        &mut host,
        "buyer_name=zhouyu&token=x",
        &[("return_type", b"3"), ("imgFile", PNG)],
    );
    assert_eq!(
        received.body,
        "<img src=\"\" alt=\"未登录或登录已失效，请重新登录\" />"
    );
}

#[test]
fn everything_in_html_is_escaped() {
    let mut host = Host::new();
    host.settings.public_url = Some("https://cdn/?a=1&b='\"<>".into());
    let session = host.log_in("zhouyu");
    let escaped = "https://cdn/?a=1&amp;b=&#39;&quot;&lt;&gt;/soa-im/statics/upload/2017";
    let received = upload(
        &mut host,
        &session,
        &[("return_type", b"3"), ("imgFile", PNG)],
    );
    assert!(
        received.body.starts_with(&format!("<img src=\"{escaped}")),
        "{}",
        received.body
    );
    let received = upload(
        &mut host,
        &session,
        &[("return_type", b"2"), ("imgFile", PNG)],
    );
    assert!(
        received.body.contains(&format!("data-url=\"{escaped}")),
        "{}",
        received.body
    );
}

#[test]
fn the_order_and_the_place_of_the_fields_do_not_matter() {
    let mut host = Host::new();
    let session = host.log_in("zhouyu");
    let (_, token) = session.split_once("token=").expect("a token");
    let fields = [
        ("imgFile", PNG),
        ("token", token.as_bytes()),
        ("return_type", b"3"),
        ("buyer_name", b"zhouyu"),
    ];
    for turn in 0..fields.len() {
        let mut turned = fields;
        turned.rotate_left(turn);
        let received = upload(&mut host, "", &turned);
        assert!(
            received.body.starts_with("<img src=\"http://im"),
            "{}",
            received.body
        );
    }
}

#[test]
fn a_picture_is_sent_when_that_is_asked() {
    let mut host = Host::new();
    let session = host.log_in("zhouyu");
    let fields: [(&str, &[u8]); 4] = [
        ("is_do_send_msg", b"true"),
        ("from", b"zhouyu"),
        ("to", b"shop"),
        ("imgFile", PNG),
    ];
    let received = upload(&mut host, &session, &fields);
    let (_, url) = kept(&host);
    assert!(received.body.contains(&url), "{}", received.body);
    assert!(
        matches!(
            host.asked[..],
            [.., Ask::Save(_), Ask::Submit(Command::Send(_))]
        ),
        "kept before it is sent"
    );
    let shop = host.log_in("shop");
    let body = host.json(&format!("getMsg?shopname=zhouyu&{shop}"));
    assert!(
        body.contains(&format!(r#"[{{"text":"{url}","type":1,"#)),
        "{body}"
    );
    for value in [&b"false"[..], b"1", b"TRUE", b""] {
        let mut not_asked = fields;
        not_asked[0].1 = value;
        assert_eq!(upload(&mut host, &session, &not_asked).status, 200);
    }
    assert!(
        host.json(&format!("getUnreadMsgCount?{shop}"))
            .contains(":0}")
    );
}

#[test]
fn what_cannot_be_sent_is_not_kept() {
    let mut host = Host::new();
    let session = host.log_in("zhouyu");
    for (from, to) in [
        ("wusong", "shop"),
        ("", "shop"),
        ("zhouyu", ""),
        ("zhouyu", "zhouyu"),
    ] {
        let fields = [
            ("is_do_send_msg", &b"true"[..]),
            ("from", from.as_bytes()),
            ("to", to.as_bytes()),
            ("imgFile", PNG),
        ];
        let body = upload(&mut host, &session, &fields).body;
        assert!(
            body.starts_with("{\"state\":1,\"success\":false,"),
            "{from} {to}: {body}"
        );
    }
    let body = upload(
        &mut host,
        &session,
        &[("from", b"wusong"), ("imgFile", PNG)],
    )
    .body;
    assert!(
        body.starts_with("{\"state\":1,\"success\":false,"),
        "a sender other than the caller, even where nothing is sent: {body}"
    );
    assert_eq!(host.files, []);
}

#[test]
fn a_file_that_is_missing_empty_or_of_another_type_is_refused() {
    let mut host = Host::new();
    let session = host.log_in("zhouyu");
    for (fields, reason) in [
        (&[][..], "缺少参数 imgFile"),
        (&[("imgFile", &b""[..])], "缺少参数 imgFile"),
        (&[("imgfile", PNG)], "缺少参数 imgFile"),
        (
            &[("imgFile", b"<svg/>")],
            "图片格式不支持，只能是 PNG、JPEG、GIF、WebP 或 BMP",
        ),
        (
            &[("imgFile", PNG), ("return_type", b"4")],
            "return_type 只能是 1、2 或 3",
        ),
    ] {
        let received = upload(&mut host, &session, fields);
        let expected = format!(r#"{{"state":1,"success":false,"message":"{reason}","data":{{}}}}"#);
        assert_eq!((received.status, received.body), (200, expected));
    }
    let received = host.post(
        &format!("uploadImage?{session}"),
        "application/x-www-form-urlencoded",
        b"imgFile=x",
    );
    assert!(
        received.body.contains("缺少参数 imgFile"),
        "{}",
        received.body
    );
    assert_eq!(host.files, []);
}

#[test]
fn a_file_above_the_limit_is_413_in_the_form_that_was_asked_for() {
    let mut host = Host::new();
    let session = host.log_in("zhouyu");
    let mut file = PNG.to_vec();
    file.resize(host.settings.upload_bytes_max, b'x');
    assert_eq!(
        upload(&mut host, &session, &[("imgFile", &file)]).status,
        200
    );
    file.push(b'x');
    let received = upload(&mut host, &session, &[("imgFile", &file)]);
    assert_eq!(received.status, 413);
    assert!(
        received
            .body
            .starts_with("{\"state\":1,\"success\":false,\"message\":\"图片不能超过 4096 字节\"")
    );
    let received = upload(
        &mut host,
        &session,
        &[("imgFile", &file), ("return_type", b"3")],
    );
    assert_eq!(
        (received.status, &*received.body),
        (413, "<img src=\"\" alt=\"图片不能超过 4096 字节\" />")
    );
}

#[test]
fn a_broken_or_overlong_form_is_refused_in_the_form_that_was_asked_for() {
    let mut host = Host::new();
    let session = host.log_in("zhouyu");
    let many: Vec<_> = (0..100).map(|_| ("x", &b"y"[..])).collect();
    let many = multipart(&many);
    for body in [&b"--XyZ\r\n"[..], b"", b"nothing", &many] {
        let received = host.post(
            &format!("uploadImage?{session}&return_type=3"),
            "multipart/form-data; boundary=XyZ",
            body,
        );
        assert!(
            received.body.starts_with("<img src=\"\" alt=\""),
            "{}",
            received.body
        );
        assert_eq!(received.status, 200);
    }
    assert_eq!(host.files, []);
}

#[test]
fn a_server_that_cannot_keep_or_send_it_says_so() {
    let asks: [IsMeant; 2] = [
        |ask| matches!(ask, Ask::Save(_)),
        |ask| matches!(ask, Ask::Submit(_)),
    ];
    for is_meant in asks {
        let mut host = Host::new();
        let session = host.log_in("zhouyu");
        host.refuse = Some((is_meant, Refusal::Failure));
        let fields: [(&str, &[u8]); 4] = [
            ("is_do_send_msg", b"true"),
            ("from", b"zhouyu"),
            ("to", b"shop"),
            ("imgFile", PNG),
        ];
        let body = upload(&mut host, &session, &fields).body;
        assert!(
            body.starts_with("{\"state\":-1,\"success\":false,"),
            "{body}"
        );
    }
}
