//! Rows as they are kept: numbers in as few bytes as they nearly always take, and whole where one does not fit.

use crate::domain::cache::rows::{heap, text_bytes};
use crate::domain::conversation::{Conversation, ConversationKind, Head, Pair, Topic};
use crate::domain::holes::Holes;
use crate::domain::ids::{AccountId, ConversationId, MessageId, Position, Slot, TimeMs};
use crate::domain::member::Member;
use crate::domain::needs::SingleRow;

/// A time of 48 bits: from 1970 for 8,900 years.
#[derive(Clone, Copy, Debug)]
struct Time([u16; 3]);

impl Time {
    fn new(time: TimeMs) -> Option<Time> {
        let millis = u64::try_from(time.0).ok().filter(|ms| *ms < 1 << 48)?;
        Some(Time([
            millis as u16,
            (millis >> 16) as u16,
            (millis >> 32) as u16,
        ]))
    }

    fn get(self) -> TimeMs {
        let [low, middle, high] = self.0.map(i64::from);
        TimeMs(low | middle << 16 | high << 32)
    }
}

/// What changes of a member with nearly every message.
#[derive(Clone, Copy, Debug)]
struct Progress {
    read: u32,
    sent: u32,
    sent_read: u32,
    acknowledged: u32,
}

impl Progress {
    /// `None` when something is large, or there is more to say than these numbers.
    fn new(member: &Member) -> Option<Progress> {
        let is_plain = member.left_after.is_none()
            && member.hidden_at.is_none()
            && !member.pinned
            && member.alias.is_empty()
            && member.holes.ranges().is_empty();
        if !is_plain {
            return None;
        }
        Some(Progress {
            read: u32::try_from(member.read.0).ok()?,
            sent: u32::try_from(member.sent).ok()?,
            sent_read: u32::try_from(member.sent_read).ok()?,
            acknowledged: u32::try_from(member.acknowledged.0).ok()?,
        })
    }
}

/// What says of a member when and where it joined.
#[derive(Clone, Copy)]
struct Joined {
    conversation: ConversationId,
    account: AccountId,
    slot: Slot,
    at: TimeMs,
    after: Position,
}

fn member(joined: Joined, progress: &Progress) -> Member {
    Member {
        conversation: joined.conversation,
        account: joined.account,
        slot: joined.slot,
        joined_at: joined.at,
        joined_after: joined.after,
        left_after: None,
        alias: Default::default(),
        read: Position(progress.read.into()),
        sent: progress.sent.into(),
        sent_read: progress.sent_read.into(),
        acknowledged: Position(progress.acknowledged.into()),
        holes: Holes::default(),
        hidden_at: None,
        pinned: false,
    }
}

fn member_bytes(member: &Member) -> usize {
    let holes = size_of_val(member.holes.ranges());
    let holes = if holes == 0 { 0 } else { heap(holes + 16) };
    text_bytes(&member.alias) + holes
}

/// An account's part in a group, or none.
#[derive(Debug)]
pub struct Part(Kept);

#[derive(Debug)]
enum Kept {
    /// It has none.
    None,
    /// As nearly all are.
    Usual {
        joined_at: Time,
        joined_after: u32,
        slot: u32,
        progress: Progress,
    },
    /// Any other.
    Whole(Box<Member>),
}

const _: () = assert!(size_of::<Option<Part>>() <= 32);

impl Part {
    /// The row of `member`.
    pub fn new(member: Option<&Member>) -> Part {
        let whole = |member: &Member| Kept::Whole(Box::new(member.clone()));
        Part(match member {
            None => Kept::None,
            Some(member) => Part::usual(member).unwrap_or_else(|| whole(member)),
        })
    }

    fn usual(member: &Member) -> Option<Kept> {
        Some(Kept::Usual {
            joined_at: Time::new(member.joined_at)?,
            joined_after: u32::try_from(member.joined_after.0).ok()?,
            slot: member.slot.0,
            progress: Progress::new(member)?,
        })
    }

