//! Bodies that are longer than a call takes: refused in the form of the API that is called, before they are read to their end.

use crate::harness::{Client, GIF, HOST, Response, Server};

const ORIGIN: &str = "https://shop.example";
const GIB: &str = "1073741824";
/// What each API says: a path, the status, the media type and the body.
const FORMS: [(&str, u16, &str, &str); 9] = [
    (
        "/im/send/msg",
        413,
        "application/json",
        r#"{"code":413,"msg":"请求体过长"}"#,
    ),
    (
        "/im/creat/group",
        413,
        "application/json",
        r#"{"code":413,"msg":"请求体过长"}"#,
    ),
    (
        "/im/vanke/initUser",
        200,
        "application/json",
        r#"{"code":500102,"msg":"请求体过长","data":null}"#,
    ),
    (
        "/im/message/offline",
        500,
        "application/json",
        r#"{"msg":"参数错误","code":500,"reason":"bad_request"}"#,
    ),
    (
        "/soa-im//buyer/sendMsg",
        413,
        "application/json",
        r#"{"state":1,"success":false,"message":"请求体过长","data":{}}"#,
    ),
    (
        "/soa-im/buyer/sendMsg?jsonpCallback=cb",
        413,
        "application/javascript",
        r#"/**/cb({"state":1,"success":false,"message":"请求体过长","data":{}});"#,
    ),
    (
        "/soa-im/buyer/uploadImage?jsonpCallback=cb",
        413,
        "application/javascript",
        r#"/**/cb({"state":1,"success":false,"message":"图片不能超过 10485760 字节","data":{}});"#,
    ),
    (
        "/soa-im/buyer/uploadImage?return_type=3",
        413,
        "text/html",
        r#"<img src="" alt="图片不能超过 10485760 字节" />"#,
    ),
    ("/nobody", 413, "text/plain", "body too large"),
];

/// The answer to what is the last that is answered on a connection.
#[track_caller]
fn last(mut http: Client) -> Response {
    let response = http.response();
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    http.finish_sending();
    http.assert_closed();
    response
}

/// Sends a head and what follows, which may be refused before all of it is sent.
fn send(server: &Server, path: &str, fields: &str, body: &[u8]) -> Client {
    let mut http = server.client();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {ORIGIN}\r\n{fields}\r\n");
    http.send(head.as_bytes());
    let _ = http.try_send(body);
    http
}

#[test]
fn each_api_refuses_in_its_own_form_however_the_length_is_told() {
    let server = Server::memory(&["--cors-origin", ORIGIN]);
    for (path, status, media_type, body) in FORMS {
        let length = format!("Content-Length: {GIB}\r\n");
        let expects = format!("{length}Expect: 100-continue\r\n");
        let chunked = "Transfer-Encoding: chunked\r\n".to_owned();
        let chunks = b"3\r\n{\"a\r\n40000000\r\n";
        for (fields, sent) in [(length, &b""[..]), (expects, b""), (chunked, chunks)] {
            let response = last(send(&server, path, &fields, sent));
            assert_eq!((response.status, response.text()), (status, body), "{path}");
            response.assert_media_type(media_type);
            if path != "/nobody" {
                let allowed = response.header("access-control-allow-origin");
                assert_eq!(allowed, Some(ORIGIN), "{path}");
                assert_eq!(response.header("vary"), Some("Origin"), "{path}");
            }
            let nosniff = response.header("x-content-type-options");
            assert_eq!(nosniff.is_some(), media_type == "application/javascript");
        }
    }
}

/// The beginning of a form: these fields, then a picture that does not end.
fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.into_bytes());
    }
    body.extend(
        b"--b\r\nContent-Disposition: form-data; name=\"imgFile\"; filename=\"a.gif\"\r\n\r\n",
    );
    body.extend(GIF);
    body
}

#[test]
fn an_upload_that_is_too_large_is_refused_as_its_first_fields_ask() {
    let server = Server::memory(&[]);
    let answer = |fields: &[(&str, &str)], cut: usize| {
        let head =
            format!("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {GIB}\r\n");
        let body = form(fields);
        let mut http = send(&server, "/soa-im/buyer/uploadImage", &head, &body[..cut]);
        let _ = http.try_send(&body[cut..]);
        let _ = http.try_send(&[0; 64 * 1024]);
        let response = last(http);
        assert_eq!(response.status, 413);
        (
            response.header("content-type").map(str::to_owned),
            response.text().to_owned(),
        )
    };
    let reason = "图片不能超过 10485760 字节";
    let (page_type, page) = answer(&[("return_type", "2")], 0);
    assert_eq!(page_type.as_deref(), Some("text/html; charset=utf-8"));
    let input = format!(
        r#"<input type="hidden" id="uploadResultId" data="false" data-msg="{reason}" value="0" data-url="">"#
    );
    assert!(page.contains(&input), "{page}");
    let image = format!(r#"<img src="" alt="{reason}" />"#);
    for cut in [1, 60, 120] {
        assert_eq!(
            answer(&[("return_type", "3")], cut).1,
            image,
            "cut at {cut}"
        );
    }
    let script = answer(&[("buyer_name", "zhouyu"), ("jsonpCallback", "cb")], 0).1;
    assert!(
        script.starts_with("/**/cb({\"state\":1,\"success\":false"),
        "{script}"
    );
    let json = answer(&[], 0).1;
    assert!(json.starts_with("{\"state\":1,\"success\":false"), "{json}");
}

#[test]
fn a_chunked_upload_is_refused_as_its_first_fields_ask() {
    let server = Server::memory(&["--upload-bytes-max", "4KiB"]);
    let fields = "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n";
    let mut body = form(&[("return_type", "3")]);
    body.resize(64 * 1024, b'x');
    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat();
    let too_many = chunk.repeat(4);
    let response = last(send(
        &server,
        "/soa-im/buyer/uploadImage",
        fields,
        &too_many,
    ));
    assert_eq!(response.status, 413);
    assert_eq!(
        response.text(),
        r#"<img src="" alt="图片不能超过 4096 字节" />"#
    );
}
