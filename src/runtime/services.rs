//! What a shard fetches or does for its connections: wants go out here, and what other threads found comes back.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use crate::admin::health::{self, Readiness};
use crate::admin::metrics::{self, Gauge, ReaderQueue};
use crate::admin::process::Process;
use crate::conn::{Delivered, EncodedPushes, Page, PageRequest, Wanted};
use crate::dialect::{Ask, Outcome, Upload};
use crate::domain::backend::BackendQuery;
use crate::domain::chat::ChatQuery;
use crate::domain::command::{Command, Refusal, Reply};
use crate::domain::event::Told;
use crate::domain::ids::{AccountId, CommitNumber, ConversationId};
use crate::domain::query::{Answer, Answered, Query};
use crate::domain::roster::Attach;
use crate::domain::view::View;
use crate::limits::{
    FILES_WAITING_MAX, INBOX_ENTRIES_MAX, PUSHES_TOGETHER_MAX, QUERIES_WAITING_MAX,
    QUESTIONS_WAITING_MAX, QUEUE_COMMANDS_MIN, SHARD_COMMAND_BYTES_MAX, UPLOADS_WAITING_BYTES_MAX,
};
use crate::proto::http::head::Method;
use crate::runtime::inbox::{CallKey, CommandSlot, Entry, Purpose, Question};
use crate::runtime::shard::Shard;
use crate::runtime::slab::Key;
use crate::runtime::socket::Transport;
use crate::runtime::work_queue::Heavy;
use crate::store::writer::Submitted;

/// Where uploads are served.
const UPLOADS: &str = "/soa-im/statics/upload/";

impl<T: Transport> Shard<T> {
    /// Sees to something that a connection waits for.
    pub(super) fn want(&mut self, call: CallKey, what: Wanted) {
        match what {
            Wanted::Ask(Ask::Session(hash)) => {
                self.desk.expect_session(hash);
                let question = self.question(Purpose::Session(call, hash), Query::Session(hash));
                if !self.ask_reader(question, QUESTIONS_WAITING_MAX) {
                    self.desk.deliver_session(hash, None, self.now);
                    self.refuse(call, Refusal::Busy);
                }
            }
            Wanted::Ask(Ask::View(account)) => self.want_view(call, account),
            Wanted::Ask(Ask::Query(query)) => self.want_answer(call, query),
            Wanted::Ask(Ask::Submit(command)) => self.want_command(call, command),
            Wanted::Ask(Ask::Save(upload)) => self.want_saved(call, upload),
            Wanted::Ask(Ask::Attach(account)) => self.want_attached(call, account),
            Wanted::Page(request) => self.want_page(call, request),
        }
    }

    fn question(&self, purpose: Purpose, query: Query) -> Question {
        Question {
            shard: self.index,
            purpose,
            query,
        }
    }

    fn refuse(&mut self, call: CallKey, refusal: Refusal) {
        self.outcome(call, Outcome::Refused(refusal));
    }

    fn outcome(&mut self, call: CallKey, outcome: Outcome) {
        self.delivered
            .push_back((call, Delivered::Outcome(outcome)));
    }

    /// The shard watches the account before it asks for the load, so that nothing is in neither.
    fn want_view(&mut self, call: CallKey, account: AccountId) {
        self.view_waiters.entry(account).or_default().push(call);
        if !self.desk.expect_view(account) {
            return;
        }
        self.shared.sessions.watch(account, self.index);
        let question = self.question(Purpose::View(account), Query::View(account));
        if !self.ask_reader(question, QUESTIONS_WAITING_MAX) {
            self.give_up_view(account, Refusal::Busy);
        }
    }

    fn give_up_view(&mut self, account: AccountId, refusal: Refusal) {
        self.desk.abandon_view(account);
        for call in self.view_waiters.remove(&account).unwrap_or_default() {
            self.refuse(call, refusal);
        }
    }

    /// The shard watches the account before it asks for its groups, so that nothing is in neither.
    fn want_attached(&mut self, call: CallKey, account: AccountId) {
        self.shared.sessions.watch_sockets(account, self.index);
        match self.roster.attach(account, call.conn, call) {
            Attach::Attached => self.attached(call, account),
            Attach::Wait => {}
            Attach::Load => {
                let question = self.question(Purpose::Groups(account), Query::Groups(account));
                if !self.ask_reader(question, QUESTIONS_WAITING_MAX) {
                    self.give_up_attaching(account, Refusal::Busy);
                }
            }
        }
    }

