//! A plan: actions with their causes and what each of them comes after.
//!
//! A plan is acyclic by construction: an action can only come after actions that were added before it.

use super::action::Action;
use super::action::ContainerRef;
use super::observed::State;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use petgraph::Direction;
use petgraph::algo::tred::dag_to_toposorted_adjacency_list;
use petgraph::algo::tred::dag_transitive_reduction_closure;
use petgraph::graph::DiGraph;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use petgraph::visit::IntoEdgeReferences;
use std::collections::HashSet;
use std::fmt;

/// What to do, why, and in which order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    graph: DiGraph<Node, Link>,
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

/// How a step comes after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Once that one is done, or has failed without being required.
    After,
    /// Only if that one is done: otherwise it is left out.
    Needs,
}

/// Position of an action in its plan.
pub type Step = NodeIndex;

/// Why an action is planned. Its `Display` is short, for the cause of an event and the end of a plan's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// There is none yet.
    Missing,
    /// The kernel lost it (a boot); its record is still there.
    LostAtBoot,
    /// Its configuration is not the one it was made with.
    ConfigChanged,
    /// These keys of its configuration are not those it was made with.
    KeysChanged(String),
    /// A volume it mounts is made anew.
    VolumeRecreated(VolumeName),
    /// The image of that name is another one now.
    ImageChanged,
    /// `--force-recreate`, or `--always-recreate-deps`.
    Forced,
    /// A network it is on is made anew.
    NetworkRecreated(NetworkName),
    /// It is not on a network it should be on.
    NotOnNetwork(NetworkName),
    /// It does not mount a volume it should mount.
    NotOnVolume(VolumeName),
    /// It shares a namespace of this service's container, and that one is replaced or gone.
    NamespaceReplaced(ServiceName),
    /// It goes down and up with this service, which is replaced or restarted.
    DependencyRestarts(ServiceName),
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
    /// It is a `pre_start` hook.
    PreStart,
    /// This plan creates it.
    New,
    /// It should run, and is this instead.
    NotRunning(State),
    /// These services depend on it.
    NeededBy(Vec<ServiceName>),
    /// The command says so, e.g. `down`.
    Asked(&'static str),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("none yet"),
            Self::LostAtBoot => f.write_str("gone since the boot"),
            Self::ConfigChanged => f.write_str("configuration changed"),
            Self::KeysChanged(keys) => f.write_str(keys),
            Self::VolumeRecreated(name) => write!(f, "volume {name} recreated"),
            Self::ImageChanged => f.write_str("image changed"),
            Self::Forced => f.write_str("forced"),
            Self::NetworkRecreated(name) => write!(f, "network {name} recreated"),
            Self::NotOnNetwork(name) => write!(f, "not on network {name}"),
            Self::NotOnVolume(name) => write!(f, "volume {name} not mounted"),
            Self::NamespaceReplaced(service) => write!(f, "namespace of {service} replaced"),
            Self::DependencyRestarts(service) => write!(f, "{service} restarts"),
            Self::Orphan => f.write_str("orphan"),
            Self::Superseded => f.write_str("superseded"),
            Self::Scale { from, to } => write!(f, "scale {from} -> {to}"),
            Self::Dead => f.write_str("dead"),
            Self::PreStart => f.write_str("pre_start"),
            Self::New => f.write_str("new"),
            Self::NotRunning(state) => write!(f, "{state}"),
            Self::NeededBy(services) => {
                let names: Vec<_> = services.iter().map(ServiceName::as_str).collect();
                write!(f, "for {}", names.join(", "))
            }
            Self::Asked(words) => f.write_str(words),
        }
    }
}

impl Plan {
    /// Puts better causes in place of those that `why` has one for.
    pub fn explain(&mut self, why: impl Fn(&Node) -> Option<Cause>) {
        for node in self.graph.node_weights_mut() {
            if let Some(cause) = why(node) {
                node.cause = cause;
            }
        }
    }

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

    /// Adds an optional step that comes after `after`, and is left out if one of `needs` fails or is left out itself.
    pub fn add_needing(
        &mut self,
        action: Action,
        cause: Cause,
        after: &[Step],
        needs: &[Step],
    ) -> Step {
        let step = self.add_optional(action, cause, after);
        for before in needs {
            self.graph.update_edge(*before, step, Link::Needs);
        }
        step
    }

