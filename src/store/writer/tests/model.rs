//! What commands mean, as plainly as it can be said: lists of everything, recounted whenever something is asked.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::account::{Profile, check_name};
use crate::domain::command::{Command, GroupAbout, Peer, Refusal, Reply, Send, Who};
use crate::domain::decide::Policy;
use crate::domain::ids::{AccountId, ConversationId, MessageId};
use crate::domain::member::ReadMark;
use crate::domain::message::Dialect;
use crate::domain::token::TokenHash;

/// An answer, without what the model does not foresee.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Done,
    Account(u64, Profile),
    Sent {
        conversation: u64,
        position: u64,
        repeated: bool,
    },
    Group(u64),
}

impl Said {
    pub(super) fn of(reply: &Reply) -> Said {
        match reply {
            Reply::Done | Reply::Id(_) => Said::Done,
            Reply::Account(account) => Said::Account(account.id.0, account.profile.clone()),
            Reply::Sent {
                message, repeated, ..
            } => Said::Sent {
                conversation: message.conversation.0,
                position: message.position.0,
                repeated: *repeated,
            },
            Reply::Group(id) => Said::Group(id.0),
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Model {
    /// The first has number 2.
    pub(super) accounts: Vec<(Arc<str>, Profile)>,
    /// The first has number 1.
    pub(super) conversations: Vec<Talk>,
    tokens: HashMap<TokenHash, u64>,
    /// Accounts before the command under way: only those can be named by number.
    before: usize,
}

#[derive(Clone, Default)]
pub(super) struct Talk {
    pub(super) pair: Option<(u64, u64)>,
    pub(super) name: Arc<str>,
    pub(super) members: HashMap<u64, Part>,
    pub(super) messages: Vec<Line>,
}

#[derive(Clone, Default)]
pub(super) struct Part {
    joined_after: u64,
    pub(super) left_after: Option<u64>,
    read: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) sender: u64,
    pub(super) body: Arc<str>,
    key: Option<(Dialect, Arc<str>)>,
}

impl Part {
    fn is_active(&self) -> bool {
        self.left_after.is_none()
    }
}

impl Talk {
    /// The positions that a member may see.
    pub(super) fn seen_by(&self, account: u64) -> Vec<u64> {
        let head = self.messages.len() as u64;
        let positions = |part: &Part| {
            (1..=head)
                .filter(|p| *p > part.joined_after && *p <= part.left_after.unwrap_or(head))
                .collect()
        };
        self.members.get(&account).map_or(Vec::new(), positions)
    }

    /// The positions that a member has not read, without its own messages.
    pub(super) fn unread_by(&self, account: u64) -> Vec<u64> {
        let read = self.members.get(&account).map_or(0, |part| part.read);
        let from_others = |p: &u64| self.messages[*p as usize - 1].sender != account;
        self.seen_by(account)
            .into_iter()
            .filter(|p| *p > read && from_others(p))
            .collect()
    }

    pub(super) fn is_member(&self, account: u64) -> bool {
        self.members.get(&account).is_some_and(Part::is_active)
    }
}

type Outcome = std::result::Result<Said, Refusal>;

impl Model {
    /// Does `command` or refuses it; a refusal has no effect.
    pub(super) fn run(&mut self, command: &Command, policy: &Policy) -> Outcome {
        self.before = self.accounts.len();
        let mut next = self.clone();
        let said = next.act(command, policy)?;
        *self = next;
        Ok(said)
    }

    pub(super) fn unread(&self, account: u64) -> u64 {
        let talks = self.conversations.iter();
        talks
            .filter(|talk| talk.is_member(account))
            .map(|talk| talk.unread_by(account).len() as u64)
            .sum()
    }

    fn id_of(&self, name: &str) -> Option<u64> {
        let place = self.accounts.iter().position(|(known, _)| **known == *name);
        place.map(|place| place as u64 + 2)
    }

    fn exists(&self, id: u64) -> bool {
        (2..self.before as u64 + 2).contains(&id)
    }

    fn create(&mut self, name: &Arc<str>) -> std::result::Result<u64, Refusal> {
        check_name(name).map_err(|_| Refusal::BadName)?;
        self.accounts.push((Arc::clone(name), Profile::default()));
        Ok(self.accounts.len() as u64 + 1)
    }

    fn account(&mut self, who: &Who, policy: &Policy) -> std::result::Result<u64, Refusal> {
        match who {
            Who::Id(id) if self.exists(id.0) => Ok(id.0),
            Who::Id(_) => Err(Refusal::NoSuchAccount),
            Who::Name(name) => match self.id_of(name) {
                Some(id) => Ok(id),
                None if policy.open_directory => self.create(name),
                None => Err(Refusal::NoSuchAccount),
            },
        }
    }

    fn act(&mut self, command: &Command, policy: &Policy) -> Outcome {
        match command {
            Command::Login { name, token } => {
                let id = match self.id_of(name) {
                    Some(id) => id,
                    None => self.create(name)?,
                };
                self.tokens.insert(*token, id);
                Ok(Said::Account(id, self.accounts[id as usize - 2].1.clone()))
            }
            Command::Logout { token } => {
                self.tokens.remove(token);
                Ok(Said::Done)
            }
            Command::Touch { .. } => Ok(Said::Done),
            Command::Send(send) => self.send(send, policy),
            Command::Read {
                account,
                conversation,
                mark,
            } => self.read(*account, *conversation, *mark),
            Command::CreateGroup {
                owner,
                members,
                about,
            } => self.create_group(owner, members, about, policy),
            Command::AddMembers { group, members } => {
                self.group(*group)?;
                self.join(group.0, members, policy)
            }
            Command::RemoveMembers { group, members } => {
                let talk = self.group(*group)?.clone();
                let left_after = Some(talk.messages.len() as u64);
                for who in members {
                    let id = match who {
                        Who::Id(id) => Some(id.0),
                        Who::Name(name) => self.id_of(name),
                    };
                    let talk = &mut self.conversations[group.0 as usize - 1];
                    if let Some(part) = id.and_then(|id| talk.members.get_mut(&id)) {
                        part.left_after = part.left_after.or(left_after);
                    }
                }
                Ok(Said::Group(group.0))
            }
            Command::SetProfile { who, profile } => {
                let id = self.account(who, policy)?;
                self.accounts[id as usize - 2].1 = profile.clone();
                Ok(Said::Account(id, profile.clone()))
            }
            #[allow(
                unreachable_patterns,
                reason = "other dialects bring commands of their own"
            )]
            other => panic!("the model does not know {other:?}"),
        }
    }

