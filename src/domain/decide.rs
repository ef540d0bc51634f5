//! What commands do: from what they look at to effects, events and a reply, or a refusal. Pure, and without effect when it refuses.

mod backend;
mod chat;
mod group;
mod recall;
mod service;
mod session;

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::account::{Account, Profile, check_name};
use crate::domain::command::{Command, Effect, Refusal, Reply, Send};
use crate::domain::conversation::{Conversation, ConversationKind, Head, Pair};
use crate::domain::event::{Audience, Delivery, Event, Told};
use crate::domain::ids::{AccountId, ConversationId, IdGenerator, Position, TimeMs};
use crate::domain::member::{Member, ReadMark};
use crate::domain::message::{Dialect, Message, MessageKind};
use crate::domain::needs::{Facts, Named, Place};

/// What an operator has settled for the domain.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Whether naming somebody creates them.
    pub open_directory: bool,
    /// Most members of a group.
    pub group_members_max: usize,
    /// How long a token lives without use, in milliseconds.
    pub token_idle_ms_max: i64,
}

/// The numbers that the next rows get.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// The newest account's.
    pub account: AccountId,
    /// The newest conversation's.
    pub conversation: ConversationId,
    /// Makes message ids.
    pub ids: IdGenerator,
}

impl Numbers {
    fn next_account(&mut self) -> AccountId {
        self.account.0 += 1;
        self.account
    }

    fn next_conversation(&mut self) -> ConversationId {
        self.conversation.0 += 1;
        self.conversation
    }
}

/// What a command does. One that decides often keeps it for the next command, and so its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// How the state changes; empty when it stays as it is.
    pub effects: Vec<Effect>,
    /// Who is told of what, once the effects are stored.
    pub told: Vec<Told>,
}

/// Decides `command` at `now` from the `facts` that [`crate::domain::needs::needs`] gathered for it: `decision` becomes what it does, and the
/// reply is what the asker is told once that is stored.
///
/// # Errors
/// A [`Refusal`]: then nothing happens.
pub fn decide(
    command: &Command,
    facts: Facts,
    numbers: &mut Numbers,
    policy: &Policy,
    now: TimeMs,
    decision: &mut Decision,
) -> Result<Reply, Refusal> {
    decision.clear();
    let before = numbers.clone();
    let mut deciding = Deciding {
        numbers,
        policy,
        now,
        decision,
    };
    let reply = deciding.reply(command, facts);
    if reply.is_err() {
        *numbers = before;
        decision.clear();
    }
    reply
}

impl Decision {
    fn clear(&mut self) {
        self.effects.clear();
        self.told.clear();
    }
}

/// The conversation that was named, if it is there and not deleted.
fn standing(conversation: Option<Conversation>) -> Result<Conversation, Refusal> {
    conversation
        .filter(|conversation| !conversation.is_deleted())
        .ok_or(Refusal::NoSuchConversation)
}

struct Deciding<'a> {
    numbers: &'a mut Numbers,
    policy: &'a Policy,
    now: TimeMs,
    decision: &'a mut Decision,
}

