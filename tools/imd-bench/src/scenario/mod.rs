//! The scenarios: what each makes of its options, and of what its threads measured.

pub mod chat;
pub mod crowd;
pub mod dialect;
pub mod exchange;
pub mod flow;
pub mod group;
pub mod http;
pub mod socket;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::cli::{
    ChatArgs, Common, EchoArgs, GroupArgs, HeartbeatArgs, HttpArgs, IdleArgs, Pacing, Scenario,
    StormArgs,
};
use crate::conduct::{Outcome, conduct};
use crate::engine::{Layout, Load, Plan, Share};
use crate::login::{Identity, app_users, buyers, chat_team, conv_group, converse, visitors};
use crate::measure::Recorder;
use crate::process::machine;
use crate::report::Report;

use chat::{Chat, ChatPlan};
use crowd::{Crowd, CrowdPlan};
use dialect::{Dialect, Push};
use exchange::{Exchange, ExchangePlan, Kind};
use flow::Flow;
use group::{Group, GroupPlan};
use http::{Call, Http, HttpPlan};
use socket::ScriptLoad;

/// Plays a scenario.
///
/// # Errors
/// Why it could not be played.
pub fn play(scenario: &Scenario) -> Result<Report, String> {
    let report = match scenario {
        Scenario::Http(args) => play_http(args),
        Scenario::Echo(args) => play_echo(args),
        Scenario::Heartbeat(args) => play_heartbeat(args),
        Scenario::Idle(args) => play_idle(args),
        Scenario::Storm(args) => play_storm(args),
        Scenario::Chat(args) => play_chat(args),
        Scenario::Group(args) => play_group(args),
    };
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    report.map(|report| Report {
        command: std::env::args().collect(),
        ended_ms: now.as_millis() as u64,
        machine: machine(),
        ..report
    })
}

fn play_http(args: &HttpArgs) -> Result<Report, String> {
    let plan = plan(
        &args.common,
        args.connections,
        Layout::One,
        Some(&args.pacing),
    )?;
    let run = args.common.run();
    let login = args.common.login();
    let identities = match args.call {
        Call::Path(_) => Vec::new(),
        Call::Buyer(_) => buyers(login, &args.prefix, &names(&run, 0, args.connections))?,
    };
    let http = HttpPlan {
        call: args.call.clone(),
        prefix: args.prefix.clone(),
        run,
        pipeline: args.pipeline.max(1),
        peers: args.peers.max(1),
        size: args.size,
    };
    let outcome = conduct(&plan, args.common.pid, |share| {
        let identities = part(&identities, share);
        let authority = &plan.target.authority;
        let script = Http::new(http.clone(), share.links, authority, identities);
        let flow = Flow::new(&["response"], args.pacing.rate, share);
        ScriptLoad::new(script, flow, share)
    })?;
    let name = match &args.call {
        Call::Buyer(call) => format!("http {call}"),
        Call::Path(path) => format!("http GET {path}"),
    };
    Ok(finish(&plan, &name, outcome, Report::enter))
}

fn play_echo(args: &EchoArgs) -> Result<Report, String> {
    let size = args.size as usize;
    let exchange = ExchangePlan {
        kind: Kind::Echo { size },
        path: args.common.url.path.clone(),
        outstanding: args.outstanding.max(1),
    };
    let name = format!("echo of {size} bytes");
    play_exchange(
        &args.common,
        &args.pacing,
        args.connections,
        &exchange,
        &[],
        &name,
    )
}

fn play_heartbeat(args: &HeartbeatArgs) -> Result<Report, String> {
    let identities = users(
        Dialect::Jim,
        &args.common,
        &args.common.run(),
        0,
        args.connections,
    )?;
    let exchange = ExchangePlan {
        kind: Kind::Heartbeat,
        path: String::new(),
        outstanding: args.outstanding.max(1),
    };
    let (common, pacing, count) = (&args.common, &args.pacing, args.connections);
    play_exchange(common, pacing, count, &exchange, &identities, "heartbeat")
}

fn play_exchange(
    common: &Common,
    pacing: &Pacing,
    connections: usize,
    exchange: &ExchangePlan,
    identities: &[Identity],
    name: &str,
) -> Result<Report, String> {
    let plan = plan(common, connections, Layout::One, Some(pacing))?;
    let outcome = conduct(&plan, common.pid, |share| {
        let identities = part(identities, share).to_vec();
        let script = Exchange::new(exchange.clone(), share.links, identities);
        let flow = Flow::new(&["round trip"], pacing.rate, share);
        ScriptLoad::new(script, flow, share)
    })?;
    let loads = outcome.loads.iter();
    let delivery = loads.map(|load| load.script.delivery()).sum();
    let mut report = finish(&plan, name, outcome, Report::enter);
    report.delivery = Some(delivery);
    Ok(report)
}

