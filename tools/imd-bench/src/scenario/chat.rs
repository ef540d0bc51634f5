//! `chat`: users who write, each to one recipient or to several at random. Every message is accounted for.

use std::collections::VecDeque;
use std::fmt::Write;

use super::dialect::{Dialect, Heard, Message, To};
use super::flow::Flow;
use super::socket::{Entry, Script, Socket};
use crate::engine::Share;
use crate::ledger::{Delivery, Ledger};
use crate::login::Identity;

/// What all threads of the scenario have in common.
#[derive(Clone, Debug)]
pub struct ChatPlan {
    /// The run's name, part of every message's.
    pub run: String,
    /// How messages are sent.
    pub over: Dialect,
    /// How they are pushed.
    pub push: Dialect,
    /// Recipients of each sender.
    pub targets: usize,
    /// Messages of each sender that may be on their way at once.
    pub outstanding: usize,
    /// Bytes of a message; more if its own number takes more.
    pub size: usize,
    /// Whether messages have an id of the client's.
    pub client_ids: bool,
    /// Whether a message is on its way until it is delivered, not only until it is acknowledged.
    pub until_delivered: bool,
}

/// What is measured, of one recipient or of many.
pub const TRACKS: &[&str] = &["acknowledged", "delivered"];
/// From the message to its answer.
pub const ACKNOWLEDGED: usize = 0;
/// From the message to its arrival.
pub const DELIVERED: usize = 1;

/// One thread's users: first those who write, then those who are written to.
pub struct Chat {
    plan: ChatPlan,
    share: Share,
    senders: Vec<Identity>,
    recipients: Vec<Identity>,
    /// The messages of each conversation, all of a sender's one after the other.
    ledgers: Vec<Ledger>,
    /// The conversations of each sender's messages that have no answer.
    unanswered: Vec<VecDeque<usize>>,
    alive: Vec<bool>,
    /// Which connections are not open yet and may be, and how many.
    is_expected: Vec<bool>,
    expected: usize,
    content: String,
    message_id: String,
    scratch: String,
}

impl Chat {
    /// The script of a share.
    pub fn new(
        plan: ChatPlan,
        share: Share,
        senders: Vec<Identity>,
        recipients: Vec<Identity>,
    ) -> Self {
        let count = share.units.len();
        Chat {
            ledgers: (0..count * plan.targets)
                .map(|_| Ledger::default())
                .collect(),
            unanswered: vec![VecDeque::new(); count],
            alive: vec![true; count],
            is_expected: vec![true; share.links],
            expected: share.links,
            plan,
            share,
            senders,
            recipients,
            content: String::new(),
            message_id: String::new(),
            scratch: String::new(),
        }
    }

    /// The recipient of a conversation.
    fn recipient(&self, conversation: usize) -> usize {
        let (sender, target) = self.parties(conversation);
        (sender + target) % self.recipients.len()
    }

    fn parties(&self, conversation: usize) -> (usize, usize) {
        (
            conversation / self.plan.targets,
            conversation % self.plan.targets,
        )
    }

    /// The number of a conversation among those of all threads.
    fn stream(&self, conversation: usize) -> usize {
        self.share.units.start * self.plan.targets + conversation
    }

    fn answered(
        &mut self,
        socket: &mut Socket<'_>,
        sender: usize,
        answer: Result<(), String>,
    ) -> Result<(), String> {
        let conversation = self.unanswered[sender].pop_front();
        let conversation = conversation.ok_or("answer to no message")?;
        let progress = self.ledgers[conversation].answer(answer.is_ok());
        let progress = progress.ok_or("answer to no message")?;
        match answer {
            Ok(()) => socket.record(ACKNOWLEDGED, progress.intended_ns),
            Err(cause) => socket.flow.fail(&format!("refused: {cause}"), 1),
        }
        if progress.done || !self.plan.until_delivered {
            self.free(socket, sender);
        }
        socket.flow.completed += u64::from(progress.done);
        Ok(())
    }

    fn delivered(
        &mut self,
        socket: &mut Socket<'_>,
        recipient: usize,
        content: &str,
        from: &str,
        id: &str,
    ) {
        let Some((conversation, number)) = self.understand(recipient, content, from, id) else {
            // One of this recipient's is charged with it: which does not matter to the sum.
            if let Some(ledger) = self.ledgers.first_mut() {
                ledger.arrive_foreign();
            }
            return;
        };
        if let Some(progress) = self.ledgers[conversation].arrive(number) {
            socket.record(DELIVERED, progress.intended_ns);
            if progress.done && self.plan.until_delivered {
                let (sender, _) = self.parties(conversation);
                self.free(socket, sender);
            }
            socket.flow.completed += u64::from(progress.done);
        }
    }

    /// A message of the sender is no longer on its way.
    fn free(&mut self, socket: &mut Socket<'_>, sender: usize) {
        if self.alive[sender] {
            socket.flow.free(sender);
        }
    }

