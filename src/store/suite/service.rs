//! The rows of customer service over each store.

use std::sync::Arc;

use crate::domain::account::{Account, Profile, ServiceRole};
use crate::domain::command::Effect;
use crate::domain::ids::{AccountId, ConversationId, MessageId, TimeMs};
use crate::domain::message::{Dialect, Message};
use crate::domain::service::{AgentLoad, Assignment};
use crate::store::suite::build::{account, group, message, rename};
use crate::store::suite::{Bench, commit, over_both, see};

over_both!(
    agents_are_accounts_with_that_part,
    assignments_are_kept_by_pair_and_counted,
    groups_are_found_by_the_name_that_jim_gave_them,
    messages_are_found_by_both_their_ids_and_taken_back_in_place,
);

fn with_role(id: u64, role: Option<ServiceRole>) -> Effect {
    Effect::Account(Arc::new(Account {
        profile: Profile {
            role,
            ..Profile::default()
        },
        ..account(id, &format!("a{id}"))
    }))
}

fn agents_are_accounts_with_that_part(bench: &mut dyn Bench) {
    let agents = |bench: &mut dyn Bench| {
        see(bench, |snapshot| {
            let agents = snapshot.agents().unwrap();
            agents.iter().map(|agent| agent.id.0).collect::<Vec<_>>()
        })
    };
    commit(
        bench,
        &[
            with_role(5, Some(ServiceRole::Consultant)),
            with_role(2, Some(ServiceRole::Agent)),
            with_role(3, Some(ServiceRole::Visitor)),
            with_role(4, None),
        ],
    );
    assert_eq!(agents(bench), [2, 5]);
    commit(
        bench,
        &[
            with_role(2, Some(ServiceRole::Visitor)),
            with_role(4, Some(ServiceRole::Agent)),
        ],
    );
    bench.restart();
    assert_eq!(agents(bench), [4, 5]);
}

fn assignments_are_kept_by_pair_and_counted(bench: &mut dyn Bench) {
    let given = |visitor, agent, at| Assignment {
        visitor: AccountId(visitor),
        agent: AccountId(agent),
        at: TimeMs(at),
    };
    let load = |bench: &mut dyn Bench, agent, since| {
        see(bench, |snapshot| {
            let load = snapshot.agent_load(AccountId(agent), TimeMs(since));
            load.unwrap()
        })
    };
    assert_eq!(load(bench, 7, 0), AgentLoad::default());
    let all = [given(2, 7, 10), given(3, 7, 20), given(2, 8, 30)];
    commit(bench, &all.map(Effect::Assign));
    commit(bench, &[Effect::Assign(given(2, 7, 40))]);
    bench.restart();
    let of_two = see(bench, |snapshot| {
        let mut found = snapshot.assignments(AccountId(2)).unwrap();
        found.sort_by_key(|given| given.agent);
        found
    });
    assert_eq!(of_two, [given(2, 7, 40), given(2, 8, 30)]);
    for (since, visitors) in [(0, 2), (20, 2), (21, 1), (40, 1), (41, 0)] {
        let expected = AgentLoad {
            visitors,
            last_at: Some(TimeMs(40)),
        };
        assert_eq!(load(bench, 7, since), expected, "{since}");
    }
}

fn groups_are_found_by_the_name_that_jim_gave_them(bench: &mut dyn Bench) {
    let mut named = group(1, 2, "", 5);
    rename(&mut named, "群");
    let other = group(2, 2, "群", 5);
    commit(bench, &[named, other].map(Effect::Conversation));
    bench.restart();
    see(bench, |snapshot| {
        assert_eq!(snapshot.jim_group("群").unwrap(), Some(ConversationId(1)));
        assert_eq!(snapshot.jim_group("g").unwrap(), None);
    });
}

fn messages_are_found_by_both_their_ids_and_taken_back_in_place(bench: &mut dyn Bench) {
    let named = |id, conversation, origin| Message {
        origin,
        client_id: Some(Arc::from("k")),
        attributes: Some(Arc::from("1\n{}")),
        ..message(id, conversation, 1, 2)
    };
    let log = [
        named(10, 1, Dialect::Jim),
        named(12, 2, Dialect::Jim),
        named(14, 3, Dialect::Conv),
    ];
    commit(
        bench,
        &log.clone().map(|said| Effect::Append(Arc::new(said))),
    );
    let find = |bench: &mut dyn Bench, sender, client_id| {
        see(bench, |snapshot| {
            let found = snapshot.newest_message_named(AccountId(sender), Dialect::Jim, client_id);
            found.unwrap().map(|message| message.id.0)
        })
    };
    assert_eq!(
        find(bench, 2, "k"),
        Some(12),
        "the newest of any conversation"
    );
    assert_eq!(find(bench, 3, "k"), None);
    assert_eq!(find(bench, 2, "other"), None);
    let recalled = Message {
        body: Arc::from(""),
        attributes: log[1].attributes_after_recall(),
        recalled: true,
        ..log[1].clone()
    };
    commit(bench, &[Effect::Recall(Arc::new(recalled.clone()))]);
    bench.restart();
    see(bench, |snapshot| {
        let by_id = |id| snapshot.message(MessageId(id)).unwrap();
        assert_eq!(by_id(12).as_deref(), Some(&recalled));
        assert_eq!(by_id(10).as_deref(), Some(&log[0]));
        assert_eq!(by_id(11), None);
        assert_eq!(recalled.attributes.as_deref(), Some("1"));
        let named = snapshot.message_named(AccountId(2), ConversationId(2), Dialect::Jim, "k");
        assert_eq!(named.unwrap().as_deref(), Some(&recalled));
    });
}