    /// Whether `step` is left out if `before` fails.
    pub fn needs(&self, step: Step, before: Step) -> bool {
        let link = self.graph.find_edge(before, step);
        link.is_some_and(|link| self.graph[link] == Link::Needs)
    }

    fn push(&mut self, node: Node, after: &[Step]) -> Step {
        let step = self.graph.add_node(node);
        for before in after {
            assert!(before.index() < step.index(), "a plan grows forwards");
            self.graph.update_edge(*before, step, Link::After);
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

    /// The steps that `step` comes after, in order.
    pub fn before(&self, step: Step) -> Vec<Step> {
        self.neighbours(step, Direction::Incoming)
    }

    /// The steps that come after `step`, in order.
    pub fn after(&self, step: Step) -> Vec<Step> {
        self.neighbours(step, Direction::Outgoing)
    }

    fn neighbours(&self, step: Step, direction: Direction) -> Vec<Step> {
        let mut steps: Vec<_> = self.graph.neighbors_directed(step, direction).collect();
        steps.sort_unstable();
        steps
    }

    /// For each step those it comes after, but for those that come before one of the others anyway.
    fn directly_before(&self) -> Vec<Vec<Step>> {
        let order: Vec<Step> = self.graph.node_indices().collect();
        let (list, _) = dag_to_toposorted_adjacency_list::<_, u32>(&self.graph, &order);
        let (reduced, _) = dag_transitive_reduction_closure(&list);
        let mut before = vec![Vec::new(); order.len()];
        for edge in reduced.edge_references() {
            before[edge.target() as usize].push(order[edge.source() as usize]);
        }
        before.iter_mut().for_each(|steps| steps.sort_unstable());
        before
    }

    /// The containers whose place a container of this plan takes.
    fn replaced(&self) -> HashSet<&ContainerId> {
        let replaces = |node: &'_ Node| match &node.action {
            Action::CreateContainer { replaces, .. } => replaces.clone(),
            _ => None,
        };
        let ids: HashSet<ContainerId> = self.graph.node_weights().filter_map(replaces).collect();
        let containers = self
            .graph
            .node_weights()
            .filter_map(|n| n.action.container());
        containers
            .map(|c| &c.id)
            .filter(|id| ids.contains(*id))
            .collect()
    }
}

impl fmt::Display for Plan {
    /// One line a step: its number, what, why, and the numbers of the steps it comes after. Before them what stays (`=`)
    /// and what to know (`!`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "  !  {warning}")?;
        }
        let replaced = self.replaced();
        let action = |node: &Node| match node.action.container() {
            Some(ContainerRef { id, name, .. }) if replaced.contains(id) => {
                let text = node.action.to_string();
                text.replacen(name, &format!("{name} (old)"), 1)
            }
            _ => node.action.to_string(),
        };
        let before = self.directly_before();
        let kept = self
            .kept
            .iter()
            .map(|c| format!("keep container {}", c.name));
        let rows: Vec<String> = kept.chain(self.graph.node_weights().map(action)).collect();
        let width = rows.iter().map(String::len).max().unwrap_or(0);
        let (kept, planned) = rows.split_at(self.kept.len());
        for row in kept {
            writeln!(f, "  =  {row:width$}  up to date")?;
        }
        for ((step, node), row) in self.steps().zip(planned) {
            write!(f, "{:>3}  {row:width$}  {}", step.index() + 1, node.cause)?;
            f.write_str(if node.required { "" } else { " (optional)" })?;
            write_before(f, &before[step.index()])?;
        }
        if self.is_empty() {
            writeln!(f, "nothing to do")?;
        }
        Ok(())
    }
}

/// `; after 1, 3-5`
fn write_before(f: &mut fmt::Formatter<'_>, before: &[Step]) -> fmt::Result {
    let numbers: Vec<usize> = before.iter().map(|step| step.index() + 1).collect();
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let words: Vec<String> = runs
        .flat_map(|run| match run {
            [first, _, .., last] => vec![format!("{first}-{last}")],
            few => few.iter().map(usize::to_string).collect(),
        })
        .collect();
    if words.is_empty() {
        return writeln!(f);
    }
    writeln!(f, "; after {}", words.join(", "))
}
