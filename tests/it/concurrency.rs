//! Many buyers at once against a plain model: what each sender was told, in the order in which it was told.

use crate::harness::{Buyer, Client, Envelope, Server};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread;

const BUYERS: usize = 4;
const STEPS: usize = 150;
/// Acknowledgements after which the server is killed.
const ACKNOWLEDGED_BEFORE_KILL: usize = 300;

/// SplitMix64: the same seed gives the same run, up to the threads' interleaving.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

fn name(index: usize) -> String {
    format!("buyer{index}")
}

/// Somebody with several connections and one session, who has one request under way at a time.
struct Participant {
    name: String,
    connections: Vec<Buyer>,
    random: Random,
    /// Peer to texts, in the order of their acknowledgements.
    sent: HashMap<String, Vec<String>>,
    /// Peer to texts, in the order in which `getMsg` returned them.
    read: HashMap<String, Vec<String>>,
    /// A message without an answer: peer and text.
    in_flight: Option<(String, String)>,
}

impl Participant {
    fn new(addr: SocketAddr, index: usize) -> Participant {
        let first = Buyer::login(Client::connect(addr), &name(index));
        let (name, token) = (first.name.clone(), first.token.clone());
        let other = || Buyer {
            http: Client::connect(addr),
            name: name.clone(),
            token: token.clone(),
        };
        let connections = vec![other(), other(), first];
        let random = Random(index as u64);
        let (sent, read) = (HashMap::new(), HashMap::new());
        Participant {
            name,
            connections,
            random,
            sent,
            read,
            in_flight: None,
        }
    }

    /// Makes a call on one of the connections, in pieces cut at random.
    fn call(&mut self, call: &str, params: &[(&str, &str)]) -> io::Result<Value> {
        let chosen = self.random.below(self.connections.len());
        let connection = &mut self.connections[chosen];
        let request = connection.request(call, params).bytes();
        let mut rest = request.as_slice();
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(1 + self.random.below(rest.len()));
            connection.http.try_send(piece)?;
            rest = tail;
        }
        let response = connection.http.try_response()?;
        Ok(Envelope::of(&response).accepted())
    }

    fn send(&mut self, peer: &str) -> io::Result<()> {
        let text = format!(
            "{} to {peer}: {}",
            self.name,
            self.sent.get(peer).map_or(0, Vec::len)
        );
        self.in_flight = Some((peer.to_owned(), text.clone()));
        self.call(
            "sendMsg",
            &[("shopname", peer), ("content", &text), ("client_id", &text)],
        )?;
        self.in_flight = None;
        self.sent.entry(peer.to_owned()).or_default().push(text);
        Ok(())
    }

    fn read(&mut self, peer: &str) -> io::Result<()> {
        let data = self.call("getMsg", &[("shopname", peer)])?;
        let rows = data["msgList"].as_array().expect("a list");
        let texts = rows
            .iter()
            .map(|row| row["text"].as_str().expect("a string").to_owned());
        self.read.entry(peer.to_owned()).or_default().extend(texts);
        Ok(())
    }

    /// A send, or a read by those who read, with somebody chosen at random.
    fn step(&mut self, reads: bool) -> io::Result<()> {
        let others: Vec<_> = (0..BUYERS)
            .map(name)
            .filter(|other| *other != self.name)
            .collect();
        let peer = &others[self.random.below(others.len())];
        if reads && self.random.below(3) == 0 {
            self.read(peer)
        } else {
            self.send(peer)
        }
    }

    fn sent_to(&self, peer: &str) -> &[String] {
        self.sent.get(peer).map_or(&[], Vec::as_slice)
    }

    fn read_from(&self, peer: &str) -> &[String] {
        self.read.get(peer).map_or(&[], Vec::as_slice)
    }
}

/// Asserts that both sides see one history, which holds each acknowledged message once, in its sender's order.
fn check_history(server: &Server, one: &Participant, other: &Participant) {
    let history = server.buyer(&one.name).history(&other.name);
    assert_eq!(server.buyer(&other.name).history(&one.name), history);
    for (sender, recipient) in [(one, other), (other, one)] {
        let from_sender = history
            .iter()
            .filter(|(from, _)| *from == sender.name)
            .map(|(_, text)| text);
        assert!(
            from_sender.eq(sender.sent_to(&recipient.name)),
            "{} to {}",
            sender.name,
            recipient.name
        );
    }
    assert_eq!(
        history.len(),
        one.sent_to(&other.name).len() + other.sent_to(&one.name).len()
    );
}

fn pairs(participants: &[Participant]) -> impl Iterator<Item = (&Participant, &Participant)> {
    let pairs_of = |(at, one)| participants[at + 1..].iter().map(move |other| (one, other));
    participants.iter().enumerate().flat_map(pairs_of)
}