    fn give_up_attaching(&mut self, account: AccountId, refusal: Refusal) {
        self.shared.sessions.unwatch_sockets(account, self.index);
        for call in self.roster.abandon(account) {
            self.refuse(call, refusal);
        }
    }

    /// A connection that was closed in the meantime is not attached.
    fn attached(&mut self, call: CallKey, account: AccountId) {
        let is_new = self.account_of(call.conn).is_none();
        if self.set_account(call.conn, account) {
            if is_new {
                self.shared.sessions.opened(account);
            }
            self.outcome(call, Outcome::Attached);
        } else if self.roster.detach(account, call.conn) {
            self.shared.sessions.unwatch_sockets(account, self.index);
        }
    }

    /// A socket is closed.
    pub(super) fn detach(&mut self, account: AccountId, conn: Key) {
        self.shared.sessions.closed(account);
        if self.roster.detach(account, conn) {
            self.shared.sessions.unwatch_sockets(account, self.index);
        }
    }

    fn handle_groups(
        &mut self,
        account: AccountId,
        commit: CommitNumber,
        groups: Vec<ConversationId>,
    ) {
        let (waiting, since) = self.roster.deliver(account, commit, groups);
        let mut sockets = Vec::new();
        for call in waiting {
            // When those before it are gone by now, so is what was loaded: then it is loaded again.
            self.want_attached(call, account);
            if self.account_of(call.conn) == Some(account) {
                sockets.push(call.conn);
            }
        }
        // The sockets speak first; what has happened since the load comes after.
        self.deliver();
        self.push(&since, &sockets);
    }

    /// Sockets are told of events in a row together, if all of them are told of the same.
    fn handle_commit(&mut self, number: CommitNumber, told: &[Told]) {
        let (mut begun, mut sockets) = (0, SmallVec::new());
        for (at, one) in told.iter().enumerate() {
            self.desk.apply(number, one);
            let concerned = self.roster.apply(number, one);
            if concerned != sockets {
                self.push(&told[begun..at], &sockets);
                (begun, sockets) = (at, concerned);
            }
        }
        self.push(&told[begun..], &sockets);
    }

    /// Tells sockets of events. Each is encoded once for each dialect, and several are told to one socket after the other: what a socket
    /// needs for them is fetched into the processor's cache once.
    fn push(&mut self, told: &[Told], sockets: &[Key]) {
        if sockets.is_empty() {
            return;
        }
        let mut pushes = std::mem::take(&mut self.pushes);
        for together in told.chunks(PUSHES_TOGETHER_MAX) {
            if pushes.len() < together.len() {
                pushes.resize_with(together.len(), EncodedPushes::default);
            }
            let stale = pushes.iter_mut().take(together.len());
            stale.for_each(EncodedPushes::clear);
            for key in sockets {
                self.with_conn(*key, |conn, turn| {
                    for (told, pushes) in together.iter().zip(&mut pushes) {
                        conn.handle_event(&told.event, pushes, turn);
                    }
                });
            }
        }
        self.pushes = pushes;
    }

    fn want_answer(&mut self, call: CallKey, query: Query) {
        let is_heavy = matches!(
            query,
            Query::Conversations { .. }
                | Query::Contacts { .. }
                | Query::Backend(BackendQuery::Overview { .. } | BackendQuery::Members { .. })
                | Query::Chat(
                    ChatQuery::Undelivered { .. }
                        | ChatQuery::Everything { .. }
                        | ChatQuery::List { .. }
                        | ChatQuery::Members(_)
                        | ChatQuery::Part(..)
                )
        );
        let question = self.question(Purpose::Call(call), query);
        let is_taken = if is_heavy {
            self.ask_heavy(Heavy::Query(question))
        } else {
            let is_of_login = matches!(
                question.query,
                Query::Resolve { .. } | Query::Chat(ChatQuery::Waiting { .. })
            );
            self.ask_reader(
                question,
                match is_of_login {
                    true => QUESTIONS_WAITING_MAX,
                    false => QUERIES_WAITING_MAX,
                },
            )
        };
        if !is_taken {
            self.refuse(call, Refusal::Busy);
        }
    }

    /// Asks a reader something quick, unless `waiting_max` questions wait already; says whether it is asked.
    fn ask_reader(&self, question: Question, waiting_max: usize) -> bool {
        let is_asked = self.readers.try_push_question(question, waiting_max);
        self.count_waiting(ReaderQueue::Short, is_asked);
        is_asked
    }

