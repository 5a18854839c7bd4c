//! Puts a container's specification together: image, service and folders in, [`Launch`] out.
//!
//! Invariants: nothing is started here; what a service asks for is in the specification or an error, never dropped.

mod cdi;
mod error;
mod limits;
mod logging;
mod mounts;
mod platform;
mod security;

pub use self::error::Error;
use self::security::SecurityOptions;
use crate::compose::model::NamespaceOf;
use crate::compose::model::NetworkMode;
use crate::compose::model::Project;
use crate::compose::model::Service;
use crate::compose::model::VolumesOf;
use crate::id::ContainerId;
use crate::id::VolumeName;
use crate::image::Image;
use crate::runtime::capabilities;
use crate::runtime::signals;
use crate::runtime::spec::{
    ContainerSpec, DeviceSpec, MountSpec, Namespace, NetworkNs, ProcessSpec, RlimitSpec, Rootfs,
    Seccomp,
};
use crate::runtime::sysctls;
use crate::scheduler::supervisor::launch::{self, Launch, Networking, Peer, VolumeUse};
use crate::state::paths::ContainerPaths;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

/// Docker's default size of `/dev/shm`.
const SHM_SIZE: u64 = 64 << 20;
/// Docker's default grace period.
const GRACE: Duration = Duration::from_secs(10);

/// What a container gets, and what it does not.
pub struct Assembled {
    /// How to launch it.
    pub launch: Launch,
    /// Labels of its anonymous volumes.
    pub volume_labels: BTreeMap<VolumeName, BTreeMap<String, String>>,
    /// Attributes that have no effect on this machine, with the reason.
    pub warnings: Vec<String>,
}

/// What a container is put together from.
pub struct Parts<'a> {
    /// The project it belongs to.
    pub project: &'a Project,
    /// Its service.
    pub service: &'a Service,
    /// Its image.
    pub image: &'a Image,
    /// Its identity.
    pub id: &'a ContainerId,
    /// Its folders.
    pub paths: &'a ContainerPaths,
    /// The layer below those of the image.
    pub bottom: PathBuf,
    /// Path prefix of the project's cgroups.
    pub cgroup: &'a str,
    /// Where a volume's data is.
    pub volume_path: &'a dyn Fn(&VolumeName) -> PathBuf,
    /// Anonymous volumes of the container it replaces, by target.
    pub inherited: &'a [VolumeUse],
    /// The containers whose namespaces it joins.
    pub joined: Vec<ContainerId>,
    /// The container whose network it uses.
    pub network_owner: Option<&'a ContainerSpec>,
    /// Looks up an image that is to be mounted.
    pub find_image: &'a dyn Fn(&str) -> Result<Rc<Image>, crate::image::Error>,
    /// How a container is launched whose volumes are mounted, too.
    pub launch_of: &'a dyn Fn(&VolumesOf) -> Option<Launch>,
}