#[test]
fn everyone_sees_every_message_once_and_in_one_order() {
    let server = Server::durable(&[]);
    let addr = server.addr();
    let threads: Vec<_> = (0..BUYERS)
        .map(|index| {
            thread::spawn(move || {
                let mut participant = Participant::new(addr, index);
                for _ in 0..STEPS {
                    participant.step(true).expect("the server answers");
                }
                participant
            })
        })
        .collect();
    let participants: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .collect();

    for (one, other) in pairs(&participants) {
        check_history(&server, one, other);
    }
    for reader in &participants {
        let mut buyer = server.buyer(&reader.name);
        let mut unread_by_peer = HashMap::new();
        for sender in participants
            .iter()
            .filter(|sender| sender.name != reader.name)
        {
            let sent = sender.sent_to(&reader.name);
            let read = reader.read_from(&sender.name);
            assert_eq!(
                read,
                &sent[..read.len()],
                "{} from {}",
                reader.name,
                sender.name
            );
            if sent.len() > read.len() {
                unread_by_peer.insert(sender.name.clone(), (sent.len() - read.len()).to_string());
            }
        }
        let total: u64 = unread_by_peer
            .values()
            .map(|unread| unread.parse::<u64>().expect("a number"))
            .sum();
        assert_eq!(buyer.unread(), total);
        assert_eq!(
            buyer
                .list("getCurrentChatList")
                .into_iter()
                .collect::<HashMap<_, _>>(),
            unread_by_peer
        );
        for sender in participants
            .iter()
            .filter(|sender| sender.name != reader.name)
        {
            let unread = &sender.sent_to(&reader.name)[reader.read_from(&sender.name).len()..];
            assert_eq!(buyer.read(&sender.name), unread);
        }
        assert_eq!(buyer.unread(), 0);
    }
}

/// Sends until the server is gone, reporting each acknowledgement.
fn send_until_killed(addr: SocketAddr, index: usize, acknowledged: Sender<()>) -> Participant {
    let mut participant = Participant::new(addr, index);
    while participant.step(false).is_ok() {
        // Nobody counts any more once the server is being killed.
        let _ = acknowledged.send(());
    }
    participant
}

/// Reads what `buyer0` sends until the server is gone. Returns what was returned.
fn read_until_killed(addr: SocketAddr) -> Vec<String> {
    let mut buyer = Buyer::login(Client::connect(addr), &name(1));
    let mut read = Vec::new();
    while let Ok(data) = buyer.try_data("getMsg", &[("shopname", &name(0))]) {
        let rows = data["msgList"].as_array().expect("a list");
        read.extend(
            rows.iter()
                .map(|row| row["text"].as_str().expect("a string").to_owned()),
        );
    }
    read
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let mut server = Server::durable(&[]);
    let addr = server.addr();
    let (acknowledged, acknowledgements) = channel();
    let reader = thread::spawn(move || read_until_killed(addr));
    let senders: Vec<_> = (0..BUYERS)
        .map(|index| {
            let acknowledged = acknowledged.clone();
            thread::spawn(move || send_until_killed(addr, index, acknowledged))
        })
        .collect();
    drop(acknowledged);
    assert_eq!(
        acknowledgements
            .iter()
            .take(ACKNOWLEDGED_BEFORE_KILL)
            .count(),
        ACKNOWLEDGED_BEFORE_KILL
    );
    server.kill();
    let mut participants: Vec<_> = senders
        .into_iter()
        .map(|sender| sender.join().expect("no panic"))
        .collect();
    let read = reader.join().expect("no panic");
    server.start_again();

    // A client that got no answer sends again under the same id, whether the message was stored or not; one that is
    // not sure whether it got an answer does so too.
    for participant in &mut participants {
        let (peer, text) = participant
            .in_flight
            .take()
            .expect("killed with a message under way");
        participant.sent.entry(peer).or_default().push(text);
        let mut buyer = server.buyer(&participant.name);
        for (peer, texts) in &participant.sent {
            let text = texts
                .last()
                .expect("an entry is made with its first message");
            buyer.data(
                "sendMsg",
                &[("shopname", peer), ("content", text), ("client_id", text)],
            );
        }
    }
    for (one, other) in pairs(&participants) {
        check_history(&server, one, other);
    }

    // What an answer has returned stays read. What the last, lost answer returned may be read too.
    let sent = participants[0].sent_to(&name(1));
    assert_eq!(read, sent[..read.len()]);
    let mut buyer = server.buyer(&name(1));
    let unread: u64 = buyer
        .list("getCurrentChatList")
        .into_iter()
        .filter(|(cname, _)| *cname == name(0))
        .map(|(_, unread)| unread.parse::<u64>().expect("a number"))
        .sum();
    let unread = unread as usize;
    assert!(
        read.len() + unread <= sent.len(),
        "{} read, {unread} unread, {} sent",
        read.len(),
        sent.len()
    );
    let mut rest = Vec::new();
    while rest.len() < unread {
        let more = buyer.read(&name(0));
        assert!(
            !more.is_empty(),
            "{unread} unread, but only {} are returned",
            rest.len()
        );
        rest.extend(more);
    }
    assert_eq!(rest, sent[sent.len() - unread..]);
    assert_eq!(buyer.read(&name(0)), Vec::<String>::new());
}
