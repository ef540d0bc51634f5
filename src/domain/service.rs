//! Customer service: which agent answers which visitor.

use std::sync::Arc;

use crate::domain::account::Account;
use crate::domain::ids::{AccountId, CommitNumber, TimeMs};
use crate::domain::presence::Presence;

/// A visitor was given to an agent. Of a pair only the newest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Who asks.
    pub visitor: AccountId,
    /// Who answers.
    pub agent: AccountId,
    /// When.
    pub at: TimeMs,
}

/// What an agent has been given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentLoad {
    /// How many visitors since the time that was asked for.
    pub visitors: u64,
    /// When the last one, ever.
    pub last_at: Option<TimeMs>,
}

/// What the choice of an agent for one visitor looks at, as one snapshot shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// The snapshot's commit: assignments after it are not counted yet.
    pub commit: CommitNumber,
    /// Who asks.
    pub visitor: AccountId,
    /// Since when visitors are counted.
    pub since: TimeMs,
    /// The visitor's last assignment.
    pub assigned: Option<(Arc<Account>, TimeMs)>,
    /// The agent with whom the visitor exchanged the last message, and when.
    pub spoken: Option<(Arc<Account>, TimeMs)>,
    /// All agents and consultants with what they have been given.
    pub agents: Vec<(Arc<Account>, AgentLoad)>,
}

impl Candidates {
    /// Counts an assignment of a commit that the snapshot does not show.
    pub fn add(&mut self, commit: CommitNumber, assignment: &Assignment) {
        if commit <= self.commit {
            return;
        }
        let agent = self
            .agents
            .iter_mut()
            .find(|(agent, _)| agent.id == assignment.agent);
        let Some((agent, load)) = agent else { return };
        if assignment.at >= self.since {
            load.visitors += 1;
        }
        load.last_at = load.last_at.max(Some(assignment.at));
        if assignment.visitor == self.visitor {
            self.assigned = Some((Arc::clone(agent), assignment.at));
        }
    }

    /// The agent whom the visitor knows: last assigned or last spoken with, whichever is later, online or not. Else the one online
    /// with the fewest visitors, and of these the one whose last assignment is oldest. `None` when there is nobody.
    pub fn choose(&self, presence: &dyn Presence) -> Option<Arc<Account>> {
        let known = match (&self.assigned, &self.spoken) {
            (Some((assigned, at)), Some((spoken, later))) => {
                Some(if later > at { spoken } else { assigned })
            }
            (assigned, spoken) => assigned.as_ref().or(spoken.as_ref()).map(|(who, _)| who),
        };
        if let Some(known) = known {
            return Some(Arc::clone(known));
        }
        self.agents
            .iter()
            .filter(|(agent, _)| agent.id != self.visitor && presence.is_online(agent.id))
            // Who was never given a visitor has waited longest: `None` is less than any time.
            .min_by_key(|(agent, load)| (load.visitors, load.last_at, agent.id))
            .map(|(agent, _)| Arc::clone(agent))
    }
}
