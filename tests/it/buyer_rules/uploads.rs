//! Pictures: what is taken, how it is named and how it is served.

use crate::harness::{
    BMP, Buyer, Client, Envelope, GIF, HOST, Image, JPEG, PNG, Place, Request, Response, Server,
    WEBP, captures, form_encoded, gif_of, multipart,
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::json;

const UPLOAD_BYTES_MAX: usize = 10 * 1024 * 1024;
const PATH: &str = "/soa-im/buyer/uploadImage";

fn picture(bytes: &[u8]) -> Image<'_> {
    Image {
        file_name: "a.png",
        content_type: "image/png",
        bytes,
    }
}

fn upload_request(buyer: &Buyer, params: &[(&str, &str)], image: Image) -> Request {
    multipart(PATH, &[&buyer.session(), params].concat(), Some(image))
}

fn upload(buyer: &mut Buyer, params: &[(&str, &str)], image: Image) -> Envelope {
    let request = upload_request(buyer, params, image);
    Envelope::of(&buyer.http.call(&request))
}

#[track_caller]
fn url_of(envelope: Envelope) -> String {
    envelope.accepted()["url"]
        .as_str()
        .expect("a string")
        .to_owned()
}

/// The path under which an upload is served, from its URL.
#[track_caller]
fn path_of(url: &str) -> String {
    url.strip_prefix(&format!("http://{HOST}"))
        .expect("the request's host")
        .to_owned()
}

/// Uploads and returns the path of the file.
#[track_caller]
fn uploaded(buyer: &mut Buyer, bytes: &[u8]) -> String {
    path_of(&url_of(upload(buyer, &[], picture(bytes))))
}

#[test]
fn the_type_is_that_of_the_content_and_not_of_the_name() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    for (bytes, extension, served_as) in [
        (PNG, "png", "image/png"),
        (JPEG, "jpg", "image/jpeg"),
        (GIF, "gif", "image/gif"),
        (WEBP, "webp", "image/webp"),
        (BMP, "bmp", "image/bmp"),
    ] {
        for (file_name, content_type) in [
            ("a.txt", "text/html"),
            ("../../a.exe", "image/png"),
            ("", "application/octet-stream"),
        ] {
            let url = url_of(upload(
                &mut buyer,
                &[],
                Image {
                    file_name,
                    content_type,
                    bytes,
                },
            ));
            captures(
                &format!("http://{HOST}/soa-im/statics/upload/<stamp>.{extension}"),
                &url,
            );
            let file = buyer.http.call(&Request::get(path_of(&url)));
            assert_eq!(
                (file.status, file.header("content-type")),
                (200, Some(served_as))
            );
            assert_eq!(file.body, bytes);
        }
    }
}

#[test]
fn what_is_not_a_picture_is_refused_whatever_its_name() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    for bytes in [
        b"<html><script>alert(1)</script></html>".as_slice(),
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>",
        b"GIF88a",
        b"RIFF\x1a\0\0\0WAVEfmt ",
        b"%PDF-1.7",
        b"\x89PN",
        b"\0",
        b"",
    ] {
        upload(&mut buyer, &[], picture(bytes)).refused();
    }
}

#[test]
fn an_upload_without_a_file_is_refused() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    for place in [Place::PostQuery, Place::Form, Place::Multipart, Place::Json] {
        let request = buyer.request_in(place, "uploadImage", &[]);
        Envelope::of(&buyer.http.call(&request)).refused();
    }
}

#[test]
fn an_upload_without_a_session_is_state_0_in_every_form() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    buyer.token = "a".repeat(25);
    upload(&mut buyer, &[], picture(PNG)).logged_out();
    let page = buyer.http.call(&upload_request(
        &buyer,
        &[("return_type", "2")],
        picture(PNG),
    ));
    assert!(
        page.text().contains(r#" data="false" "#) && page.text().contains(r#" data-url="""#),
        "{}",
        page.text()
    );
    let img = buyer.http.call(&upload_request(
        &buyer,
        &[("return_type", "3")],
        picture(PNG),
    ));
    captures(r#"<img src="" alt="<reason>" />"#, img.text().trim());
}

#[test]
fn an_unknown_return_type_is_refused() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    for return_type in ["0", "4", "json"] {
        upload(&mut buyer, &[("return_type", return_type)], picture(PNG)).refused();
    }
}

