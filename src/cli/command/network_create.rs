//! `network create`: the flags of `docker network create` as a compose file of one network, in a project of its own that goes
//! when the network is removed. Projects join it with `external: true`.

use super::{pairs, plan, show};
use crate::cli::args::resources::CreateNetwork;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::compose::LoadOptions;
use crate::engine;
use crate::engine::UpReply;
use crate::id::NetworkName;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Makes a network and prints its name.
pub fn run(context: &Context, args: &CreateNetwork) -> Result<Exit, Error> {
    let name =
        NetworkName::new(&args.name).map_err(|error| Error::usage(error.to_string(), None))?;
    let engine = context.engine();
    if engine::networks(&engine)?.iter().any(|it| it.name == name) {
        return Err(Error::hinted(
            format!("there is a network `{name}` already"),
            format!("hoist network inspect {name}"),
        ));
    }
    let project = project_name(name.as_str());
    let options = LoadOptions {
        files: vec![PathBuf::from("-")],
        stdin: Some(document(args).to_string().replace('$', "$$").into_bytes()),
        project_name: Some(project),
        env_files: Vec::new(),
        profiles: Vec::new(),
        ..context.options()?
    };
    let loaded = context.load_runnable(&options)?;
    let request = engine::Up {
        canonical: loaded.canonical.text(),
        dry_run: context.global.dry_run,
        no_start: true,
        ..engine::Up::default()
    };
    let project = &loaded.project.name;
    match engine::up(&engine, project, request, &mut |_| (), None)? {
        UpReply::Plan(text) => plan(context, project, &text).map(|()| Exit::Done),
        _ => show(context, &format!("{name}\n")),
    }
}

/// A network is made for who uses it: a service without containers.
fn document(args: &CreateNetwork) -> Value {
    let mut network = json!({
        "name": args.name,
        "driver": args.driver,
        "internal": args.internal,
        "enable_ipv6": args.ipv6,
        "labels": pairs(&args.label),
        "driver_opts": pairs(&args.opt),
    });
    let pools = args.subnet.iter().enumerate().map(|(at, subnet)| {
        let mut pool = json!({ "subnet": subnet });
        if let Some(gateway) = args.gateway.get(at) {
            pool["gateway"] = gateway.as_str().into();
        }
        if let Some(range) = args.ip_range.get(at) {
            pool["ip_range"] = range.as_str().into();
        }
        pool
    });
    let pools: Vec<Value> = pools.collect();
    if !pools.is_empty() {
        network["ipam"] = json!({ "config": pools });
    }
    json!({
        "services": { "nobody": { "image": "host", "scale": 0, "networks": ["network"] } },
        "networks": { "network": network },
    })
}

/// The name as one of a project, which takes fewer letters.
fn project_name(name: &str) -> String {
    let letter = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-' | '_') => c,
        _ => '-',
    };
    format!("network-{}", name.chars().map(letter).collect::<String>())
}
