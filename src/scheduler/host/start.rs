//! Starts a container: addresses, namespace, names, then the shim.

use super::{AttachWish, RealHost, blocking};
use crate::network::Endpoint;
use crate::network::Published;
use crate::network::spec::AttachmentSpec;
use crate::runtime::Identity;
use crate::runtime::LaunchFds;
use crate::runtime::LaunchRequest;
use crate::runtime::ShimLink;
use crate::runtime::shim::kept;
use crate::runtime::shim::protocol::{Proxy, Watchdog};
use crate::runtime::spec::{ContainerSpec, Namespace};
use crate::scheduler::action::ContainerRef;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::ENVIRONMENT;
use crate::scheduler::supervisor::assemble;
use crate::scheduler::supervisor::container::{Container, EndpointRecord, Phase};
use crate::scheduler::supervisor::endpoint::{DNS_TCP, DNS_UDP};
use crate::scheduler::supervisor::etc;
use crate::scheduler::supervisor::launch::Networking;
use crate::scheduler::supervisor::machine::{Command, SHIM_LOST};
use crate::state::event::What;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::sync::oneshot;

/// How often a launch is tried whose zygote or shim was killed on the way.
const TRIES: usize = 3;

/// How a start ends.
pub type Started = Result<(), HostError>;

/// Where a container's network namespace comes from.
enum Netns {
    Attached(AttachmentSpec),
    Alone,
    Joined(OwnedFd),
    Host,
}

impl RealHost {
    /// Starts a container that does not run; resolves once it executes its program.
    pub(super) async fn start(&self, of: &ContainerRef) -> Started {
        let container = self.container(of)?;
        let phase = container.status.borrow().phase;
        match phase {
            Phase::Running => return Ok(()),
            Phase::Paused => return self.freeze(of, false).await,
            Phase::Restarting => return container.ask(Command::Hurry).await,
            Phase::Created | Phase::Starting | Phase::Exited => {}
        }
        let started = self.connect_and_launch(&container).await;
        if let Err(error) = &started {
            self.project.release_endpoint(&container);
            self.project.event(
                &container,
                What::Failed {
                    error: error.to_string(),
                },
                "",
            );
        }
        started?;
        self.post_start(&container).await
    }

    /// Starts a container, after it ended, that has neither shim nor network any more.
    ///
    /// # Errors
    /// It could not be started.
    pub async fn start_again(&self, container: &Rc<Container>) -> Started {
        self.connect_and_launch(container).await
    }

    async fn connect_and_launch(&self, container: &Rc<Container>) -> Started {
        for attempt in 1.. {
            match self.try_launch(container).await {
                // With the shim went what it held of the network.
                Err(error) if error.message.starts_with(SHIM_LOST) && attempt < TRIES => {}
                other => return other,
            }
        }
        Ok(())
    }

    async fn try_launch(&self, container: &Rc<Container>) -> Started {
        let name = &container.record.name;
        let cannot = |what: &str, e: std::io::Error| {
            HostError::because(format!("cannot {what} of container `{name}`"), e)
        };
        container.until(|s| !s.lingers).await;
        // Not there on the first start, and not on the first one after a boot.
        let made = container.paths.make_run();
        made.map_err(|e| cannot("make the run folder", e))?;
        self.mount_volumes(container).await?;
        let fds = self.connect(container).await?;
        container.kept.replace(fds);
        etc::write(&self.project, container).map_err(|e| cannot("write the /etc files", e))?;
        // The others of the batch have their addresses now, too: one zone for all, and before anybody can ask.
        tokio::task::yield_now().await;
        self.project.publish_names();
        let link = self
            .project
            .launch(self.request(container)?, &container.kept.borrow())
            .map_err(|e| HostError::because(format!("cannot start container `{name}`"), e))?;
        self.begin(container, link).await
    }

    /// Hands the shim to the container's machine and waits for its word. A container that somebody wants to be attached to
    /// was held back for that.
    async fn begin(&self, container: &Container, link: ShimLink) -> Started {
        let launched = container.ask(|answer| Command::Launched(link, answer));
        let Some(wish) = self.wish(container) else {
            return launched.await;
        };
        let (sender, attachment) = oneshot::channel();
        let attach = async {
            // Told after `Launched`: a future runs its part up to the first wait when it is polled first.
            let commands = &container.commands;
            let _ = commands.send(Command::Attach {
                close_stdin: wish.stdin,
                lossless: true,
                answer: sender,
            });
            let _ = commands.send(Command::Begin);
            attachment.await
        };
        let (started, attached) = tokio::join!(biased; launched, attach);
        self.attached.replace(attached.ok());
        started
    }

