//! Conversations and what is said in them: effects as the writer makes them, without its work.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use imd::domain::account::{Account, Profile};
use imd::domain::command::Effect;
use imd::domain::conversation::{Conversation, ConversationKind, Head, Pair};
use imd::domain::ids::{AccountId, ConversationId, IdGenerator, MessageId, Position, TimeMs};
use imd::domain::member::Member;
use imd::domain::message::{Dialect, Message, MessageKind};

/// Single conversations that each account is in.
const CONVERSATIONS_PER_ACCOUNT: u64 = 10;

/// What a message brings with it besides itself and its sender's row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras {
    /// One row of the recipient, who acknowledges it in the next commit.
    pub acknowledged: bool,
    /// An id that the sender's client gave it.
    pub named: bool,
}

/// Numbers that look random (xorshift64*), the same in every run.
pub struct Random(u64);

impl Random {
    /// Begins at `seed`, which is not 0.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % end
    }
}

/// What is known of a conversation: the two sides are its lower and its higher account.
#[derive(Clone, Copy, Default)]
struct Talk {
    head: u32,
    sent: [u32; 2],
    acknowledged: [u32; 2],
}

/// All conversations, and a source of messages.
pub struct World {
    talks: Vec<Talk>,
    extras: Extras,
    random: Random,
    ids: IdGenerator,
    body: Arc<str>,
    named: u64,
    /// Conversation, recipient's side and position of what was said in the last commit.
    unacknowledged: Vec<(usize, usize, u32)>,
}

impl World {
    /// `conversations` without a message, and bodies of `body_bytes`.
    pub fn new(conversations: usize, body_bytes: usize, extras: Extras) -> World {
        World {
            talks: vec![Talk::default(); conversations],
            extras,
            random: Random::new(0x9E37_79B9_7F4A_7C15),
            ids: IdGenerator::new(0, MessageId(0)),
            body: Arc::from("x".repeat(body_bytes)),
            named: 0,
            unacknowledged: Vec::new(),
        }
    }

    /// The rows that are there before the first message.
    pub fn rows(&self) -> Vec<Effect> {
        let accounts = (0..self.accounts()).map(|index| {
            Effect::Account(Arc::new(Account {
                id: AccountId(index + 2),
                name: Arc::from(format!("user {index}")),
                created_at: TimeMs(0),
                profile: Profile::default(),
            }))
        });
        let conversations = (0..self.talks.len()).flat_map(|talk| {
            let conversation = Conversation {
                id: id_of(talk),
                created_at: TimeMs(0),
                kind: ConversationKind::Single(self.pair(talk)),
                head: Head::default(),
            };
            let members = [0, 1].map(|side| Effect::Member(self.member(talk, side)));
            std::iter::once(Effect::Conversation(conversation)).chain(members)
        });
        accounts.chain(conversations).collect()
    }

    /// The effects of a commit of `messages`, each in a conversation at random.
    pub fn commit(&mut self, messages: usize) -> Vec<Effect> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = TimeMs(now.map_or(0, |since| since.as_millis() as i64));
        let mut effects = Vec::with_capacity(3 * messages);
        for (talk, side, position) in std::mem::take(&mut self.unacknowledged) {
            self.talks[talk].acknowledged[side] = position;
            effects.push(Effect::Member(self.member(talk, side)));
        }
        for _ in 0..messages {
            let talk = self.random.below(self.talks.len() as u64) as usize;
            let side = self.random.below(2) as usize;
            let state = &mut self.talks[talk];
            state.head += 1;
            state.sent[side] += 1;
            let position = state.head;
            if self.extras.acknowledged {
                state.acknowledged[side] = position;
                self.unacknowledged.push((talk, 1 - side, position));
            }
            let message = self.message(talk, side, position, now);
            effects.push(Effect::Append(Arc::new(message)));
            effects.push(Effect::Member(self.member(talk, side)));
        }
        effects
    }

    /// A message alone, for a log that knows no conversations.
    fn message(&mut self, talk: usize, side: usize, position: u32, now: TimeMs) -> Message {
        let client_id = self.extras.named.then(|| {
            self.named += 1;
            // As long as the decimal numbers that clients give.
            Arc::from(format!(
                "{:019}",
                self.named.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 1
            ))
        });
        Message {
            id: self.ids.next(now),
            conversation: id_of(talk),
            position: Position(u64::from(position)),
            sender: self.account(talk, side),
            at: now,
            kind: MessageKind::Text,
            body: Arc::clone(&self.body),
            origin: Dialect::Chat,
            client_id,
            attributes: None,
            recalled: false,
        }
    }

    /// A conversation at random and how many messages are in it.
    pub fn pick(&self, random: &mut Random) -> (ConversationId, AccountId, u64) {
        let talk = random.below(self.talks.len() as u64) as usize;
        let account = self.account(talk, random.below(2) as usize);
        (id_of(talk), account, u64::from(self.talks[talk].head))
    }

    fn accounts(&self) -> u64 {
        // At least so many that nobody meets anybody twice, and never the same account.
        let accounts = self.talks.len() as u64 * 2 / CONVERSATIONS_PER_ACCOUNT;
        accounts.max(2 * CONVERSATIONS_PER_ACCOUNT)
    }

    /// Each account with those that follow it in a ring.
    fn pair(&self, talk: usize) -> Pair {
        let (accounts, talk) = (self.accounts(), talk as u64);
        let one = talk % accounts;
        let other = (one + 1 + talk / accounts) % accounts;
        Pair::new(AccountId(one + 2), AccountId(other + 2)).expect("the ring is long enough")
    }

    fn account(&self, talk: usize, side: usize) -> AccountId {
        let pair = self.pair(talk);
        [pair.low(), pair.high()][side]
    }

    fn member(&self, talk: usize, side: usize) -> Member {
        let account = self.account(talk, side);
        let slot = self.pair(talk).slot(account);
        let mut member = Member::new(id_of(talk), account, slot, Position(0), TimeMs(0));
        let state = &self.talks[talk];
        member.sent = u64::from(state.sent[side]);
        member.acknowledged = Position(u64::from(state.acknowledged[side]));
        member
    }
}

fn id_of(talk: usize) -> ConversationId {
    ConversationId(talk as u64 + 1)
}