fn play_idle(args: &IdleArgs) -> Result<Report, String> {
    let mut plan = plan(&args.common, args.connections, Layout::One, None)?;
    plan.duration_ns = args.hold;
    let identities = crowd_users(args.login, &args.common, args.connections)?;
    let crowd = CrowdPlan {
        path: plan.target.path.clone(),
        login: args.login,
        rounds: 0,
        restart: false,
    };
    let outcome = play_crowd(&plan, &args.common, &crowd, &identities)?;
    let held: usize = outcome.loads.iter().map(|load| load.script.open()).sum();
    let mut report = finish(&plan, "idle", outcome, Report::enter_latencies);
    let facts = &mut report.facts;
    facts.insert("connections held to the end".into(), held as f64);
    let opened = held as f64 / report.ready_s.max(f64::MIN_POSITIVE);
    facts.insert("connections opened a second".into(), opened);
    if let Some(server) = report
        .processes
        .iter()
        .find(|process| process.role == "server")
    {
        let each = |kib: [u64; 3]| (kib[2] as f64 - kib[0] as f64) / held.max(1) as f64;
        facts.insert(
            "server KiB a connection, resident".into(),
            each(server.rss_kib),
        );
        facts.insert(
            "server KiB a connection, anonymous".into(),
            each(server.anonymous_kib),
        );
    }
    Ok(report)
}

fn play_storm(args: &StormArgs) -> Result<Report, String> {
    let mut plan = plan(&args.common, args.connections, Layout::One, None)?;
    plan.duration_ns = args.patience;
    let identities = crowd_users(args.login, &args.common, args.connections)?;
    converse(args.common.login(), &identities, args.conversations)?;
    let crowd = CrowdPlan {
        path: plan.target.path.clone(),
        login: args.login,
        rounds: args.rounds as usize,
        restart: args.restart,
    };
    let outcome = play_crowd(&plan, &args.common, &crowd, &identities)?;
    let mut rounds_ns = vec![0; args.rounds as usize];
    for load in &outcome.loads {
        for (round_ns, ns) in rounds_ns.iter_mut().zip(&load.script.rounds_ns) {
            *round_ns = (*ns).max(*round_ns);
        }
    }
    let mut report = finish(&plan, "storm", outcome, Report::enter_latencies);
    for (index, ns) in rounds_ns.into_iter().enumerate().filter(|(_, ns)| *ns > 0) {
        let name = format!("storm {}: all back after, s", index + 1);
        report.facts.insert(name, crate::clock::seconds(ns));
    }
    Ok(report)
}

fn play_crowd(
    plan: &Plan,
    common: &Common,
    crowd: &CrowdPlan,
    identities: &[Identity],
) -> Result<Outcome<ScriptLoad<Crowd>>, String> {
    let tracks = match crowd.rounds {
        0 => crowd::HELD,
        _ => crowd::RETURNING,
    };
    conduct(plan, common.pid, |share| {
        let identities = part(identities, share).to_vec();
        let script = Crowd::new(crowd.clone(), share, identities);
        // Opening connections counts although it comes before the time of sending.
        ScriptLoad::new(script, Flow::timeless(tracks, share), share)
    })
}

fn play_chat(args: &ChatArgs) -> Result<Report, String> {
    let push = match (args.dialect, args.to) {
        (Dialect::Chat, Some(Push::Jim)) => {
            return Err("chat knows users of jim by numbers that only they can tell".to_owned());
        }
        (_, Some(push)) => push,
        (Dialect::Chat, None) => Push::Chat,
        (_, None) => Push::Jim,
    };
    let targets = args.conversations.unwrap_or(args.pairs);
    if targets < args.pairs {
        return Err("there must be a conversation for each pair".to_owned());
    }
    let targets = targets.div_ceil(args.pairs.max(1));
    let plan = plan(
        &args.common,
        args.pairs,
        Layout::Facing(targets),
        Some(&args.pacing),
    )?;
    let run = args.common.run();
    let senders = users(args.dialect, &args.common, &run, 0, args.pairs)?;
    let recipients = plan.links() - args.pairs;
    let recipients = users(push.into(), &args.common, &run, args.pairs, recipients)?;
    let chat = ChatPlan {
        run,
        over: args.dialect,
        push: push.into(),
        targets,
        outstanding: args.sending.outstanding.max(1),
        size: args.sending.size,
        client_ids: args.sending.client_ids,
        until_delivered: !args.until_acknowledged,
    };
    let outcome = conduct(&plan, args.common.pid, |share| {
        let senders = part(&senders, share).to_vec();
        let first = share.first_link - share.units.start;
        let recipients = recipients[first..][..share.links - share.units.len()].to_vec();
        let script = Chat::new(chat.clone(), share.clone(), senders, recipients);
        let flow = Flow::new(chat::TRACKS, args.pacing.rate, share);
        ScriptLoad::new(script, flow, share)
    })?;
    let loads = outcome.loads.iter();
    let delivery = loads.map(|load| load.script.delivery()).sum();
    let name = match args.conversations {
        None => format!("chat of {} pairs", args.pairs),
        Some(_) => format!("chat in {} conversations", targets * args.pairs),
    };
    let mut report = finish(&plan, &name, outcome, Report::enter);
    report.delivery = Some(delivery);
    Ok(report)
}

