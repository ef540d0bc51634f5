//! The scenarios: what each makes of its options, and of what its threads measured.

pub mod chat;
pub mod crowd;
pub mod exchange;
pub mod http;
pub mod socket;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::cli::{
    ChatArgs, Common, EchoArgs, HeartbeatArgs, HttpArgs, IdleArgs, Pacing, Scenario, StormArgs,
};
use crate::conduct::{Outcome, conduct};
use crate::engine::{Load, Plan, Share};
use crate::ledger::Delivery;
use crate::login::{Identity, buyers, visitors};
use crate::measure::Recorder;
use crate::process::machine;
use crate::report::Report;
use crate::target::Target;

use chat::{Chat, ChatPlan};
use crowd::{Crowd, CrowdPlan};
use exchange::{Exchange, ExchangePlan, Kind};
use http::{Call, HttpLoad, HttpPlan};
use socket::SocketLoad;

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
    let plan = plan(&args.common, args.connections, 1, Some(&args.pacing))?;
    let run = args.common.run();
    let identities = match args.call {
        Call::Path(_) => Vec::new(),
        Call::Buyer(_) => buyers(&plan.target, &args.prefix, &names(&run, args.connections))?,
    };
    let http = HttpPlan {
        call: args.call.clone(),
        prefix: args.prefix.clone(),
        run,
        pipeline: args.pipeline.max(1),
        peers: args.peers.max(1),
        size: args.size,
        rate: args.pacing.rate,
    };
    let outcome = conduct(&plan, args.common.pid, |share| {
        let identities = part(&identities, share, 1);
        HttpLoad::new(
            http.clone(),
            share.clone(),
            &plan.target.authority,
            identities,
        )
    })?;
    let name = match &args.call {
        Call::Buyer(call) => format!("http {call}"),
        Call::Path(path) => format!("http GET {path}"),
    };
    Ok(finish(&plan, &name, outcome, Report::enter))
}

fn play_echo(args: &EchoArgs) -> Result<Report, String> {
    let plan = plan(&args.common, args.connections, 1, Some(&args.pacing))?;
    let size = args.size as usize;
    let exchange = ExchangePlan {
        kind: Kind::Echo { size },
        path: plan.target.path.clone(),
        outstanding: args.outstanding.max(1),
        rate: args.pacing.rate,
    };
    play_exchange(
        &plan,
        &args.common,
        &exchange,
        &[],
        &format!("echo of {size} bytes"),
    )
}

fn play_heartbeat(args: &HeartbeatArgs) -> Result<Report, String> {
    let plan = plan(&args.common, args.connections, 1, Some(&args.pacing))?;
    let identities = jim_users(&args.common, args.login_url.as_ref(), args.connections)?;
    let exchange = ExchangePlan {
        kind: Kind::Heartbeat,
        path: String::new(),
        outstanding: args.outstanding.max(1),
        rate: args.pacing.rate,
    };
    play_exchange(&plan, &args.common, &exchange, &identities, "heartbeat")
}

fn play_exchange(
    plan: &Plan,
    common: &Common,
    exchange: &ExchangePlan,
    identities: &[Identity],
    name: &str,
) -> Result<Report, String> {
    let jim = matches!(exchange.kind, Kind::Heartbeat);
    let outcome = conduct(plan, common.pid, |share| {
        let identities = part(identities, share, 1).to_vec();
        let script = Exchange::new(exchange.clone(), share.clone(), identities);
        SocketLoad::new(script, share, share.units.len(), jim)
    })?;
    let mut delivery = Delivery::default();
    for load in &outcome.loads {
        delivery.add(&load.script.delivery());
    }
    let mut report = finish(plan, name, outcome, Report::enter);
    report.delivery = Some(delivery);
    Ok(report)
}

