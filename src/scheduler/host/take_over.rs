//! A container takes the names and host ports of its place over from others, which still run.

use super::start::kept_ports;
use super::{RealHost, blocking};
use crate::network::Former;
use crate::runtime::LaunchFds;
use crate::scheduler::action::ContainerRef;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::container::{Container, EndpointRecord};
use crate::scheduler::supervisor::launch::Networking;
use crate::scheduler::supervisor::machine::Command;
use std::rc::Rc;
use std::time::Duration;

/// By then who has just looked a name up has connected to the address it got.
const LOOKED_UP: Duration = Duration::from_millis(250);

impl RealHost {
    /// See [`Action::TakeOver`](crate::scheduler::action::Action::TakeOver). The order is such that after a crash at any
    /// point somebody has the ports, and doing it again completes it.
    pub(super) async fn take_over(
        &self,
        of: &ContainerRef,
        from: &[ContainerRef],
    ) -> Result<(), HostError> {
        let container = self.container(of)?;
        let former = from.iter().filter_map(|f| self.project.container(&f.id));
        let former: Vec<Rc<Container>> = former.collect();
        self.pass_ports_on(&container, &former).await?;
        for old in &former {
            self.project.set_apart(old, true);
        }
        self.project.set_apart(&container, false);
        self.project.names_changed();
        self.project.publish_names();
        for old in former.iter().filter(|old| old.lives()) {
            old.ask(|answer| Command::Ports(LaunchFds::default(), answer))
                .await?;
        }
        if former.iter().any(|old| old.lives()) {
            tokio::time::sleep(LOOKED_UP).await;
        }
        Ok(())
    }

    async fn pass_ports_on(
        &self,
        container: &Rc<Container>,
        former: &[Rc<Container>],
    ) -> Result<(), HostError> {
        let name = &container.record.name;
        let Networking::Networks(_) = &container.record.launch.network else {
            return Ok(());
        };
        let Some(endpoint) = container.endpoint.borrow().clone() else {
            return Ok(());
        };
        let attachment = self.with_ports(container, endpoint.attachment);
        let from = former.iter().filter_map(|old| ports_of(old).transpose());
        let from: Vec<Former> = from.collect::<Result<_, _>>().map_err(|e| {
            HostError::because(format!("cannot pass ports on to container `{name}`"), e)
        })?;
        if attachment.ports.is_empty() && from.iter().all(|f| f.ports.is_empty()) {
            return Ok(());
        }
        let networks = self.project.networks();
        let (driver, wanted) = (self.project.network.clone(), attachment.clone());
        let passed = blocking(move || driver.hand_on(from, &wanted, &networks)).await;
        let published = passed.map_err(|e| {
            let hint = e.hint();
            let e = self.name_holder(e, &container.record.id);
            let error =
                HostError::because(format!("cannot publish the ports of container `{name}`"), e);
            hint.into_iter().fold(error, HostError::with_hint)
        })?;
        let ports = published.ports.clone();
        self.project
            .keep_endpoint(container, EndpointRecord { attachment, ports })?;
        for old in former {
            let endpoint = old.endpoint.borrow().clone();
            if let Some(endpoint) = endpoint {
                let ports = Vec::new();
                self.project
                    .keep_endpoint(old, EndpointRecord { ports, ..endpoint })?;
            }
        }
        container
            .ask(|answer| Command::Ports(kept_ports(published), answer))
            .await
    }
}

/// What `container` has of ports.
fn ports_of(container: &Container) -> std::io::Result<Option<Former>> {
    let Some(endpoint) = container.endpoint.borrow().clone() else {
        return Ok(None);
    };
    Ok(Some(Former {
        sockets: container.kept.borrow().ports()?,
        attachment: endpoint.attachment,
        ports: endpoint.ports,
    }))
}