    /// Asks a reader something that takes long, unless too much of that waits already; says whether it is asked.
    fn ask_heavy(&self, task: Heavy) -> bool {
        let is_asked = self.readers.try_push_heavy(task);
        self.count_waiting(ReaderQueue::Heavy, is_asked);
        is_asked
    }

    /// The readers count what they take.
    fn count_waiting(&self, queue: ReaderQueue, is_asked: bool) {
        self.recorder
            .add(Gauge::ReaderQueue(queue), is_asked.into());
    }

    /// Marks that find no room wait, within bounds, and outlive their connections. They have a credit of their own: however many there
    /// are, nothing else lacks room for their sake. What its connection says after it may overtake a mark that waits: neither looks at
    /// what the other does.
    fn want_command(&mut self, call: CallKey, command: Command) {
        if command.is_mark() {
            let bytes = command.bytes();
            if self.mark_bytes_waiting + bytes > SHARD_COMMAND_BYTES_MAX {
                self.refuse(call, Refusal::Busy);
                return;
            }
            self.mark_bytes_waiting += bytes;
            self.marks_waiting.push_back((call, command));
            self.submit_marks();
        } else if self.is_writer_behind() || !self.submit_command(Some(call), command) {
            self.refuse(call, Refusal::Busy);
        }
    }

    fn submit_marks(&mut self) {
        while let Some((_, mark)) = self.marks_waiting.front()
            && self.marks_credit.take(mark.bytes())
            && let Some((call, mark)) = self.marks_waiting.pop_front()
        {
            self.mark_bytes_waiting -= mark.bytes();
            self.submit(Some(call), mark);
        }
    }

    /// Whether the writer does not keep up: commands have waited for too long, and there are many. A few are done in one commit as soon as
    /// the thread gets its time.
    fn is_writer_behind(&self) -> bool {
        let is_high = self.shared.pressure.is_high(self.shared.now_us());
        is_high && self.writer.len() >= QUEUE_COMMANDS_MIN
    }

    /// `false` when the shard has as many commands under way as it may.
    fn submit_command(&mut self, call: Option<CallKey>, command: Command) -> bool {
        let has_room = self.credit.take(command.bytes());
        if has_room {
            self.submit(call, command);
        }
        has_room
    }

    fn submit(&mut self, call: Option<CallKey>, command: Command) {
        self.shared.pressure.submitted(self.shared.now_us());
        let reply_to = CommandSlot {
            shard: self.index,
            call,
            bytes: command.bytes(),
            is_mark: command.is_mark(),
        };
        let lane = match call {
            Some(call) => {
                (self.index as u64) << 56
                    ^ u64::from(call.conn.slot) << 32
                    ^ u64::from(call.conn.generation)
            }
            None => u64::MAX,
        };
        self.submits.push(Submitted {
            lane,
            command,
            reply_to,
        });
    }

    /// Records the use of tokens. What finds no room now is recorded at a later use.
    pub(super) fn submit_touches(&mut self) {
        for token in self.desk.take_touches() {
            self.submit_command(None, Command::Touch { token });
        }
        for account in self.desk.take_dropped_views() {
            self.shared.sessions.unwatch(account, self.index);
        }
    }

    fn want_saved(&mut self, call: CallKey, upload: Upload) {
        let bytes = upload.bytes.len();
        let waiting = self.shared.upload_bytes.fetch_add(bytes, Ordering::Relaxed);
        let shard = self.index;
        let has_room = waiting + bytes <= UPLOADS_WAITING_BYTES_MAX;
        if !has_room
            || !self.ask_heavy(Heavy::Save {
                shard,
                call,
                upload,
            })
        {
            self.shared.upload_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.refuse(call, Refusal::Busy);
        }
    }

    fn want_page(&mut self, call: CallKey, request: Box<PageRequest>) {
        let page = match (request.path.as_str(), request.method) {
            ("/healthz" | "/readyz" | "/metrics", Method::Get | Method::Head) => {
                self.own_page(&request.path)
            }
            ("/healthz" | "/readyz" | "/metrics", _) => method_not_allowed(request.method),
            (path, Method::Get | Method::Head) if path.starts_with(UPLOADS) => {
                let name = path.strip_prefix(UPLOADS).unwrap_or_default().to_owned();
                let is_asked = self.ask_heavy(Heavy::Serve {
                    shard: self.index,
                    call,
                    name,
                    request,
                });
                if is_asked {
                    return;
                }
                Page::text(503, "busy")
            }
            (path, method) if path.starts_with(UPLOADS) => method_not_allowed(method),
            ("*", Method::Options) => method_not_allowed(Method::Options),
            _ => Page::text(404, "not found"),
        };
        self.delivered.push_back((call, Delivered::Page(page)));
    }

