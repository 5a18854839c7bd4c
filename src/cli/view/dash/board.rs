//! What the dash knows: containers with what they use, the graphs of their projects, and where the user is.

use super::history::History;
use super::log::Lens;
use super::log::Log;
use crate::cli::view::usage::cpu;
use crate::engine::ContainerState;
use crate::engine::ContainerSummary;
use crate::engine::Usage;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Who needs whom in one project, in the order of its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs(pub Vec<(String, Vec<(String, &'static str)>)>);

/// One line of the table: a container, or a service that has none.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Its project.
    pub project: String,
    /// Its service.
    pub service: String,
    /// What it is; `None` = there is none yet.
    pub container: Option<ContainerSummary>,
    /// What it used when it was last looked at.
    pub usage: Option<Usage>,
    /// Shares of a core, percent.
    pub cpu: History,
    /// Bytes.
    pub memory: History,
}

impl Row {
    /// `web`, and the number of the others of its service.
    pub fn name(&self) -> String {
        match &self.container {
            Some(it) if it.number > 1 => format!("{}-{}", self.service, it.number),
            Some(it) if it.number == 0 => it.name.clone(),
            _ => self.service.clone(),
        }
    }

    /// Its state, if it is there.
    pub fn state(&self) -> Option<ContainerState> {
        self.container.as_ref().map(|it| it.state)
    }

    /// Whether its processes are there.
    pub fn is_alive(&self) -> bool {
        use ContainerState::{Paused, Restarting, Running};
        matches!(self.state(), Some(Running | Paused | Restarting))
    }

    fn uses(&mut self, usage: &Usage) {
        if let Some(share) = cpu(usage, self.usage.as_ref()) {
            self.cpu.push(share);
        }
        if let Some(memory) = usage.memory {
            self.memory.push(memory as f64);
        }
        self.usage = Some(usage.clone());
    }
}

/// What the lower half shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pane {
    /// What containers write.
    #[default]
    Logs,
    /// Who needs whom.
    Graph,
    /// All that is known of one container.
    Inspect,
}

impl Pane {
    /// All, in the order of the tabs.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Graph, Self::Inspect];

    /// The one behind it.
    pub fn next(self) -> Self {
        match self {
            Self::Logs => Self::Graph,
            Self::Graph => Self::Inspect,
            Self::Inspect => Self::Logs,
        }
    }
}

/// The last thing that was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// In words.
    pub text: String,
    /// Something went wrong.
    pub is_error: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Board {
    /// The project; `None` = all of them.
    pub project: Option<String>,
    /// The table.
    pub rows: Vec<Row>,
    /// Who needs whom, by project.
    pub needs: BTreeMap<String, Needs>,
    /// The line that keys are about.
    pub selected: usize,
    /// What the lower half shows.
    pub pane: Pane,
    /// The lower half is all there is.
    pub zoomed: bool,
    /// The keys are shown.
    pub help: bool,
    /// How far the lower half is scrolled down, if it is no log.
    pub scroll: usize,
    /// What containers wrote.
    pub log: Log,
    /// The last thing that was said.
    pub said: Said,
}

impl Board {
    /// The selected line.
    pub fn row(&self) -> Option<&Row> {
        self.rows.get(self.selected)
    }

    /// Takes what a project has now; what its lines knew of usage stays.
    pub fn contains(&mut self, project: &str, containers: Vec<ContainerSummary>) {
        let here = self.here();
        let (mut old, others): (Vec<Row>, Vec<Row>) = std::mem::take(&mut self.rows)
            .into_iter()
            .partition(|row| row.project == project);
        let mut seen = BTreeSet::new();
        let mut rows = others;
        for container in containers {
            seen.insert(container.service.clone());
            let same = |row: &Row| {
                row.container
                    .as_ref()
                    .is_some_and(|it| it.id == container.id)
            };
            let known = old.iter().position(same).map(|at| old.swap_remove(at));
            rows.push(Row {
                project: project.to_owned(),
                service: container.service.clone(),
                container: Some(container),
                ..known.unwrap_or_default()
            });
        }
        let needs = self.needs.get(project).into_iter().flat_map(|it| &it.0);
        let absent = needs.filter(|(service, _)| !seen.contains(service));
        rows.extend(absent.map(|(service, _)| Row {
            project: project.to_owned(),
            service: service.clone(),
            ..Row::default()
        }));
        rows.sort_by_cached_key(|row| self.place(row));
        self.rows = rows;
        self.stay(here);
    }

    /// Which line is selected, by its names.
    fn here(&self) -> Option<(String, String)> {
        self.row().map(|row| (row.project.clone(), row.name()))
    }

    /// Selects the line of these names, or one near where it was.
    fn stay(&mut self, here: Option<(String, String)>) {
        let names = |row: &Row| Some((row.project.clone(), row.name()));
        let again = self.rows.iter().position(|row| names(row) == here);
        let last = self.rows.len().saturating_sub(1);
        self.selected = again.unwrap_or(self.selected).min(last);
    }

    /// Projects by name, services as in the file, containers by number.
    fn place(&self, row: &Row) -> (String, usize, String, u32) {
        let needs = self.needs.get(&row.project);
        let place = needs.and_then(|it| it.0.iter().position(|(name, _)| *name == row.service));
        let number = row.container.as_ref().map_or(0, |it| it.number);
        (
            row.project.clone(),
            place.unwrap_or(usize::MAX),
            row.service.clone(),
            number,
        )
    }

    /// Takes what the containers of a project use.
    pub fn uses(&mut self, project: &str, usages: &[Usage]) {
        for row in self.rows.iter_mut().filter(|row| row.project == project) {
            let id = row.container.as_ref().map(|it| it.id.as_str());
            if let Some(usage) = usages.iter().find(|usage| Some(usage.id.as_str()) == id) {
                row.uses(usage);
            }
        }
    }

    /// Takes a project off.
    pub fn forget(&mut self, project: &str) {
        let here = self.here();
        self.rows.retain(|row| row.project != project);
        self.needs.remove(project);
        self.stay(here);
    }

    /// Goes so many lines down, or up.
    pub fn select(&mut self, by: isize) {
        let last = self.rows.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
        self.scroll = 0;
        self.log.follow();
    }

    /// Which lines are looked at.
    pub fn lens(&self) -> Lens {
        let row = self.row().filter(|_| !self.log.all);
        Lens {
            project: row.map(|row| row.project.clone()),
            service: row.map(|row| row.service.clone()),
            filter: self.log.filter.clone(),
        }
    }

    /// Shows something else below.
    pub fn show(&mut self, pane: Pane) {
        self.pane = pane;
        self.scroll = 0;
    }

    /// How many containers run, and how many there are.
    pub fn count(&self) -> (usize, usize) {
        let there = self.rows.iter().filter(|row| row.container.is_some());
        let alive = self.rows.iter().filter(|row| row.is_alive());
        (alive.count(), there.count())
    }

    /// How many containers are in trouble: unhealthy, or ended with a code that is none of success.
    pub fn troubled(&self) -> usize {
        let containers = self.rows.iter().filter_map(|row| row.container.as_ref());
        containers.filter(|it| is_troubled(it)).count()
    }
}

/// How a program ends that was asked to, by its own will or by the signal: interrupted, terminated.
const ASKED: [i32; 3] = [0, 130, 143];

/// Whether somebody should look at a container.
pub fn is_troubled(container: &ContainerSummary) -> bool {
    use crate::engine::HealthState;
    let ended = matches!(
        container.state,
        ContainerState::Exited | ContainerState::Restarting
    );
    container.health == Some(HealthState::Unhealthy) && !ended
        || ended
            && !container
                .exit_code
                .is_some_and(|code| ASKED.contains(&code))
        || container.state == ContainerState::Dead
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::containers::tests::container;

    fn board() -> Board {
        let mut board = Board::default();
        let needs = [
            ("web", vec![("db", "healthy")]),
            ("db", vec![]),
            ("job", vec![]),
        ];
        let needs = needs.map(|(name, of)| {
            let of = of
                .into_iter()
                .map(|(name, on): (&str, _)| (name.to_owned(), on));
            (name.to_owned(), of.collect())
        });
        board.needs.insert("app".to_owned(), Needs(needs.into()));
        board.contains("app", vec![container("db"), container("web")]);
        board
    }

    #[test]
    fn lines_are_in_the_order_of_the_file_and_a_service_without_a_container_has_one() {
        let names: Vec<String> = board().rows.iter().map(Row::name).collect();
        assert_eq!(names, ["web", "db", "job"]);
        assert_eq!(board().count(), (2, 2));
    }

    #[test]
    fn the_selection_stays_with_its_line_and_usage_with_its_container() {
        let mut board = board();
        board.select(1);
        let usage = |cpu, time| Usage {
            id: container("db").id,
            cpu: Some(cpu),
            time,
            ..Usage::default()
        };
        board.rows[0].container = None;
        board.uses("app", &[usage(0, 0)]);
        board.uses("app", &[usage(500_000_000, 1_000_000_000)]);
        board.contains("app", vec![container("db")]);
        let row = board.row().unwrap();
        assert_eq!(row.service, "db");
        assert_eq!(row.cpu.last(), Some(50.0));
        board.forget("app");
        assert!(board.row().is_none());
        board.select(3);
    }
}
