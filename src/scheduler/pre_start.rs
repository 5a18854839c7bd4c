//! `pre_start`: containers that run to their end before a service's own containers start.
//!
//! Each hook is a service of its own in the model that containers are made from. Planning does not see it as one: it belongs
//! to the service it is a hook of, as a one-off container does.

use super::supervisor::control::OneOff;
use crate::compose::model::{HealthTest, Healthcheck, Hook, Hooks, Project, Restart, Service};
use crate::id::ServiceName;

/// The label that tells such a container, as docker compose has it.
pub const LABEL: (&str, &str) = ("com.docker.compose.hook", "pre_start");

/// A hook as planning needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreStart {
    /// The service that its container is made from.
    pub key: ServiceName,
    /// Which of the service's hooks it is, from 1.
    pub number: usize,
    /// Before each container, not once.
    pub per_replica: bool,
}

/// The hooks of a service, in their order.
pub fn of(service: &Service) -> Vec<PreStart> {
    let hooks = service.life.hooks.pre_start.iter().enumerate();
    hooks
        .map(|(index, hook)| PreStart {
            key: key(&service.name, index + 1),
            number: index + 1,
            per_replica: hook.per_replica,
        })
        .collect()
}

/// Puts the services that hooks are made from into a project. Gives them, each with what it is a one-off container of.
pub fn add_to(project: &mut Project) -> Vec<(ServiceName, OneOff)> {
    let mut added = Vec::new();
    let services: Vec<Service> = project.services.values().cloned().collect();
    for service in &services {
        for (index, hook) in service.life.hooks.pre_start.iter().enumerate() {
            let key = key(&service.name, index + 1);
            let one_off = OneOff {
                of: service.name.clone(),
                auto_remove: false,
                use_aliases: false,
            };
            project
                .services
                .insert(key.clone(), made(service, hook, &key));
            added.push((key, one_off));
        }
    }
    added
}

/// No service of a file has such a name: it would have to end in the name of an attribute.
fn key(service: &ServiceName, number: usize) -> ServiceName {
    ServiceName::new(format!("{service}.pre_start-{number}"))
        .expect("it continues a name with letters")
}

/// The service, with what the hook says, and without what concerns others.
fn made(service: &Service, hook: &Hook, key: &ServiceName) -> Service {
    let mut made = service.clone();
    made.name = key.clone();
    if let Some(image) = &hook.image {
        made.image.clone_from(image);
        // The service's own is for the service's image.
        made.entrypoint = None;
    }
    made.command.clone_from(&hook.command);
    made.user = hook.user.clone().or(made.user);
    made.working_dir = hook.working_dir.clone().or(made.working_dir);
    made.privileged |= hook.privileged;
    made.environment.extend(hook.environment.clone());
    made.labels.insert(LABEL.0.to_owned(), LABEL.1.to_owned());
    made.container_name = None;
    made.ports.clear();
    made.restart = Restart::default();
    made.healthcheck = Some(Healthcheck {
        test: Some(HealthTest::Disabled),
        ..Healthcheck::default()
    });
    made.life.hooks = Hooks::default();
    for network in made.networks.values_mut() {
        // Those are of the container that is to come.
        (
            network.ipv4_address,
            network.ipv6_address,
            network.mac_address,
        ) = (None, None, None);
    }
    made.mac_address = None;
    made
}