    fn own_page(&mut self, path: &str) -> Page {
        let mut body = String::new();
        let (status, content_type) = match path {
            "/metrics" => {
                self.shared
                    .metrics
                    .render(&Process::read(self.shared.started_at_ms()), &mut body);
                (200, metrics::CONTENT_TYPE)
            }
            "/readyz" => (self.readiness().render(&mut body), health::CONTENT_TYPE),
            _ => {
                let (status, text) = health::HEALTHZ;
                body.push_str(text);
                (status, health::CONTENT_TYPE)
            }
        };
        Page {
            content_type,
            ..Page::text(status, body)
        }
    }

    fn readiness(&self) -> Readiness {
        let inboxes_below_mark = self
            .shared
            .inboxes
            .iter()
            .all(|inbox| inbox.len() <= INBOX_ENTRIES_MAX);
        Readiness {
            store_open: self.shared.store_healthy.load(Ordering::Relaxed),
            writer_alive: self.shared.writer_alive.load(Ordering::Relaxed),
            writer_queue_below_mark: !self.is_writer_behind() && inboxes_below_mark,
            reader_queue_below_mark: self.readers.questions() < QUERIES_WAITING_MAX
                && self.readers.heavy() < FILES_WAITING_MAX,
            draining: self.shared.is_draining(),
        }
    }

    /// Handles something that another thread has for this shard.
    pub(super) fn handle_entry(&mut self, entry: Entry) {
        match entry {
            Entry::Commit { number, told } => self.handle_commit(number, &told),
            Entry::Replies(replies) => replies
                .into_iter()
                .for_each(|(slot, reply)| self.handle_reply(slot, reply)),
            Entry::Read { purpose, result } => self.handle_read(purpose, result),
            Entry::Saved(call, Ok(())) => self.outcome(call, Outcome::Saved),
            Entry::Saved(call, Err(refusal)) => self.refuse(call, refusal),
            Entry::Page(call, page) => self.delivered.push_back((call, Delivered::Page(page))),
        }
    }

    fn handle_reply(&mut self, slot: CommandSlot, reply: Result<Reply, Refusal>) {
        if slot.is_mark {
            self.marks_credit.give_back(slot.bytes);
            self.submit_marks();
        } else {
            self.credit.give_back(slot.bytes);
        }
        if let Some(call) = slot.call {
            self.outcome(call, reply.map_or_else(Outcome::Refused, Outcome::Reply));
        }
    }

    fn handle_read(&mut self, purpose: Purpose, result: Result<Answered, Refusal>) {
        let commit = result
            .as_ref()
            .map_or(CommitNumber(0), |answered| answered.commit);
        match (purpose, result.map(|answered| answered.answer)) {
            (Purpose::Call(call), Ok(answer)) => self.outcome(call, Outcome::Answer(answer)),
            (Purpose::Call(call), Err(refusal)) => self.refuse(call, refusal),
            (Purpose::Session(call, hash), Ok(Answer::Session(session))) => {
                let account = self.desk.deliver_session(hash, session, self.now);
                self.outcome(call, Outcome::Session(account));
            }
            (Purpose::Session(call, hash), result) => {
                self.desk.deliver_session(hash, None, self.now);
                self.refuse(call, result.err().unwrap_or(Refusal::Failure));
            }
            (Purpose::Groups(account), Ok(Answer::Groups(groups))) => {
                self.handle_groups(account, commit, groups)
            }
            (Purpose::Groups(account), result) => {
                self.give_up_attaching(account, result.err().unwrap_or(Refusal::Failure))
            }
            (Purpose::View(account), Ok(Answer::View(view))) => self.handle_view(account, *view),
            (Purpose::View(account), result) => {
                self.give_up_view(account, result.err().unwrap_or(Refusal::Failure))
            }
        }
    }

    fn handle_view(&mut self, account: AccountId, view: View) {
        let too_large = self.desk.deliver_view(view);
        for call in self.view_waiters.remove(&account).unwrap_or_default() {
            self.outcome(call, Outcome::View(too_large.clone().map(Box::new)));
        }
    }
}

fn method_not_allowed(method: Method) -> Page {
    let (status, reason) = if method == Method::Options {
        (204, "")
    } else {
        (405, "method not allowed")
    };
    Page {
        headers: vec![("Allow", "GET, HEAD, OPTIONS".to_owned())],
        ..Page::text(status, reason)
    }
}

#[cfg(test)]
mod tests;