    /// Of who wants to be attached to this container.
    pub(super) fn wish(&self, container: &Container) -> Option<&AttachWish> {
        let wish = self.attach.as_ref();
        wish.filter(|wish| wish.container == container.record.name)
    }

    /// Makes or joins the network namespace; what the shim is to hold comes back.
    async fn connect(&self, container: &Rc<Container>) -> Result<LaunchFds, HostError> {
        let name = &container.record.name;
        let failed = |e: crate::network::Error| {
            let hint = e.hint();
            let e = self.name_holder(e, &container.record.id);
            let error = HostError::because(format!("cannot connect container `{name}`"), e);
            hint.into_iter().fold(error, HostError::with_hint)
        };
        match self.netns(container)? {
            Netns::Host => Ok(LaunchFds::default()),
            Netns::Joined(netns) => Ok(LaunchFds {
                netns: Some(netns),
                ..LaunchFds::default()
            }),
            Netns::Alone => {
                let driver = self.project.network.clone();
                let endpoint = blocking(move || driver.new_netns()).await.map_err(failed)?;
                Ok(LaunchFds {
                    netns: Some(endpoint.netns),
                    ..LaunchFds::default()
                })
            }
            Netns::Attached(attachment) => {
                // Reserved at once, so that whoever asks next gets another address.
                let reserved = EndpointRecord {
                    attachment: attachment.clone(),
                    ports: Vec::new(),
                };
                container.endpoint.replace(Some(reserved));
                let endpoint = self
                    .connector
                    .connect(&self.project, attachment.clone())
                    .await
                    .map_err(failed)?;
                let record = EndpointRecord {
                    attachment,
                    ports: endpoint.published.ports.clone(),
                };
                self.project.keep_endpoint(container, record)?;
                self.hand_over(container, endpoint)
            }
        }
    }

    fn netns(&self, container: &Container) -> Result<Netns, HostError> {
        let name = &container.record.name;
        Ok(match &container.record.launch.network {
            Networking::Host => Netns::Host,
            Networking::None => Netns::Alone,
            Networking::Networks(members) => Netns::Attached(self.attachment(container, members)?),
            Networking::Of(peer) => {
                let missing = || {
                    HostError::new(format!(
                        "the container whose network `{name}` joins is not running"
                    ))
                };
                let (_, (pid, start_time)) =
                    self.project.peer(container, peer).ok_or_else(missing)?;
                let failed = |e| {
                    HostError::because(
                        format!("cannot join the network namespace of process {pid}"),
                        e,
                    )
                };
                Netns::Joined(open_netns(pid, start_time).map_err(failed)?)
            }
        })
    }

    /// Gives the resolver its copies of the DNS sockets and bundles all for the shim.
    fn hand_over(&self, container: &Container, endpoint: Endpoint) -> Result<LaunchFds, HostError> {
        let copy = |fd: &OwnedFd| {
            fd.try_clone()
                .map_err(|e| HostError::because("cannot share the resolver's sockets", e))
        };
        let (udp, tcp) = (copy(&endpoint.dns_udp)?, copy(&endpoint.dns_tcp)?);
        self.project
            .resolver
            .serve(container.record.id.clone(), udp, tcp);
        let mut keep = vec![
            (DNS_UDP.to_owned(), endpoint.dns_udp),
            (DNS_TCP.to_owned(), endpoint.dns_tcp),
        ];
        let ports = kept_ports(endpoint.published);
        keep.extend(ports.keep);
        Ok(LaunchFds {
            netns: Some(endpoint.netns),
            keep,
            proxies: ports.proxies,
        })
    }

    fn request(&self, container: &Container) -> Result<LaunchRequest, HostError> {
        let paths = &self.project.paths;
        let installation = &self.project.installation;
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let wish = self.wish(container);
        Ok(LaunchRequest {
            run_dir: container.paths.run.clone(),
            log_dir: container.paths.log(),
            log_limits: container.record.launch.log,
            spec: self.spec(container)?,
            hold: wish.is_some(),
            terminal: wish.and_then(|wish| wish.terminal),
            watchdog: Some(Watchdog {
                supervisor_lock: paths.lock(),
                supervisor_args: vec![
                    self.project.name.to_string(),
                    text(&installation.root),
                    text(&installation.run),
                ],
                supervisor_env: ENVIRONMENT
                    .map(|(key, value)| format!("{key}={value}"))
                    .to_vec(),
            }),
        })
    }

