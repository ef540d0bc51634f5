//! What a back end does on behalf of accounts.

use std::sync::Arc;

use super::{Deciding, standing};
use crate::domain::account::{Account, Profile};
use crate::domain::backend::{Relay, RelayTo};
use crate::domain::command::{Effect, Refusal, Reply};
use crate::domain::conversation::{Conversation, Head};
use crate::domain::event::{Audience, Event};
use crate::domain::member::{Member, ReadMark};
use crate::domain::needs::{Named, Place};

impl Deciding<'_> {
    pub(super) fn relay(
        &mut self,
        relay: &Relay,
        sender: Named,
        place: Place,
    ) -> Result<Reply, Refusal> {
        match &place {
            Place::Account { recipient, .. } => {
                if is_same_name(&sender, recipient) {
                    return Err(Refusal::ToSelf);
                }
            }
            // The first message wins, whatever a later one with its id says.
            Place::Conversation { prior: Some(_), .. } => {}
            Place::Conversation {
                conversation,
                member,
                recipient,
                prior: None,
            } => {
                if conversation.as_ref().is_none_or(Conversation::is_deleted) {
                    return Err(Refusal::NoSuchConversation);
                }
                if !member.as_ref().is_some_and(Member::is_active) {
                    return Err(Refusal::NotAMember);
                }
                if let (
                    RelayTo::Conversation {
                        other: Some(name), ..
                    },
                    Some(recipient),
                ) = (&relay.to, recipient)
                    && recipient.0.name != *name
                {
                    return Err(Refusal::OtherPeer);
                }
            }
        }
        let group = match &place {
            Place::Conversation {
                conversation: Some(conversation),
                member: Some(member),
                ..
            } if conversation.group().is_some() => Some((conversation.clone(), member.clone())),
            _ => None,
        };
        let sender = self.account(sender)?;
        let reply = self.send(&relay.to_send(sender.id), sender, place)?;
        if let (
            Some((conversation, member)),
            Reply::Sent {
                message,
                repeated: false,
                ..
            },
        ) = (group, &reply)
        {
            let head = Head {
                position: message.position,
                message: message.id,
                at: message.at,
            };
            let member = Member {
                sent: member.sent + 1,
                ..member
            };
            let mark = ReadMark {
                position: message.position,
                own: member.sent,
            };
            self.read(
                mark,
                Some(Conversation {
                    head,
                    ..conversation
                }),
                Some(member),
            )?;
        }
        Ok(reply)
    }

    pub(super) fn set_card(
        &mut self,
        named: Named,
        nick: &Arc<str>,
        avatar: &Arc<str>,
    ) -> Result<Reply, Refusal> {
        let account = self.account(named)?;
        let profile = Profile {
            nick: Arc::clone(nick),
            avatar: Arc::clone(avatar),
            ..account.profile.clone()
        };
        if profile == account.profile {
            return Ok(Reply::Account(account));
        }
        let account = Arc::new(Account {
            profile,
            ..(*account).clone()
        });
        self.decision
            .effects
            .push(Effect::Account(Arc::clone(&account)));
        self.tell(
            Audience::Everyone,
            Event::ProfileChanged(Arc::clone(&account)),
        );
        Ok(Reply::Account(account))
    }

    pub(super) fn set_alias(
        &mut self,
        group: Option<Conversation>,
        member: Option<Member>,
        alias: &Arc<str>,
    ) -> Result<Reply, Refusal> {
        let group = standing(group)?;
        if group.group().is_none() {
            return Err(Refusal::NotAGroup);
        }
        let member = member
            .filter(Member::is_active)
            .ok_or(Refusal::NotAMember)?;
        if member.alias != *alias {
            let member = Member {
                alias: Arc::clone(alias),
                ..member
            };
            self.decision.effects.push(Effect::Member(member.clone()));
            self.tell(
                Audience::One(member.account),
                Event::MemberChanged { member },
            );
        }
        Ok(Reply::Group(group.id))
    }
}

/// Whether both name the same account that does not exist yet.
fn is_same_name(one: &Named, other: &Named) -> bool {
    matches!((one, other), (Named::NewName(one), Named::NewName(other)) if one == other)
}
