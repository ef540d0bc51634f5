//! Acknowledgements read in short, beside the same read at length.

use proptest::prelude::*;

use super::*;

/// The members of an object as they are written: mostly an acknowledgement, with what may be wrong with one.
fn members() -> impl Strategy<Value = Vec<String>> {
    let name = r#""(msgType|content|id|chatType|members|fromUserId|x|msg\\u0054ype|)""#;
    let text = r#""(\\\\|\{|\}|\\"|srcId|[‘’“”]|é|:|[0-9+.e]|\\n|\\u0031|\\x){0,8}""#;
    let source = r#""\{('srcId'|\\"srcId\\"): ?'?[0-9]{1,20}'?\}""#;
    let value = prop_oneof![
        source,
        text,
        "0?[1-9][0-9]{0,20}|0|-1|1\\.5|",
        r#""Ack"|"Text"|null|true|\[\]|\{\}"#,
    ];
    let others =
        (name, " ?", value).prop_map(|(name, space, value)| format!("{name}:{space}{value}"));
    let content = prop_oneof![source, text].prop_map(|text| format!(r#""content":{text}"#));
    let parts = (
        prop::option::weighted(0.9, Just(r#""msgType":"Ack""#.to_owned())),
        prop::option::weighted(0.9, content),
        prop::collection::vec(others, 0..4),
    );
    let members = parts.prop_map(|(kind, content, others)| {
        let members = kind.into_iter().chain(content).chain(others);
        members.collect::<Vec<String>>()
    });
    members.prop_shuffle()
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::option::weighted(0.3, any::<(prop::sample::Index, u8)>());
    (members(), "[ \n\t\x0c]?", "[ \r}x]{0,2}", damage).prop_map(|(members, space, end, damage)| {
        let members = members.join(&format!("{space},{space}"));
        let mut frame = format!("{space}{{{space}{members}}}{end}").into_bytes();
        if let Some((at, byte)) = damage {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn what_is_read_in_short_is_what_is_read_at_length(frame in frames()) {
        prop_assert_eq!(decode(&frame), decode_any(&frame));
    }
}

#[test]
fn usual_acknowledgements_are_read_in_short() {
    let frames = [
        r#"{"msgType":"Ack","content":"{'srcId':7}"}"#,
        r#"{"id":12,"chatType":"Single","msgType":"Ack","content":"{'srcId': 7}"}"#,
        r#"{"content":"{\"srcId\":\"7\"}","msgType":"Ack","toUserId":""}"#,
        "{\n \"msgType\" : \"Ack\",\n \"content\" : \"srcId 7\"\n}\n",
    ];
    for frame in frames {
        let content = plain::acknowledgement(frame.as_bytes(), str::to_owned);
        assert!(content.is_some(), "{frame}");
        assert_eq!(decode(frame.as_bytes()), Asked::Acknowledge(7), "{frame}");
    }
}