#[test]
fn an_upload_is_a_post() {
    let server = Server::durable(&[]);
    let buyer = server.buyer("zhouyu");
    let response = server.client().call(&buyer.request("uploadImage", &[]));
    assert_eq!(response.status, 405);
    let allow = response.header_list("allow");
    assert!(
        allow.contains(&"post".to_owned()) && !allow.contains(&"get".to_owned()),
        "{allow:?}"
    );
}

#[test]
fn the_file_is_named_after_the_time_of_the_upload_and_no_two_share_a_name() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let mut urls = Vec::new();
    for _ in 0..20 {
        let before = Timestamp::now().as_millisecond();
        let url = url_of(upload(&mut buyer, &[], picture(PNG)));
        let after = Timestamp::now().as_millisecond();

        let stamp = captures(
            &format!("http://{HOST}/soa-im/statics/upload/<stamp>.png"),
            &url,
        )
        .remove(0);
        let seconds = DateTime::strptime("%Y%m%d%H%M%S", &stamp[..14]).expect("yyyyMMddHHmmss");
        let seconds = seconds
            .to_zoned(TimeZone::UTC)
            .expect("in range")
            .timestamp()
            .as_millisecond();
        let millis: i64 = stamp[14..17].parse().expect("SSS");
        let named = seconds - 8 * 3_600_000 + millis;
        assert!((before..=after).contains(&named), "{url} at {before}");
        urls.push(url);
    }
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), 20);
}

#[test]
fn the_public_url_takes_the_place_of_the_host() {
    let server = Server::durable(&["--public-url", "https://im.example.com"]);
    let mut buyer = server.buyer("zhouyu");
    let url = url_of(upload(&mut buyer, &[], picture(PNG)));
    captures(
        "https://im.example.com/soa-im/statics/upload/<stamp>.png",
        &url,
    );
}

#[test]
fn a_hostile_host_cannot_write_into_the_page() {
    let server = Server::durable(&[]);
    let buyer = server.buyer("zhouyu");
    for return_type in ["2", "3"] {
        let request = upload_request(&buyer, &[("return_type", return_type)], picture(PNG)).bytes();
        let hostile = b"Host: \"><script>alert(1)</script>";
        let host = format!("Host: {HOST}").into_bytes();
        let at = request
            .windows(host.len())
            .position(|window| window == host)
            .expect("the Host field");
        let mut http = server.client();
        http.send(&[&request[..at], hostile, &request[at + host.len()..]].concat());
        let response = http.response();
        assert!(matches!(response.status, 200 | 400), "{response:?}");
        assert!(
            !response.text().contains("<script>alert"),
            "{}",
            response.text()
        );
    }
}

#[test]
fn a_picture_is_sent_as_a_message_only_if_is_do_send_msg_is_true() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let mut shop = server.buyer("sunsanniang");
    let ends = [("from", "zhouyu"), ("to", "sunsanniang")];
    upload(&mut buyer, &ends, picture(PNG)).accepted();
    for other in ["", "false", "1", "TRUE", "yes"] {
        upload(
            &mut buyer,
            &[ends[0], ends[1], ("is_do_send_msg", other)],
            picture(PNG),
        )
        .accepted();
    }
    assert_eq!(shop.unread(), 0);

    let sends = [ends[0], ends[1], ("is_do_send_msg", "true")];
    let url = url_of(upload(&mut buyer, &sends, picture(PNG)));
    let read = shop.data("getMsg", &[("shopname", "zhouyu")])["msgList"].take();
    assert_eq!(read[0]["text"], json!(url));
    assert_eq!(read[0]["type"], json!(1));
    assert_eq!(read.as_array().map(Vec::len), Some(1));
    for return_type in ["2", "3"] {
        let params = [&sends[..], &[("return_type", return_type)]].concat();
        let request = upload_request(&buyer, &params, picture(PNG));
        let page = buyer.http.call(&request).text().to_owned();
        let sent = shop.read("zhouyu").remove(0);
        assert!(
            page.contains(&format!("\"{sent}\"")),
            "{sent} is not in {page}"
        );
    }
}