    /// Gives a running container whose shim was killed a new one.
    pub fn adopt(&self, container: &Container, orphan: (i32, u64)) -> Result<ShimLink, HostError> {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            let name = &container.record.name;
            HostError::because(format!("cannot give container `{name}` another shim"), e)
        };
        if container.kept.borrow().netns.is_none() {
            self.restore(container, orphan)?;
        }
        let identity = Identity {
            pid: orphan.0,
            start_time: orphan.1,
            boot_id: crate::runtime::identity::boot_id().map_err(|e| failed(e.into()))?,
        };
        let request = self.request(container)?;
        let kept = container.kept.borrow();
        self.project
            .adopt(request, &kept, &identity)
            .map_err(|e| failed(e.into()))
    }

    /// Gives a container that waits for its next start another shim, which waits for the order.
    pub fn hold(&self, container: &Container) -> Result<ShimLink, HostError> {
        let mut request = self.request(container)?;
        request.hold = true;
        let launched = self.project.launch(request, &container.kept.borrow());
        launched.map_err(|e| {
            let name = &container.record.name;
            HostError::because(format!("cannot give container `{name}` another shim"), e)
        })
    }

    /// Shim and supervisor were killed: what both held of the network is made anew.
    fn restore(&self, container: &Container, orphan: (i32, u64)) -> Result<(), HostError> {
        let name = &container.record.name;
        let netns = open_netns(orphan.0, orphan.1).map_err(|e| {
            HostError::because(format!("cannot open the network namespace of `{name}`"), e)
        })?;
        let Some(endpoint) = container.endpoint.borrow().clone() else {
            container.kept.borrow_mut().netns = Some(netns);
            return Ok(());
        };
        let networks = self.project.networks();
        let restored =
            self.project
                .network
                .restore(netns, &endpoint.attachment, &endpoint.ports, &networks);
        let (endpoint, refused) = restored.map_err(|e| {
            HostError::because(
                format!("cannot restore the network of container `{name}`"),
                e,
            )
        })?;
        for error in refused {
            let text = format!("container `{name}` has lost the reservation of a port: {error}");
            self.project.event(container, What::Warning { text }, "");
        }
        let mut anew = self.hand_over(container, endpoint)?;
        let mut kept = container.kept.borrow_mut();
        // What tells how the process ends is not of the network.
        let process = kept.take(kept::PROCESS);
        let process = process.map(|fd| (kept::PROCESS.to_owned(), fd));
        anew.keep.extend(process);
        *kept = anew;
        Ok(())
    }

    /// The specification, with the namespaces that are joined now.
    fn spec(&self, container: &Container) -> Result<ContainerSpec, HostError> {
        let launch = &container.record.launch;
        let mut spec = launch.spec.clone();
        let process = |peer: &_| {
            self.project
                .peer(container, peer)
                .map(|(_, process)| process)
        };
        let missing = |kind: &str| {
            let name = &container.record.name;
            HostError::new(format!(
                "the container whose {kind} namespace `{name}` joins is not running"
            ))
        };
        let joined = |peer: Option<&_>, kind| -> Result<Namespace, HostError> {
            assemble::namespace(peer, process).ok_or_else(|| missing(kind))
        };
        spec.pid_ns = joined(launch.pid.as_ref(), "PID")?;
        spec.ipc_ns = joined(launch.ipc.as_ref(), "IPC")?;
        Ok(spec)
    }
}

/// The sockets of published ports, as a shim keeps them.
pub(super) fn kept_ports(published: Published) -> LaunchFds {
    let reserved = published.reservations.into_iter();
    let proxies = published.proxies.into_iter();
    LaunchFds {
        netns: None,
        keep: reserved.map(|fd| (kept::PORT.to_owned(), fd)).collect(),
        proxies: proxies
            .map(|(listener, tcp, target)| Proxy {
                listener,
                tcp,
                target,
            })
            .collect(),
    }
}

/// The network namespace of a process, if it is still the one that was meant.
fn open_netns(pid: i32, start_time: u64) -> std::io::Result<OwnedFd> {
    let netns = std::fs::File::open(format!("/proc/{pid}/ns/net"))?;
    match crate::runtime::identity::open_pid(pid, start_time)? {
        Some(_) => Ok(netns.into()),
        None => Err(std::io::ErrorKind::NotFound.into()),
    }
}