    fn talk(&mut self, id: ConversationId) -> std::result::Result<&mut Talk, Refusal> {
        let place = (id.0 as usize).checked_sub(1);
        place
            .and_then(|place| self.conversations.get_mut(place))
            .ok_or(Refusal::NoSuchConversation)
    }

    fn group(&mut self, id: ConversationId) -> std::result::Result<&mut Talk, Refusal> {
        let talk = self.talk(id)?;
        match talk.pair {
            None => Ok(talk),
            Some(_) => Err(Refusal::NotAGroup),
        }
    }

    fn create_group(
        &mut self,
        owner: &Who,
        members: &[Who],
        about: &GroupAbout,
        policy: &Policy,
    ) -> Outcome {
        self.conversations.push(Talk {
            name: Arc::clone(&about.name),
            ..Talk::default()
        });
        let everybody: Vec<Who> = std::iter::once(owner).chain(members).cloned().collect();
        self.join(self.conversations.len() as u64, &everybody, policy)
    }

    fn join(&mut self, group: u64, whom: &[Who], policy: &Policy) -> Outcome {
        for who in whom {
            let id = self.account(who, policy)?;
            let talk = &mut self.conversations[group as usize - 1];
            if talk.is_member(id) {
                continue;
            }
            if talk.members.values().filter(|p| p.is_active()).count() >= policy.group_members_max {
                return Err(Refusal::GroupFull);
            }
            let head = talk.messages.len() as u64;
            talk.members.insert(
                id,
                Part {
                    joined_after: head,
                    left_after: None,
                    read: head,
                },
            );
        }
        Ok(Said::Group(group))
    }