#[test]
fn only_the_caller_can_be_the_sender_of_a_picture() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let mut shop = server.buyer("sunsanniang");
    let mut send = |ends: &[(&str, &str)]| {
        upload(
            &mut buyer,
            &[&[("is_do_send_msg", "true")], ends].concat(),
            picture(PNG),
        )
        .refused();
    };
    send(&[("from", "chaogai"), ("to", "sunsanniang")]);
    send(&[("from", "sunsanniang"), ("to", "zhouyu")]);
    send(&[("from", "Zhouyu"), ("to", "sunsanniang")]);
    send(&[("from", "zhouyu")]);
    assert_eq!(shop.unread(), 0);
    assert_eq!(buyer.unread(), 0);
    assert_eq!(buyer.list("getFirstShowChatList"), []);
}

#[test]
fn a_file_has_at_most_10_mib() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let largest = gif_of(UPLOAD_BYTES_MAX);
    let path = uploaded(&mut buyer, &largest);
    assert!(buyer.http.call(&Request::get(path)).body == largest);

    let request = upload_request(&buyer, &[], picture(&gif_of(UPLOAD_BYTES_MAX + 1)));
    assert_eq!(buyer.http.call(&request).status, 413);
}

#[test]
fn a_client_that_first_writes_everything_can_do_so_and_sees_the_413() {
    let server = Server::durable(&[]);
    let buyer = server.buyer("zhouyu");
    let request = upload_request(
        &buyer,
        &[],
        picture(&gif_of(UPLOAD_BYTES_MAX + 1024 * 1024)),
    )
    .bytes();
    for _ in 0..3 {
        let mut http = server.client();
        for piece in request.chunks(16 * 1024) {
            http.send(piece);
        }
        assert_eq!(http.response().status, 413);
    }
}

#[test]
fn a_chunked_upload_is_bounded_like_any_other() {
    let server = Server::durable(&[]);
    let buyer = server.buyer("zhouyu");
    let query = form_encoded(&buyer.session());
    let chunked = |image: &[u8], http: &mut Client| -> Response {
        let head = format!(
            "POST {PATH}?{query} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\
             Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        );
        http.send(head.as_bytes());
        let before =
            b"--b\r\nContent-Disposition: form-data; name=\"imgFile\"; filename=\"a.gif\"\r\n\r\n";
        let body = [before, image, b"\r\n--b--\r\n"].concat();
        for chunk in body.chunks(100_000) {
            let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            if http.try_send(&framed).is_err() {
                return http.response();
            }
        }
        // A server that has refused may be gone by now.
        let _ = http.try_send(b"0\r\n\r\n");
        http.response()
    };
    assert_eq!(
        chunked(
            &gif_of(UPLOAD_BYTES_MAX + 2 * 1024 * 1024),
            &mut server.client()
        )
        .status,
        413
    );
    let mut http = server.client();
    let large = gif_of(300_000);
    let path = path_of(&url_of(Envelope::of(&chunked(&large, &mut http))));
    assert!(http.call(&Request::get(path)).body == large);
}

#[test]
fn a_file_is_served_with_nosniff_for_a_year_and_an_etag() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let path = uploaded(&mut buyer, PNG);
    let file = buyer.http.call(&Request::get(&path));
    assert_eq!(file.status, 200);
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(file.header("accept-ranges"), Some("bytes"));
    assert_eq!(
        file.header("content-length"),
        Some(PNG.len().to_string().as_str())
    );
    let caching = file.header_list("cache-control");
    assert!(caching.contains(&"immutable".to_owned()), "{caching:?}");
    assert!(
        caching.contains(&"max-age=31536000".to_owned()),
        "{caching:?}"
    );
    let etag = file.header("etag").expect("an ETag").to_owned();
    assert!(
        etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'),
        "{etag} is not a strong tag"
    );

    let again = buyer.http.call(&Request::get(&path));
    assert_eq!(again.header("etag"), Some(etag.as_str()));
    for tags in [
        etag.as_str(),
        "*",
        &format!("\"x\", {etag}"),
        &format!("W/{etag}"),
    ] {
        let unchanged = buyer
            .http
            .call(&Request::get(&path).header("If-None-Match", tags));
        assert_eq!(unchanged.status, 304, "{tags}");
        assert_eq!(unchanged.header("etag"), Some(etag.as_str()));
    }
    let changed = buyer
        .http
        .call(&Request::get(&path).header("If-None-Match", "\"x\""));
    assert_eq!((changed.status, changed.body.as_slice()), (200, PNG));
}

