//! A plan: actions with their causes and what each of them comes after.
//!
//! A plan is acyclic by construction: an action can only come after actions that were added before it.

use super::action::Action;
use super::action::ContainerRef;
use crate::id::NetworkName;
use crate::id::ServiceName;
use petgraph::graph::DiGraph;
use petgraph::graph::NodeIndex;
use std::fmt;

/// What to do, why, and in which order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    graph: DiGraph<Node, ()>,
    /// Containers that run, are up to date and stay as they are.
    pub kept: Vec<ContainerRef>,
    /// What the user should know before it begins.
    pub warnings: Vec<String>,
}

/// One action of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What to do.
    pub action: Action,
    /// Why.
    pub cause: Cause,
    /// Whether its failure fails the plan; otherwise it is a warning, and what comes after goes on.
    pub required: bool,
}

/// Position of an action in its plan.
pub type Step = NodeIndex;

/// Why an action is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// There is none yet.
    Missing,
    /// The kernel lost it (a boot); its record is still there.
    LostAtBoot,
    /// The service's configuration is not the one the container was made with.
    ConfigChanged,
    /// The image of that name is another one now.
    ImageChanged,
    /// `--force-recreate`, or `--always-recreate-deps`.
    Forced,
    /// A network it is on is made anew.
    NetworkRecreated(NetworkName),
    /// It is not on a network it should be on.
    NotOnNetwork(NetworkName),
    /// It does not mount a volume it should mount.
    NotOnVolume(crate::id::VolumeName),
    /// It shares a namespace of this service's container, and that one is replaced or gone.
    NamespaceReplaced(ServiceName),
    /// It depends on this service with `restart: true`, and that one is replaced or restarted.
    DependencyRestarts(ServiceName),
    /// Its configuration changed.
    NetworkChanged,
    /// Its service is not in the project.
    Orphan,
    /// A newer container has its place already.
    Superseded,
    /// Number of replicas before and after.
    Scale {
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// It was half made or half removed.
    Dead,
    /// It is new.
    New,
    /// Its replacement is there.
    Replaced,
    /// Not running, and it should.
    NotRunning(super::observed::State),
    /// These services depend on it.
    NeededBy(Vec<ServiceName>),
    /// The command says so, e.g. `down`.
    Asked(&'static str),
}

impl Plan {
    /// Adds a step that comes after `after`.
    pub fn add(&mut self, action: Action, cause: Cause, after: &[Step]) -> Step {
        self.push(
            Node {
                action,
                cause,
                required: true,
            },
            after,
        )
    }

    /// Adds a step whose failure is only a warning.
    pub fn add_optional(&mut self, action: Action, cause: Cause, after: &[Step]) -> Step {
        self.push(
            Node {
                action,
                cause,
                required: false,
            },
            after,
        )
    }

    fn push(&mut self, node: Node, after: &[Step]) -> Step {
        let step = self.graph.add_node(node);
        for before in after {
            assert!(before.index() < step.index(), "a plan grows forwards");
            self.graph.update_edge(*before, step, ());
        }
        step
    }

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// All steps, each after those it comes after.
    pub fn steps(&self) -> impl Iterator<Item = (Step, &Node)> {
        self.graph.node_indices().map(|i| (i, &self.graph[i]))
    }

    /// One step.
    pub fn node(&self, step: Step) -> &Node {
        &self.graph[step]
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        unimplemented!()
    }
}
