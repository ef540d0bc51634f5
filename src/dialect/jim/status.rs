//! The contract's codes and their texts.

/// A code with its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// The code.
    pub code: u16,
    /// The text.
    pub text: &'static str,
}

const fn status(code: u16, text: &'static str) -> Status {
    Status { code, text }
}

pub(super) const FOUND: Status = status(200, "success ");
pub(super) const SENT: Status = status(10000, "ok 发送成功");
pub(super) const OFFLINE: Status = status(10001, "offline 用户不在线");
pub(super) const NOT_SENT: Status = status(
    10002,
    "send failed 消息发送失败,数据格式不正确,请参考:{'from':来源ID,'to':目标ID,'cmd':'消息命令码','createTime':消息创建时间(Long型),'msgType':Integer消息类型,'content':内容}",
);
pub(super) const NO_USER: Status = status(10004, "get user failed ! 获取用户信息失败!");
pub(super) const LOGGED_IN: Status = status(10007, "ok 登录成功!");
pub(super) const NOT_LOGGED_IN: Status = status(10008, "login failed ! 登录失败!");
pub(super) const AUTHENTIC: Status = status(10009, "ok 鉴权成功!");
pub(super) const NOT_AUTHENTIC: Status = status(10010, "auth failed! 鉴权失败!");
pub(super) const JOINED: Status = status(10011, "join group ok! 加入群组成功!");
pub(super) const NOT_JOINED: Status = status(10012, "join group failed! 加入群组失败!");
pub(super) const NO_MESSAGES: Status = status(10015, "get user message failed! 获取用户消息失败!");
pub(super) const UNKNOWN_COMMAND: Status = status(10017, "cmd failed! 未知的cmd命令!");
pub(super) const MESSAGES: Status = status(10018, "get user message ok! 获取历史消息成功!");
pub(super) const NOT_YOURS: Status = status(10020, "Invalid verification! 不合法校验");
/// Told as the reason of the close frame: the connection ends with it.
pub(super) const CLOSED: Status = status(10021, "close ok! 关闭成功");
pub(super) const BUSY: Status = status(10022, "busy 服务器繁忙,请稍后重试");
pub(super) const RECALLED: Status = status(10023, "recall ok! 撤回成功");
pub(super) const NOT_RECALLED: Status = status(10024, "recall failed! 撤回失败");
