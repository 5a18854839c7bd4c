//! `system enable`, `disable`, `start` and `stop`: projects that come back with the machine.

use super::{refuse_dry_run, show};
use crate::cli::args::{EnableSystem, Init};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::id::ProjectName;
use crate::state::event::{Event, Subject, What};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// There while systemd is the machine's init.
const SYSTEMD: &str = "/run/systemd/system";
const UNIT: &str = "/etc/systemd/system/hoist.service";
const SCRIPT: &str = "/etc/init.d/hoist";

/// Installs the unit, or prints it.
pub fn enable(context: &Context, args: &EnableSystem) -> Result<Exit, Error> {
    refuse_dry_run(context, "system enable")?;
    let runs_systemd = Path::new(SYSTEMD).exists();
    let init = args.init.unwrap_or(match runs_systemd {
        true => Init::Systemd,
        false => Init::Sysv,
    });
    let text = text(init, &Place::of(context)?);
    if args.print {
        return show(context, &text);
    }
    let (path, mode, words): (_, _, &[&str]) = match init {
        Init::Systemd => (
            UNIT,
            0o644,
            &["systemctl", "enable", "--now", "hoist.service"],
        ),
        Init::Openrc => (SCRIPT, 0o755, &["rc-update", "add", "hoist", "default"]),
        Init::Sysv => (SCRIPT, 0o755, &["update-rc.d", "hoist", "defaults"]),
    };
    fs::write(path, text).map_err(Error::io(format!("write `{path}`")))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::io(format!("write `{path}`")))?;
    context.view.note(&format!("wrote {path}\n"));
    if init == Init::Systemd && !runs_systemd {
        let line = words.join(" ");
        context.view.note(&format!(
            "systemd does not run here; where it does: {line}\n"
        ));
        return Ok(Exit::Done);
    }
    if init == Init::Systemd {
        call(&["systemctl", "daemon-reload"])?;
    }
    call(words)?;
    context
        .view
        .note("projects with restart policies come back at each boot\n");
    Ok(Exit::Done)
}

/// Removes what `enable` has installed. What runs goes on.
pub fn disable(context: &Context) -> Result<Exit, Error> {
    refuse_dry_run(context, "system disable")?;
    let mut found = false;
    if Path::new(UNIT).exists() {
        found = true;
        if Path::new(SYSTEMD).exists() {
            call(&["systemctl", "disable", "hoist.service"])?;
        }
        remove(UNIT)?;
        if Path::new(SYSTEMD).exists() {
            call(&["systemctl", "daemon-reload"])?;
        }
    }
    if Path::new(SCRIPT).exists() {
        found = true;
        let openrc = Path::new("/run/openrc").exists();
        call(match openrc {
            true => &["rc-update", "del", "hoist"],
            false => &["update-rc.d", "-f", "hoist", "remove"],
        })?;
        remove(SCRIPT)?;
    }
    if !found {
        context
            .view
            .warn("`system enable` has installed nothing here");
    }
    Ok(Exit::Done)
}

/// Starts what comes back after a boot.
pub fn start(context: &Context) -> Result<Exit, Error> {
    refuse_dry_run(context, "system start")?;
    let failed = engine::boot(&context.engine(), &mut |project, event| {
        tell(context, project, event);
    })?;
    end(context, failed)
}

/// Stops everything for a shutdown.
pub fn stop(context: &Context) -> Result<Exit, Error> {
    refuse_dry_run(context, "system stop")?;
    let failed = engine::halt(&context.engine(), &mut |project, event| {
        tell(context, project, event);
    })?;
    end(context, failed)
}

/// For the machine's log: a line for what has happened to a container, and what is to be known.
fn tell(context: &Context, project: &ProjectName, event: &Event) {
    let word = match &event.what {
        What::Started => "started",
        What::Stopped => "stopped",
        What::Warning { text } => {
            return context.view.warn(&format!("project `{project}`: {text}"));
        }
        _ => return,
    };
    if let Subject::Container { name, .. } = &event.subject {
        context.view.note(&format!("{word} {name}\n"));
    }
}

fn end(context: &Context, failed: Vec<(ProjectName, engine::Error)>) -> Result<Exit, Error> {
    let code = if failed.is_empty() {
        Exit::Done
    } else {
        Exit::Code(1)
    };
    for (project, error) in failed {
        let causes: String = error.causes().iter().map(|c| format!(": {c}")).collect();
        context
            .view
            .warn(&format!("project `{project}`: {error}{causes}"));
    }
    Ok(code)
}

