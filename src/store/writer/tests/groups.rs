//! Groups, whose members come and go while commands wait.

use super::*;
use crate::domain::backend::{Relay, RelayTo};
use crate::domain::command::Effect;
use crate::domain::conversation::ConversationKind;
use crate::domain::ids::Slot;
use crate::limits::SLOT_BITS;

#[test]
fn whoever_has_left_a_group_is_told_what_became_of_a_message() {
    let mut world = World::with_default_cache();
    world.run(group("a", &["b"])).unwrap();
    let talk = ConversationId(1);
    let said = |id: &str| Send {
        from: AccountId(3),
        to: Peer::Conversation(talk),
        kind: MessageKind::Text,
        body: Arc::from("x"),
        origin: Dialect::Conv,
        client_id: Some(Arc::from(id)),
        attributes: None,
    };
    world.run(Command::Send(said("1"))).unwrap();
    let leaving = Command::RemoveMembers {
        group: talk,
        members: vec![named("b")],
    };
    world.run(leaving).unwrap();
    let Ok(Reply::Sent {
        message, repeated, ..
    }) = world.run(Command::Send(said("1")))
    else {
        panic!("refused")
    };
    assert!(repeated && message.position == Position(1));
    let new = world.run(Command::Send(said("2")));
    assert_eq!(new, Err(Refusal::NotAMember));
    world.has_model = false;
    let relayed = |id: &str| {
        Box::new(Relay {
            from: named("b"),
            to: RelayTo::Conversation {
                id: talk,
                other: Some(Arc::from("somebody")),
            },
            kind: MessageKind::Text,
            body: Arc::from("y"),
            origin: Dialect::Conv,
            client_id: Some(Arc::from(id)),
        })
    };
    let again = world.run(Command::Relay(relayed("1")));
    assert!(matches!(again, Ok(Reply::Sent { repeated: true, .. })));
    let new = world.run(Command::Relay(relayed("2")));
    assert_eq!(new, Err(Refusal::NotAMember));
}

#[test]
fn a_group_is_deleted_with_whoever_joins_while_its_members_are_read() {
    let mut world = World::with_default_cache();
    world.has_model = false;
    world.run(group("a", &["b"])).unwrap();
    world.run(profile("c")).unwrap();
    let id = ConversationId(1);
    let delete = |by| Command::DeleteGroup { group: id, by };
    let other = Some(AccountId(3));
    assert_eq!(world.run(delete(other)), Err(Refusal::NotTheOwner));
    world.submit(1, delete(Some(AccountId(2))));
    let early = world.requests.remove(0);
    let early = world.read(&early);
    let join = || Command::AddMembers {
        group: id,
        members: vec![named("c")],
    };
    world.submit(2, join());
    world.serve();
    world.commit(false);
    world.give(early);
    world.settle();
    let released = world.writer.commit();
    assert!(matches!(&released.replies[..], [(_, Ok(Reply::Group(_)))]));
    let left = released.told.iter().filter_map(|told| match &*told.event {
        Event::Left { member, .. } => Some(member.account.0),
        _ => None,
    });
    assert_eq!(left.collect::<Vec<_>>(), [2, 3, 4]);
    let gone = Err(Refusal::NoSuchConversation);
    let rename = Command::ChangeGroup {
        group: id,
        name: Some(Arc::from("h")),
        removed: Vec::new(),
        added: Vec::new(),
    };
    let alias = Command::SetAlias {
        group: id,
        who: named("a"),
        alias: Arc::from("x"),
    };
    let remove = Command::RemoveMembers {
        group: id,
        members: vec![named("b")],
    };
    let leave = Command::Leave {
        account: AccountId(3),
        group: Peer::Group(id),
    };
    let relay = Command::Relay(Box::new(Relay {
        from: named("a"),
        to: RelayTo::Conversation { id, other: None },
        kind: MessageKind::Text,
        body: Arc::from("y"),
        origin: Dialect::Conv,
        client_id: None,
    }));
    let say = send(2, Peer::Group(id), "x");
    for command in [
        join(),
        rename,
        alias,
        remove,
        leave,
        relay,
        say,
        delete(None),
    ] {
        assert_eq!(world.run(command.clone()), gone, "{command:?}");
    }
}

#[test]
fn an_empty_group_and_one_that_jim_clients_named_can_be_deleted() {
    let mut world = World::with_default_cache();
    world.has_model = false;
    world.run(profile("a")).unwrap();
    let join = Command::JoinNamed {
        account: AccountId(2),
        name: Arc::from("club"),
    };
    world.run(join.clone()).unwrap();
    let leave = Command::Leave {
        account: AccountId(2),
        group: Peer::JimGroup(Arc::from("club")),
    };
    world.run(leave).unwrap();
    let group = ConversationId(1);
    world.run(Command::DeleteGroup { group, by: None }).unwrap();
    let gone = Err(Refusal::NoSuchConversation);
    assert_eq!(world.run(join), gone);
    let say = send(2, Peer::JimGroup(Arc::from("club")), "x");
    assert_eq!(world.run(say), gone);
}

#[test]
fn a_group_that_has_given_all_slots_takes_only_former_members() {
    let mut world = World::with_default_cache();
    world.has_model = false;
    world.run(group("a", &["b"])).unwrap();
    let id = ConversationId(1);
    let mut conversation = world.writer.state.conversation(id).unwrap().unwrap();
    let ConversationKind::Group(about) = &mut conversation.kind else {
        panic!("a group")
    };
    Arc::make_mut(about).next_slot = Slot((1 << SLOT_BITS) - 1);
    let commit = world.writer.commit_number();
    let changed = [Effect::Conversation(conversation)];
    world.writer.state.apply(&changed, commit);
    let add = |name: &str| Command::AddMembers {
        group: id,
        members: vec![named(name)],
    };
    assert_eq!(world.run(add("c")), Ok(Reply::Group(id)));
    assert_eq!(world.run(add("d")), Err(Refusal::GroupFull));
    let leaving = Command::RemoveMembers {
        group: id,
        members: vec![named("b")],
    };
    world.run(leaving).unwrap();
    assert_eq!(world.run(add("d")), Err(Refusal::GroupFull));
    assert_eq!(world.run(add("b")), Ok(Reply::Group(id)));
}

#[test]
fn a_group_is_shown_by_its_own_name_to_whoever_joins_by_its_first() {
    let mut world = World::with_default_cache();
    world.has_model = false;
    for name in ["a", "club", "c"] {
        world.run(profile(name)).unwrap();
    }
    let join = |account| Command::JoinNamed {
        account: AccountId(account),
        name: Arc::from("club"),
    };
    world.run(join(2)).unwrap();
    let rename = Command::ChangeGroup {
        group: ConversationId(1),
        name: Some(Arc::from("x")),
        removed: Vec::new(),
        added: Vec::new(),
    };
    world.run(rename).unwrap();
    world.submit(0, join(4));
    world.settle();
    let told = world.writer.commit().told;
    let taken = told.iter().find_map(|told| match &*told.event {
        Event::Joined { name_taken, .. } => Some(*name_taken),
        _ => None,
    });
    assert_eq!(taken, Some(false));
}