impl Parts<'_> {
    /// Puts everything together. Reads secret and config files; makes missing bind sources.
    pub fn assemble(&self) -> Result<Assembled, Error> {
        let service = self.service;
        self.check_platform()?;
        let args = launch::command_line(service, self.image);
        if args.is_empty() {
            return Err(Error::NoCommand(service.name.to_string()));
        }
        let mut volumes = Vec::new();
        let mut warnings = Vec::new();
        let mounts = self.mounts(&mut volumes)?;
        let networking = launch::networking(self.project, service);
        let volume_labels = self.volume_labels(&volumes);
        let spec = self.spec(args, mounts, &networking, &mut warnings)?;
        sysctls::check(&spec).map_err(|e| self.unavailable("sysctls", &e.to_string()))?;
        let env = spec.process.env.clone();
        let launch = Launch {
            spec,
            network: networking,
            pid: service.pid.as_ref().and_then(launch::peer),
            ipc: service.ipc.as_ref().and_then(launch::peer),
            joined: self.joined.clone(),
            ports: launch::ports(service),
            dns: launch::DnsSettings {
                servers: service.dns.clone(),
                search: service.dns_search.clone(),
                options: service.dns_opt.clone(),
            },
            extra_hosts: service
                .extra_hosts
                .iter()
                .flat_map(|(name, addresses)| addresses.iter().map(|a| (name.clone(), a.clone())))
                .collect(),
            links: service
                .links
                .iter()
                .map(|(s, alias)| (alias.clone(), s.to_string()))
                .collect(),
            health: launch::health(service, self.image),
            restart: launch::restart(service),
            grace: service.stop_grace_period.unwrap_or(GRACE),
            depends_on: launch::depends_on(service),
            shared: self.shared(),
            volumes,
            exposed: launch::exposed(service, self.image),
            attach: service.attach,
            auto_remove: false,
            nameless: false,
            external_links: service.external_links.clone(),
            hooks: launch::hooks(service),
            log: logging::limits(service)?,
            unlogged: logging::is_none(service),
            forward: logging::forward(service, &env)?,
        };
        Ok(Assembled {
            launch,
            volume_labels,
            warnings,
        })
    }

    fn spec(
        &self,
        args: Vec<String>,
        mounts: Vec<MountSpec>,
        networking: &Networking,
        warnings: &mut Vec<String>,
    ) -> Result<ContainerSpec, Error> {
        let service = self.service;
        let kernel = &service.kernel;
        let options = SecurityOptions::parse(service)?;
        warnings.extend_from_slice(&options.told);
        let edits = self.devices()?;
        let mut mounts = mounts;
        mounts.extend(edits.mounts);
        let mut process = self.process(args, &options)?;
        process.env.extend(edits.env);
        process.groups.extend(edits.groups);
        let own = service.devices.iter().map(|d| device(d));
        Ok(ContainerSpec {
            id: self.id.clone(),
            rootfs: Rootfs::Overlay {
                lower: self.lower(),
                upper: self.paths.upper(),
                work: self.paths.work(),
            },
            read_only: service.read_only,
            mounts,
            process,
            hostname: self.hostname(),
            domainname: self.domainname(),
            network: match networking {
                Networking::Host => NetworkNs::Host,
                Networking::Of(_) => NetworkNs::Joined,
                _ => NetworkNs::Given,
            },
            pid_ns: Namespace::New,
            ipc_ns: Namespace::New,
            host_uts: kernel.host_uts,
            host_cgroups: kernel.host_cgroups,
            init: service.init,
            privileged: service.privileged,
            seccomp: if service.privileged {
                Seccomp::Unconfined
            } else {
                options.seccomp
            },
            unmasked: options.unmasked || service.privileged,
            cgroup: self.cgroup(warnings)?,
            devices: own.chain(edits.devices).collect(),
            device_rules: kernel.device_rules.clone(),
            sysctls: launch::sysctls(service, networking),
            shm_size: match service.ipc {
                Some(NamespaceOf::Bare) => None,
                _ => Some(service.shm_size.unwrap_or(SHM_SIZE)),
            },
            stop_signal: self.stop_signal()?,
            annotations: kernel.annotations.clone().into_iter().collect(),
            hooks: edits.hooks,
        })
    }

    fn lower(&self) -> Vec<PathBuf> {
        let mut layers = self.image.layers.clone();
        layers.push(self.bottom.clone());
        layers
    }

    fn hostname(&self) -> String {
        let host = || {
            rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned()
        };
        match (&self.service.hostname, &self.service.network_mode) {
            _ if self.service.kernel.host_uts => host(),
            (Some(name), _) => name.clone(),
            (None, NetworkMode::Host) => host(),
            (None, _) => match self.network_owner {
                // The name that resolves there.
                Some(owner) => owner.hostname.clone(),
                None => self.id.short().to_owned(),
            },
        }
    }

    fn domainname(&self) -> Option<String> {
        let service = self.service;
        let owner = self.network_owner.filter(|_| service.hostname.is_none());
        let theirs = || owner.and_then(|owner| owner.domainname.clone());
        service.domainname.clone().or_else(theirs)
    }

    fn process(&self, args: Vec<String>, options: &SecurityOptions) -> Result<ProcessSpec, Error> {
        let service = self.service;
        let image = &self.image.config;
        let capabilities =
            capabilities::effective_set(&service.cap_add, &service.cap_drop, service.privileged)
                .map_err(|source| Error::Capability {
                    service: service.name.to_string(),
                    source,
                })?;
        let cwd = service
            .working_dir
            .clone()
            .unwrap_or_else(|| image.working_dir.clone());
        Ok(ProcessSpec {
            args,
            env: launch::environment(service, self.image, &self.hostname()),
            cwd: if cwd.is_empty() { "/".to_owned() } else { cwd },
            user: service.user.clone().unwrap_or_else(|| image.user.clone()),
            groups: service.group_add.clone(),
            tty: service.tty,
            stdin: service.stdin_open,
            capabilities,
            no_new_privileges: options.no_new_privileges,
            confinement: options.confinement.clone(),
            rlimits: service
                .ulimits
                .iter()
                .map(|(name, limit)| rlimit(name, *limit))
                .collect(),
            oom_score_adj: service.oom_score_adj,
        })
    }

    fn stop_signal(&self) -> Result<i32, Error> {
        let image = self.image.config.stop_signal.as_deref();
        let signal = self
            .service
            .stop_signal
            .as_deref()
            .or(image)
            .unwrap_or("SIGTERM");
        signals::parse(signal).map_err(|source| Error::Signal {
            service: self.service.name.to_string(),
            source,
        })
    }

    /// What the devices of vendors bring.
    fn devices(&self) -> Result<cdi::Edits, Error> {
        let kernel = &self.service.kernel;
        if kernel.cdi.is_empty() && kernel.requests.is_empty() {
            return Ok(cdi::Edits::default());
        }
        let registry = cdi::Registry::read(&cdi::FOLDERS.map(Path::new));
        let mut names = kernel.cdi.clone();
        let failed = |source| Error::Devices {
            service: self.service.name.to_string(),
            source,
        };
        for request in &kernel.requests {
            names.extend(registry.names(request).map_err(failed)?);
        }
        registry.edits(&names).map_err(failed)
    }
}

fn rlimit(name: &str, limit: crate::compose::model::Ulimit) -> RlimitSpec {
    let value = |v: i64| u64::try_from(v).unwrap_or(u64::MAX);
    RlimitSpec {
        name: name.to_owned(),
        soft: value(limit.soft),
        hard: value(limit.hard),
    }
}

/// `host[:container[:rwm]]`.
fn device(text: &str) -> DeviceSpec {
    let mut parts = text.split(':');
    let source = parts.next().unwrap_or_default();
    let target = parts.next().unwrap_or(source);
    let access = parts.next().unwrap_or("rwm");
    DeviceSpec {
        source: PathBuf::from(source),
        target: target.to_owned(),
        access: access.to_owned(),
    }
}

/// Whether a peer's process must be looked up at the start.
pub fn namespace(
    peer: Option<&Peer>,
    of: impl Fn(&Peer) -> Option<(i32, u64)>,
) -> Option<Namespace> {
    match peer {
        None => Some(Namespace::New),
        Some(Peer::Host) => Some(Namespace::Host),
        Some(peer) => of(peer).map(|(pid, start_time)| Namespace::Of { pid, start_time }),
    }
}