#[test]
fn a_file_answers_head_and_no_other_method() {
    let server = Server::durable(&[]);
    let path = uploaded(&mut server.buyer("zhouyu"), PNG);
    let mut http = server.client();
    http.send(
        &Request::new("HEAD", &path)
            .header("Connection", "close")
            .bytes(),
    );
    let head = http.response_to_head();
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-length"),
        Some(PNG.len().to_string().as_str())
    );
    assert_eq!(head.header("content-type"), Some("image/png"));

    let response = server
        .client()
        .call(&Request::post(&path, "text/plain", ""));
    assert_eq!(response.status, 405);
    let allow = response.header_list("allow");
    assert!(
        allow.contains(&"get".to_owned()) && allow.contains(&"head".to_owned()),
        "{allow:?}"
    );
    assert!(!allow.contains(&"post".to_owned()), "{allow:?}");
}

#[test]
fn a_range_of_a_file_is_served() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let path = uploaded(&mut buyer, PNG);
    let length = PNG.len();
    let mut ask = |range: &str| buyer.http.call(&Request::get(&path).header("Range", range));
    for (range, first, last) in [
        ("bytes=0-3".to_owned(), 0, 3),
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=10-".to_owned(), 10, length - 1),
        ("bytes=-5".to_owned(), length - 5, length - 1),
        ("bytes=0-99999".to_owned(), 0, length - 1),
        ("bytes=-99999".to_owned(), 0, length - 1),
        (format!("bytes={0}-{0}", length - 1), length - 1, length - 1),
    ] {
        let part = ask(&range);
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(
            part.header("content-range"),
            Some(format!("bytes {first}-{last}/{length}").as_str())
        );
        assert_eq!(part.body, PNG[first..=last], "{range}");
    }
    for range in [
        format!("bytes={length}-"),
        "bytes=99999-100000".to_owned(),
        "bytes=-0".to_owned(),
    ] {
        let refused = ask(&range);
        assert_eq!(refused.status, 416, "{range}");
        assert_eq!(
            refused.header("content-range"),
            Some(format!("bytes */{length}").as_str())
        );
    }
    for ignored in ["bytes=5-2", "bytes=", "bytes=a-b", "lines=0-3"] {
        let whole = ask(ignored);
        assert_eq!(
            (whole.status, whole.body.as_slice()),
            (200, PNG),
            "{ignored}"
        );
    }
}

#[test]
fn a_range_of_another_version_is_the_whole_file() {
    let server = Server::durable(&[]);
    let mut buyer = server.buyer("zhouyu");
    let path = uploaded(&mut buyer, PNG);
    let etag = buyer
        .http
        .call(&Request::get(&path))
        .header("etag")
        .expect("an ETag")
        .to_owned();
    let mut ask = |tag: &str| {
        let request = Request::get(&path)
            .header("Range", "bytes=0-3")
            .header("If-Range", tag);
        buyer.http.call(&request).status
    };
    assert_eq!(ask(&etag), 206);
    assert_eq!(ask("\"x\""), 200);
}

#[test]
fn nothing_but_uploads_is_served_from_there() {
    let server = Server::durable(&[]);
    uploaded(&mut server.buyer("zhouyu"), PNG);
    for name in [
        "",
        ".",
        "..",
        "nobody.png",
        "../imd.sqlite",
        "../../imd.sqlite",
        "..%2fimd.sqlite",
        "..%2F..%2Fimd.sqlite",
        "%2e%2e/imd.sqlite",
        "..%5cimd.sqlite",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "a%00.png",
    ] {
        let response = server
            .client()
            .call(&Request::get(format!("/soa-im/statics/upload/{name}")));
        assert!(matches!(response.status, 400 | 404), "{name}: {response:?}");
    }
}

#[test]
fn a_file_is_there_after_a_crash() {
    let mut server = Server::durable(&[]);
    let path = uploaded(&mut server.buyer("zhouyu"), PNG);
    server.kill();
    server.start_again();
    assert_eq!(server.client().call(&Request::get(&path)).body, PNG);
}