fn play_group(args: &GroupArgs) -> Result<Report, String> {
    let online = args.online.unwrap_or(args.members);
    if !(1..=online).contains(&args.publishers) || online > args.members || args.members < 2 {
        return Err("of at least two members some may be online, and some of those publish".into());
    }
    let plan = plan(&args.common, online, Layout::One, Some(&args.pacing))?;
    let run = args.common.run();
    let identities = users(args.dialect.into(), &args.common, &run, 0, args.members)?;
    let make = match args.dialect {
        Push::Jim => conv_group,
        Push::Chat => chat_team,
    };
    let group = GroupPlan {
        group: make(args.common.login(), &identities)?,
        run,
        over: args.dialect.into(),
        online,
        publishers: args.publishers,
        outstanding: args.sending.outstanding.max(1),
        size: args.sending.size,
        client_ids: args.sending.client_ids,
    };
    let sending: Vec<usize> = plan
        .shares()
        .iter()
        .filter(|share| group.has_publisher(share))
        .map(|share| share.thread)
        .collect();
    let outcome = conduct(&plan, args.common.pid, |share| {
        let identities = part(&identities, share).to_vec();
        let script = Group::new(group.clone(), share.clone(), identities);
        let place = sending.iter().position(|thread| *thread == share.thread);
        let flow = Flow::new(chat::TRACKS, args.pacing.rate, share).of_some(place, sending.len());
        ScriptLoad::new(script, flow, share)
    })?;
    let delivery = group::delivery(outcome.loads.iter().map(|load| &load.script));
    let name = format!(
        "group of {} members, {} publishers",
        args.members, args.publishers
    );
    let mut report = finish(&plan, &name, outcome, Report::enter);
    report.delivery = Some(delivery);
    Ok(report)
}

fn plan(
    common: &Common,
    units: usize,
    layout: Layout,
    pacing: Option<&Pacing>,
) -> Result<Plan, String> {
    if units == 0 {
        return Err("there must be at least one connection".to_owned());
    }
    let mut plan = Plan {
        target: common.url.clone(),
        units,
        layout,
        threads: common.threads(),
        sources: 1,
        dialing_max: common.dialing,
        warmup_ns: pacing.map_or(0, |pacing| pacing.warmup),
        duration_ns: pacing.map_or(0, |pacing| pacing.duration),
        drain_ns: common.drain,
    };
    let connections = plan.links();
    let needed = common.url.sources(connections);
    plan.sources = common.sources.unwrap_or(needed).clamp(1, 250);
    allow_files(connections as u64 + 100)?;
    Ok(plan)
}

/// Raises the limit of open files as far as it is needed and allowed.
fn allow_files(count: u64) -> Result<(), String> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|most| most < count) {
        limit.maximum = Some(count);
    }
    limit.current = Some(count);
    setrlimit(Resource::Nofile, limit).map_err(|error| {
        format!("{count} open files are needed and not allowed (ulimit -n): {error}")
    })
}

fn names(run: &str, first: usize, count: usize) -> Vec<String> {
    let numbers = first..first + count;
    numbers.map(|index| format!("{run}-{index}")).collect()
}

/// Users of a dialect, with numbers from `first` on.
fn users(
    dialect: Dialect,
    common: &Common,
    run: &str,
    first: usize,
    count: usize,
) -> Result<Vec<Identity>, String> {
    let (target, names) = (common.login(), names(run, first, count));
    match dialect {
        Dialect::Jim => visitors(target, &names),
        Dialect::Chat => app_users(target, run, &names),
        Dialect::Buyer => buyers(target, dialect::BUYER_PREFIX, &names),
        // Nobody has to be known.
        Dialect::Conv => Ok(names
            .into_iter()
            .map(|name| Identity {
                name,
                ..Identity::default()
            })
            .collect()),
    }
}

fn crowd_users(
    login: Option<Push>,
    common: &Common,
    count: usize,
) -> Result<Vec<Identity>, String> {
    match login {
        Some(push) => users(push.into(), common, &common.run(), 0, count),
        None => Ok(Vec::new()),
    }
}

/// A thread's part of what there is one of for every unit; nothing if there is nothing.
fn part<'a, T>(all: &'a [T], share: &Share) -> &'a [T] {
    all.get(share.units.clone()).unwrap_or_default()
}

fn finish<L: Load>(
    plan: &Plan,
    scenario: &str,
    outcome: Outcome<L>,
    enter: fn(&mut Report, &Recorder),
) -> Report {
    let mut report = Report {
        scenario: scenario.to_owned(),
        connections: plan.links(),
        threads: outcome.loads.len(),
        interrupted: outcome.interrupted,
        ready_s: outcome.ready_s,
        bytes: outcome.bytes,
        ..Report::default()
    };
    report.enter_process("client", outcome.client);
    report.enter_process("server", outcome.server);
    let recorders = outcome.loads.into_iter().filter_map(Load::into_recorder);
    let merged = recorders.reduce(|mut merged, recorder| {
        merged.merge(&recorder);
        merged
    });
    if let Some(mut recorder) = merged {
        recorder.cut(outcome.window.end_ns);
        enter(&mut report, &recorder);
    }
    report
}