/// Who is called, and where its state is if not where it is by default.
struct Place {
    binary: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Place {
    fn of(context: &Context) -> Result<Self, Error> {
        let own = |name: &'static str| Some((name, context.env.get(name)?.to_owned()));
        Ok(Self {
            binary: std::env::current_exe().map_err(Error::io("find this program"))?,
            variables: ["HOIST_ROOT", "HOIST_RUN"]
                .into_iter()
                .filter_map(own)
                .collect(),
        })
    }
}

fn text(init: Init, place: &Place) -> String {
    match init {
        Init::Systemd => unit(place),
        Init::Openrc => openrc(place),
        Init::Sysv => sysv(place),
    }
}

/// Its processes outlive a restart of the unit's commands: shims and supervisors are in its control group, and they are
/// what must never be killed together. A project that does not come up must not make the unit a failed one, which systemd
/// would not stop at shutdown: what is wrong is in the journal.
fn unit(place: &Place) -> String {
    let mut environment = String::new();
    for (name, value) in &place.variables {
        let value = value.replace('%', "%%");
        let _ = writeln!(environment, "Environment=\"{name}={value}\"");
    }
    let binary = place.binary.display();
    format!(
        "[Unit]
Description=Compose projects of hoist
Wants=network-online.target
After=network-online.target local-fs.target remote-fs.target time-sync.target

[Service]
Type=oneshot
RemainAfterExit=yes
{environment}ExecStart=-{binary} system start
ExecStop={binary} system stop
TimeoutStartSec=infinity
TimeoutStopSec=15min
KillMode=process
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"
    )
}

fn exports(place: &Place) -> String {
    let mut text = String::new();
    for (name, value) in &place.variables {
        let value = value.replace('\'', "'\\''");
        let _ = writeln!(text, "export {name}='{value}'");
    }
    text
}

fn openrc(place: &Place) -> String {
    let (exports, binary) = (exports(place), place.binary.display());
    format!(
        "#!/sbin/openrc-run
description=\"Compose projects of hoist\"
{exports}depend() {{
\tneed localmount
\tuse net dns
\tafter bootmisc ntp-client
}}
start() {{
\tebegin \"Starting compose projects\"
\t{binary} system start
\teend $?
}}
stop() {{
\tebegin \"Stopping compose projects\"
\t{binary} system stop
\teend $?
}}
"
    )
}

fn sysv(place: &Place) -> String {
    let (exports, binary) = (exports(place), place.binary.display());
    format!(
        "#!/bin/sh
### BEGIN INIT INFO
# Provides:          hoist
# Required-Start:    $local_fs $remote_fs $network
# Required-Stop:     $local_fs $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Compose projects of hoist
### END INIT INFO
{exports}case \"$1\" in
start | stop) exec {binary} system \"$1\" ;;
restart | force-reload) {binary} system stop && exec {binary} system start ;;
*) echo \"usage: $0 start|stop|restart\" >&2; exit 2 ;;
esac
"
    )
}

fn call(words: &[&str]) -> Result<(), Error> {
    let line = words.join(" ");
    let failed = |source| Error::io(format!("run `{line}`"))(source);
    let status = Command::new(words[0])
        .args(&words[1..])
        .status()
        .map_err(failed)?;
    match status.success() {
        true => Ok(()),
        false => Err(failed(io::Error::other(status.to_string()))),
    }
}

fn remove(path: &str) -> Result<(), Error> {
    fs::remove_file(path).map_err(Error::io(format!("remove `{path}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            binary: PathBuf::from("/usr/bin/hoist"),
            variables: vec![("HOIST_ROOT", "/srv/it's 100%".to_owned())],
        }
    }

    #[test]
    fn the_unit_starts_and_stops_and_kills_nobody() {
        let text = text(Init::Systemd, &place());
        for line in [
            "Type=oneshot",
            "RemainAfterExit=yes",
            "Environment=\"HOIST_ROOT=/srv/it's 100%%\"",
            "ExecStart=-/usr/bin/hoist system start",
            "ExecStop=/usr/bin/hoist system stop",
            "KillMode=process",
            "WantedBy=multi-user.target",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in:\n{text}");
        }
    }

    #[test]
    fn scripts_are_sound_and_carry_the_environment() {
        for init in [Init::Sysv, Init::Openrc] {
            let text = text(init, &place());
            assert!(
                text.contains("export HOIST_ROOT='/srv/it'\\''s 100%'"),
                "{text}"
            );
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("script");
            fs::write(&path, text).unwrap();
            let checked = Command::new("sh").arg("-n").arg(&path).status().unwrap();
            assert!(checked.success(), "{init:?}");
        }
    }
}
