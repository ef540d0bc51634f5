//! The dialect from the bytes of a request to those of an answer, over a model that stands for the server.

mod calls;
mod envelope;
mod host;
mod params;
mod rules;
mod uploads;

/// The state of a refusal, and the message that says why.
fn refused(body: &str) -> (i64, String) {
    let json: serde_json::Value = serde_json::from_str(body).expect(body);
    assert_eq!(json["success"], false, "{body}");
    assert_eq!(json["data"], serde_json::json!({}), "{body}");
    let message = json["message"].as_str().expect("a message").to_owned();
    assert!(
        message.chars().any(|c| c >= '\u{4e00}'),
        "in Chinese: {message}"
    );
    (json["state"].as_i64().expect("a state"), message)
}

fn is_done(body: &str) -> bool {
    body.starts_with(r#"{"state":1,"success":true,"message":"","data":{"#)
}

fn texts(body: &str) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_str(body).expect(body);
    let data = &json["data"];
    let list = data["msgList"]
        .as_array()
        .or(data["detailList"].as_array())
        .expect(body);
    list.iter()
        .map(|row| row["text"].as_str().expect("text").to_owned())
        .collect()
}

fn names(body: &str) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_str(body).expect(body);
    let list = json["data"]["mlist"].as_array().expect(body);
    list.iter()
        .map(|row| row["cname"].as_str().expect("cname").to_owned())
        .collect()
}
