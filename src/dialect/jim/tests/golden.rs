//! What the contract prints, byte for byte.

use crate::dialect::jim::tests::host::Host;
use crate::domain::message::MessageKind;

#[test]
fn a_message_and_its_push() {
    let mut host = Host::new();
    let (from, to) = (
        host.log_in("asdfghjkl"),
        host.log_in("oqRgw5U2o6siu0viOo2MQJIBafcw"),
    );
    let frame = r#"{
        "to":"oqRgw5U2o6siu0viOo2MQJIBafcw", "from":"asdfghjkl", "cmd":"11", "createTime":1568012384, "msgType":0, "chatType":2,
        "extras": { "nickName" : "昵称", "headImg": "http://jjjj.img" }, "id": "2d225ad13d3c4c6e803baf3b46473310",
        "content":{"asd":"hell,你2好"} }"#;
    assert_eq!(
        host.ask(from, frame),
        r#"{"code":10000,"command":12,"msg":"ok 发送成功"}"#
    );
    let pushed = r#"{"command":11,"data":{"chatType":2,"cmd":11,"content":"{\"asd\":\"hell,你2好\"}","createTime":1568012384,"extras":{"nickName":"昵称","headImg":"http://jjjj.img"},"from":"asdfghjkl","id":"2d225ad13d3c4c6e803baf3b46473310","msgType":0,"to":"oqRgw5U2o6siu0viOo2MQJIBafcw"}}"#;
    assert_eq!(host.take(to), [pushed]);
}

