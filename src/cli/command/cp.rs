//! `cp`.

use crate::cli::args::Cp;
use crate::cli::context::{Context, no_such_number};
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::engine::Place;
use crate::engine::copy::{self, Manner, Tree};
use crate::engine::{ContainerSummary, Engine};
use crate::id::ProjectName;
use std::io;
use std::path::{Path, PathBuf};

/// One side of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Container { service: String, path: PathBuf },
    Here(PathBuf),
    Stream,
}

/// Copies files between a container of a service and here.
pub fn run(context: &Context, args: &Cp) -> Result<Exit, Error> {
    let project = context.project()?;
    copy(context, args, Some(&project))
}

/// Copies files between a container and here: one of a service of the project, or one that is called by its own name.
pub fn copy(context: &Context, args: &Cp, project: Option<&ProjectName>) -> Result<Exit, Error> {
    let manner = Manner {
        keep_owner: args.how.archive,
        follow: args.how.follow_link,
    };
    let engine = context.engine();
    let job = Job {
        context,
        args,
        engine: &engine,
        project,
        manner,
    };
    match (end(&args.source)?, end(&args.target)?) {
        (End::Container { service, path }, to) => job.out(&service, &path, &to),
        (from, End::Container { service, path }) => job.in_(&from, &service, &path),
        _ => Err(Error::usage(
            "one of the two must be in a container",
            Some("name it as `SERVICE:PATH`".to_owned()),
        )),
    }
}

/// `SERVICE:PATH`, a path, or `-`. A path that begins with `/` or `.` is one here, whatever colons it has.
fn end(text: &str) -> Result<End, Error> {
    if text == "-" {
        return Ok(End::Stream);
    }
    let here = text.starts_with(['/', '.']);
    match text.split_once(':').filter(|_| !here) {
        Some((service, path)) if !service.is_empty() && !service.contains('/') => {
            Ok(End::Container {
                service: service.to_owned(),
                path: PathBuf::from(if path.is_empty() { "/" } else { path }),
            })
        }
        Some(("", _)) => Err(Error::usage(format!("`{text}` names no service"), None)),
        _ => Ok(End::Here(PathBuf::from(text))),
    }
}

struct Job<'a> {
    context: &'a Context,
    args: &'a Cp,
    engine: &'a Engine,
    /// `None`: services are containers.
    project: Option<&'a ProjectName>,
    manner: Manner,
}

impl Job<'_> {
    /// From the first container of the service.
    fn out(&self, service: &str, source: &Path, to: &End) -> Result<Exit, Error> {
        let containers = self.containers(service)?;
        let container = &containers[0];
        let words = format!(
            "copy {}:{} to {}",
            container.name,
            source.display(),
            self.args.target
        );
        if self.context.global.dry_run {
            return super::would(self.context, &words);
        }
        let tree = self.tree(container)?;
        match to {
            End::Stream => copy::to_archive(&tree, source, self.manner, io::stdout().lock())?,
            End::Here(path) => {
                copy::copy(
                    (&tree, source),
                    (&copy::here()?, &absolute(path)?),
                    self.manner,
                )?;
                self.said(&words);
            }
            End::Container { .. } => {
                return Err(Error::usage(
                    "copying between containers is not supported",
                    Some("copy to here first, then to the other container".to_owned()),
                ));
            }
        }
        Ok(Exit::Done)
    }

    /// To all containers of the service, or the one with the number that was asked for.
    fn in_(&self, from: &End, service: &str, target: &Path) -> Result<Exit, Error> {
        let containers = self.containers(service)?;
        for container in &containers {
            let words = format!(
                "copy {} to {}:{}",
                self.args.source,
                container.name,
                target.display()
            );
            if self.context.global.dry_run {
                super::would(self.context, &words)?;
                continue;
            }
            let tree = self.tree(container)?;
            match from {
                End::Stream if containers.len() > 1 => {
                    return Err(Error::hinted(
                        format!(
                            "service `{service}` has several containers, and stdin can be read once"
                        ),
                        "choose one with `--index`",
                    ));
                }
                End::Stream => copy::from_archive(io::stdin().lock(), &tree, target, self.manner)?,
                End::Here(path) => {
                    copy::copy(
                        (&copy::here()?, &absolute(path)?),
                        (&tree, target),
                        self.manner,
                    )?;
                }
                End::Container { .. } => {}
            }
            self.said(&words);
        }
        Ok(Exit::Done)
    }

    fn said(&self, words: &str) {
        let mut words = words.to_owned();
        words.replace_range(..4, "Copied");
        self.context.view.note(&format!("{words}\n"));
    }

    fn tree(&self, container: &ContainerSummary) -> Result<Tree, Error> {
        let place = Place {
            service: container.service.clone(),
            index: None,
            container: Some(container.id.clone()),
        };
        Ok(copy::container(self.engine, &container.project, place)?)
    }

    /// The containers that are meant, by number; at least one.
    fn containers(&self, service: &str) -> Result<Vec<ContainerSummary>, Error> {
        let Some(project) = self.project else {
            return Ok(vec![engine::container(self.engine, service)?]);
        };
        let mut list = engine::ps(self.engine, project)?;
        list.retain(|c| {
            let numbered = self.args.index.is_none_or(|index| index == c.number);
            c.service == service && numbered && (c.number > 0 || self.args.all)
        });
        if list.is_empty() {
            let names: Vec<crate::id::ServiceName> =
                crate::id::ServiceName::new(service).into_iter().collect();
            self.context.check_services(&names)?;
            return Err(match self.args.index {
                Some(index) => no_such_number(service, index),
                None => Error::hinted(
                    format!("service `{service}` has no container"),
                    format!("hoist create {service}"),
                ),
            });
        }
        Ok(list)
    }
}

/// A path here from the root on; how it ends says what is meant, so that is kept.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let here = std::env::current_dir().map_err(Error::io("find the working directory"))?;
    Ok(here.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_container_a_path_or_a_stream() {
        let container = |service: &str, path: &str| End::Container {
            service: service.to_owned(),
            path: path.into(),
        };
        assert_eq!(end("web:/etc").unwrap(), container("web", "/etc"));
        assert_eq!(end("web:").unwrap(), container("web", "/"));
        assert_eq!(end("-").unwrap(), End::Stream);
        assert_eq!(end("./web:x").unwrap(), End::Here("./web:x".into()));
        assert_eq!(end("a/b:c").unwrap(), End::Here("a/b:c".into()));
        assert!(end(":/x").is_err());
    }
}