    /// Conversation and number of what was pushed; `None`: it is not for this recipient, or was changed on the way.
    fn understand(
        &mut self,
        recipient: usize,
        content: &str,
        from: &str,
        id: &str,
    ) -> Option<(usize, u64)> {
        let mut parts = content.splitn(3, ' ');
        let stream: usize = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        let conversation = stream.checked_sub(self.stream(0))?;
        if conversation >= self.ledgers.len() || self.recipient(conversation) != recipient {
            return None;
        }
        let (sender, _) = self.parties(conversation);
        if self.plan.push == Dialect::Jim && from != self.senders[sender].name {
            return None;
        }
        write_content(&mut self.content, [stream as u64, number], self.plan.size);
        if self.content != content {
            return None;
        }
        // Elsewhere a message has the server's id.
        if self.plan.client_ids && self.plan.over == self.plan.push {
            let over = self.plan.over;
            over.write_id(&mut self.message_id, &self.plan.run, stream, number);
            if self.message_id != id {
                return None;
            }
        }
        Some((conversation, number))
    }

    fn expect_no_more(&mut self, socket: &mut Socket<'_>, id: usize) {
        if !std::mem::replace(&mut self.is_expected[id], false) {
            return;
        }
        self.expected -= 1;
        if self.expected > 0 {
            return;
        }
        socket.flow.ready = self.share.units.len();
        for sender in 0..self.senders.len() {
            for _ in 0..self.plan.outstanding {
                self.free(socket, sender);
            }
        }
    }

    /// What became of all messages.
    pub fn delivery(&self) -> Delivery {
        self.ledgers.iter().map(Ledger::settle).sum()
    }
}

/// What a message says: its numbers, then letters up to `size` bytes.
pub fn write_content<const N: usize>(content: &mut String, numbers: [u64; N], size: usize) {
    content.clear();
    for number in numbers {
        // Writing to a string cannot fail.
        let _ = write!(content, "{number} ");
    }
    while content.len() < size {
        content.push_str(&"abcdefghijklmnopqrstuvwxyz"[..26.min(size - content.len())]);
    }
}

impl Script for Chat {
    fn entry(&self, id: usize) -> Entry {
        match id.checked_sub(self.senders.len()) {
            None => self.plan.over.entry(&self.senders[id]),
            Some(recipient) => self.plan.push.entry(&self.recipients[recipient]),
        }
    }

    fn opened(&mut self, socket: &mut Socket<'_>, id: usize) {
        self.expect_no_more(socket, id);
    }

    fn send(&mut self, socket: &mut Socket<'_>, sender: usize, intended_ns: u64) {
        let target = match self.plan.targets {
            1 => 0,
            targets => socket.random_below(targets),
        };
        let conversation = sender * self.plan.targets + target;
        let number = self.ledgers[conversation].send(intended_ns);
        self.unanswered[sender].push_back(conversation);
        let stream = self.stream(conversation);
        let recipient = self.recipient(conversation);
        write_content(&mut self.content, [stream as u64, number], self.plan.size);
        self.message_id.clear();
        if self.plan.client_ids {
            let over = self.plan.over;
            over.write_id(&mut self.message_id, &self.plan.run, stream, number);
        }
        let message = Message {
            from: &self.senders[sender],
            to: To::One(&self.recipients[recipient]),
            content: &self.content,
            id: &self.message_id,
        };
        let scratch = &mut self.scratch;
        self.plan.over.send(socket, sender, &message, scratch);
    }

    fn message(
        &mut self,
        socket: &mut Socket<'_>,
        id: usize,
        payload: &[u8],
    ) -> Result<(), String> {
        let recipient = id.checked_sub(self.senders.len());
        let dialect = match recipient {
            None => self.plan.over,
            Some(_) => self.plan.push,
        };
        match (dialect.hear(payload)?, recipient) {
            (Heard::Answer(answer), None) => self.answered(socket, id, answer)?,
            (Heard::Answer(_), Some(_)) => return Err("answer to no message".to_owned()),
            (
                Heard::Pushed {
                    content,
                    from,
                    id: message_id,
                },
                recipient,
            ) => {
                // Nobody writes to the senders.
                let recipient = recipient.unwrap_or(usize::MAX);
                self.delivered(socket, recipient, &content, &from, &message_id);
                dialect.acknowledge(socket, id, &message_id);
            }
            (Heard::Notice, _) => {}
        }
        Ok(())
    }

    fn response(
        &mut self,
        socket: &mut Socket<'_>,
        id: usize,
        status: u16,
        body: &[u8],
    ) -> Result<(), String> {
        let answer = self.plan.over.judge(status, body);
        self.answered(socket, id, answer)
    }

    fn closed(&mut self, socket: &mut Socket<'_>, id: usize, cause: &str) {
        socket.flow.fail(cause, 1);
        let count = self.senders.len();
        // Who has lost the only recipient is of no more use either.
        let alone = (self.plan.targets == 1).then_some(id.wrapping_sub(count));
        for sender in Some(id).into_iter().chain(alone) {
            if sender < count && std::mem::replace(&mut self.alive[sender], false) {
                socket.flow.alive -= 1;
                socket.flow.discard(sender);
            }
        }
        self.expect_no_more(socket, id);
    }

    fn is_settled(&self, flow: &Flow, now_ns: u64) -> bool {
        let all_done = || self.ledgers.iter().all(Ledger::is_settled);
        flow.alive == 0 || flow.is_over(now_ns) && all_done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_asked_and_tells_its_numbers() {
        let mut content = String::new();
        write_content(&mut content, [3, 17], 100);
        assert_eq!(content.len(), 100);
        assert!(content.starts_with("3 17 abc"));
        write_content(&mut content, [3, 17], 1);
        assert_eq!(content, "3 17 ");
    }
}