#[test]
fn what_is_unread_from_somebody() {
    let mut host = Host::new();
    let (from, to) = (host.log_in("a"), host.log_in("b"));
    for (id, text) in [("i1", "1"), ("i2", "2")] {
        let frame = format!(
            r#"{{"cmd":11,"chatType":2,"to":"b","content":{{"asd":"hell,你{text}好"}},"createTime":1568012384,"id":"{id}"}}"#
        );
        host.send(from, &frame);
    }
    host.take(to);
    let answer = r#"{"code":10018,"command":20,"data":{"friends":{"a":[{"chatType":2,"cmd":11,"content":"{\"asd\":\"hell,你1好\"}","createTime":1568012384,"from":"a","id":"i1","msgType":0,"to":"b"},{"chatType":2,"cmd":11,"content":"{\"asd\":\"hell,你2好\"}","createTime":1568012384,"from":"a","id":"i2","msgType":0,"to":"b"}]},"groups":{},"userid":"b"},"msg":"get user message ok! 获取历史消息成功!"}"#;
    let nothing = r#"{"code":10018,"command":20,"data":{"friends":{},"groups":{},"userid":"b"},"msg":"get user message ok! 获取历史消息成功!"}"#;
    let peek = r#"{"cmd":19,"type":"2","userId":"b","fromUserId":"a","offset":1,"count":2}"#;
    assert_eq!(host.ask(to, peek), answer);
    assert_eq!(host.ask(to, &peek.replace(r#""2","#, r#""0","#)), answer);
    assert_eq!(host.ask(to, peek), nothing);
    assert_eq!(
        host.ask(to, r#"{"cmd":19,"type":1,"userId":"b","fromUserId":"a"}"#),
        answer
    );
}

#[test]
fn a_heartbeat() {
    let mut host = Host::new();
    let socket = host.log_in("a");
    let beat = r#"{"command":13,"data":{"createTime":1568380291479,"hbbyte":-128}}"#;
    for frame in [
        r#"{"cmd":13,"hbbyte":"-127"}"#.to_owned(),
        r#"{"cmd" : 13, "hbbyte": -127}"#.to_owned(),
        format!("{{'cmd':'13','rest':'{}'}}", "x".repeat(200)),
    ] {
        assert_eq!(host.ask(socket, &frame), beat);
    }
    assert_ne!(host.ask(socket, r#"{"cmd\u0000":13}"#), beat);
}

#[test]
fn contacts() {
    let mut host = Host::new();
    let socket = host.log_in_as("asdfghjkl", "770e4", 1);
    host.log_in_as("lizi", "栗子", 0);
    host.say("fcw", "asdfghjkl", MessageKind::Text, "1");
    host.say("lizi", "asdfghjkl", MessageKind::Text, "2");
    host.take(socket);
    assert_eq!(
        host.ask(socket, r#"{"cmd":17,"type":"1","userId":"asdfghjkl"}"#),
        r#"{"code":200,"command":18,"data":[{"id":"lizi","nick":"栗子","terminal":"ws"},{"id":"fcw","terminal":"ws"}],"msg":"success "}"#
    );
    assert_eq!(
        host.ask(socket, r#"{"cmd":17,"type":"0"}"#),
        r#"{"code":200,"command":18,"data":[{"id":"lizi","nick":"栗子","terminal":"ws"}],"msg":"success "}"#
    );
    let details = host.ask(
        socket,
        r#"{"cmd":17,"type":"2","userId":"asdfghjkl","extras":{"pullType":1,"searchKey":"子"}}"#,
    );
    let id = details
        .split("\"id\":\"")
        .nth(1)
        .expect("an id")
        .get(..32)
        .expect("32 digits");
    assert_eq!(
        details,
        format!(
            r#"{{"code":200,"command":18,"data":{{"avatar":"","friends":[{{"avatar":"","historyMessage":[{{"chatType":2,"cmd":11,"content":"2","createTime":1568380292479,"from":"lizi","id":"{id}","msgType":0,"to":"asdfghjkl"}}],"nickname":"栗子","unReadNum":1,"userId":"lizi"}}],"nickname":"770e4","userId":"asdfghjkl"}},"msg":"success "}}"#
        )
    );
}

#[test]
fn a_group_from_joining_to_leaving() {
    let mut host = Host::new();
    let (one, two) = (host.log_in_as("a", "甲", 0), host.log_in("b"));
    let joined = r#"{"code":10011,"command":8,"data":{"group":"G","result":1},"msg":"join group ok! 加入群组成功!"}"#;
    let notice = r#"{"command":9,"data":{"group":"G","user":{"id":"a","nick":"甲"}}}"#;
    assert_eq!(host.send(one, r#"{"cmd":7,"group":"G"}"#), [notice, joined]);
    assert_eq!(host.send(one, r#"{"cmd":7,"groupId":"G"}"#), [joined]);
    let notice = r#"{"command":9,"data":{"group":"G","user":{"id":"b"}}}"#;
    assert_eq!(
        host.send(two, r#"{"cmd":7,"group_id":"G"}"#),
        [notice, joined]
    );
    assert_eq!(host.take(one), [notice]);
    let frame = r#"{"cmd":11,"chatType":1,"groupId":"G","content":"hi","createTime":"7","id":"x"}"#;
    let push = r#"{"command":11,"data":{"chatType":1,"cmd":11,"content":"hi","createTime":"7","from":"a","groupId":"G","id":"x","msgType":0}}"#;
    let sent = r#"{"code":10000,"command":12,"msg":"ok 发送成功"}"#;
    assert_eq!(host.send(one, frame), [push, sent]);
    assert_eq!(host.take(two), [push]);
    assert_eq!(
        host.ask(two, r#"{"cmd":19,"type":0,"userId":"b","groupId":"G"}"#),
        r#"{"code":10018,"command":20,"data":{"friends":{},"groups":{"G":[{"chatType":1,"cmd":11,"content":"hi","createTime":"7","from":"a","groupId":"G","id":"x","msgType":0}]},"userid":"b"},"msg":"get user message ok! 获取历史消息成功!"}"#
    );
    let notice = r#"{"command":10,"data":{"group":"G","user":{"id":"b"}}}"#;
    assert_eq!(host.send(two, r#"{"cmd":10,"groupId":"G"}"#), [notice]);
    assert_eq!(host.take(one), [notice]);
    host.send(one, frame.replace("\"x\"", "\"y\"").as_str());
    assert!(host.take(two).is_empty());
    let refused = r#"{"code":10020,"command":12,"msg":"Invalid verification! 不合法校验"}"#;
    assert_eq!(host.send(two, frame), [refused]);
}

#[test]
fn a_recall() {
    let mut host = Host::new();
    let (from, to) = (host.log_in("a"), host.log_in("b"));
    host.send(
        from,
        r#"{"cmd":11,"chatType":2,"to":"b","content":"secret","extras":{"x":1},"createTime":5,"id":"m"}"#,
    );
    host.take(to);
    let push = r#"{"command":15,"data":{"from":"a","id":"m"}}"#;
    let done = r#"{"code":10023,"command":16,"msg":"recall ok! 撤回成功"}"#;
    assert_eq!(host.send(from, r#"{"cmd":15,"id":"m"}"#), [push, done]);
    assert_eq!(host.take(to), [push]);
    assert_eq!(
        host.ask(to, r#"{"cmd":19,"type":2,"userId":"b"}"#),
        r#"{"code":10018,"command":20,"data":{"friends":{"a":[{"chatType":2,"cmd":11,"content":"","createTime":5,"extras":{"recalled":true},"from":"a","id":"m","msgType":0,"to":"b"}]},"groups":{},"userid":"b"},"msg":"get user message ok! 获取历史消息成功!"}"#
    );
}

#[test]
fn tokens_and_the_end() {
    let mut host = Host::new();
    let socket = host.log_in("a");
    host.log_in("b");
    for (frame, answer) in [
        (
            r#"{"cmd":3,"token":"t-a"}"#,
            r#"{"code":10009,"command":4,"msg":"ok 鉴权成功!"}"#,
        ),
        (
            r#"{"cmd":3,"token":"t-b"}"#,
            r#"{"code":10010,"command":4,"msg":"auth failed! 鉴权失败!"}"#,
        ),
        (
            r#"{"cmd":3}"#,
            r#"{"code":10010,"command":4,"msg":"auth failed! 鉴权失败!"}"#,
        ),
        (
            r#"{"cmd":5,"token":"t-a"}"#,
            r#"{"code":10007,"command":6,"msg":"ok 登录成功!"}"#,
        ),
        (
            r#"{"cmd":5,"token":"nobody"}"#,
            r#"{"code":10008,"command":6,"msg":"login failed ! 登录失败!"}"#,
        ),
    ] {
        assert_eq!(host.ask(socket, frame), answer, "{frame}");
    }
    assert_eq!(host.closed(socket), None);
    assert!(host.send(socket, r#"{"cmd":14}"#).is_empty());
    assert_eq!(host.closed(socket).map(|(code, _)| code), Some(1000));
}