    /// The member, whose conversation and account are the row's key.
    pub fn get(&self, (conversation, account): (ConversationId, AccountId)) -> Option<Member> {
        match &self.0 {
            Kept::None => None,
            Kept::Usual {
                joined_at,
                joined_after,
                slot,
                progress,
            } => {
                let joined = Joined {
                    conversation,
                    account,
                    slot: Slot(*slot),
                    at: joined_at.get(),
                    after: Position((*joined_after).into()),
                };
                Some(member(joined, progress))
            }
            Kept::Whole(member) => Some(Member::clone(member)),
        }
    }

    /// What it points to.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Kept::Whole(member) => heap(size_of::<Member>()) + member_bytes(member),
            Kept::None | Kept::Usual { .. } => 0,
        }
    }
}

/// The conversation of a pair under a topic with both members, or none.
#[derive(Debug)]
pub enum PairRow {
    /// There is none.
    None(Pair, Topic),
    /// As nearly all are.
    Usual(UsualPair),
    /// Any other.
    Whole(Box<SingleRow>),
}

const _: () = assert!(size_of::<Option<PairRow>>() <= 72);

/// A conversation of a pair that both joined as it began.
#[derive(Debug)]
pub struct UsualPair {
    low: u32,
    high: u32,
    id: u32,
    topic: Topic,
    created_at: Time,
    position: u32,
    message: [u32; 2],
    at: Time,
    members: [Progress; 2],
}

impl PairRow {
    /// The row of a conversation with its members.
    pub fn new(row: Box<SingleRow>) -> PairRow {
        match UsualPair::new(&row) {
            Some(usual) => PairRow::Usual(usual),
            None => PairRow::Whole(row),
        }
    }

    /// Whose conversation it is, or is not.
    pub fn key(&self) -> (Pair, Topic) {
        match self {
            PairRow::None(pair, topic) => (*pair, *topic),
            PairRow::Usual(usual) => (usual.pair(), usual.topic),
            PairRow::Whole(row) => row.conversation.pair().expect("no group is kept here"),
        }
    }

    /// The conversation's number, if there is one.
    pub fn id(&self) -> Option<ConversationId> {
        match self {
            PairRow::None(..) => None,
            PairRow::Usual(usual) => Some(usual.id()),
            PairRow::Whole(row) => Some(row.conversation.id),
        }
    }

    /// The conversation, if there is one.
    pub fn conversation(&self) -> Option<Conversation> {
        match self {
            PairRow::None(..) => None,
            PairRow::Usual(usual) => Some(usual.conversation()),
            PairRow::Whole(row) => Some(row.conversation.clone()),
        }
    }

    /// The part of `account` in it.
    pub fn member(&self, account: AccountId) -> Option<Member> {
        match self {
            PairRow::None(..) => None,
            PairRow::Usual(usual) => usual.pair().has(account).then(|| usual.member(account)),
            PairRow::Whole(row) => {
                let both = [&row.low, &row.high];
                let found = both.into_iter().find(|member| member.account == account);
                found.cloned()
            }
        }
    }

    /// Moves the head.
    pub fn set_head(&mut self, head: Head) {
        let unfit = match self {
            PairRow::None(..) => return,
            PairRow::Usual(usual) => usual.set_head(head).is_none(),
            PairRow::Whole(_) => true,
        };
        if unfit {
            self.set(|row| row.conversation.head = head);
        }
    }

    /// Sets the part of one of the two.
    pub fn set_member(&mut self, member: &Member) {
        let unfit = match self {
            PairRow::None(..) => return,
            PairRow::Usual(usual) => usual.set_member(member).is_none(),
            PairRow::Whole(_) => true,
        };
        if unfit {
            self.set(|row| {
                let place = if member.account == row.low.account {
                    &mut row.low
                } else {
                    &mut row.high
                };
                *place = member.clone();
            });
        }
    }