impl Deciding<'_> {
    fn reply(&mut self, command: &Command, facts: Facts) -> Result<Reply, Refusal> {
        Ok(match (command, facts) {
            (Command::Login { name, token }, Facts::Login { account, tokens }) => {
                self.login(name, *token, account, tokens)?
            }
            (Command::Logout { .. }, Facts::Token(token)) => self.logout(token),
            (Command::Touch { .. }, Facts::Token(token)) => self.touch(token),
            (Command::Send(send), Facts::Send { sender, place }) => {
                let sender = sender.ok_or(Refusal::NoSuchAccount)?;
                self.send(send, sender, place)?
            }
            (Command::Relay(relay), Facts::Relay { sender, place }) => {
                self.relay(relay, sender, place)?
            }
            (
                Command::Read { mark, .. },
                Facts::Read {
                    conversation,
                    member,
                },
            ) => self.read(*mark, conversation, member)?,
            (
                Command::CreateGroup { about, .. },
                Facts::CreateGroup {
                    owner,
                    members,
                    name_taken,
                },
            ) => self.create_group(about, owner, members, name_taken)?,
            (
                Command::AddMembers { .. },
                Facts::Members {
                    conversation,
                    members,
                    name_taken,
                },
            ) => self.add_members(conversation, members, name_taken)?,
            (
                Command::RemoveMembers { .. },
                Facts::Members {
                    conversation,
                    members,
                    ..
                },
            ) => self.remove_members(conversation, members)?,
            (Command::SetProfile { profile, .. }, Facts::Profile(named)) => {
                self.set_profile(named, profile)?
            }
            (
                Command::BindToken {
                    name,
                    token: hash,
                    profile,
                },
                Facts::BindToken {
                    account,
                    tokens,
                    token,
                },
            ) => {
                self.check_unbound(account.as_deref(), token)?;
                self.bind_token(name, *hash, profile, account, tokens)?
            }
            (
                Command::MakeContact { .. },
                Facts::Contact {
                    account,
                    other,
                    existing,
                    ..
                },
            ) => self.make_contact(account, other, existing)?,
            (
                Command::Assign { .. },
                Facts::Contact {
                    account,
                    other,
                    assigned,
                    existing,
                },
            ) => self.assign(account, other, assigned, existing)?,
            (
                Command::JoinNamed { name, .. },
                Facts::JoinNamed {
                    account,
                    existing,
                    name_taken,
                },
            ) => self.join_named(name, account, existing, name_taken)?,
            (Command::Leave { .. }, Facts::Leave { account, existing }) => {
                self.leave(account, existing)?
            }
            (
                Command::Arrange { arrangement, .. },
                Facts::Read {
                    conversation,
                    member,
                },
            ) => self.arrange(*arrangement, conversation, member)?,
            (Command::ReserveId, Facts::Nothing) => self.reserve_id(),
            (
                Command::ChangeGroup { name, removed, .. },
                Facts::Members {
                    conversation,
                    members,
                    name_taken,
                },
            ) => self.change_group(
                name.as_ref(),
                removed.len(),
                conversation,
                members,
                name_taken,
            )?,
            (
                Command::DeleteGroup { by, .. },
                Facts::Group {
                    conversation,
                    members,
                },
            ) => self.delete_group(*by, conversation, members)?,
            (Command::Recall(recall), Facts::Recall(found)) => self.recall(recall, found)?,
            (Command::Acknowledge { messages, .. }, Facts::Parts(parts)) => {
                for ((_, positions), (conversation, member)) in messages.iter().zip(parts) {
                    self.acknowledge(positions, conversation, member);
                }
                Reply::Done
            }
            (Command::ReadAll { marks, .. }, Facts::Parts(parts)) => self.read_all(marks, parts)?,
            (Command::SetCard { nick, avatar, .. }, Facts::Profile(named)) => {
                self.set_card(named, nick, avatar)?
            }
            (
                Command::SetAlias { alias, .. },
                Facts::Members {
                    conversation,
                    mut members,
                    ..
                },
            ) => {
                let member = members.pop().and_then(|(_, member)| member);
                self.set_alias(conversation, member, alias)?
            }
            _ => return Err(Refusal::Failure),
        })
    }

    fn tell(&mut self, audience: Audience, event: Event) {
        self.decision.told.push(Told {
            audience,
            event: Arc::new(event),
        });
    }

    fn create_account(&mut self, name: &Arc<str>) -> Result<Arc<Account>, Refusal> {
        check_name(name).map_err(|_| Refusal::BadName)?;
        let account = Arc::new(Account {
            id: self.numbers.next_account(),
            name: Arc::clone(name),
            created_at: self.now,
            profile: Profile::default(),
        });
        self.decision
            .effects
            .push(Effect::Account(Arc::clone(&account)));
        self.tell(
            Audience::Everyone,
            Event::AccountCreated(Arc::clone(&account)),
        );
        Ok(account)
    }

    /// The account that was named, created if it may be.
    fn account(&mut self, named: Named) -> Result<Arc<Account>, Refusal> {
        match named {
            Named::Account(account) => Ok(account),
            Named::NewName(name) if self.policy.open_directory => self.create_account(&name),
            Named::NewName(_) | Named::UnknownId => Err(Refusal::NoSuchAccount),
        }
    }

    fn send(&mut self, send: &Send, sender: Arc<Account>, place: Place) -> Result<Reply, Refusal> {
        match place {
            Place::Account {
                prior: Some(message),
                recipient,
                ..
            } => Ok(Reply::Sent {
                message,
                repeated: true,
                recipient: match recipient {
                    Named::Account(account) => Some(account.id),
                    Named::NewName(_) | Named::UnknownId => None,
                },
            }),
            Place::Account {
                recipient,
                existing,
                ..
            } => {
                let recipient = self.account(recipient)?;
                let pair = Pair::new(sender.id, recipient.id).ok_or(Refusal::ToSelf)?;
                let (conversation, own, other) = match existing {
                    Some(existing) => *existing,
                    None => {
                        let kind = match send.kind {
                            MessageKind::Event(_) => ConversationKind::Events(pair),
                            _ => ConversationKind::Single(pair),
                        };
                        self.create_for_pair(kind, pair, sender.id)
                    }
                };
                Ok(self.append(send, sender, conversation, own, Some((recipient, other))))
            }
            Place::Conversation {
                conversation,
                member,
                recipient,
                prior,
            } => {
                // Whoever has left since is told all the same what became of the message.
                if let Some(message) = prior {
                    return Ok(Reply::Sent {
                        message,
                        repeated: true,
                        recipient: recipient.map(|recipient| recipient.0.id),
                    });
                }
                let conversation = standing(conversation)?;
                let member = member
                    .filter(Member::is_active)
                    .ok_or(Refusal::NotAMember)?;
                Ok(self.append(
                    send,
                    sender,
                    conversation,
                    member,
                    recipient.map(|recipient| *recipient),
                ))
            }
        }
    }

    fn create_for_pair(
        &mut self,
        kind: ConversationKind,
        pair: Pair,
        own: AccountId,
    ) -> (Conversation, Member, Member) {
        let id = self.numbers.next_conversation();
        let head = Head {
            at: self.now,
            ..Head::default()
        };
        let conversation = Conversation {
            id,
            created_at: self.now,
            kind,
            head,
        };
        let part = |account| Member::new(id, account, pair.slot(account), Position(0), self.now);
        let (own, other) = (part(own), part(pair.other(own)));
        self.decision
            .effects
            .push(Effect::Conversation(conversation.clone()));
        self.decision.effects.push(Effect::Member(other.clone()));
        (conversation, own, other)
    }

    fn append(
        &mut self,
        send: &Send,
        sender: Arc<Account>,
        mut conversation: Conversation,
        mut sender_member: Member,
        recipient: Option<(Arc<Account>, Member)>,
    ) -> Reply {
        let message = Arc::new(Message {
            id: self.numbers.ids.next(self.now),
            conversation: conversation.id,
            position: conversation.head.position.next(),
            sender: sender.id,
            at: self.now.max(conversation.head.at),
            kind: send.kind,
            body: Arc::clone(&send.body),
            origin: send.origin,
            client_id: send.client_id.clone(),
            attributes: send.attributes.clone(),
            recalled: false,
        });
        conversation.head = Head {
            position: message.position,
            message: message.id,
            at: message.at,
        };
        sender_member.sent += 1;
        // Whoever sends over `chat` acknowledges: what is its own must not stand among what is missing.
        let is_next = sender_member.acknowledged.next() == message.position;
        if is_next || message.origin == Dialect::Chat {
            sender_member.apply_acknowledged(message.position);
        }
        self.decision
            .effects
            .push(Effect::Append(Arc::clone(&message)));
        self.decision
            .effects
            .push(Effect::Member(sender_member.clone()));
        let audience = match &recipient {
            Some((recipient, _)) => Audience::Two(sender.id, recipient.id),
            None => Audience::Everyone,
        };
        let recipient_id = recipient.as_ref().map(|(account, _)| account.id);
        let delivery = Delivery {
            message: Arc::clone(&message),
            conversation,
            sender,
            sender_member,
            recipient,
        };
        self.tell(audience, Event::Message(delivery));
        Reply::Sent {
            message,
            repeated: false,
            recipient: recipient_id,
        }
    }

    fn read(
        &mut self,
        mark: ReadMark,
        conversation: Option<Conversation>,
        member: Option<Member>,
    ) -> Result<Reply, Refusal> {
        let head = conversation
            .ok_or(Refusal::NoSuchConversation)?
            .head
            .position;
        let mut member = member.ok_or(Refusal::NotAMember)?;
        if mark.position > member.visible_until(head) || mark.own > member.sent {
            return Err(Refusal::Failure);
        }
        let before = member.unread(head);
        if member.apply_read(mark) {
            // What somebody who has left had not read ceased to count as they left.
            let cleared = match member.is_active() {
                true => before.saturating_sub(member.unread(head)),
                false => 0,
            };
            self.decision.effects.push(Effect::Member(member.clone()));
            self.tell(
                Audience::One(member.account),
                Event::Read { member, cleared },
            );
        }
        Ok(Reply::Done)
    }

    /// Reads several conversations. One that is named again stands as it was left.
    fn read_all(
        &mut self,
        marks: &[(ConversationId, ReadMark)],
        parts: Vec<(Option<Conversation>, Option<Member>)>,
    ) -> Result<Reply, Refusal> {
        let mut read: HashMap<ConversationId, Member> = HashMap::new();
        for ((id, mark), (conversation, member)) in marks.iter().zip(parts) {
            let effects = self.decision.effects.len();
            self.read(*mark, conversation, read.get(id).cloned().or(member))?;
            if let Some(Effect::Member(member)) = self.decision.effects.get(effects) {
                read.insert(*id, member.clone());
            }
        }
        Ok(Reply::Done)
    }

    fn set_profile(&mut self, named: Named, profile: &Profile) -> Result<Reply, Refusal> {
        let account = self.account(named)?;
        Ok(Reply::Account(self.put_profile(&account, profile)))
    }

    fn put_profile(&mut self, account: &Account, profile: &Profile) -> Arc<Account> {
        let account = Arc::new(Account {
            profile: profile.clone(),
            ..account.clone()
        });
        self.decision
            .effects
            .push(Effect::Account(Arc::clone(&account)));
        self.tell(
            Audience::Everyone,
            Event::ProfileChanged(Arc::clone(&account)),
        );
        account
    }
}