fn play_idle(args: &IdleArgs) -> Result<Report, String> {
    let mut plan = plan(&args.common, args.connections, 1, None)?;
    plan.duration_ns = args.hold;
    let login = args.jim.then_some(args.login_url.as_ref());
    let outcome = play_crowd(&plan, &args.common, login, 0)?;
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
    let mut plan = plan(&args.common, args.connections, 1, None)?;
    plan.duration_ns = args.patience;
    let login = args.jim.then_some(args.login_url.as_ref());
    let outcome = play_crowd(&plan, &args.common, login, args.rounds as usize)?;
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

/// `login`: whether to log in to jim, and where, if elsewhere.
fn play_crowd(
    plan: &Plan,
    common: &Common,
    login: Option<Option<&Target>>,
    rounds: usize,
) -> Result<Outcome<SocketLoad<Crowd>>, String> {
    let identities = match login {
        Some(login_url) => jim_users(common, login_url, plan.units)?,
        None => Vec::new(),
    };
    let crowd = CrowdPlan {
        path: plan.target.path.clone(),
        rounds,
    };
    conduct(plan, common.pid, |share| {
        let identities = part(&identities, share, 1).to_vec();
        let script = Crowd::new(crowd.clone(), share, identities);
        SocketLoad::new(script, share, share.units.len(), login.is_some())
    })
}

fn play_chat(args: &ChatArgs) -> Result<Report, String> {
    let plan = plan(&args.common, args.pairs, 2, Some(&args.pacing))?;
    let run = args.common.run();
    let login = args.login_url.as_ref().unwrap_or(&args.common.url);
    let identities = visitors(login, &names(&run, 2 * args.pairs))?;
    let chat = ChatPlan {
        run,
        outstanding: args.outstanding.max(1),
        size: args.size,
        client_ids: args.client_ids,
        until_delivered: !args.until_acknowledged,
        rate: args.pacing.rate,
    };
    let outcome = conduct(&plan, args.common.pid, |share| {
        let identities = part(&identities, share, 2).to_vec();
        let script = Chat::new(chat.clone(), share.clone(), identities);
        SocketLoad::new(script, share, 2 * share.units.len(), true)
    })?;
    let mut delivery = Delivery::default();
    for load in &outcome.loads {
        delivery.add(&load.script.delivery());
    }
    let name = format!("chat of {} pairs", args.pairs);
    let mut report = finish(&plan, &name, outcome, Report::enter);
    report.delivery = Some(delivery);
    Ok(report)
}

fn plan(
    common: &Common,
    units: usize,
    links_per_unit: usize,
    pacing: Option<&Pacing>,
) -> Result<Plan, String> {
    let connections = units * links_per_unit;
    if units == 0 {
        return Err("there must be at least one connection".to_owned());
    }
    allow_files(connections as u64 + 100)?;
    let needed = common.url.sources(connections);
    Ok(Plan {
        target: common.url.clone(),
        units,
        links_per_unit,
        threads: common.threads(),
        sources: common.sources.unwrap_or(needed).clamp(1, 250),
        dialing_max: common.dialing,
        warmup_ns: pacing.map_or(0, |pacing| pacing.warmup),
        duration_ns: pacing.map_or(0, |pacing| pacing.duration),
        drain_ns: common.drain,
    })
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

fn names(run: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{run}-{index}")).collect()
}

fn jim_users(
    common: &Common,
    login_url: Option<&Target>,
    count: usize,
) -> Result<Vec<Identity>, String> {
    visitors(
        login_url.unwrap_or(&common.url),
        &names(&common.run(), count),
    )
}

/// A thread's part of what there is `each` of for every unit; nothing if there is nothing.
fn part<'a, T>(all: &'a [T], share: &Share, each: usize) -> &'a [T] {
    all.get(share.units.start * each..share.units.end * each)
        .unwrap_or_default()
}

fn finish<L: Load>(
    plan: &Plan,
    scenario: &str,
    outcome: Outcome<L>,
    enter: fn(&mut Report, &Recorder),
) -> Report {
    let mut report = Report {
        scenario: scenario.to_owned(),
        connections: plan.units * plan.links_per_unit,
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