    fn read(
        &mut self,
        account: AccountId,
        conversation: ConversationId,
        mark: ReadMark,
    ) -> Outcome {
        let talk = self.talk(conversation)?;
        let head = talk.messages.len() as u64;
        let own = |line: &&Line| line.sender == account.0;
        let sent = talk.messages.iter().filter(own).count() as u64;
        let part = talk
            .members
            .get_mut(&account.0)
            .ok_or(Refusal::NotAMember)?;
        if mark.position.0 > part.left_after.unwrap_or(head) || mark.own > sent {
            return Err(Refusal::Failure);
        }
        part.read = part.read.max(mark.position.0);
        Ok(Said::Done)
    }

    /// The group that is shown to `account` under `name`.
    fn shown(&self, account: u64, name: &str) -> Option<u64> {
        let mut names: HashMap<u64, String> = HashMap::new();
        let groups = || {
            let talks = self.conversations.iter().enumerate();
            talks.filter(|(_, talk)| talk.pair.is_none() && talk.is_member(account))
        };
        for (place, talk) in groups() {
            let is_own = |shown: &str| groups().any(|(_, other)| *other.name == *shown);
            let free = |shown: &str| !names.values().any(|used| used == shown);
            let numbered = (2..)
                .map(|n| format!("{} ({n})", talk.name))
                .find(|shown| free(shown) && !is_own(shown));
            let shown = match self.id_of(&talk.name).is_none() && free(&talk.name) {
                true => talk.name.to_string(),
                false => numbered.unwrap(),
            };
            names.insert(place as u64 + 1, shown);
        }
        names
            .iter()
            .find(|(_, shown)| *shown == name)
            .map(|(id, _)| *id)
    }

    fn send(&mut self, send: &Send, policy: &Policy) -> Outcome {
        let from = send.from.0;
        if !self.exists(from) {
            return Err(Refusal::NoSuchAccount);
        }
        let other = match &send.to {
            Peer::Conversation(id) => return self.say(id.0, send),
            Peer::Group(id) => {
                let place = usize::try_from(id.0.wrapping_sub(1)).unwrap_or(usize::MAX);
                let talk = self.conversations.get(place);
                return match talk.is_some_and(|talk| talk.pair.is_none()) {
                    true => self.say(id.0, send),
                    false => Err(Refusal::NoSuchConversation),
                };
            }
            Peer::JimGroup(_) => return Err(Refusal::NoSuchConversation),
            Peer::Account(who) => self.account(who, policy)?,
            Peer::Shown(name) => match (self.id_of(name), self.shown(from, name)) {
                (None, Some(group)) => return self.say(group, send),
                _ => self.account(&Who::Name(Arc::clone(name)), policy)?,
            },
        };
        if other == from {
            return Err(Refusal::ToSelf);
        }
        let pair = (from.min(other), from.max(other));
        let known = self
            .conversations
            .iter()
            .position(|talk| talk.pair == Some(pair));
        let place = known.unwrap_or_else(|| {
            let members = [from, other].map(|id| (id, Part::default()));
            self.conversations.push(Talk {
                pair: Some(pair),
                members: HashMap::from(members),
                ..Talk::default()
            });
            self.conversations.len() - 1
        });
        self.say(place as u64 + 1, send)
    }

    fn say(&mut self, conversation: u64, send: &Send) -> Outcome {
        let talk = self.talk(ConversationId(conversation))?;
        let line = Line {
            sender: send.from.0,
            body: Arc::clone(&send.body),
            key: send.client_id.clone().map(|id| (send.origin, id)),
        };
        let is_same =
            |old: &Line| old.key.is_some() && old.key == line.key && old.sender == line.sender;
        let prior = talk.messages.iter().position(is_same);
        if prior.is_none() {
            if !talk.is_member(send.from.0) {
                return Err(Refusal::NotAMember);
            }
            talk.messages.push(line);
        }
        Ok(Said::Sent {
            conversation,
            position: prior.map_or(talk.messages.len(), |place| place + 1) as u64,
            repeated: prior.is_some(),
        })
    }

    /// Who uses `token`.
    pub(super) fn token(&self, token: TokenHash) -> Option<u64> {
        self.tokens.get(&token).copied()
    }
}

/// Message ids in the order of commits.
#[derive(Default)]
pub(super) struct Rising(MessageId);

impl Rising {
    pub(super) fn check(&mut self, id: MessageId) {
        assert!(id > self.0 && id.0 < 1 << 53, "{id} after {}", self.0);
        self.0 = id;
    }
}