    /// Sets the conversation, whose members stay.
    pub fn set_conversation(&mut self, conversation: &Conversation) {
        self.set(|row| row.conversation = conversation.clone());
    }

    fn set(&mut self, change: impl FnOnce(&mut SingleRow)) {
        let key = self.key();
        let mut row = match std::mem::replace(self, PairRow::None(key.0, key.1)) {
            PairRow::None(..) => return,
            PairRow::Usual(usual) => Box::new(usual.row()),
            PairRow::Whole(row) => row,
        };
        change(&mut row);
        *self = PairRow::new(row);
    }

    /// What it points to.
    pub fn heap_bytes(&self) -> usize {
        match self {
            PairRow::Whole(row) => {
                heap(size_of::<SingleRow>()) + member_bytes(&row.low) + member_bytes(&row.high)
            }
            PairRow::None(..) | PairRow::Usual(_) => 0,
        }
    }
}

impl UsualPair {
    fn new(row: &SingleRow) -> Option<UsualPair> {
        let conversation = &row.conversation;
        let (pair, topic) = conversation.pair()?;
        let mut usual = UsualPair {
            low: u32::try_from(pair.low().0).ok()?,
            high: u32::try_from(pair.high().0).ok()?,
            id: u32::try_from(conversation.id.0).ok()?,
            topic,
            created_at: Time::new(conversation.created_at)?,
            position: 0,
            message: [0; 2],
            at: Time([0; 3]),
            members: [Progress::new(&row.low)?, Progress::new(&row.high)?],
        };
        usual.set_head(conversation.head)?;
        usual.set_member(&row.low)?;
        usual.set_member(&row.high)?;
        Some(usual)
    }

    /// `None`, and nothing is set, when it does not fit.
    fn set_head(&mut self, head: Head) -> Option<()> {
        let (position, at) = (u32::try_from(head.position.0).ok()?, Time::new(head.at)?);
        self.position = position;
        self.message = [head.message.0 as u32, (head.message.0 >> 32) as u32];
        self.at = at;
        Some(())
    }

    /// `None`, and nothing is set, when it does not fit.
    fn set_member(&mut self, member: &Member) -> Option<()> {
        let joined = self.joined(member.account);
        let as_it_began = member.conversation == joined.conversation
            && member.slot == joined.slot
            && member.joined_at == joined.at
            && member.joined_after == joined.after;
        let progress = Progress::new(member).filter(|_| as_it_began)?;
        self.members[joined.slot.0 as usize] = progress;
        Some(())
    }

    fn pair(&self) -> Pair {
        let (low, high) = (AccountId(self.low.into()), AccountId(self.high.into()));
        Pair::new(low, high).expect("they are two")
    }

    fn id(&self) -> ConversationId {
        ConversationId(self.id.into())
    }

    fn conversation(&self) -> Conversation {
        let pair = self.pair();
        let [low, high] = self.message.map(u64::from);
        Conversation {
            id: self.id(),
            created_at: self.created_at.get(),
            kind: match self.topic {
                Topic::Messages => ConversationKind::Single(pair),
                Topic::Events => ConversationKind::Events(pair),
            },
            head: Head {
                position: Position(self.position.into()),
                message: MessageId(low | high << 32),
                at: self.at.get(),
            },
        }
    }

    fn joined(&self, account: AccountId) -> Joined {
        Joined {
            conversation: self.id(),
            account,
            slot: self.pair().slot(account),
            at: self.created_at.get(),
            after: Position(0),
        }
    }

    /// The part of `account`, which is one of the two.
    fn member(&self, account: AccountId) -> Member {
        let joined = self.joined(account);
        member(joined, &self.members[joined.slot.0 as usize])
    }

    fn row(&self) -> SingleRow {
        let pair = self.pair();
        SingleRow {
            conversation: self.conversation(),
            low: self.member(pair.low()),
            high: self.member(pair.high()),
        }
    }
}
